"""`put`, and how a write finds out whether a refusal is the echo of its own success.

A conditional write leaves a random token in the object's metadata. If an attempt broke off after
the store may have acted, and a later one is refused, one HEAD tells whose object is there. An
unconditional PUT needs none of this: sent again it has the same effect, though between two sends
it may bury what another writer put there.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from blobio.config import S3Config
from blobio.drivers.outcomes import unproven
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.errors import error_for, version_mismatch
from blobio.drivers.s3.headers import body_checks, write_token
from blobio.drivers.s3.reading import head_reply
from blobio.drivers.s3.replies import md5_of, put_result, version_of
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    DeadlineExceeded,
    NotFound,
    TransportFailed,
    Unsupported,
)
from blobio.transport.message import Response
from blobio.values import (
    Body,
    Overwrite,
    PutOptions,
    PutResult,
    ReplaceIf,
    Version,
    WriteMode,
)

__all__ = [
    "MAX_PUT_BYTES",
    "Claim",
    "checks_of",
    "confirm_body",
    "is_own",
    "new_token",
    "new_upload_token",
    "put",
    "settle",
    "settle_fault",
]

MAX_PUT_BYTES: Final = 5 << 30
_FIRST_FAILURE: Final = 300
_FIRST_SERVER_ERROR: Final = 500
_MD5_IN_THREAD_BYTES: Final = 1 << 20


async def put(bucket: Bucket, key: str, body: Body, options: PutOptions) -> PutResult:
    """Write a whole blob: 1 PUT, and 1 HEAD if a lost reply has to be resolved."""
    subject = f"s3://{bucket.name}/{key}"
    if len(body) > MAX_PUT_BYTES:
        message = f"put of {subject}: one request carries at most 5 GiB, not {len(body)} bytes"
        raise Unsupported(message, url=subject, operation="put")
    token = new_token(options.mode)
    claim = Claim(bucket, key, token, options.mode)
    checks = await checks_of(body, bucket.config)
    try:
        response = await bucket.send(lambda wire: wire.put(key, body, options, checks, token))
    except (TransportFailed, DeadlineExceeded) as fault:
        own = await settle_fault(claim, fault)
        if own is None:
            raise
        return own
    if response.status < _FIRST_FAILURE:
        confirm_body(response, checks, bucket.config, subject)
        return put_result(response.headers, bucket.config)
    error = error_for(response, operation="put", subject=subject, mode=options.mode)
    return await settle(claim, response, error)


def new_token(mode: WriteMode) -> str | None:
    """Return a random token for a conditional write, None for an unconditional one."""
    return None if isinstance(mode, Overwrite) else new_upload_token()


def new_upload_token() -> str:
    """Return a random token. Uploads in parts always have one: completing can look like losing."""
    return secrets.token_hex(16)


async def checks_of(body: Body, config: S3Config) -> dict[str, str]:
    """Return the checksum header of `body`; a large MD5 is computed off the loop."""
    if config.checksums == "md5" and len(body) > _MD5_IN_THREAD_BYTES:
        return await asyncio.to_thread(body_checks, body, config)
    return body_checks(body, config)


def confirm_body(
    response: Response, checks: Mapping[str, str], config: S3Config, subject: str
) -> None:
    """Compare the checksum the store sends back with the one sent.

    Raises:
        ChecksumMismatch: The store says that it has other bytes.
    """
    sent = checks.get("x-amz-checksum-crc32c")
    back = response.headers.get("x-amz-checksum-crc32c", sent)
    if "content-md5" in checks:
        sent = base64.b64decode(checks["content-md5"]).hex()
        back = md5_of(response.headers, config) or sent
    if sent != back:
        message = f"put of {subject}: the store has checksum {back}, {sent} was sent; write again"
        raise ChecksumMismatch(message, url=subject, operation="put")


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a write can be recognised by afterwards.

    Attributes:
        bucket: The bucket.
        key: The key written.
        token: The token left in the metadata; None if the write left none.
        mode: The condition of the write.
        size: Size of the blob written, if that should be compared too.
    """

    bucket: Bucket
    key: str
    token: str | None
    mode: WriteMode
    size: int | None = None

    @property
    def subject(self) -> str:
        """The blob's URL."""
        return f"s3://{self.bucket.name}/{self.key}"


async def is_own(claim: Claim) -> PutResult | None:
    """Return what our write left if the object there carries our token, else None: 1 HEAD.

    Raises:
        NotFound: There is no object: ours is not there, or not any more.
        BlobError: The object could not be looked at.
    """
    headers = (await head_reply(claim.bucket, claim.key)).headers
    if claim.token is None or write_token(headers) != claim.token:
        return None
    if claim.size is not None and headers.get("content-length") != str(claim.size):
        return None
    return put_result(headers, claim.bucket.config)


async def settle(claim: Claim, response: Response, error: BlobError) -> PutResult:
    """Return our own success if that is what refused us; otherwise raise what the reply means.

    Args:
        claim: The write.
        response: The reply that is no success.
        error: What it means at face value.

    Raises:
        BlobError: `error`, or `VersionMismatch` in place of a conflict that proves to be one, or
            `RequestFailed` with `ambiguous` set if the outcome cannot be found out.
    """
    # Proxies and connection pools resend too: any second attempt may meet the first one's success.
    may_be_echo = response.ambiguous or response.attempts > 1
    if claim.token is not None and (may_be_echo or response.status >= _FIRST_SERVER_ERROR):
        try:
            own = await is_own(claim)
        except BlobError as unknown:
            raise unproven(error, response, claim.mode, unknown, claim.subject) from unknown
        if own is not None:
            return own
    if isinstance(error, ConcurrentWrite) and isinstance(claim.mode, ReplaceIf):
        await _check_still(claim, claim.mode.version)
    raise error


async def settle_fault(claim: Claim, fault: TransportFailed | DeadlineExceeded) -> PutResult | None:
    """After a write without any reply, return our own success if it is there, else None."""
    if claim.token is None or not fault.ambiguous:
        return None
    try:
        return await is_own(claim)
    except BlobError:
        return None  # still unknown, which is what `fault` says


async def _check_still(claim: Claim, version: Version) -> None:
    """Raise `VersionMismatch` if the version to replace is gone for good: 1 HEAD."""
    try:
        found = version_of((await head_reply(claim.bucket, claim.key)).headers)
    except NotFound:
        found = None
    if found != version:
        raise version_mismatch("put", claim.subject, version, found)
