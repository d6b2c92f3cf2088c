"""`copy` and `patch`: changes that move no bytes here."""

from __future__ import annotations

from typing import Final

from blobio.drivers.gcs import writing
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import error_for, raise_for, version_mismatch
from blobio.drivers.gcs.reading import head_resource
from blobio.drivers.gcs.resource import (
    Resource,
    generation_of,
    meta_of,
    new_metadata,
    own_metadata,
    parse,
    put_result,
)
from blobio.drivers.gcs.writing import Claim
from blobio.errors import (
    BlobError,
    ConcurrentWrite,
    NotFound,
    RequestFailed,
)
from blobio.values import BlobMeta, MetaPatch, Overwrite, PutOptions, PutResult, Version

__all__ = ["copy", "patch"]

_MTIME: Final = "blobfile-mtime"
_CARRIED: Final = (
    "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType",
    "customTime",
)  # fmt: skip
"""What of a resource a copy with new metadata must repeat, or it is lost."""

_PATCHES: Final = 5
_PRECONDITION_FAILED: Final = 412
_FIRST_FAILURE: Final = 300


async def copy(
    bucket: Bucket, source_bucket: Bucket, source_key: str, key: str, options: PutOptions
) -> PutResult:
    """Copy within the store: 1 GET of the source's resource, then as many POSTs as rewriting takes.

    The source is pinned to its generation. Each step says how far it is and gives a token for the
    next; the last one makes the object. A conditional copy gets a token of ours in its metadata,
    and so all of the source's by hand.
    """
    source = await _source(source_bucket, source_key)
    generation = put_result(source).version
    if generation is None:
        subject = source_bucket.subject(source_key)
        message = f"copy of {subject}: the store does not tell its generation"
        raise RequestFailed(message, url=subject, operation="copy")
    token = None if isinstance(options.mode, Overwrite) else writing.new_token()
    claim = Claim(bucket, key, token, options.mode, "copy")
    described = _described(bucket, source, options, token)
    step: str | None = None
    origin = (source_bucket.name, source_key, str(generation))
    while True:
        request = bucket.wire.rewrite(origin, key, options.mode, described, step)
        try:
            reply = await writing.send_write(claim, request)
        except NotFound as error:
            raise await _gone(source_bucket, source_key, generation, error) from error
        if "rewriteToken" not in reply and "resource" not in reply:
            return put_result(reply)  # our own success, read back
        resource, following = reply.get("resource"), reply.get("rewriteToken")
        if reply.get("done") is True and isinstance(resource, dict):
            return put_result(resource)
        if not isinstance(following, str) or not following:
            message = f"copy of {claim.subject}: the store goes on without saying how"
            raise RequestFailed(message, url=claim.subject, operation="copy")
        step = following


async def _source(bucket: Bucket, key: str) -> Resource:
    response = await bucket.send(bucket.wire.head(key, all_fields=True))
    raise_for(response, operation="copy", subject=bucket.subject(key))
    return parse(response.body, bucket.subject(key), "copy")


def _described(
    bucket: Bucket, source: Resource, options: PutOptions, token: str | None
) -> Resource | None:
    """Return the resource of a copy, or None if the store shall take that of the source."""
    is_plain = token is None and not options.metadata and options.content_type is None
    if is_plain and bucket.config.storage_class is None:
        return None
    described: Resource = {name: source[name] for name in _CARRIED if source.get(name)}
    metadata = {**own_metadata(source), **options.metadata}
    described["metadata"] = new_metadata(metadata, token)
    if options.content_type is not None:
        described["contentType"] = options.content_type
    if bucket.config.storage_class is not None:
        described["storageClass"] = bucket.config.storage_class
    return described


async def _gone(bucket: Bucket, key: str, generation: Version, error: NotFound) -> BlobError:
    """Tell a source that was replaced while it was copied from one that is gone: 1 GET."""
    try:
        found = put_result(await head_resource(bucket, key)).version
    except BlobError:
        return error
    if found == generation:
        return error  # then it is the destination's bucket that is not there
    return version_mismatch("copy", bucket.subject(key), generation, found)


async def patch(
    bucket: Bucket, key: str, change: MetaPatch, if_version: Version | None
) -> BlobMeta:
    """Change metadata: 1 GET of the resource and 1 PATCH.

    The PATCH names the state of the metadata that was read, so a repetition after a lost reply
    changes nothing that somebody else has changed since. If that state is no longer there, it is
    read again: either our change was made, or another one came between.
    """
    subject = bucket.subject(key)
    wanted = None if if_version is None else generation_of(if_version, "patch", subject)
    body = _change(change)
    for _ in range(_PATCHES):
        resource = await _source_of_patch(bucket, key)
        found = meta_of(resource, key, subject, "patch")
        if wanted is not None and found.version != wanted:
            raise version_mismatch("patch", subject, wanted, found.version)
        if not body:
            return found
        generation, state = str(found.version), resource.get("metageneration")
        request = bucket.wire.patch(key, body, generation, state if isinstance(state, str) else "")
        response = await bucket.send(request)
        if response.status < _FIRST_FAILURE:
            return meta_of(parse(response.body, subject, "patch"), key, subject, "patch")
        if response.status != _PRECONDITION_FAILED:
            raise error_for(response, operation="patch", subject=subject)
        if response.attempts > 1:
            now = await _source_of_patch(bucket, key)
            if _is_made(body, now):
                return meta_of(now, key, subject, "patch")
    message = f"patch of {subject}: others kept changing it; {_PATCHES} tries were refused"
    raise ConcurrentWrite(message, url=subject, operation="patch", retryable=True)


async def _source_of_patch(bucket: Bucket, key: str) -> Resource:
    response = await bucket.send(bucket.wire.head(key))
    raise_for(response, operation="patch", subject=bucket.subject(key))
    return parse(response.body, bucket.subject(key), "patch")


def _change(change: MetaPatch) -> Resource:
    """Return what to merge into the resource; a name that is null is removed."""
    metadata: dict[str, object] = dict(change.metadata)
    if change.mtime is not None:
        metadata[_MTIME] = repr(float(change.mtime))
    new_metadata(dict.fromkeys(metadata, ""), None)  # refuses names that cannot be stored
    body: Resource = {}
    if metadata:
        body["metadata"] = metadata
    if change.content_type is not None:
        body["contentType"] = change.content_type
    return body


def _is_made(body: Resource, now: Resource) -> bool:
    """Tell if `now` is as `body` would make it."""
    wanted, there = body.get("metadata", {}), now.get("metadata") or {}
    assert isinstance(wanted, dict)
    assert isinstance(there, dict)
    same = all(there.get(name) == value for name, value in wanted.items())
    return same and body.get("contentType", now.get("contentType")) == now.get("contentType")
