"""smart_open, over a boto3 client; threads for many reads at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

import smart_open

from benchmarks.peers.base import Eat, EatOne, Place
from benchmarks.peers.boto3 import client
from benchmarks.peers.concurrent import in_threads
from benchmarks.scale import FULL

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


@final
class _SmartOpen:
    def __init__(self, place: Place) -> None:
        self._base = f"s3://{place.bucket}/"
        self._params = {"client": client(place)}
        self._pool = ThreadPoolExecutor(FULL.concurrency)

    def read(self, key: str) -> Buffer:
        with smart_open.open(self._base + key, "rb", transport_params=self._params) as file:
            body: bytes = file.read()
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        with smart_open.open(self._base + key, "rb", transport_params=self._params) as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self.read(key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        assert concurrency == FULL.concurrency
        in_threads(self.read, keys, self._pool, eat)

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with smart_open.open(self._base + key, "wb", transport_params=self._params) as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        with smart_open.open(self._base + key, "wb", transport_params=self._params) as file:
            file.write(body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        """It lists only by downloading what it lists."""
        raise NotImplementedError(prefix)

    def close(self) -> None:
        self._pool.shutdown()
        self._params["client"].close()


open_peer = _SmartOpen
