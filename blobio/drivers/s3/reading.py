"""`head` and `get`: pinned, byte for byte accounted, and checked against what the store says."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import Final, final

from blobio import checksum
from blobio.drivers.base import GetResult
from blobio.drivers.ranges import resolve
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.errors import error_for, raise_for, version_mismatch
from blobio.drivers.s3.replies import full_crc32c, md5_of, meta_of, version_of
from blobio.errors import BlobError, ChecksumMismatch, RequestFailed
from blobio.transport.body import BytesStream, DigestStream, VerifiedStream, cut
from blobio.transport.message import ByteStream, Response
from blobio.transport.ranges import Served, body_size, served_span
from blobio.values import BlobMeta, GetOptions, Last, Span, Version

__all__ = ["head", "head_reply", "open_blob"]

_NOT_SATISFIABLE: Final = 416
_NO_MD5_HINT: Final = " (if this store's ETags are no MD5, set S3Config(etag_is_md5=False))"


async def head_reply(bucket: Bucket, key: str, version: Version | None = None) -> Response:
    """Send one HEAD and return its reply, a success.

    Raises:
        NotFound: No such blob or bucket; a HEAD does not tell which.
        VersionMismatch: `version` is not what is there.
    """
    subject = f"s3://{bucket.name}/{key}"
    response = await bucket.send(lambda wire: wire.head(key, version))
    raise_for(response, operation="head", subject=subject)
    _check_version(response, version, "head", subject)
    return response


async def head(bucket: Bucket, key: str, version: Version | None = None) -> BlobMeta:
    """Describe a blob: 1 HEAD. Raises as `head_reply`."""
    response = await head_reply(bucket, key, version)
    size = body_size(response.headers)
    if size is None:
        message = f"head of s3://{bucket.name}/{key}: the reply does not tell the size"
        raise RequestFailed(message, url=f"s3://{bucket.name}/{key}", operation="head")
    return meta_of(key, response.headers, bucket.config, size=size)


async def open_blob(bucket: Bucket, key: str, options: GetOptions) -> GetResult:
    """Open a blob for reading: 1 GET, or 1 HEAD where HTTP has no range for what was asked.

    An empty blob, asked for its last bytes, costs both; and so does a whole object without any
    checksum, which is asked for its size after the last byte.
    """
    subject = f"s3://{bucket.name}/{key}"
    if isinstance(options.range, Span) and not len(options.range):
        meta = await head(bucket, key, options.version)
        return GetResult(meta, resolve(options.range, meta.size, subject), BytesStream(b""))
    response = await bucket.send(lambda wire: wire.get(key, options))
    try:
        if response.status == _NOT_SATISFIABLE and isinstance(options.range, Last):
            return await _whole_tail(bucket, key, options, options.range, response)
        raise_for(response, operation="get", subject=subject)
        _check_version(response, options.version, "get", subject)
        served = served_span(options.range, response.status, response.headers, subject=subject)
        return _result(bucket, key, response, served)
    except BaseException:
        await response.aclose()
        raise


async def _whole_tail(
    bucket: Bucket, key: str, options: GetOptions, wanted: Last, refusal: Response
) -> GetResult:
    """Answer a refused `Last`: 1 HEAD, and 1 GET of the whole if that is what it means.

    S3 refuses it for an empty blob, rclone for any blob that is smaller.
    """
    meta = await head(bucket, key, options.version)
    if not meta.size:
        return GetResult(meta, Span(0, 0), BytesStream(b""))
    if meta.size > wanted.size:
        raise error_for(refusal, operation="get", subject=f"s3://{bucket.name}/{key}")
    return await open_blob(bucket, key, GetOptions(version=meta.version))


def _result(bucket: Bucket, key: str, response: Response, served: Served) -> GetResult:
    subject = f"s3://{bucket.name}/{key}"
    if served.size is None or response.stream is None:
        message = f"get of {subject}: the reply does not tell the size of the object"
        raise RequestFailed(message, url=subject, operation="get")
    is_whole = served.body_bytes == served.size
    meta = meta_of(key, response.headers, bucket.config, size=served.size, is_whole=is_whole)
    stream: ByteStream = cut(response.stream, served, subject=subject)
    if is_whole and len(served.span) == served.size:
        stream = _verified(stream, bucket, key, response)
    return GetResult(meta, served.span, stream)


def _verified(stream: ByteStream, bucket: Bucket, key: str, response: Response) -> ByteStream:
    """Check the whole object by the best checksum that came with it, or at least its size.

    CRC32C is what blobio writes, CRC32 what the AWS SDKs write by default; for objects without
    either the ETag may be an MD5. MD5 costs 1.6 ms a MiB, so it comes last.
    """
    subject = f"s3://{bucket.name}/{key}"
    if bucket.config.checksums == "off":
        return stream
    crc32c = full_crc32c(response.headers)
    if crc32c is not None:
        return VerifiedStream(stream, crc32c, subject=subject)
    if response.headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
        crc32 = checksum.from_base64(response.headers.get("x-amz-checksum-crc32", ""))
        if crc32 is not None:
            return DigestStream(stream, _Crc32(), f"{crc32:08x}", subject=subject)
    md5 = md5_of(response.headers, bucket.config)
    if md5 is not None:
        digest = hashlib.md5(usedforsecurity=False)
        return DigestStream(stream, digest, md5, subject=subject, hint=_NO_MD5_HINT)
    if "content-range" in response.headers:
        return stream
    return _ConfirmedStream(stream, bucket, key, version_of(response.headers))


def _check_version(
    response: Response, version: Version | None, operation: str, subject: str
) -> None:
    """Compare what came with what was asked: some stores ignore If-Match on reads."""
    found = version_of(response.headers)
    if version is not None and found != version:
        raise version_mismatch(operation, subject, version, found)


@final
class _Crc32:
    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


@final
class _ConfirmedStream:
    """Passes a body on, then asks for the size of the object: 1 HEAD.

    For an object without any checksum that came in one reply: cut on its way, and its length with
    it, it would look whole.
    """

    __slots__ = ("_bucket", "_chunks", "_key", "_received", "_stream", "_version")

    def __init__(
        self, stream: ByteStream, bucket: Bucket, key: str, version: Version | None
    ) -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._bucket = bucket
        self._key = key
        self._version = version
        self._received = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            await self._confirm()
            raise
        self._received += len(chunk)
        return chunk

    async def _confirm(self) -> None:
        await self._stream.aclose()  # it holds a place at the host, and there may be but one
        subject = f"s3://{self._bucket.name}/{self._key}"
        message = f"get of {subject}: {self._received} bytes came, but whether that is all"
        try:
            size = (await head(self._bucket, self._key, self._version)).size
        except BlobError as error:
            message += " could not be found out: the object is gone, or another, or out of reach"
            raise ChecksumMismatch(message, url=subject, operation="get") from error
        if size != self._received:
            message = f"get of {subject}: {self._received} bytes came of {size}, read again"
            raise ChecksumMismatch(message, url=subject, operation="get")

    async def aclose(self) -> None:
        """Close the body, without a question."""
        await self._stream.aclose()
