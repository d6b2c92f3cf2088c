"""What a server holds: files that are read, uploads that are counted and thrown away."""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from benchmarks.scale import BUCKET
from benchmarks.server.message import Reply, Request

__all__ = ["MODIFIED", "Shelf", "Stored", "make_etag", "serve"]

MODIFIED: Final = "Tue, 24 Nov 2026 10:00:00 GMT"

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One object.

    Attributes:
        size: In bytes.
        etag: With quotes.
        generation: Another number for each write.
        body: None if the bytes were thrown away.
        crc32c: Base64 CRC32C, "" if none is kept.
        md5: Base64 MD5, "" if none is kept.
    """

    size: int
    etag: str
    generation: int
    body: memoryview | None
    crc32c: str = ""
    md5: str = ""


def make_etag(seed: str) -> str:
    """Return an ETag that is no MD5 of anything, as that of an object written in parts."""
    return f'"{hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()}-1"'


@final
class Shelf:
    """The objects of one bucket.

    Args:
        directory: Its files are the objects at the start; their generation is 1.
        keep: Keep the bodies of uploads, so that they can be read back; otherwise only their sizes.
        crc32c: Checksums of the files by key; empty to serve none.
        md5: As `crc32c`.
    """

    def __init__(
        self, directory: str, *, keep: bool, crc32c: Mapping[str, str], md5: Mapping[str, str]
    ) -> None:
        self.keep: bool = keep
        self._numbers = itertools.count(2)
        self._objects: dict[str, Stored] = {}
        self._sorted: list[str] | None = None
        root = os.path.join(directory, BUCKET)
        for place, _, names in os.walk(root):
            for name in names:
                path = os.path.join(place, name)
                key = os.path.relpath(path, root)
                with open(path, "rb") as file:
                    body = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                    modified = int(os.fstat(file.fileno()).st_mtime)
                self._objects[key] = Stored(
                    size=len(body),
                    etag=f'"{modified:x}-{len(body):x}"',  # as nginx makes it of the same file
                    generation=1,
                    body=body,
                    crc32c=crc32c.get(key, ""),
                    md5=md5.get(key, ""),
                )

    def find(self, key: str) -> Stored | None:
        """Return an object."""
        return self._objects.get(key)

    def add(
        self, key: str, size: int, body: bytes | bytearray | None, *, crc32c: str = ""
    ) -> Stored:
        """Take a new object in place of an older one."""
        generation = next(self._numbers)
        stored = Stored(
            size=size,
            etag=make_etag(f"{key}{size}{generation}"),
            generation=generation,
            body=None if body is None else memoryview(body),
            crc32c=crc32c,
        )
        if key not in self._objects:
            self._sorted = None
        self._objects[key] = stored
        return stored

    def drop(self, key: str) -> bool:
        """Remove an object; False if it is not there."""
        self._sorted = None
        return self._objects.pop(key, None) is not None

    def page(self, prefix: str, after: str, most: int) -> list[tuple[str, Stored]]:
        """Return up to `most` objects below a prefix whose keys come after `after`."""
        keys = self._sorted
        if keys is None:
            keys = self._sorted = sorted(self._objects)
        start = max(bisect_left(keys, prefix), bisect_right(keys, after))
        page = []
        for key in keys[start : start + most]:
            if not key.startswith(prefix):
                break
            if stored := self._objects.get(key):
                page.append((key, stored))
        return page


def serve(stored: Stored, request: Request, headers: dict[str, str], wanted: str) -> Reply:
    """Answer a GET or HEAD with the whole object or a range of it.

    Args:
        stored: What is asked for.
        request: By whom; its `If-Match` is obeyed.
        headers: All but those of the range.
        wanted: The range, as in `Range`; "" for all.
    """
    if stored.body is None and request.method != "HEAD":
        return Reply(404)
    if request.headers.get("if-match", stored.etag) != stored.etag:
        return Reply(412)
    headers = {
        "etag": stored.etag,
        "last-modified": MODIFIED,
        "accept-ranges": "bytes",
        "content-type": "application/octet-stream",
        "content-length": str(stored.size),
        **headers,
    }
    match = _RANGE.fullmatch(wanted)
    if match is None:
        return Reply(200, stored.body or b"", headers)
    first, last = match.groups()
    start = int(first) if first else max(0, stored.size - int(last))
    stop = min(int(last) + 1, stored.size) if first and last else stored.size
    if start >= stored.size:
        return Reply(416, b"", {"content-range": f"bytes */{stored.size}"})
    headers["content-range"] = f"bytes {start}-{stop - 1}/{stored.size}"
    headers["content-length"] = str(stop - start)
    return Reply(206, b"" if stored.body is None else stored.body[start:stop], headers)
