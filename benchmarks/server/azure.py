"""The REST API of Azure Blob Storage, as far as its clients use it here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from benchmarks.scale import ACCOUNT, BUCKET
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.shelf import MODIFIED, Shelf, Stored, serve

__all__ = ["Azure"]

_CONTAINER: Final = f"/{ACCOUNT}/{BUCKET}"
_BLOCK: Final = re.compile(r"<(?:Latest|Uncommitted|Committed)>([^<]+)</")
_NO_BLOCKS: Final = (
    b'<?xml version="1.0" encoding="utf-8"?><BlockList><CommittedBlocks /></BlockList>'
)


@final
@dataclass(frozen=True, slots=True)
class _Block:
    size: int
    body: bytearray | None


@final
class Azure:
    """Answers requests for blobs of a container, behind the account in the path.

    Args:
        shelf: The blobs.
        listing: The keys to be listed.

    Attributes:
        always: Headers of every reply.
    """

    always: Final = {
        "x-ms-request-id": "0",
        "x-ms-version": "2026-02-06",
        "date": "Tue, 24 Nov 2026 10:00:00 GMT",
    }

    def __init__(self, shelf: Shelf, listing: Listing) -> None:
        self._shelf = shelf
        self._listing = listing
        self._blocks: dict[str, dict[str, _Block]] = {}

    def reply(self, request: Request, connection: Connection) -> Reply:
        """Read the body of a request and answer it."""
        what = request.query.get("comp", "")
        is_data = request.method == "PUT" and what in ("", "block")
        body = connection.body(request, keep=self._shelf.keep or not is_data)
        container, key = request.path[: len(_CONTAINER)], request.path[len(_CONTAINER) + 1 :]
        if container != _CONTAINER:
            return Reply(404, b"", {"x-ms-error-code": "ContainerNotFound"})
        if not key:
            return self._listing.azure(request.query) if what == "list" else Reply(200)
        if request.method == "PUT":
            return self._put(key, what, request, body)
        return self._blob(key, what, request)

    def _blob(self, key: str, what: str, request: Request) -> Reply:
        """Get Blob, Get Blob Properties, Get Block List and Delete Blob."""
        if what == "blocklist":
            return Reply(200, _NO_BLOCKS, {"content-type": "application/xml"})
        if request.method == "DELETE":
            return Reply(202) if self._shelf.drop(key) else _NO_BLOB
        stored = self._shelf.find(key)
        if stored is None:
            return _NO_BLOB
        wanted = request.headers.get("x-ms-range") or request.headers.get("range", "")
        return serve(stored, request, _headers(stored, is_part=bool(wanted)), wanted)

    def _put(self, key: str, what: str, request: Request, body: bytearray | None) -> Reply:
        """Put Blob, Put Block and Put Block List."""
        if "content-length" not in request.headers:
            return Reply(501)
        size = request.body_bytes
        if what == "block":
            blocks = self._blocks.setdefault(key, {})
            blocks[request.query["blockid"]] = _Block(size, body)
            return Reply(201)
        if what == "blocklist":
            found = self._blocks.pop(key, {})
            row = [found.get(name) for name in _BLOCK.findall((body or b"").decode())]
            blocks_in_order = [block for block in row if block is not None]
            if len(blocks_in_order) < len(row):
                return Reply(400, b"", {"x-ms-error-code": "InvalidBlockList"})
            size = sum(block.size for block in blocks_in_order)
            joined = b"".join([block.body or b"" for block in blocks_in_order])
            body = bytearray(joined) if self._shelf.keep else None
        elif what:
            return Reply(501)
        stored = self._shelf.add(key, size, body)
        return Reply(201, b"", {"etag": stored.etag, "last-modified": MODIFIED})


_NO_BLOB: Final = Reply(404, b"", {"x-ms-error-code": "BlobNotFound"})


def _headers(stored: Stored, *, is_part: bool) -> dict[str, str]:
    headers = {
        "x-ms-creation-time": MODIFIED,
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
    }
    if stored.md5:
        headers["x-ms-blob-content-md5" if is_part else "content-md5"] = stored.md5
    return headers
