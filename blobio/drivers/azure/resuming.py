"""Uploads that another process goes on with, and blobs that never became one.

The service keeps blocks that are not published for a week
(https://learn.microsoft.com/rest/api/storageservices/put-block, read 2026-11-27), and tells of them
by name and size (https://learn.microsoft.com/rest/api/storageservices/get-block-list, found
2026-11-28). It compared each with its MD5 when it came, and their names are nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from blobio.drivers import markup
from blobio.drivers.azure import listing, reading, writing
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import raise_for, upload_lost
from blobio.drivers.azure.place import API_VERSION
from blobio.drivers.azure.upload import reopen
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.drivers.window import for_each
from blobio.errors import NotFound, RequestFailed
from blobio.transport.message import Request
from blobio.values import BlobMeta, ListOptions, PutOptions

__all__ = ["KIND", "STAYS", "leftovers", "resume"]

KIND: Final = "unpublished blocks"
STAYS: Final = (
    "nobody can remove them; Azure does a week after the last one came, or when the blob is written"
)
_IN_FLIGHT: Final = 16


async def resume(
    container: Container,
    key: str,
    options: PutOptions,
    state: Mapping[str, str],
    parts: Mapping[int, SentPart],
) -> Resumed:
    """Find an upload again: 1 GET; if none of its blocks is there, 1 HEAD of the blob.

    Raises:
        UploadLost: There are no blocks of it, and it did not become the blob that is there.
    """
    upload = reopen(container, key, options, state)
    if upload is None:
        raise upload_lost(container.subject(key))
    there = await _blocks(container, key)
    done = {index for index, part in parts.items() if there.get(upload.block(index)) == part.size}
    if not done:
        claim = writing.Claim(container, key, state["token"], options.mode, options.size)
        published = await writing.is_own(claim)
        if published is None:
            raise upload_lost(container.subject(key))
        return Resumed(None, published=published)
    upload.note_sent({index: parts[index] for index in done})
    return Resumed(upload, frozenset(done))


async def _blocks(container: Container, key: str) -> dict[str, int]:
    """Return the sizes of the blocks of a blob that are not published, by id: 1 GET."""
    subject = container.subject(key)
    query = "comp=blocklist&blocklisttype=uncommitted"
    request = container.wire.request("GET", key, query, headers={}, operation="put")
    response = await container.send(request)
    try:
        raise_for(response, operation="put", subject=subject)
    except NotFound as error:
        if error.code == "ContainerNotFound":
            raise
        return {}
    root = markup.parse(response.body, "BlockList", subject)
    found: dict[str, int] = {}
    try:
        for blocks in markup.children(root, "UncommittedBlocks"):
            for block in markup.children(blocks, "Block"):
                found[markup.child(block, "Name") or ""] = int(markup.child(block, "Size") or "")
    except ValueError as error:
        message = f"the blocks of {subject} cannot be read: {error}"
        raise RequestFailed(message, url=subject, operation="put") from error
    return found


async def leftovers(container: Container, prefix: str, token: str | None) -> LeftoverPage:
    """List one page of blobs that have only unpublished blocks.

    Requests: 1 GET; 1 HEAD for each empty entry, which tells these from empty blobs, and 1 GET more
    for each that is none.
    """
    options = ListOptions(page_size=listing.PAGE_SIZE)
    subject = container.subject(prefix)
    query = listing.page_query(prefix, options, token, include="metadata,uncommittedblobs")
    request = Request(
        method="GET",
        url=container.place.container_url(query),
        headers={"x-ms-version": API_VERSION},
        operation="list",
        subject=subject,
    )
    response = await container.send(request)
    raise_for(response, operation="list", subject=subject)
    page = listing.parse_page(response.body, prefix, options, subject)

    async def look(meta: BlobMeta) -> Leftover | None:
        try:
            await reading.head(container, meta.key, None)
        except NotFound:
            size = sum((await _blocks(container, meta.key)).values())
            return Leftover(
                key=meta.key, kind=KIND, since=meta.mtime or None, size=size, stays=STAYS
            )
        return None

    empty = [meta for meta in page.blobs if not meta.size and not meta.key.endswith("/")]
    found = await for_each(look, empty, _IN_FLIGHT)
    return LeftoverPage([one for one in found if one is not None], page.token)
