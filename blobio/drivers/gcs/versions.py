"""List and delete generations of objects: objects.list with `versions`, objects.delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blobio.drivers.gcs.addressing import query_string
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import error_for, raise_for
from blobio.drivers.gcs.resource import meta_of, parse
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.drivers.window import for_each
from blobio.errors import NotFound, RequestFailed
from blobio.values import DeleteResult

__all__ = ["delete_versions", "list_versions"]

_PAGE: Final = 1000
_IN_FLIGHT: Final = 16
_FIRST_FAILURE: Final = 300
_FIELDS: Final = "nextPageToken,items(name,size,generation,updated,timeCreated,timeDeleted)"


async def list_versions(bucket: Bucket, prefix: str, token: str | None, hidden: str) -> VersionPage:
    """List one page: 1 GET. `hidden` is where parts of uploads lie, which are no blobs."""
    subject = bucket.subject(prefix)
    pairs = [("maxResults", str(_PAGE)), ("fields", _FIELDS), ("versions", "true")]
    if prefix:
        pairs.append(("prefix", prefix))
    if token is not None:
        pairs.append(("pageToken", token))
    response = await bucket.send(bucket.wire.page(prefix, query_string(pairs)))
    raise_for(response, operation="list", subject=subject)
    page = parse(response.body, subject, "list")
    items = page.get("items", [])
    if not isinstance(items, list):
        message = f"list of {subject}: the reply has no list of items"
        raise RequestFailed(message, url=subject, operation="list")
    found = [_version(item, subject) for item in items]
    following = page.get("nextPageToken")
    return VersionPage(
        versions=[
            one for one in found if prefix.startswith(hidden) or not one.key.startswith(hidden)
        ],
        token=following if isinstance(following, str) and following else None,
    )


def _version(item: object, subject: str) -> BlobVersion:
    if not isinstance(item, dict) or not isinstance(key := item.get("name"), str):
        message = f"list of {subject}: an entry has no name"
        raise RequestFailed(message, url=subject, operation="list")
    meta = meta_of(item, key, subject, "list")
    return BlobVersion(
        key=key,
        id=str(meta.version),
        size=meta.size,
        mtime=meta.mtime,
        # https://docs.cloud.google.com/storage/docs/json_api/v1/objects: a noncurrent one has it;
        # from the reference
        is_current=not item.get("timeDeleted"),
    )


async def delete_versions(bucket: Bucket, versions: Sequence[BlobVersion]) -> list[DeleteResult]:
    """Delete generations for good: 1 DELETE each."""

    async def delete(version: BlobVersion) -> DeleteResult:
        key = version.key
        response = await bucket.send(bucket.wire.delete_generation(key, version.id))
        if response.status < _FIRST_FAILURE:
            return DeleteResult(key=key)
        error = error_for(response, operation="delete", subject=bucket.subject(key))
        return DeleteResult(key=key, error=None if isinstance(error, NotFound) else error)

    return await for_each(delete, versions, _IN_FLIGHT)
