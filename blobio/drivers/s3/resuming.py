"""Uploads that another process goes on with, and those that nobody went on with."""

from __future__ import annotations

from collections.abc import Mapping

from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.s3 import multipart, pending, writing
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.errors import raise_for
from blobio.drivers.s3.multipart import Part, UploadTarget
from blobio.drivers.s3.upload import S3Upload
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.errors import NotFound, UploadLost
from blobio.values import PutOptions, PutResult

__all__ = ["drop", "list_page", "resume"]


async def resume(
    bucket: Bucket,
    key: str,
    options: PutOptions,
    state: Mapping[str, str],
    parts: Mapping[int, SentPart],
) -> Resumed:
    """Find an upload again: 1 GET for each 1,000 parts; if it is gone, 1 HEAD of the object.

    Raises:
        UploadLost: It is gone, and did not become the object that is there.
    """
    subject = f"s3://{bucket.name}/{key}"
    found = pending.target_of(key, state)
    if found is None:
        message = f"put of {subject}: what was kept of the upload is not of S3; write it again"
        raise UploadLost(message, url=subject, operation="put")
    target, token = found
    try:
        there = await _parts(bucket, target, subject)
    except UploadLost:
        published = await _published(writing.Claim(bucket, key, token, options.mode, options.size))
        if published is None:
            raise
        return Resumed(None, published=published)
    done = frozenset(
        index for index, part in parts.items() if pending.are_same(part, there.get(index))
    )
    return Resumed(S3Upload(bucket, target, token=token, mode=options.mode), done)


async def _parts(bucket: Bucket, target: UploadTarget, subject: str) -> dict[int, Part]:
    found: dict[int, Part] = {}
    marker = ""
    while True:
        page, following = await _parts_page(bucket, target, subject, marker)
        found |= page
        if following in ("", marker):
            return found
        marker = following


async def _parts_page(
    bucket: Bucket, target: UploadTarget, subject: str, marker: str
) -> tuple[dict[int, Part], str]:
    response = await bucket.send(lambda wire: pending.parts_request(wire, target, marker))
    try:
        raise_for(response, operation="put", subject=subject)
    except NotFound as error:
        if error.code is not None:
            raise
        message = f"put of {subject}: the store does not know the upload"
        raise UploadLost(message, url=subject, operation="put", status=404) from error
    return pending.parse_parts(response.body, subject)


async def _published(claim: writing.Claim) -> PutResult | None:
    try:
        return await writing.is_own(claim)
    except NotFound:
        return None


async def list_page(bucket: Bucket, prefix: str, token: str | None) -> LeftoverPage:
    """List one page of uploads that are neither complete nor aborted: 1 GET."""
    subject = f"s3://{bucket.name}/{prefix}"
    response = await bucket.send(lambda wire: pending.uploads_request(wire, prefix, token))
    try:
        raise_for(response, operation="list", subject=subject)
    except UploadLost:  # what rclone 1.75 answers if there is no upload at all
        return LeftoverPage()
    return pending.parse_uploads(response.body, subject)


async def drop(bucket: Bucket, leftover: Leftover) -> None:
    """Abort an upload: 1 DELETE. One that is gone already is aborted."""
    target = UploadTarget(leftover.key, leftover.name)
    response = await bucket.send(lambda wire: multipart.abort_request(wire, target))
    try:
        raise_for(response, operation="delete", subject=f"s3://{bucket.name}/{leftover.key}")
    except UploadLost:
        return
