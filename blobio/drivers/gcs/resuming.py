"""Uploads that another process goes on with, and the components that uploads left behind.

An upload that is to be gone on with is one resumable session, whatever `parallel_uploads` says: the
store keeps it for a week and tells how far it is. Its name is as good as a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from blobio.drivers.gcs import listing, writing
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import raise_for
from blobio.drivers.gcs.resource import parse, put_result
from blobio.drivers.gcs.resumable import Session
from blobio.drivers.gcs.sequential import SequentialUpload
from blobio.drivers.gcs.writing import Claim
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.errors import UploadLost
from blobio.values import ListOptions, PutOptions

__all__ = ["KIND", "leftovers", "resume"]

KIND: Final = "component of an upload"


async def resume(
    bucket: Bucket,
    key: str,
    options: PutOptions,
    state: Mapping[str, str],
    parts: Mapping[int, SentPart],
) -> Resumed:
    """Find an upload again: 1 PUT that asks how far it is; if it is gone, 1 GET of the resource.

    Raises:
        UploadLost: The session is gone, and did not make the object that is there.
    """
    upload_id, token = state.get("upload_id", ""), state.get("token", "")
    claim = Claim(bucket, key, token or None, options.mode)
    if not upload_id or not token:
        message = f"put of {claim.subject}: what was kept of the upload is none of Google's"
        raise UploadLost(message, url=claim.subject, operation="put")
    session = Session(bucket, key, upload_id)
    try:
        reply = await session.ask()
    except UploadLost:
        found = await writing.is_own(claim)
        if found is None:
            raise
        return Resumed(None, published=put_result(found))
    if reply is not None:
        return Resumed(None, published=put_result(parse(reply.body, claim.subject, "put")))
    done: dict[int, SentPart] = {}
    while (part := parts.get(len(done))) is not None and part.offset + part.size <= session.stop:
        done[len(done)] = part
    return Resumed(SequentialUpload(claim, session, parts=done), frozenset(done))


async def leftovers(bucket: Bucket, prefix: str, token: str | None) -> LeftoverPage:
    """List one page of components: 1 GET; none if `prefix` is of another part of the bucket.

    They have names of their own, which do not tell what they were to become.
    """
    place = bucket.config.component_prefix
    if not (place.startswith(prefix) or prefix.startswith(place)):
        return LeftoverPage()
    wanted = max(place, prefix, key=len)
    options = ListOptions()
    subject = bucket.subject(wanted)
    request = bucket.wire.page(wanted, listing.page_query(wanted, options, token))
    response = await bucket.send(request)
    raise_for(response, operation="list", subject=subject)
    page = listing.parse_page(response.body, wanted, options, place, subject)
    found = [
        Leftover(key=blob.key, kind=KIND, since=blob.mtime, size=blob.size) for blob in page.blobs
    ]
    return LeftoverPage(found, page.token)
