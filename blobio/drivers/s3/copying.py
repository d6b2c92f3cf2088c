"""Server-side copies, whole or by parts, and `patch`, which S3 only has as a copy onto itself."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from blobio.drivers import markup
from blobio.drivers.s3 import headers as h
from blobio.drivers.s3 import multipart, writing
from blobio.drivers.s3.addressing import query_string
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.errors import error_for, raise_for, version_mismatch
from blobio.drivers.s3.multipart import Part
from blobio.drivers.s3.reading import head, head_reply
from blobio.drivers.s3.replies import md5_of, meta_of, quoted, version_of
from blobio.drivers.s3.upload import S3Upload, begin_described
from blobio.drivers.s3.wire import CopyPlan, Wire
from blobio.drivers.window import for_each
from blobio.errors import (
    BlobError,
    ConcurrentWrite,
    DeadlineExceeded,
    NotFound,
    RequestFailed,
    TransportFailed,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.ranges import body_size
from blobio.values import (
    BlobMeta,
    CreateOnly,
    MetaPatch,
    PartToken,
    PutOptions,
    PutResult,
    ReplaceIf,
    Span,
    Version,
)

__all__ = ["CopyLimits", "Source", "copy", "patch"]

MTIME_NAME: Final = "blobfile-mtime"

_KEPT_BY_PATCH: Final = (
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)
_PATCH_ATTEMPTS: Final = 3
_FIRST_FAILURE: Final = 300
_PRECONDITION_FAILED: Final = 412
_MAX_PARTS: Final = 10_000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLimits:
    """When and how a copy goes by parts.

    Attributes:
        whole_bytes: Largest object that one CopyObject copies.
        part_bytes: Size of the parts of a larger one, grown where 10,000 would not do.
        window: Parts in flight.
    """

    whole_bytes: int = 5 << 30
    part_bytes: int = 512 << 20
    window: int = 8


@final
@dataclass(frozen=True, slots=True)
class Source:
    """What a copy is made from, pinned.

    Attributes:
        bucket: Where it is.
        key: Its key.
        size: Bytes.
        headers: Of its HEAD.
    """

    bucket: Bucket
    key: str
    size: int
    headers: Mapping[str, str]

    @classmethod
    async def pin(cls, bucket: Bucket, key: str) -> Source:
        """Look at the source: 1 HEAD."""
        response = await head_reply(bucket, key)
        size = body_size(response.headers)
        if size is None or version_of(response.headers) is None:
            subject = f"s3://{bucket.name}/{key}"
            message = f"copy of {subject}: the store tells neither its size nor its ETag"
            raise RequestFailed(message, url=subject, operation="copy")
        return cls(bucket, key, size, response.headers)

    @property
    def version(self) -> Version | None:
        """The version pinned."""
        return version_of(self.headers)


async def copy(
    bucket: Bucket, key: str, source: Source, options: PutOptions, limits: CopyLimits
) -> PutResult:
    """Copy an object that `Source.pin` has described.

    Requests: 1 PUT, or for more than `limits.whole_bytes` 1 POST, a PUT a part and 1 POST; and up
    to 1 HEAD if the outcome has to be found out. Metadata, content type and the like come along,
    overridden by what `options` names; encryption and storage class are those of the settings,
    tags come along, access lists do not (S3 copies none).
    """
    by_parts = source.size > limits.whole_bytes
    # S3 refuses a copy onto itself that changes nothing; spelled out, the same metadata will do.
    is_self = (source.bucket.name, source.key) == (bucket.name, key)
    # Its success may change the ETag, and so make the same request fail when it is sent again.
    token = writing.new_upload_token() if is_self else writing.new_token(options.mode)
    must_describe = (
        token is not None or by_parts or is_self or options.metadata or options.content_type
    )
    plan = CopyPlan(
        source_bucket=source.bucket.name,
        source_key=source.key,
        source_version=source.version,
        mode=options.mode,
        replacement=_described(source, options, token) if must_describe else None,
    )
    if by_parts:
        return await _copy_by_parts(bucket, key, source, plan, limits)
    return (await _copy_whole(bucket, key, plan, token, "copy"))[0]


def _described(source: Source, options: PutOptions, token: str | None) -> dict[str, str]:
    """Return the descriptive headers of a copy: the source's, changed by `options`."""
    metadata = h.user_metadata(source.headers) | dict(options.metadata)
    carried = {name: source.headers[name] for name in h.CARRIED if name in source.headers}
    if options.content_type is not None:
        carried["content-type"] = options.content_type
    return carried | h.metadata_headers(metadata, token)


