"""List and delete versions of objects: ListObjectVersions, and DeleteObjects with version ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import unquote_plus

from blobio.drivers import markup
from blobio.drivers.s3 import deleting
from blobio.drivers.s3.addressing import query_string
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.deleting import fits_batch
from blobio.drivers.s3.errors import error_for, raise_for
from blobio.drivers.s3.wire import Wire
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.drivers.window import for_each
from blobio.errors import BlobError, NotFound, RequestFailed, Unsupported
from blobio.transport.message import Request
from blobio.values import DeleteResult

__all__ = ["delete_versions", "list_versions"]

_PAGE: Final = 1000
_IN_FLIGHT: Final = 16
_FIRST_FAILURE: Final = 300
_NOT_IMPLEMENTED: Final = 501


async def list_versions(bucket: Bucket, prefix: str, token: str | None) -> VersionPage:
    """List one page: 1 GET. The token is the two markers of S3 with a line break between."""
    subject = f"s3://{bucket.name}/{prefix}"
    pairs = [("encoding-type", "url"), ("max-keys", str(_PAGE)), ("versions", "")]
    if prefix:
        pairs.append(("prefix", prefix))
    if token is not None:
        key, _, version = token.rpartition("\n")
        pairs += [("key-marker", key), ("version-id-marker", version)]
    query = query_string(sorted(pairs))
    response = await bucket.send(lambda wire: _request(wire, "GET", query, "list", prefix))
    if response.status == _NOT_IMPLEMENTED:
        message = f"list of {subject}: this server does not know versions"
        raise Unsupported(message, url=subject, operation="list", status=response.status)
    raise_for(response, operation="list", subject=subject)
    root = markup.parse(response.body, "ListVersionsResult", subject)
    is_encoded = markup.child(root, "EncodingType") == "url"
    try:
        found = [
            _version(element, is_encoded=is_encoded)
            for element in root
            if markup.local_name(element) in ("Version", "DeleteMarker")
        ]
    except (KeyError, ValueError) as error:
        message = f"the versions of {subject} cannot be read: {repr(error)[:200]}"
        raise RequestFailed(message, url=subject, operation="list", retryable=True) from error
    return VersionPage(versions=found, token=_token(root, subject, is_encoded=is_encoded))


def _token(root: markup.Element, subject: str, *, is_encoded: bool) -> str | None:
    if markup.child(root, "IsTruncated") != "true":
        return None
    key = markup.child(root, "NextKeyMarker")
    if not key:
        message = f"the versions of {subject} go on, but the store does not say where"
        raise RequestFailed(message, url=subject, operation="list")
    version = markup.child(root, "NextVersionIdMarker") or ""
    return f"{unquote_plus(key) if is_encoded else key}\n{version}"


def _version(element: markup.Element, *, is_encoded: bool) -> BlobVersion:
    fields = {markup.local_name(one): one.text or "" for one in element}
    is_marker = markup.local_name(element) == "DeleteMarker"
    key = fields["Key"]
    return BlobVersion(
        key=unquote_plus(key) if is_encoded else key,
        id=fields.get("VersionId", ""),
        size=0 if is_marker else int(fields["Size"]),
        mtime=datetime.fromisoformat(fields["LastModified"]).timestamp(),
        is_current=fields.get("IsLatest") == "true",
        is_marker=is_marker,
    )


async def delete_versions(bucket: Bucket, versions: Sequence[BlobVersion]) -> list[DeleteResult]:
    """Delete versions: 1 POST for those whose key XML can carry, a DELETE for each other."""
    batch = [one for one in versions if fits_batch(one.key)]
    single = [one for one in versions if not fits_batch(one.key)]
    results: dict[tuple[str, str], DeleteResult] = {}
    if batch:
        results = await _delete_batch(bucket, batch)

    async def delete(version: BlobVersion) -> DeleteResult:
        return await _delete_one(bucket, version)

    for one, result in zip(single, await for_each(delete, single, _IN_FLIGHT), strict=True):
        results[one.key, one.id] = result
    return [results[one.key, one.id] for one in versions]


async def _delete_batch(
    bucket: Bucket, versions: Sequence[BlobVersion]
) -> dict[tuple[str, str], DeleteResult]:
    subject = f"s3://{bucket.name}/"
    keys, ids = [one.key for one in versions], [one.id for one in versions]
    response = await bucket.send(
        lambda wire: deleting.batch_request(wire.endpoint, bucket.config, keys, subject, ids)
    )
    raise_for(response, operation="delete", subject=subject)
    failures = deleting.failures_of(response, subject)
    results: dict[tuple[str, str], DeleteResult] = {}
    for key, version in zip(keys, ids, strict=True):
        failure = failures.pop((key, version), None)
        error: BlobError | None = None
        if failure is not None:
            error = error_for(failure, operation="delete", subject=f"{subject}{key}")
        if isinstance(error, NotFound):
            error = None
        results[key, version] = DeleteResult(key=key, error=error)
    if failures:  # of something that was not asked for
        raise error_for(next(iter(failures.values())), operation="delete", subject=subject)
    return results


async def _delete_one(bucket: Bucket, version: BlobVersion) -> DeleteResult:
    key = version.key
    query = query_string([("versionId", version.id)]) if version.id else ""
    response = await bucket.send(lambda wire: _request(wire, "DELETE", query, "delete", key))
    if response.status < _FIRST_FAILURE:
        return DeleteResult(key=key)
    error = error_for(response, operation="delete", subject=f"s3://{bucket.name}/{key}")
    return DeleteResult(key=key, error=None if isinstance(error, NotFound) else error)


def _request(wire: Wire, method: str, query: str, operation: str, key: str) -> Request:
    """Ask the bucket, or for a DELETE one object."""
    is_listing = operation == "list"
    endpoint = wire.endpoint
    return Request(
        method=method,
        url=endpoint.bucket_url(query) if is_listing else endpoint.object_url(key, query),
        headers={"x-amz-request-payer": "requester"} if wire.config.requester_pays else {},
        operation=operation,
        subject=wire.subject(key),
    )
