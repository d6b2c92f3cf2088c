"""List and delete versions of blobs: List Blobs with `include=versions`, Delete Blob of one.

https://learn.microsoft.com/rest/api/storageservices/delete-blob, read 2026-11-28: a version is
deleted by its `versionid`. A plain delete of the current one makes it an old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from blobio.drivers import markup
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import code_of, error_for, raise_for
from blobio.drivers.azure.place import API_VERSION, query_string
from blobio.drivers.dates import http_time
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.drivers.window import for_each
from blobio.errors import NotFound, RequestFailed
from blobio.transport.message import Request
from blobio.values import DeleteResult

__all__ = ["delete_versions", "list_versions"]

_PAGE: Final = 5000
_IN_FLIGHT: Final = 16
_FIRST_FAILURE: Final = 300
_IS_CURRENT: Final = "OperationNotAllowedOnRootBlob"


async def list_versions(container: Container, prefix: str, token: str | None) -> VersionPage:
    """List one page: 1 GET."""
    subject = container.subject(prefix)
    pairs = [("comp", "list"), ("include", "versions")]
    if token is not None:
        pairs.append(("marker", token))
    pairs.append(("maxresults", str(_PAGE)))
    if prefix:
        pairs.append(("prefix", prefix))
    pairs.append(("restype", "container"))
    request = Request(
        method="GET",
        url=container.place.container_url(query_string(pairs)),
        headers={"x-ms-version": API_VERSION},
        operation="list",
        subject=subject,
    )
    response = await container.send(request)
    raise_for(response, operation="list", subject=subject)
    root = markup.parse(response.body.removeprefix(b"\xef\xbb\xbf"), "EnumerationResults", subject)
    try:
        blobs = [one for group in markup.children(root, "Blobs") for one in group]
        found = [_version(one) for one in blobs if markup.local_name(one) == "Blob"]
    except (KeyError, ValueError) as error:
        message = f"the versions of {subject} cannot be read: {repr(error)[:200]}"
        raise RequestFailed(message, url=subject, operation="list", retryable=True) from error
    return VersionPage(versions=found, token=markup.child(root, "NextMarker") or None)


def _version(blob: markup.Element) -> BlobVersion:
    (name,) = markup.children(blob, "Name")
    key = name.text or ""
    (properties,) = markup.children(blob, "Properties")
    version = markup.child(blob, "VersionId") or ""
    return BlobVersion(
        key=unquote(key) if name.get("Encoded") == "true" else key,
        id=version,
        size=int(markup.child(properties, "Content-Length") or "0"),
        mtime=http_time(markup.child(properties, "Last-Modified")),
        is_current=not version or markup.child(blob, "IsCurrentVersion") == "true",
    )


async def delete_versions(
    container: Container, versions: Sequence[BlobVersion]
) -> list[DeleteResult]:
    """Delete versions: 1 DELETE each, 2 for the current one, which must become an old one first."""

    async def delete(version: BlobVersion) -> DeleteResult:
        return await _delete(container, version)

    return await for_each(delete, versions, _IN_FLIGHT)


async def _delete(container: Container, version: BlobVersion) -> DeleteResult:
    key = version.key
    response = await container.send(_request(container, version))
    if version.id and version.is_current and code_of(response) == _IS_CURRENT:
        await container.send(container.wire.delete(key))
        response = await container.send(_request(container, version))
    if response.status < _FIRST_FAILURE:
        return DeleteResult(key=key)
    error = error_for(response, operation="delete", subject=container.subject(key))
    return DeleteResult(key=key, error=None if isinstance(error, NotFound) else error)


def _request(container: Container, version: BlobVersion) -> Request:
    if not version.id:
        return container.wire.delete(version.key)
    query = query_string([("versionid", version.id)])
    return container.wire.request("DELETE", version.key, query, headers={}, operation="delete")
