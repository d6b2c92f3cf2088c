"""`put`, and how a write finds out whether a refusal is the echo of its own success.

A conditional write, and every write in blocks, leaves a random token in the blob's metadata. If an
attempt broke off after the store may have acted, and a later one is refused, one HEAD tells whose
blob is there. An unconditional Put Blob needs none of this: sent again it has the same effect,
though between two sends it may bury what another writer put there.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final, final

from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import (
    LOST_BLOCKS,
    error_for,
    upload_lost,
    version_mismatch,
)
from blobio.drivers.azure.headers import content_md5, write_token
from blobio.drivers.azure.reading import head_reply
from blobio.drivers.azure.replies import md5_hex, md5_of, put_result, version_of
from blobio.drivers.outcomes import unproven
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    Conflict,
    DeadlineExceeded,
    NotFound,
    RequestFailed,
    TransportFailed,
    Unsupported,
)
from blobio.transport.message import Response
from blobio.values import (
    Body,
    CreateOnly,
    Overwrite,
    PutOptions,
    PutResult,
    ReplaceIf,
    WriteMode,
)

__all__ = [
    "MAX_PUT_BYTES",
    "Claim",
    "is_own",
    "md5_base64",
    "new_token",
    "new_upload_token",
    "published",
    "put",
    "settle",
    "settle_fault",
]

MAX_PUT_BYTES: Final = 5000 << 20
"""https://learn.microsoft.com/rest/api/storageservices/put-blob, read 2026-11-27."""

_FIRST_FAILURE: Final = 300
_FIRST_SERVER_ERROR: Final = 500
_MD5_IN_THREAD_BYTES: Final = 1 << 20
_PENDING_COPY: Final = "PendingCopyOperation"


async def put(container: Container, key: str, body: Body, options: PutOptions) -> PutResult:
    """Write a whole blob: 1 PUT, and 1 HEAD if a lost reply has to be resolved."""
    subject = container.subject(key)
    if len(body) > MAX_PUT_BYTES:
        message = f"put of {subject}: one request carries at most 5,000 MiB, not {len(body)} bytes"
        raise Unsupported(message, url=subject, operation="put")
    token = new_token(options.mode)
    md5 = await md5_base64(body)
    claim = Claim(container, key, token, options.mode, len(body))
    request = container.wire.put(key, body, options, md5, token)
    try:
        response = await container.send(request)
    except (TransportFailed, DeadlineExceeded) as fault:
        own = await settle_fault(claim, fault)
        if own is None:
            raise
        return own
    if response.status >= _FIRST_FAILURE:
        error = error_for(response, operation="put", subject=subject, mode=options.mode)
        return await settle(claim, response, error)
    kept = response.headers.get("content-md5", md5)
    if kept != md5:
        message = f"put of {subject}: the store has MD5 {kept}, {md5} was sent; write again"
        raise ChecksumMismatch(message, url=subject, operation="put")
    return published(response, subject, md5)


def published(response: Response, subject: str, md5: str | None) -> PutResult:
    """Return what a reply that calls itself a success says was written.

    Args:
        response: The reply.
        subject: The blob's URL.
        md5: Base64 MD5 of the bytes, if it was computed.

    Raises:
        RequestFailed: It has no ETag, as every success of the service has, so something in between
            may have made it; `ambiguous` is set.
    """
    result = put_result(response.headers, md5_hex(md5))
    if result.version is None:
        message = (
            f"put of {subject}: a reply with status {response.status} has no ETag, so whether "
            "anything was written is not known"
        )
        error = RequestFailed(message, url=subject, operation="put", status=response.status)
        error.ambiguous = True
        raise error
    return result


def new_token(mode: WriteMode) -> str | None:
    """Return a random token for a conditional write, None for an unconditional one."""
    return None if isinstance(mode, Overwrite) else new_upload_token()


