"""`patch`: metadata and content type, which Azure sets in one request each, whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from blobio.drivers.azure import headers as h
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import raise_for, version_mismatch
from blobio.drivers.azure.reading import head_reply
from blobio.drivers.azure.replies import kept_metadata, meta_of, version_of
from blobio.drivers.dates import http_time
from blobio.errors import ConcurrentWrite, RequestFailed, VersionMismatch
from blobio.transport.message import Request, Response
from blobio.transport.ranges import body_size
from blobio.values import BlobMeta, MetaPatch, Version

__all__ = ["patch"]

_ATTEMPTS: Final = 3
_PRECONDITION_FAILED: Final = 412


class _Wanted(NamedTuple):
    """What a change is to leave behind."""

    metadata: Mapping[str, str]
    content_type: str | None = None

    def is_shown_by(self, headers: Mapping[str, str]) -> bool:
        """Tell if a blob has it."""
        if self.content_type not in (None, headers.get("content-type")):
            return False
        return h.user_metadata(headers) == self.metadata


async def patch(
    container: Container, key: str, change: MetaPatch, if_version: Version | None
) -> BlobMeta:
    """Change metadata: 1 HEAD, then 1 PUT for the metadata and 1 for the content type.

    Each is made on condition that the blob is what was seen. Without `if_version` the change is
    then made to the newer version, three times at most.
    """
    subject = container.subject(key)
    for attempts_left in range(_ATTEMPTS - 1, -1, -1):
        seen = await head_reply(container, key)
        version = version_of(seen.headers)
        if if_version is not None and version != if_version:
            raise version_mismatch("patch", subject, if_version, version)
        if version is None:
            message = f"patch of {subject}: the store tells no ETag"
            raise RequestFailed(message, url=subject, operation="patch")
        try:
            return await _patch_once(container, key, change, seen, version)
        except VersionMismatch as error:
            if if_version is not None:
                raise
            if not attempts_left:
                message = f"patch of {subject}: it is being written all the time"
                raise ConcurrentWrite(message, url=subject, operation="patch") from error
    raise AssertionError  # the loop returns or raises


async def _patch_once(
    container: Container, key: str, change: MetaPatch, seen: Response, version: Version
) -> BlobMeta:
    headers = seen.headers
    metadata = _patched(h.user_metadata(headers), change)
    done: Response | None = None
    if change.metadata or change.mtime is not None:
        stored = h.metadata_headers(metadata, h.write_token(headers))
        request = container.wire.set_metadata(key, stored, version)
        done = await _send(container, key, request, _Wanted(metadata))
        version = version_of(done.headers) or version
    if change.content_type is not None:
        properties = h.described(headers) | {"x-ms-blob-content-type": change.content_type}
        if headers.get("content-md5"):
            properties["x-ms-blob-content-md5"] = headers["content-md5"]
        request = container.wire.set_properties(key, properties, version)
        done = await _send(container, key, request, _Wanted(metadata, change.content_type))
        version = version_of(done.headers) or version
    old = meta_of(key, headers, size=body_size(headers) or 0)
    mtime = old.mtime if done is None else http_time(done.headers.get("last-modified"))
    return old._replace(
        mtime=mtime or old.mtime,
        version=version,
        content_type=change.content_type or old.content_type,
        metadata=kept_metadata(metadata, headers.get("x-ms-blob-type")),
    )


async def _send(container: Container, key: str, request: Request, wanted: _Wanted) -> Response:
    """Send one change. If a reply was lost, look whether a refusal is the echo of its success."""
    response = await container.send(request)
    if response.status == _PRECONDITION_FAILED and response.attempts > 1:
        now = await head_reply(container, key)
        if wanted.is_shown_by(now.headers):
            return now
    raise_for(response, operation="patch", subject=request.subject)
    return response


def _patched(metadata: dict[str, str], change: MetaPatch) -> dict[str, str]:
    patched = dict(metadata)
    for name, value in change.metadata.items():
        if value is None:
            patched.pop(name, None)
        else:
            patched[name] = value
    if change.mtime is not None:
        patched[h.MTIME_NAME] = repr(float(change.mtime))
    return patched
