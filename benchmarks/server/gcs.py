"""The JSON API of Google Cloud Storage, and the XML API, which obstore uses."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, final
from urllib.parse import quote

from benchmarks.scale import BUCKET
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.s3 import S3
from benchmarks.server.shelf import Shelf, Stored, serve
from blobio import checksum

__all__ = ["Gcs"]

_OBJECT: Final = re.compile(rf"/(?:download/)?storage/v1/b/{BUCKET}/o/(.+)", re.DOTALL)
_LIST: Final = f"/storage/v1/b/{BUCKET}/o"
_UPLOAD: Final = f"/upload/storage/v1/b/{BUCKET}/o"
_COMPOSE: Final = "/compose"
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
# Clients end lines of a multipart body with LF or CRLF.
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_TIME: Final = "2026-11-24T10:00:00.000Z"


@final
@dataclass(slots=True)
class _Session:
    """A resumable upload."""

    key: str
    size: int = 0
    crc32c: checksum.Crc32c = field(default_factory=checksum.Crc32c)
    pieces: list[bytearray] = field(default_factory=list)


@final
class Gcs:
    """Answers requests for objects of a bucket.

    Args:
        shelf: The objects. A kept upload has its CRC32C, which clients compare with their own.
        listing: The keys to be listed.

    Attributes:
        always: Headers of every reply.
    """

    always: Final = {"x-guploader-uploadid": "0"}

    def __init__(self, shelf: Shelf, listing: Listing) -> None:
        self._shelf = shelf
        self._listing = listing
        self._xml = S3(shelf, listing)
        self._sessions: dict[str, _Session] = {}
        self._numbers = itertools.count(1)

    def reply(self, request: Request, connection: Connection) -> Reply:
        """Read the body of a request and answer it."""
        if request.path == _UPLOAD:
            return self._upload(request, connection)
        if request.path == _LIST:
            return self._listing.gcs(request.query)
        match = _OBJECT.fullmatch(request.path)
        if match is None:
            return self._xml.reply(request, connection)
        return self._object(match[1], request, connection.body(request, keep=True) or b"")

    def _object(self, key: str, request: Request, body: bytes | bytearray) -> Reply:
        """objects.get of the resource or the bytes, objects.compose, objects.delete."""
        if request.method == "POST" and key.endswith(_COMPOSE):
            return self._compose(key.removesuffix(_COMPOSE), body)
        if request.method == "DELETE":
            return Reply(204) if self._shelf.drop(key) else Reply(404)
        stored = self._shelf.find(key)
        if stored is None or request.query.get("generation") not in (None, str(stored.generation)):
            return Reply(404)
        if request.query.get("alt") != "media":
            return _json(_resource(key, stored))
        return serve(stored, request, _media_headers(stored), request.headers.get("range", ""))

    def _upload(self, request: Request, connection: Connection) -> Reply:
        if "transfer-encoding" in request.headers:
            return Reply(501)
        if "upload_id" in request.query:
            return self._resume(request, connection)
        body = connection.body(request, keep=True) or b""
        kind = request.query.get("uploadType")
        if kind == "multipart":
            return self._insert(request, body)
        if kind != "resumable":
            return Reply(501)
        upload_id = f"session-{next(self._numbers)}"
        described = json.loads(body) if body else {}
        key = request.query.get("name") or described["name"]
        self._sessions[upload_id] = _Session(key)
        query = f"uploadType=resumable&name={quote(key, safe='')}&upload_id={upload_id}"
        host = request.headers["host"]
        return Reply(200, b"", {"location": f"http://{host}{_UPLOAD}?{query}"})

    def _insert(self, request: Request, body: bytes | bytearray) -> Reply:
        """Take an object that came behind its resource."""
        boundary = _BOUNDARY.search(request.headers.get("content-type", ""))
        if boundary is None:
            return Reply(400)
        mark = b"--" + boundary[1].encode()
        end = body.rindex(mark + b"--")
        end -= 2 if body[end - 2 : end] == b"\r\n" else 1
        head = _BLANK_LINE.search(body)
        assert head is not None, "a part has a head"
        middle = body.index(mark, head.end())
        start = _BLANK_LINE.search(body, middle)
        assert start is not None, "a part has a head"
        content = memoryview(body)[start.end() : end]
        key = json.loads(body[head.end() : middle])["name"]
        kept = bytes(content) if self._shelf.keep else None
        crc32c = checksum.to_base64(checksum.crc32c(content))
        return _json(_resource(key, self._shelf.add(key, len(content), kept, crc32c=crc32c)))

    def _resume(self, request: Request, connection: Connection) -> Reply:
        """Take a chunk of a resumable upload, or tell how far it is."""
        upload_id = request.query["upload_id"]
        session = self._sessions.get(upload_id)
        if session is None:
            connection.body(request, keep=False)
            return Reply(404)
        if request.method == "DELETE":
            del self._sessions[upload_id]
            return Reply(204)
        piece = connection.body(request, keep=self._shelf.keep, crc32c=session.crc32c)
        session.size += request.body_bytes
        if piece:
            session.pieces.append(piece)
        wanted = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
        if wanted is not None and wanted[3] != str(session.size):
            done = {"range": f"bytes=0-{session.size - 1}"} if session.size else {}
            return Reply(308, b"", done)
        del self._sessions[upload_id]
        kept = b"".join(session.pieces) if self._shelf.keep else None
        crc32c = session.crc32c.base64()
        stored = self._shelf.add(session.key, session.size, kept, crc32c=crc32c)
        return _json(_resource(session.key, stored))

    def _compose(self, key: str, body: bytes | bytearray) -> Reply:
        names = [source["name"] for source in json.loads(body)["sourceObjects"]]
        sources = [stored for name in names if (stored := self._shelf.find(name)) is not None]
        if len(sources) < len(names):
            return Reply(404)
        kept = b"".join([one.body or b"" for one in sources]) if self._shelf.keep else None
        size = sum(one.size for one in sources)
        crc32c = checksum.to_base64(reduce(_append, sources, 0))
        return _json(_resource(key, self._shelf.add(key, size, kept, crc32c=crc32c)))


def _append(crc32c: int, stored: Stored) -> int:
    return checksum.combine(crc32c, checksum.from_base64(stored.crc32c) or 0, stored.size)


def _media_headers(stored: Stored) -> dict[str, str]:
    headers = {
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": "1",
        "x-goog-stored-content-encoding": "identity",
        "x-goog-stored-content-length": str(stored.size),
    }
    return headers | ({"x-goog-hash": f"crc32c={stored.crc32c}"} if stored.crc32c else {})


def _resource(key: str, stored: Stored) -> dict[str, Any]:
    found = {
        "kind": "storage#object",
        "id": f"{BUCKET}/{key}/{stored.generation}",
        "name": key,
        "bucket": BUCKET,
        "generation": str(stored.generation),
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "etag": stored.etag.strip('"'),
        "timeCreated": _TIME,
        "updated": _TIME,
    }
    return found | ({"crc32c": stored.crc32c} if stored.crc32c else {})


def _json(value: dict[str, Any]) -> Reply:
    return Reply(
        200, json.dumps(value).encode(), {"content-type": "application/json; charset=UTF-8"}
    )
