"""`head` and `get`: pinned, byte for byte accounted, and checked against what the store says."""

from __future__ import annotations

import hashlib
from typing import Final

from blobio.drivers.base import GetResult
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import error_for, raise_for, version_mismatch
from blobio.drivers.gcs.resource import Resource, media_meta, meta_of, parse
from blobio.drivers.ranges import resolve
from blobio.errors import NotFound, RequestFailed
from blobio.transport.body import BytesStream, DigestStream, VerifiedStream, cut
from blobio.transport.message import ByteStream, Response
from blobio.transport.ranges import Served, served_span
from blobio.values import BlobMeta, GetOptions, Last, Span, Version

__all__ = ["head", "head_resource", "open_blob"]

_NOT_FOUND: Final = 404
_NOT_SATISFIABLE: Final = 416


async def head_resource(
    bucket: Bucket, key: str, version: Version | None = None, *, all_fields: bool = False
) -> Resource:
    """Return the resource of an object: 1 GET, 2 if the version named is not there.

    Raises:
        NotFound: No such object or bucket.
        VersionMismatch: `version` is not what is there.
    """
    subject = bucket.subject(key)
    response = await bucket.send(bucket.wire.head(key, version, all_fields=all_fields))
    if response.status == _NOT_FOUND and version is not None:
        await _raise_if_replaced(bucket, key, version, "head")
    raise_for(response, operation="head", subject=subject)
    return parse(response.body, subject, "head")


async def head(bucket: Bucket, key: str, version: Version | None = None) -> BlobMeta:
    """Describe a blob. Raises as `head_resource`."""
    found = meta_of(await head_resource(bucket, key, version), key, bucket.subject(key))
    if version is not None and found.version != version:
        raise version_mismatch("head", bucket.subject(key), version, found.version)
    return found


async def open_blob(bucket: Bucket, key: str, options: GetOptions) -> GetResult:
    """Open a blob for reading: 1 GET, or 1 for its resource where HTTP has no range for it.

    An empty blob, asked for its last bytes, costs both. A generation that has been replaced answers
    404; another GET tells whether the blob itself is gone.
    """
    subject = bucket.subject(key)
    if isinstance(options.range, Span) and not len(options.range):
        meta = await head(bucket, key, options.version)
        return GetResult(meta, resolve(options.range, meta.size, subject), BytesStream(b""))
    response = await bucket.send(bucket.wire.get(key, options))
    try:
        if isinstance(options.range, Last) and _is_bare(response):
            return await _empty_tail(bucket, key, options, response)
        if response.status == _NOT_FOUND and options.version is not None:
            await _raise_if_replaced(bucket, key, options.version, "get")
        raise_for(response, operation="get", subject=subject)
        served = served_span(options.range, response.status, response.headers, subject=subject)
        return _result(bucket, key, options, response, served)
    except BaseException:
        await response.aclose()
        raise


def _is_bare(response: Response) -> bool:
    """Tell if a reply to a request for the last bytes may be about an empty blob."""
    if response.status == _NOT_SATISFIABLE:
        return True
    return response.status == 206 and response.headers.get("content-length") == "0"  # noqa: PLR2004 - partial


async def _empty_tail(
    bucket: Bucket, key: str, options: GetOptions, refusal: Response
) -> GetResult:
    """Answer `Last` of an empty blob, for which HTTP has no range: 1 GET of the resource."""
    await refusal.aclose()
    meta = await head(bucket, key, options.version)
    if not meta.size:
        return GetResult(meta, Span(0, 0), BytesStream(b""))
    raise error_for(refusal, operation="get", subject=bucket.subject(key))


def _result(
    bucket: Bucket, key: str, options: GetOptions, response: Response, served: Served
) -> GetResult:
    subject = bucket.subject(key)
    if served.size is None or response.stream is None:
        message = f"get of {subject}: the reply does not tell the size of the object"
        raise RequestFailed(message, url=subject, operation="get")
    meta = media_meta(key, response, served.size)
    if options.version is not None and meta.version != options.version:
        raise version_mismatch("get", subject, options.version, meta.version)
    stream: ByteStream = cut(response.stream, served, subject=subject)
    if len(served.span) == served.size:
        stream = _verified(stream, meta, subject)
    return GetResult(meta, served.span, stream)


def _verified(stream: ByteStream, meta: BlobMeta, subject: str) -> ByteStream:
    """Check the whole object by its CRC32C, which every object has; by its MD5 if that is missing.

    The hashes are those of the stored bytes, and these are what came: nothing was unpacked.
    """
    if meta.crc32c is not None:
        return VerifiedStream(stream, meta.crc32c, subject=subject)
    if meta.md5 is not None:
        return DigestStream(stream, hashlib.md5(usedforsecurity=False), meta.md5, subject=subject)
    return stream


async def _raise_if_replaced(bucket: Bucket, key: str, version: Version, operation: str) -> None:
    """Raise `VersionMismatch` if another generation is there: 1 GET of the resource."""
    try:
        found = await head(bucket, key)
    except NotFound:
        return
    raise version_mismatch(operation, bucket.subject(key), version, found.version)
