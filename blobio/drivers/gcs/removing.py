"""Delete objects of one bucket: many in one request, and again one by one what failed for now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.deleting import BATCH, batch_request, parse_batch
from blobio.drivers.gcs.errors import error_for, raise_for
from blobio.drivers.gcs.resource import generation_of
from blobio.drivers.window import for_each
from blobio.errors import BlobError, NotFound
from blobio.transport.message import Response
from blobio.values import DeleteResult, ReplaceIf, Version, WriteMode

__all__ = ["delete_all", "delete_batch", "delete_version"]

_IN_FLIGHT: Final = 16
_FIRST_FAILURE: Final = 300


async def delete_batch(bucket: Bucket, keys: Sequence[str]) -> list[DeleteResult]:
    """Delete up to `BATCH` keys: 1 POST for all of them, a DELETE for a single one.

    Keys that failed in a way that may pass get a DELETE of their own, with its retries.
    """
    unique = list(dict.fromkeys(keys))
    results: dict[str, DeleteResult] = {}
    if len(unique) > 1:
        subject = bucket.subject("")
        response = await bucket.send(batch_request(bucket.wire, unique))
        raise_for(response, operation="delete", subject=subject)
        replies = parse_batch(response, len(unique), subject)
        pairs = zip(unique, replies, strict=True)
        results = {key: _deleted(bucket, key, reply) for key, reply in pairs}
    single = [key for key in unique if _may_pass(results.get(key))]

    async def delete_one(key: str) -> DeleteResult:
        return _deleted(bucket, key, await bucket.send(bucket.wire.delete(key)))

    outcomes = await for_each(delete_one, single, _IN_FLIGHT)
    results |= {result.key: result for result in outcomes}
    return [results[key] for key in keys]


async def delete_version(bucket: Bucket, key: str, version: Version) -> DeleteResult:
    """Delete a blob if it still is that generation: 1 DELETE."""
    generation = generation_of(version, "delete", bucket.subject(key))
    response = await bucket.send(bucket.wire.delete(key, generation))
    return _deleted(bucket, key, response, ReplaceIf(version))


async def delete_all(bucket: Bucket, keys: Sequence[str]) -> list[DeleteResult]:
    """Delete any number of keys, each whatever becomes of the others."""
    results: list[DeleteResult] = []
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        try:
            results += await delete_batch(bucket, some)
        except BlobError as error:
            results += [DeleteResult(key=key, error=error) for key in some]
    return results


def _deleted(
    bucket: Bucket, key: str, reply: Response, mode: WriteMode | None = None
) -> DeleteResult:
    """Return what became of a key: one that an earlier attempt may have deleted is deleted."""
    if reply.status < _FIRST_FAILURE:
        return DeleteResult(key=key)
    error = error_for(reply, operation="delete", subject=bucket.subject(key), mode=mode)
    if isinstance(error, NotFound) and reply.attempts > 1:
        return DeleteResult(key=key)
    return DeleteResult(key=key, error=error)


def _may_pass(result: DeleteResult | None) -> bool:
    """Tell if a key needs a DELETE of its own: it was not in the batch, or failed for now."""
    if result is None:
        return True
    return isinstance(result.error, BlobError) and result.error.retryable