async def _copy_whole(
    bucket: Bucket, key: str, plan: CopyPlan, token: str | None, operation: str
) -> tuple[PutResult, float | None]:
    """Send CopyObject; return what it left, and the new modification time if the reply tells."""
    subject = f"s3://{bucket.name}/{key}"
    claim = writing.Claim(bucket, key, token, plan.mode)
    try:
        response = await bucket.send(lambda wire: wire.copy(key, plan, operation))
    except (TransportFailed, DeadlineExceeded) as fault:
        own = await writing.settle_fault(claim, fault)
        if own is None:
            raise
        return own, None
    if response.status < _FIRST_FAILURE and markup.root_name(response.body) != "Error":
        try:
            root = markup.parse(response.body, "CopyObjectResult", subject)
        except RequestFailed as unreadable:
            unreadable.ambiguous = True
            raise
        return _copied(bucket, response, markup.child(root, "ETag")), _time(root)
    error = error_for(response, operation=operation, subject=subject, mode=plan.mode)
    if response.status == _PRECONDITION_FAILED and isinstance(plan.mode, CreateOnly):
        error = await _which_condition(bucket, key, plan, error)
    return await writing.settle(claim, response, error), None


async def _which_condition(bucket: Bucket, key: str, plan: CopyPlan, error: BlobError) -> BlobError:
    """Tell a taken name from a changed source, both of which are a 412: 1 HEAD."""
    with contextlib.suppress(NotFound):
        await head_reply(bucket, key)
        return error
    source = f"s3://{plan.source_bucket}/{plan.source_key}"
    return version_mismatch("copy", source, plan.source_version, "another")


def _copied(bucket: Bucket, response: Response, etag: str | None) -> PutResult:
    if not etag:
        return PutResult()
    headers = {**response.headers, "etag": quoted(etag)}
    return PutResult(version=Version(quoted(etag)), md5=md5_of(headers, bucket.config))


def _time(root: markup.Element) -> float | None:
    text = markup.child(root, "LastModified")
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


