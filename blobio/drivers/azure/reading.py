"""`head` and `get`: pinned, byte for byte accounted, and checked against what the store says."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import error_for, raise_for, version_mismatch
from blobio.drivers.azure.replies import is_folder, md5_of, meta_of, version_of
from blobio.drivers.base import GetResult
from blobio.drivers.ranges import resolve
from blobio.errors import (
    BlobError,
    IsDirectory,
    NotFound,
    RangeNotSatisfiable,
    RequestFailed,
)
from blobio.transport.body import BytesStream, DigestStream, cut
from blobio.transport.message import ByteStream, Response
from blobio.transport.ranges import body_size, served_span
from blobio.values import BlobMeta, GetOptions, Last, Span, Version

__all__ = ["head", "head_reply", "open_blob"]

_NOT_SATISFIABLE: Final = 416
_PRECONDITION_FAILED: Final = 412
# How Azurite answers where there is nothing to serve, with status 206; Azure itself refuses.
_NOTHING: Final = re.compile(r"bytes ([0-9]{1,18})-(?:-1|[0-9]{1,18})/\1", re.ASCII)
_NO_MD5_HINT: Final = " (or whoever wrote the blob left a wrong MD5 with it)"


async def head_reply(container: Container, key: str, version: Version | None = None) -> Response:
    """Send one HEAD and return its reply, a success.

    Raises:
        NotFound: No such blob or container.
        VersionMismatch: `version` is not what is there.
    """
    subject = container.subject(key)
    response = await container.send(container.wire.head(key, version))
    if response.status == _PRECONDITION_FAILED:
        raise await _what_is_there(container, key, version, "head")
    raise_for(response, operation="head", subject=subject)
    _check_version(response, version, "head", subject)
    return response


async def head(container: Container, key: str, version: Version | None = None) -> BlobMeta:
    """Describe a blob: 1 HEAD; another for a directory that is kept without its slash.

    Raises:
        IsDirectory: `key` is a directory of Hadoop or of an account that has real ones.
    """
    try:
        response = await head_reply(container, key, version)
    except NotFound:
        if not key.endswith("/") or not key.rstrip("/"):
            raise
        return await _head_folder(container, key)
    if is_folder(response.headers) and not key.endswith("/"):
        raise _is_directory(container, key, "head")
    return _described(container, key, response)


async def open_blob(container: Container, key: str, options: GetOptions) -> GetResult:
    """Open a blob for reading: 1 GET; after 1 HEAD for its last bytes, before one if it is empty.

    Azure knows no ranges that count from the end, and refuses every range of an empty blob.
    """
    subject = container.subject(key)
    wanted, version = options.range, options.version
    if isinstance(wanted, Last) or (isinstance(wanted, Span) and not len(wanted)):
        meta = await head(container, key, version)
        span = resolve(wanted, meta.size, subject)
        if not len(span):
            return GetResult(meta, span, BytesStream(b""))
        wanted, version = span, meta.version
    response = await container.send(container.wire.get(key, wanted, version))
    try:
        if response.status == _PRECONDITION_FAILED:
            raise await _what_is_there(container, key, version, "get")
        is_refused = response.status == _NOT_SATISFIABLE or _serves_nothing(response)
        if is_refused and wanted is None:
            return await _open_empty(container, key, version, response)
        if is_refused:
            raise _past_the_end(container, key, response)
        raise_for(response, operation="get", subject=subject)
        _check_version(response, version, "get", subject)
        if is_folder(response.headers) and not key.endswith("/"):
            raise _is_directory(container, key, "get")
        served = served_span(wanted, response.status, response.headers, subject=subject)
        if served.size is None or response.stream is None:
            message = f"get of {subject}: the reply does not tell the size of the blob"
            raise RequestFailed(message, url=subject, operation="get")
        meta = meta_of(key, response.headers, size=served.size)
        stream: ByteStream = cut(response.stream, served, subject=subject)
        if len(served.span) == served.size:
            stream = _verified(stream, response, subject)
        return GetResult(meta, served.span, stream)
    except BaseException:
        await response.aclose()
        raise


def _serves_nothing(response: Response) -> bool:
    return _NOTHING.fullmatch(response.headers.get("content-range", "")) is not None


def _past_the_end(container: Container, key: str, response: Response) -> RangeNotSatisfiable:
    subject = container.subject(key)
    message = f"get of {subject}: the range starts at or past the end"
    return RangeNotSatisfiable(message, url=subject, operation="get", status=response.status)


async def _what_is_there(
    container: Container, key: str, version: Version | None, operation: str
) -> BlobError:
    """Return the error for a version that is not there: 1 HEAD tells another from none at all."""
    subject = container.subject(key)
    response = await container.send(container.wire.head(key))
    if response.status >= 300:  # noqa: PLR2004 - first status that fails
        return error_for(response, operation=operation, subject=subject)
    return version_mismatch(operation, subject, version, version_of(response.headers))


async def _open_empty(
    container: Container, key: str, version: Version | None, refusal: Response
) -> GetResult:
    meta = await head(container, key, version)
    if meta.size:
        raise error_for(refusal, operation="get", subject=container.subject(key))
    return GetResult(meta, Span(0, 0), BytesStream(b""))


async def _head_folder(container: Container, key: str) -> BlobMeta:
    """Describe the directory `key`, if it is a blob without the slash: 1 HEAD."""
    response = await head_reply(container, key.rstrip("/"))
    if not is_folder(response.headers):
        subject = container.subject(key)
        raise NotFound(f"head of {subject}: no such blob", url=subject, operation="head")
    return _described(container, key, response)


def _described(container: Container, key: str, response: Response) -> BlobMeta:
    size = body_size(response.headers)
    if size is None:
        subject = container.subject(key)
        message = f"head of {subject}: the reply does not tell the size"
        raise RequestFailed(message, url=subject, operation="head")
    return meta_of(key, response.headers, size=size)


def _verified(stream: ByteStream, response: Response, subject: str) -> ByteStream:
    """Check a whole blob by its MD5, if it has one. It costs 1.6 ms a MiB."""
    md5 = md5_of(response.headers)
    if md5 is None:
        return stream
    digest = hashlib.md5(usedforsecurity=False)
    return DigestStream(stream, digest, md5, subject=subject, hint=_NO_MD5_HINT)


def _is_directory(container: Container, key: str, operation: str) -> IsDirectory:
    subject = container.subject(key)
    message = f"{operation} of {subject}: this is a directory"
    return IsDirectory(message, url=subject, operation=operation)


def _check_version(
    response: Response, version: Version | None, operation: str, subject: str
) -> None:
    found = version_of(response.headers)
    if version is not None and found != version:
        raise version_mismatch(operation, subject, version, found)
