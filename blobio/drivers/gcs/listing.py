"""Ask for a page of a listing and read it. Pure."""

from __future__ import annotations

from typing import Final

from blobio.drivers.gcs.addressing import query_string
from blobio.drivers.gcs.resource import FIELDS, Resource, meta_of, parse
from blobio.errors import RequestFailed
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = ["PAGE_SIZE", "page_query", "parse_page"]

PAGE_SIZE: Final = 1000


def page_query(prefix: str, options: ListOptions, token: str | None) -> str:
    """Return the query of objects.list.

    `startOffset` includes the key it names, so a page may come out one entry short; it goes with
    every page, since the token stands for a place within the same request.
    """
    pairs = [("maxResults", str(min(options.page_size, PAGE_SIZE)))]
    pairs.append(("fields", f"nextPageToken,prefixes,items({FIELDS})"))
    if prefix:
        pairs.append(("prefix", prefix))
    if options.delimiter:
        pairs.append(("delimiter", options.delimiter))
    if options.start_after:
        pairs.append(("startOffset", options.start_after))
    if token is not None:
        pairs.append(("pageToken", token))
    return query_string(pairs)


def parse_page(
    body: bytes, prefix: str, options: ListOptions, hidden: str, subject: str
) -> ListPage:
    """Read a page.

    Args:
        body: The reply.
        prefix: What was listed.
        options: How.
        hidden: Prefix of components of uploads, left out unless `prefix` lies below it.
        subject: What was listed, for errors.

    Raises:
        RequestFailed: It is no listing.
    """
    page = parse(body, subject, "list")
    blobs = [_blob(item, subject) for item in _items(page, "items", subject)]
    prefixes = [str(name) for name in _items(page, "prefixes", subject)]
    token = page.get("nextPageToken")
    if options.start_after:
        blobs = [blob for blob in blobs if blob.key != options.start_after]
        prefixes = [name for name in prefixes if name != options.start_after]
    if not prefix.startswith(hidden):
        blobs = [blob for blob in blobs if not blob.key.startswith(hidden)]
        prefixes = [name for name in prefixes if not name.startswith(hidden)]
    return ListPage(
        blobs=blobs, prefixes=prefixes, token=token if isinstance(token, str) and token else None
    )


def _items(page: Resource, name: str, subject: str) -> list[object]:
    found = page.get(name, [])
    if not isinstance(found, list):
        message = f"list of {subject}: {name!r} of the reply is no list"
        raise RequestFailed(message, url=subject, operation="list")
    return found


def _blob(item: object, subject: str) -> BlobMeta:
    if isinstance(item, dict) and isinstance(key := item.get("name"), str):
        return meta_of(item, key, subject, "list")
    message = f"list of {subject}: an entry has no name"
    raise RequestFailed(message, url=subject, operation="list")
