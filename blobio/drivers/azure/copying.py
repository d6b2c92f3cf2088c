"""Copies that the service makes: within an account as a whole, between accounts in blocks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from blobio.drivers import markup
from blobio.drivers.azure import headers as h
from blobio.drivers.azure import writing
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import code_of, error_for, raise_for, version_mismatch
from blobio.drivers.azure.place import API_VERSION, query_string
from blobio.drivers.azure.reading import head_reply
from blobio.drivers.azure.replies import FOLDER_NAME, md5_of, put_result, version_of
from blobio.drivers.azure.upload import AzureUpload
from blobio.drivers.azure.wire import MAX_BLOCKS
from blobio.drivers.window import for_each
from blobio.errors import (
    BlobError,
    ConcurrentWrite,
    DeadlineExceeded,
    RequestFailed,
    TransportFailed,
    Unsupported,
)
from blobio.transport.message import Request, Response
from blobio.transport.ranges import body_size, range_header
from blobio.values import (
    PartToken,
    PutOptions,
    PutResult,
    Span,
    Version,
)

__all__ = ["Copy", "CopyLimits", "Source"]

_FIRST_FAILURE: Final = 300
_PRECONDITION_FAILED: Final = 412
_NOT_IMPLEMENTED: Final = 501
_STATUS: Final = "x-ms-copy-status"
_ID: Final = "x-ms-copy-id"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLimits:
    """How a copy goes.

    Attributes:
        block_bytes: Size of the blocks of a copy between accounts; grown where 50,000 would not do.
            One request copies at most 100 MiB within the time that the service gives it.
        whole_bytes: A larger block blob is copied in blocks within an account too.
        window: Blocks in flight.
        poll_s: First wait for a copy that the service makes in the background; doubles up to
            `poll_max_s`.
        poll_max_s: See `poll_s`.
    """

    block_bytes: int = 64 << 20
    whole_bytes: int = 64 << 20
    window: int = 8
    poll_s: float = 0.1
    poll_max_s: float = 10.0


@final
@dataclass(frozen=True, slots=True)
class Source:
    """What a copy is made from, pinned.

    Attributes:
        container: Where it is.
        key: Its key.
        size: Bytes.
        version: Its version.
        headers: Of its HEAD.
    """

    container: Container
    key: str
    size: int
    version: Version
    headers: Mapping[str, str]

    @classmethod
    async def pin(cls, container: Container, key: str) -> Source:
        """Look at the source: 1 HEAD."""
        response = await head_reply(container, key)
        size, version = body_size(response.headers), version_of(response.headers)
        if size is None or version is None:
            subject = container.subject(key)
            message = f"copy of {subject}: the store tells neither its size nor its ETag"
            raise RequestFailed(message, url=subject, operation="copy")
        return cls(container, key, size, version, response.headers)

    @property
    def subject(self) -> str:
        """The blob's URL."""
        return self.container.subject(self.key)

    def goes_in_blocks(self, limits: CopyLimits) -> bool:
        """Tell if even a copy within the account is better made of blocks.

        The service may make a large copy in the background, and until that is done the blob is
        there and empty; blocks appear in one commit. Only Copy Blob can read the archive tier, and
        keep the kind of other blobs than block blobs.
        """
        is_block_blob = self.headers.get("x-ms-blob-type", "BlockBlob") == "BlockBlob"
        is_archived = self.headers.get("x-ms-access-tier", "").lower() == "archive"
        return self.size > limits.whole_bytes and is_block_blob and not is_archived

    @property
    def metadata(self) -> dict[str, str]:
        """The user's metadata, but for what marks a directory."""
        metadata = h.user_metadata(self.headers)
        metadata.pop(FOLDER_NAME, None)
        return metadata


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy to be made.

    Attributes:
        target: Where to.
        key: What to write.
        source: What from, pinned.
        url: By which the service can read the source, with a SAS if it needs one.
        in_blocks: Make it of blocks, as it must be made between accounts.
        options: Condition; type and metadata other than the source's.
        limits: How it goes.
    """

    target: Container
    key: str
    source: Source
    url: str
    in_blocks: bool
    options: PutOptions
    limits: CopyLimits

    @property
    def subject(self) -> str:
        """The URL of the blob to be written."""
        return self.target.subject(self.key)

    async def run(self) -> PutResult:
        """Make the copy.

        Requests within an account, up to `CopyLimits.whole_bytes`: 1 PUT, and HEADs until the copy
        is done. Between accounts, and above that: 1 PUT a block and 1 PUT; within an account the
        first way is the second choice, where the service refuses (Azurite knows no blocks from
        URLs), or gives no SAS for the source. In both cases 1 GET if the source has tags, and up
        to 1 HEAD if the outcome has to be found out. Metadata, type, tier and tags come along,
        overridden by what `options` names.
        """
        is_near = self.source.container.place.endpoint == self.target.place.endpoint
        if self.in_blocks:
            try:
                return await _copy_blocks(self)
            except Unsupported:
                if not is_near:
                    raise
        return await _copy_whole(self)


async def _copy_whole(copy: Copy) -> PutResult:
    """Send Copy Blob and wait for its end.

    https://learn.microsoft.com/rest/api/storageservices/copy-blob, read 2026-11-27: the type and
    its like always come along, metadata unless other is given, tags never; a copy that is not done
    at once goes on in the background, and until its end the blob is there and empty.
    """
    target, source, mode = copy.target, copy.source, copy.options.mode
    # Sent again, a copy under way refuses itself, and a copy onto itself has changed its source.
    token = writing.new_upload_token()
    headers = _whole_headers(copy, token) | await _tags(source)
    claim = writing.Claim(target, copy.key, token, mode, None)  # its size is 0 while it is pending
    request = target.wire.request("PUT", copy.key, headers=headers, operation="copy")
    try:
        response = await target.send(request)
    except (TransportFailed, DeadlineExceeded) as fault:
        own = await writing.settle_fault(claim, fault)
        if own is None:
            raise
        return await _finish_own(copy, own, token)
    if response.status >= _FIRST_FAILURE:
        own = await writing.settle(claim, response, _refusal(copy, response))
        return await _finish_own(copy, own, token)
    if response.headers.get(_STATUS, "success") == "pending":
        response = await _wait(copy, response.headers.get(_ID, ""))
    _check_done(copy, response)
    if copy.options.content_type is not None:
        return await _retype(copy, copy.options.content_type, response)
    return put_result(response.headers, md5_of(source.headers))


def _whole_headers(copy: Copy, token: str) -> dict[str, str]:
    source, options = copy.source, copy.options
    headers = {"x-ms-copy-source": copy.url, "x-ms-source-if-match": str(source.version)}
    headers |= h.conditions(options.mode)
    # Given any, the service copies none.
    headers |= h.metadata_headers(source.metadata | dict(options.metadata), token)
    tier = copy.target.config.access_tier or _own_tier(source)
    if tier is not None:
        headers["x-ms-access-tier"] = tier
    return headers


def _own_tier(source: Source) -> str | None:
    """Return the tier that somebody gave the source; one that it has by default is not copied."""
    headers = source.headers
    is_block_blob = headers.get("x-ms-blob-type", "BlockBlob") == "BlockBlob"
    is_inferred = headers.get("x-ms-access-tier-inferred", "false").lower() == "true"
    return headers.get("x-ms-access-tier") if is_block_blob and not is_inferred else None


def _refusal(copy: Copy, response: Response) -> BlobError:
    """Return what a refusal means: of the source, or of the destination."""
    code, source = code_of(response), copy.source
    if code == "SourceConditionNotMet":
        return version_mismatch("copy", source.subject, source.version, "another")
    if code == "CannotVerifyCopySource":
        return error_for(response, operation="copy", subject=source.subject)
    return error_for(response, operation="copy", subject=copy.subject, mode=copy.options.mode)


async def _finish_own(copy: Copy, own: PutResult, token: str) -> PutResult:
    """Wait for a copy that was found to be ours by its token."""
    response = await head_reply(copy.target, copy.key)
    if h.write_token(response.headers) != token:
        return own  # it was done, and has been replaced since
    if response.headers.get(_STATUS) == "pending":
        response = await _wait(copy, response.headers.get(_ID, ""))
    _check_done(copy, response)
    return put_result(response.headers, md5_of(response.headers))


async def _wait(copy: Copy, copy_id: str) -> Response:
    """Ask until the copy is done: HEADs, at growing intervals. Cancelled, it is aborted.

    Raises:
        ConcurrentWrite: Another write took the blob over.
    """
    delay = copy.limits.poll_s
    try:
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, copy.limits.poll_max_s)
            response = await head_reply(copy.target, copy.key)
            if response.headers.get(_ID) != copy_id:
                message = f"copy to {copy.subject}: another write replaced the copy under way"
                raise ConcurrentWrite(message, url=copy.subject, operation="copy")
            if response.headers.get(_STATUS) != "pending":
                return response
    except asyncio.CancelledError:
        with contextlib.suppress(BlobError):
            await copy.target.send(_abort_request(copy.target, copy.key, copy_id))
        raise


def _abort_request(target: Container, key: str, copy_id: str) -> Request:
    query = query_string([("comp", "copy"), ("copyid", copy_id)])
    headers = {"x-ms-copy-action": "abort"}
    return target.wire.request("PUT", key, query, headers=headers, operation="copy")


def _check_done(copy: Copy, response: Response) -> None:
    """Raise unless a copy ended well. One that did not leaves an empty blob."""
    status = response.headers.get(_STATUS, "success")
    if status != "success":
        reason = response.headers.get("x-ms-copy-status-description", "no reason given")[:200]
        message = f"copy to {copy.subject}: the service ended it as {status!r} ({reason})"
        is_failed = status == "failed"
        raise RequestFailed(message, url=copy.subject, operation="copy", retryable=is_failed)


async def _retype(copy: Copy, content_type: str, copied: Response) -> PutResult:
    """Give the copy another type than its source: 1 PUT, if it still is the copy."""
    headers, version = copy.source.headers, version_of(copied.headers)
    assert version is not None
    properties = h.described(headers) | {"x-ms-blob-content-type": content_type}
    if headers.get("content-md5"):
        properties["x-ms-blob-content-md5"] = headers["content-md5"]
    request = copy.target.wire.set_properties(copy.key, properties, version)
    response = await copy.target.send(request)
    raise_for(response, operation="copy", subject=copy.subject)
    return put_result(response.headers, md5_of(headers))


async def _copy_blocks(copy: Copy) -> PutResult:
    """Copy by Put Block From URL, every block pinned to the version of the source.

    Raises:
        Unsupported: The service cannot read the source by its URL; the caller streams instead.
    """
    source = copy.source
    token = writing.new_upload_token()
    upload = AzureUpload(
        copy.target,
        copy.key,
        _description(copy, token) | await _tags(source),
        token=token,
        mode=copy.options.mode,
        operation="copy",
    )
    step = max(copy.limits.block_bytes, -(-source.size // MAX_BLOCKS))
    spans = [Span(start, min(start + step, source.size)) for start in range(0, source.size, step)]

    async def copy_block(numbered: tuple[int, Span]) -> PartToken:
        index, span = numbered
        response = await copy.target.send(_block_request(copy, upload.block(index), span))
        if response.status >= _FIRST_FAILURE:
            raise _block_refusal(response, source, copy.subject)
        return upload.note_copied(index, span.start, len(span))

    parts = await for_each(copy_block, list(enumerate(spans)), copy.limits.window)
    return await upload.complete(parts, size=source.size)


def _block_request(copy: Copy, block: str, span: Span) -> Request:
    query = query_string([("comp", "block"), ("blockid", block)])
    headers = {
        "x-ms-copy-source": copy.url,
        "x-ms-source-range": range_header(span),
        "x-ms-source-if-match": str(copy.source.version),
    }
    return copy.target.wire.request(
        "PUT", copy.key, query, headers=headers, operation="copy", kind="COPY-PART"
    )


def _block_refusal(response: Response, source: Source, subject: str) -> BlobError:
    code = code_of(response)
    if response.status == _PRECONDITION_FAILED:
        return version_mismatch("copy", source.subject, source.version, "another")
    if code == "CannotVerifyCopySource" or response.status == _NOT_IMPLEMENTED:
        message = f"the service cannot read {source.subject} to copy it to {subject}: {code}"
        return Unsupported(message, url=source.subject, operation="copy")
    return error_for(response, operation="copy", subject=subject)


def _description(copy: Copy, token: str) -> dict[str, str]:
    """Return all headers that describe a copy which the service does not describe itself."""
    source, options = copy.source, copy.options
    metadata = source.metadata | dict(options.metadata)
    headers = h.described(source.headers) | h.metadata_headers(metadata, token)
    if options.content_type is not None:
        headers["x-ms-blob-content-type"] = options.content_type
    tier = copy.target.config.access_tier or _own_tier(source)
    if tier is not None:
        headers["x-ms-access-tier"] = tier
    md5 = source.headers.get("content-md5")
    if md5 and source.headers.get("x-ms-blob-type", "BlockBlob") == "BlockBlob":
        headers["x-ms-blob-content-md5"] = md5
    return headers


async def _tags(source: Source) -> dict[str, str]:
    """Return the source's tags as a header, for no copy carries them by itself: 0 or 1 GET."""
    if source.headers.get("x-ms-tag-count", "0") == "0":
        return {}
    request = source.container.wire.request(
        "GET", source.key, "comp=tags", headers={"x-ms-version": API_VERSION}, operation="copy"
    )
    response = await source.container.send(request)
    raise_for(response, operation="copy", subject=source.subject)
    root = markup.parse(response.body, "Tags", source.subject)
    tags = [
        (markup.child(tag, "Key") or "", markup.child(tag, "Value") or "")
        for tag_set in markup.children(root, "TagSet")
        for tag in markup.children(tag_set, "Tag")
    ]
    return {"x-ms-tags": query_string(tags)}
