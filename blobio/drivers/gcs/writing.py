"""`put`, and how a write finds out whether a refusal is the echo of its own success.

Every write leaves a random token in the object's metadata. If an attempt broke off after the store
may have acted, and a later one is refused, one look at the object tells whose it is. An
unconditional write in one request needs none of this: sent again it has the same effect, though
between two sends it may bury what another writer put there.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Final, final

from blobio import checksum
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import error_for
from blobio.drivers.gcs.reading import head_resource
from blobio.drivers.gcs.resource import Resource, parse, put_result, token_of
from blobio.drivers.gcs.resumable import Session
from blobio.drivers.outcomes import unproven
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    Conflict,
    DeadlineExceeded,
    NotFound,
    RequestFailed,
    TransportFailed,
    Unsupported,
    UploadLost,
)
from blobio.transport.message import Request, Response
from blobio.values import Body, Overwrite, PutOptions, PutResult, WriteMode

__all__ = [
    "MAX_PUT_BYTES",
    "Claim",
    "build_put",
    "confirm",
    "is_own",
    "new_token",
    "own_after_fault",
    "put",
    "resource_of",
    "send_write",
    "settle",
]

MAX_PUT_BYTES: Final = 5 << 40
ONE_REQUEST_BYTES: Final = 16 << 20
"""A larger body goes into a resumable session: after a fault only the rest is sent again."""

_FIRST_FAILURE: Final = 300
_FIRST_SERVER_ERROR: Final = 500
_IN_THREAD_BYTES: Final = 4 << 20
_RESTARTS: Final = 3
_CANCEL_S: Final = 5.0


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a write can be recognised by afterwards.

    Attributes:
        bucket: The bucket.
        key: The key written.
        token: The token left in the metadata; None if the write left none.
        mode: The condition of the write.
        operation: The driver verb.
    """

    bucket: Bucket
    key: str
    token: str | None
    mode: WriteMode
    operation: str = "put"

    @property
    def subject(self) -> str:
        """The blob's URL."""
        return self.bucket.subject(self.key)


async def put(bucket: Bucket, key: str, body: Body, options: PutOptions) -> PutResult:
    """Write a whole blob: 1 POST, or a resumable session for a large one.

    If a lost reply or a refusal has to be resolved, 1 GET of the resource more.
    """
    subject = bucket.subject(key)
    if len(body) > MAX_PUT_BYTES:
        message = f"put of {subject}: an object has at most 5 TiB, not {len(body)} bytes"
        raise Unsupported(message, url=subject, operation="put")
    if len(body) > ONE_REQUEST_BYTES:
        claim = Claim(bucket, key, new_token(), options.mode)
        return await _put_large(claim, body, options)
    token = None if isinstance(options.mode, Overwrite) else new_token()
    crc32c, request = await build_put(bucket, key, body, options, token)
    found = await send_write(Claim(bucket, key, token, options.mode), request)
    await confirm(bucket, key, found, crc32c)
    return put_result(found)


async def build_put(
    bucket: Bucket, key: str, body: Body, options: PutOptions, token: str | None
) -> tuple[int, Request]:
    """Return the CRC32C of `body` and the request that writes it; off the loop for a large one."""

    def build() -> tuple[int, Request]:
        crc32c = checksum.crc32c(body)
        return crc32c, bucket.wire.put(key, body, options, token, crc32c)

    return await asyncio.to_thread(build) if len(body) > _IN_THREAD_BYTES else build()


async def _put_large(claim: Claim, body: Body, options: PutOptions) -> PutResult:
    """Send a body through a session; one that gets lost is begun anew, since all bytes are here."""
    crc32c = await asyncio.to_thread(checksum.crc32c, body)
    restarts = 0
    while True:
        session = await Session.begin(
            claim.bucket, claim.key, options, token=claim.token, crc32c=crc32c
        )
        try:
            found = await _send_whole(claim, session, body)
        except UploadLost as lost:
            own = await is_own(claim) if lost.ambiguous else None
            restarts += 1
            if own is None and restarts <= _RESTARTS:
                continue
            if own is None:
                raise
            found = own
        await confirm(claim.bucket, claim.key, found, crc32c)
        return put_result(found)


