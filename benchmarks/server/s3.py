"""The API of S3, as far as its clients use it here."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import Final, final

from benchmarks.scale import BUCKET
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.shelf import Shelf, make_etag, serve

__all__ = ["S3"]

_KEY: Final = re.compile(r"<Key>([^<]*)</Key>")
_QUIET: Final = re.compile(rb"<Quiet>\s*true")
_PART_NUMBER: Final = re.compile(r"<PartNumber>\s*(\d+)\s*</PartNumber>")


@final
@dataclass(slots=True)
class _Part:
    size: int
    body: bytearray | None


@final
@dataclass(slots=True)
class _Upload:
    parts: dict[int, _Part] = field(default_factory=dict)


@final
class S3:
    """Answers requests for objects of a bucket, named in the path.

    Args:
        shelf: The objects.
        listing: The keys to be listed.

    Attributes:
        always: Headers of every reply.
    """

    always: Final = {"x-amz-request-id": "0"}

    def __init__(self, shelf: Shelf, listing: Listing) -> None:
        self._shelf = shelf
        self._listing = listing
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def reply(self, request: Request, connection: Connection) -> Reply:
        """Read the body of a request and answer it."""
        _, bucket, key = [*request.path.split("/", 2), ""][:3]
        is_upload = request.method == "PUT"
        body = connection.body(request, keep=self._shelf.keep or not is_upload)
        if bucket != BUCKET:
            return Reply(404)
        if request.method in ("GET", "HEAD"):
            return self._get(key, request) if key else self._listing.s3(request.query)
        if is_upload:
            return self._put(key, request, body)
        if request.method == "POST":
            return self._post(key, request, body or b"")
        return self._delete(key, request)

    def _get(self, key: str, request: Request) -> Reply:
        """GetObject and HeadObject, with `Range` and `If-Match`."""
        stored = self._shelf.find(key)
        if stored is None:
            return Reply(404)
        headers = {}
        wanted = request.headers.get("range", "")
        is_asked = request.headers.get("x-amz-checksum-mode") == "ENABLED"
        if is_asked and not wanted and stored.crc32c:
            headers["x-amz-checksum-crc32c"] = stored.crc32c
            headers["x-amz-checksum-type"] = "FULL_OBJECT"
        return serve(stored, request, headers, wanted)

    def _put(self, key: str, request: Request, body: bytearray | None) -> Reply:
        """PutObject and UploadPart."""
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        size = request.body_bytes
        upload_id = request.query.get("uploadId")
        if upload_id is None:
            etag = self._shelf.add(key, size, body).etag
        else:
            upload = self._uploads.get(upload_id)
            if upload is None:
                return Reply(404)
            number = int(request.query["partNumber"])
            upload.parts[number] = _Part(size, body)
            etag = make_etag(f"{upload_id}{number}{size}")
        return Reply(200, b"", {"etag": etag} | _echo(request))

    def _post(self, key: str, request: Request, body: bytes | bytearray) -> Reply:
        """CreateMultipartUpload, CompleteMultipartUpload and DeleteObjects."""
        if "delete" in request.query:
            keys = _KEY.findall(body.decode())
            for name in keys:
                self._shelf.drop(name)
            gone = "" if _QUIET.search(body) else "".join(map(_deleted, keys))
            return _xml("DeleteResult", gone, {})
        if "uploads" in request.query:
            with self._lock:
                upload_id = f"upload-{next(self._numbers)}"
                self._uploads[upload_id] = _Upload()
            inner = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{upload_id}</UploadId>"
            return _xml("InitiateMultipartUploadResult", inner, _echo(request))
        upload = self._uploads.pop(request.query.get("uploadId", ""), None)
        if upload is None:
            return Reply(404)
        numbers = [int(number) for number in _PART_NUMBER.findall(body.decode())]
        parts = [upload.parts[number] for number in numbers]
        joined = b"".join([part.body or b"" for part in parts]) if self._shelf.keep else None
        etag = self._shelf.add(key, sum(part.size for part in parts), joined).etag
        inner = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>"
        return _xml("CompleteMultipartUploadResult", inner, {})

    def _delete(self, key: str, request: Request) -> Reply:
        """DeleteObject and AbortMultipartUpload."""
        if "uploadId" in request.query:
            self._uploads.pop(request.query["uploadId"], None)
        else:
            self._shelf.drop(key)
        return Reply(204)


def _deleted(key: str) -> str:
    return f"<Deleted><Key>{key}</Key></Deleted>"


def _refusal(request: Request) -> Reply | None:
    """Refuse a body that would have to be decoded before its bytes could be told."""
    encoded = "aws-chunked" in request.headers.get("content-encoding", "")
    if encoded or "content-length" not in request.headers:
        return Reply(501)
    return None


def _echo(request: Request) -> dict[str, str]:
    """Return the checksum headers, which S3 sends back once it has checked them."""
    return {
        name: value for name, value in request.headers.items() if name.startswith("x-amz-checksum-")
    }


def _xml(root: str, inner: str, headers: dict[str, str]) -> Reply:
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{namespace}">{inner}</{root}>'
    return Reply(200, text.encode(), {"content-type": "application/xml"} | headers)
