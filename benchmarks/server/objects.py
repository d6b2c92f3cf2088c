"""Objects of the raw server: files that are read, uploads that are counted and thrown away."""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from benchmarks.scale import BUCKET
from benchmarks.server.message import Reply, Request

__all__ = ["Objects"]

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_PART_NUMBER: Final = re.compile(r"<PartNumber>\s*(\d+)\s*</PartNumber>")
_MODIFIED: Final = "Tue, 24 Nov 2026 10:00:00 GMT"


@final
@dataclass(frozen=True, slots=True)
class _Object:
    """`body` is None if its `size` bytes were thrown away."""

    size: int
    etag: str
    body: memoryview | None


@final
@dataclass(slots=True)
class _Part:
    size: int
    body: bytes | None


@final
@dataclass(slots=True)
class _Upload:
    parts: dict[int, _Part] = field(default_factory=dict)


def _etag(seed: str) -> str:
    """Return an ETag that is no MD5 of anything, as that of an object written in parts."""
    return f'"{hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()}-1"'


def _load(directory: str) -> dict[str, _Object]:
    found: dict[str, _Object] = {}
    root = os.path.join(directory, BUCKET)
    for place, _, names in os.walk(root):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                body = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            key = os.path.relpath(path, root)
            found[key] = _Object(len(body), _etag(f"{key}{len(body)}"), body)
    return found


@final
class Objects:
    """What one bucket holds.

    Args:
        directory: Its files are the objects at the start.
        keep: Keep the bodies of uploads, so that they can be read back; otherwise only their sizes.
        crc32c: Checksums of the files by key; empty to serve none.
    """

    def __init__(self, directory: str, *, keep: bool, crc32c: Mapping[str, str]) -> None:
        self.keep: bool = keep
        self._crc32c = crc32c
        self._objects = _load(directory)
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def get(self, key: str, request: Request) -> Reply:
        """GetObject and HeadObject, with `Range` and `If-Match`."""
        there = self._objects.get(key)
        if there is None or (there.body is None and request.method != "HEAD"):
            return Reply(404)
        if request.headers.get("if-match", there.etag) != there.etag:
            return Reply(412)
        headers = {
            "etag": there.etag,
            "last-modified": _MODIFIED,
            "accept-ranges": "bytes",
            "content-type": "application/octet-stream",
        }
        wanted = _RANGE.fullmatch(request.headers.get("range", ""))
        if wanted is None:
            headers["content-length"] = str(there.size)
            if request.headers.get("x-amz-checksum-mode") == "ENABLED" and key in self._crc32c:
                headers["x-amz-checksum-crc32c"] = self._crc32c[key]
                headers["x-amz-checksum-type"] = "FULL_OBJECT"
            return Reply(200, there.body or b"", headers)
        first, last = wanted.groups()
        start = int(first) if first else max(0, there.size - int(last))
        stop = min(int(last) + 1, there.size) if first and last else there.size
        if start >= there.size:
            return Reply(416, b"", {"content-range": f"bytes */{there.size}"})
        headers["content-range"] = f"bytes {start}-{stop - 1}/{there.size}"
        headers["content-length"] = str(stop - start)
        return Reply(206, b"" if there.body is None else there.body[start:stop], headers)

    def put(self, key: str, request: Request, body: bytes | None) -> Reply:
        """PutObject and UploadPart."""
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        size = request.body_bytes
        upload_id = request.query.get("uploadId")
        etag = _etag(f"{key}{upload_id}{request.query.get('partNumber')}{size}")
        if upload_id is None:
            kept = None if body is None else memoryview(body)
            self._objects[key] = _Object(size, etag, kept)
        else:
            upload = self._uploads.get(upload_id)
            if upload is None:
                return Reply(404)
            upload.parts[int(request.query["partNumber"])] = _Part(size, body)
        return Reply(200, b"", {"etag": etag} | _echo(request))

    def post(self, key: str, request: Request, body: bytes) -> Reply:
        """CreateMultipartUpload and CompleteMultipartUpload."""
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
        joined = None
        if self.keep:
            joined = memoryview(b"".join([part.body or b"" for part in parts]))
        size = sum(part.size for part in parts)
        etag = _etag(f"{key}{size}")
        self._objects[key] = _Object(size, etag, joined)
        inner = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>"
        return _xml("CompleteMultipartUploadResult", inner, {})

    def delete(self, key: str, request: Request) -> Reply:
        """DeleteObject and AbortMultipartUpload."""
        if "uploadId" in request.query:
            self._uploads.pop(request.query["uploadId"], None)
        else:
            self._objects.pop(key, None)
        return Reply(204)


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
