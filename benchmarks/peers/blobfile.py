"""blobfile: it has no async API, so threads for many reads at a time.

Its endpoints are constants, so the functions that make URLs of them are exchanged here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

import blobfile
from blobfile import _azure, _common, _gcp

from benchmarks.peers.base import ACCOUNT_KEY, Eat, EatOne, Place
from benchmarks.peers.concurrent import in_threads
from benchmarks.scale import ACCOUNT, FULL

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


def _divert(place: Place) -> str:
    """Lead blobfile to the server; return the URL of the bucket as it writes it."""
    if place.store == "gcs":
        os.environ["BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH"] = "1"
        _gcp.build_url = lambda template, **data: _common.build_url(
            place.endpoint_url, template, **data
        )
        return f"gs://{place.bucket}/"
    os.environ["AZURE_STORAGE_KEY"] = ACCOUNT_KEY
    _azure.build_url = lambda _account, template, **data: _common.build_url(
        place.account_url, template, **data
    )
    return f"az://{ACCOUNT}/{place.bucket}/"


@final
class _Blobfile:
    def __init__(self, place: Place) -> None:
        self._base = _divert(place)
        self._pool = ThreadPoolExecutor(FULL.concurrency)

    def read(self, key: str) -> Buffer:
        body: bytes = blobfile.read_bytes(self._base + key)
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        with blobfile.BlobFile(self._base + key, "rb") as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self.read(key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        assert concurrency == FULL.concurrency
        in_threads(self.read, keys, self._pool, eat)

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with blobfile.BlobFile(self._base + key, "wb") as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        blobfile.write_bytes(self._base + key, body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for entry in blobfile.scandir(self._base + prefix):
            assert entry.stat is not None
            yield entry.stat.size

    def close(self) -> None:
        self._pool.shutdown()


open_peer = _Blobfile