async def _send_whole(claim: Claim, session: Session, body: Body) -> Resource:
    """Send all of a body; on failure or cancellation drop the session and what it holds: 1 DELETE.

    Raises:
        UploadLost: The session is gone, so there is nothing to drop.
    """
    try:
        try:
            response = await session.send(body, 0, len(body))
        except (TransportFailed, DeadlineExceeded) as fault:
            return await own_after_fault(claim, fault)
        assert response is not None, "the last bytes were sent"
        return await resource_of(claim, response)
    except UploadLost:
        raise
    except BaseException:
        # Left alone it would hold what it got for a week: not worth another error, or a long wait.
        with contextlib.suppress(BlobError, TimeoutError):
            async with asyncio.timeout(_CANCEL_S):
                await session.cancel()
        raise


def new_token() -> str:
    """Return a random token."""
    return secrets.token_hex(16)


async def send_write(claim: Claim, request: Request) -> Resource:
    """Send the request that publishes, and return the resource that it made.

    Raises:
        BlobError: As `settle`.
    """
    try:
        response = await claim.bucket.send(request)
    except (TransportFailed, DeadlineExceeded) as fault:
        return await own_after_fault(claim, fault)
    return await resource_of(claim, response)


async def resource_of(claim: Claim, response: Response) -> Resource:
    """Return the resource that a write made, by the reply to it. Raises as `settle`."""
    if response.status < _FIRST_FAILURE:
        try:
            return parse(response.body, claim.subject, claim.operation)
        except RequestFailed as unreadable:
            unreadable.ambiguous = True
            raise
    error = error_for(response, operation=claim.operation, subject=claim.subject, mode=claim.mode)
    return await settle(claim, response, error)


async def own_after_fault(claim: Claim, fault: TransportFailed | DeadlineExceeded) -> Resource:
    """After a write without any reply, return our own success if it is there, else raise."""
    own = None
    if fault.ambiguous:
        try:
            own = await is_own(claim)
        except BlobError:
            raise fault from None  # still unknown, which is what it says
    if own is None:
        raise fault
    return own


async def is_own(claim: Claim) -> Resource | None:
    """Return the resource there if it carries our token, else None: 1 GET.

    Raises:
        BlobError: The object could not be looked at.
    """
    if claim.token is None:
        return None
    try:
        found = await head_resource(claim.bucket, claim.key)
    except NotFound:
        return None
    return found if token_of(found) == claim.token else None


async def settle(claim: Claim, response: Response, error: BlobError) -> Resource:
    """Return our own success if that is what refused us; otherwise raise what the reply means.

    Args:
        claim: The write.
        response: The reply that is no success.
        error: What it means at face value.

    Raises:
        BlobError: `error`, or `RequestFailed` with `ambiguous` set if the outcome cannot be found
            out.
    """
    is_conflict = isinstance(error, (Conflict, AlreadyExists))
    may_be_echo = response.ambiguous or response.attempts > 1
    # Proxies resend too, unseen, so these are looked into even if this was the first attempt. A
    # second compose finds none of the sources that the first one deleted.
    can_be_echo = is_conflict or isinstance(error, NotFound)
    looks = may_be_echo or can_be_echo or response.status >= _FIRST_SERVER_ERROR
    if claim.token is not None and looks:
        try:
            found = await head_resource(claim.bucket, claim.key)
        except BlobError as unknown:
            if may_be_echo:
                error = unproven(error, response, claim.mode, unknown, claim.subject)
            raise error from unknown
        if token_of(found) == claim.token:
            return found
    if is_conflict:
        error.ambiguous = response.ambiguous  # ours may have been there, and be replaced since
    raise error


async def confirm(bucket: Bucket, key: str, found: Resource, crc32c: int) -> None:
    """Compare the checksum that the store computed with ours; take back an object that differs.

    Raises:
        ChecksumMismatch: The store has other bytes than were sent. They are deleted, unless the
            object has been replaced since.
    """
    stored = found.get("crc32c")
    if not isinstance(stored, str) or checksum.from_base64(stored) in (None, crc32c):
        return
    subject = bucket.subject(key)
    generation = found.get("generation")
    if isinstance(generation, str):
        await bucket.send(bucket.wire.delete(key, generation))
    message = (
        f"put of {subject}: the store has CRC32C {stored}, {checksum.to_base64(crc32c)} was sent; "
        "what was written has been deleted, write again"
    )
    raise ChecksumMismatch(message, url=subject, operation="put")