def new_upload_token() -> str:
    """Return a random token. Uploads in blocks always have one: publishing can look like losing."""
    return secrets.token_hex(16)


async def md5_base64(body: Body) -> str:
    """Return the value of `Content-MD5`; that of a large body is computed off the loop."""
    if len(body) > _MD5_IN_THREAD_BYTES:
        return await asyncio.to_thread(content_md5, body)
    return content_md5(body)


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a write can be recognised by afterwards.

    Attributes:
        container: The container.
        key: The key written.
        token: The token left in the metadata; None if the write left none.
        mode: The condition of the write.
        size: Size of the blob written, or None if it is not known.
    """

    container: Container
    key: str
    token: str | None
    mode: WriteMode
    size: int | None

    @property
    def subject(self) -> str:
        """The blob's URL."""
        return self.container.subject(self.key)


async def is_own(claim: Claim) -> PutResult | None:
    """Return what our write left if the blob there carries our token, else None: 1 HEAD.

    Raises:
        BlobError: The blob could not be looked at.
    """
    try:
        response = await head_reply(claim.container, claim.key)
    except NotFound:
        return None
    return _own(claim, response)


def _own(claim: Claim, found: Response) -> PutResult | None:
    headers = found.headers
    if claim.token is None or write_token(headers) != claim.token:
        return None
    if claim.size is not None and headers.get("content-length") != str(claim.size):
        return None
    return put_result(headers, md5_of(headers))


async def settle(claim: Claim, response: Response, error: BlobError) -> PutResult:
    """Return our own success if that is what refused us; otherwise raise what the reply means.

    Args:
        claim: The write.
        response: The reply that is no success.
        error: What it means at face value.

    Raises:
        BlobError: `error`; or, where blocks are gone, what the blob there now makes of it; or
            `RequestFailed` with `ambiguous` set if the outcome cannot be found out.
    """
    # Proxies and connection pools resend too: any second attempt may meet the first one's success.
    may_be_echo = response.ambiguous or response.attempts > 1
    lost_blocks = error.code == LOST_BLOCKS
    refuses_itself = lost_blocks or error.code == _PENDING_COPY
    needs_look = may_be_echo or response.status >= _FIRST_SERVER_ERROR or refuses_itself
    found: Response | None = None
    if claim.token is not None and needs_look:
        try:
            found = await head_reply(claim.container, claim.key)
        except BlobError as unknown:
            refusal = unproven(error, response, claim.mode, unknown, claim.subject)
            if not lost_blocks or refusal is not error:
                raise refusal from unknown
        else:
            own = _own(claim, found)
            if own is not None:
                return own
    if isinstance(error, (Conflict, AlreadyExists)):
        error.ambiguous = response.ambiguous  # ours may have been there, and be replaced since
    if lost_blocks:
        lost = _lost_to(claim, found, error)
        lost.ambiguous = response.ambiguous
        raise lost
    raise error


def _lost_to(claim: Claim, found: Response | None, error: BlobError) -> BlobError:
    """Return what it means that our blocks are gone, from the blob there now."""
    if found is None:
        return upload_lost(claim.subject)
    if isinstance(claim.mode, CreateOnly):
        message = f"put of {claim.subject}: another writer created the blob first"
        return AlreadyExists(
            message, url=claim.subject, operation="put", status=error.status, code=error.code
        )
    version = version_of(found.headers)
    if isinstance(claim.mode, ReplaceIf) and version != claim.mode.version:
        return version_mismatch("put", claim.subject, claim.mode.version, version)
    assert isinstance(error, ConcurrentWrite)
    return error


async def settle_fault(claim: Claim, fault: TransportFailed | DeadlineExceeded) -> PutResult | None:
    """After a write without any reply, return our own success if it is there, else None."""
    if claim.token is None or not fault.ambiguous:
        return None
    try:
        return await is_own(claim)
    except BlobError:
        return None  # still unknown, which is what `fault` says