async def _copy_by_parts(
    bucket: Bucket, key: str, source: Source, plan: CopyPlan, limits: CopyLimits
) -> PutResult:
    """Copy by UploadPartCopy, every part pinned to the version of the source.

    Cancelled or failed, the upload is aborted; where that fails too, when the bucket is closed.
    """
    description = dict(plan.replacement or {})
    description |= await _tags(source)
    token = writing.new_upload_token()
    description |= h.metadata_headers({}, token)
    upload = await begin_described(
        bucket, key, description, token=token, mode=plan.mode, crc32c=False, operation="copy"
    )
    part_bytes = max(limits.part_bytes, -(-source.size // _MAX_PARTS))
    spans = [
        Span(start, min(start + part_bytes, source.size))
        for start in range(0, source.size, part_bytes)
    ]

    async def copy_part(numbered: tuple[int, Span]) -> PartToken:
        return await _copy_part(bucket, upload, plan, *numbered)

    try:
        parts = await for_each(copy_part, list(enumerate(spans)), limits.window)
        return await upload.complete(parts, size=source.size)
    except BaseException:
        with contextlib.suppress(BlobError):
            await upload.abort()
        raise


async def _copy_part(
    bucket: Bucket, upload: S3Upload, plan: CopyPlan, index: int, span: Span
) -> PartToken:
    subject = f"s3://{plan.source_bucket}/{plan.source_key}"
    response = await bucket.send(
        lambda wire: multipart.part_copy_request(wire, upload.target, index, plan, span)
    )
    if response.status >= _FIRST_FAILURE or markup.root_name(response.body) == "Error":
        raise error_for(response, operation="copy", subject=subject)
    root = markup.parse(response.body, "CopyPartResult", subject)
    etag = markup.child(root, "ETag")
    if not etag:
        message = f"copy of {subject}: the store confirmed part {index} without an ETag"
        raise RequestFailed(message, url=subject, operation="copy")
    return Part(len(span), quoted(etag), None).token()


async def _tags(source: Source) -> dict[str, str]:
    """Return the source's tags as a header; CopyObject carries them by itself, parts do not."""
    if source.headers.get("x-amz-tagging-count", "0") == "0":
        return {}
    subject = f"s3://{source.bucket.name}/{source.key}"
    response = await source.bucket.send(lambda wire: _tags_request(wire, source.key))
    raise_for(response, operation="copy", subject=subject)
    root = markup.parse(response.body, "Tagging", subject)
    tags = [
        (markup.child(tag, "Key") or "", markup.child(tag, "Value") or "")
        for tag_set in markup.children(root, "TagSet")
        for tag in markup.children(tag_set, "Tag")
    ]
    return {"x-amz-tagging": query_string(tags)}


def _tags_request(wire: Wire, key: str) -> Request:
    return Request(
        method="GET",
        url=wire.endpoint.object_url(key, "tagging="),
        operation="copy",
        subject=wire.subject(key),
    )


async def patch(
    bucket: Bucket,
    key: str,
    change: MetaPatch,
    if_version: Version | None,
    limits: CopyLimits,
) -> BlobMeta:
    """Change metadata: 1 HEAD, then a copy onto itself, pinned to the version seen.

    The pin is on source and destination, so a write in between is not undone. Without
    `if_version` the change is then made to the newer version, three times at most. The ETag, and
    so the version, of a plain object that is copied whole stays what it was.
    """
    for attempts_left in range(_PATCH_ATTEMPTS - 1, -1, -1):
        source = await Source.pin(bucket, key)
        if if_version is not None and source.version != if_version:
            subject = f"s3://{bucket.name}/{key}"
            raise version_mismatch("patch", subject, if_version, source.version)
        try:
            return await _patch_once(bucket, source, change, limits)
        except VersionMismatch as error:
            if if_version is not None:
                raise
            if not attempts_left:
                message = f"patch of s3://{bucket.name}/{key}: it is being written all the time"
                raise ConcurrentWrite(message, url=error.url, operation="patch") from error
    raise AssertionError  # the loop returns or raises


async def _patch_once(
    bucket: Bucket, source: Source, change: MetaPatch, limits: CopyLimits
) -> BlobMeta:
    key = source.key
    assert source.version is not None  # `pin` made sure
    mode = ReplaceIf(source.version)
    token = writing.new_token(mode)
    options = PutOptions(content_type=change.content_type)
    metadata = _patched(h.user_metadata(source.headers), change)
    kept = {name: source.headers[name] for name in _KEPT_BY_PATCH if name in source.headers}
    described = {
        name: value
        for name, value in _described(source, options, None).items()
        if not name.startswith("x-amz-meta-")
    } | h.metadata_headers(metadata, token)
    plan = CopyPlan(
        source_bucket=bucket.name,
        source_key=key,
        source_version=source.version,
        mode=mode,
        replacement=kept | described,
    )
    if source.size > limits.whole_bytes:
        await _copy_by_parts(bucket, key, source, plan, limits)
        return await _head_after(bucket, key)
    result, mtime = await _copy_whole(bucket, key, plan, token, "patch")
    if mtime is None:
        return await _head_after(bucket, key)
    old = meta_of(key, source.headers, bucket.config, size=source.size)
    return old._replace(
        mtime=mtime,
        ctime=mtime,
        version=result.version or old.version,
        content_type=change.content_type or old.content_type,
        metadata=metadata,
    )


async def _head_after(bucket: Bucket, key: str) -> BlobMeta:
    """Describe a blob whose change is done: a failure must not look like that of the change."""
    try:
        return await head(bucket, key)
    except BlobError as error:
        error.ambiguous = True
        error.add_note(f"s3://{bucket.name}/{key} was changed; only looking at it failed")
        raise


def _patched(metadata: Mapping[str, str], change: MetaPatch) -> dict[str, str]:
    patched = dict(metadata)
    for name, value in change.metadata.items():
        if value is None:
            patched.pop(name, None)
        else:
            patched[name] = value
    if change.mtime is not None:
        patched[MTIME_NAME] = repr(float(change.mtime))
    return patched
