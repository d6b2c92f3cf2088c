"""`Tally`: what a library has handed over, and whether that is right."""

from __future__ import annotations

import http.client
import zlib
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from benchmarks.data import BIG_KEY, blocks, crc_of, list_size, small_body
from benchmarks.peers.base import Place
from benchmarks.scale import Scale

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Tally", "Wrong"]


class Wrong(Exception):
    """A library handed over other bytes than the object has."""


@final
class Tally:
    """Counts while a job runs; judges afterwards.

    Args:
        check: Look at every byte. That costs time which is not the library's, so that a run which
            measures looks at counts and sizes only.
    """

    def __init__(self, *, check: bool) -> None:
        self._check = check
        self._bytes = 0
        self._crc = 0
        self._items: dict[str, tuple[int, int]] = {}
        self._sizes: list[int] = []

    def eat(self, block: Buffer) -> None:
        """Take the next bytes of the large object."""
        self._bytes += memoryview(block).nbytes
        if self._check:
            self._crc = zlib.crc32(block, self._crc)

    def eat_one(self, key: str, body: Buffer) -> None:
        """Take a whole small object."""
        crc = zlib.crc32(body) if self._check else 0
        self._items[key] = (memoryview(body).nbytes, crc)

    def count(self, size: int) -> None:
        """Take the size that a listing tells of the next object."""
        self._bytes += size
        self._crc += 1

    def judge_big(self, scale: Scale, _place: Place) -> None:
        """Raise `Wrong` unless the large object has come."""
        self._judge_size(scale.big_bytes)
        if self._check and self._crc != _big_crc(scale):
            raise Wrong(f"{BIG_KEY} has other bytes")

    def judge_small(self, scale: Scale, _place: Place) -> None:
        """Raise `Wrong` unless every small object has come."""
        for index, key in enumerate(scale.small_keys):
            crc = zlib.crc32(small_body(scale, index)) if self._check else 0
            if self._items.get(key) != (scale.small_bytes, crc):
                raise Wrong(f"{key} has other bytes")

    def judge_list(self, scale: Scale, _place: Place) -> None:
        """Raise `Wrong` unless every key has come."""
        if self._crc != scale.key_count:
            raise Wrong(f"{self._crc} keys of {scale.key_count}")
        self._judge_size(sum(list_size(index) for index in range(scale.key_count)))

    def judge_upload(self, key: str, scale: Scale, place: Place) -> None:
        """Raise `Wrong` unless the server has what was written; delete it.

        The next library's object has the same bytes: that of one must not be taken for another's.
        """
        account = urlsplit(place.account_url)
        server = http.client.HTTPConnection(account.netloc)
        path = f"{account.path}/{place.bucket}/{key}"
        server.request("GET" if self._check else "HEAD", path)
        reply = server.getresponse()
        self._bytes = int(reply.headers.get("content-length") or 0)
        body = reply.read()
        server.request("DELETE", path)
        server.getresponse().read()
        server.close()
        self._judge_size(scale.big_bytes)
        if self._check and zlib.crc32(body) != _big_crc(scale):
            raise Wrong(f"{key} was written with other bytes")

    def _judge_size(self, expected: int) -> None:
        if self._bytes != expected:
            raise Wrong(f"{self._bytes} bytes of {expected}")


def _big_crc(scale: Scale) -> int:
    return crc_of(blocks(scale.big_bytes, scale.block_bytes))
