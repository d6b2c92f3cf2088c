"""adlfs: its blocking API, and its own coroutines for many reads at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

from adlfs import AzureBlobFileSystem

from benchmarks.peers.base import Eat, EatOne, Place
from benchmarks.peers.concurrent import in_tasks

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


@final
class _Adlfs:
    def __init__(self, place: Place) -> None:
        self._base = f"{place.bucket}/"
        self._settings: dict[str, Any] = {
            "connection_string": place.connection_string,
            "skip_instance_cache": True,
        }
        self._files = AzureBlobFileSystem(**self._settings)
        self._runner = asyncio.Runner()
        self._async: Any = None

    def read(self, key: str) -> Buffer:
        body: bytes = self._files.cat_file(self._base + key)
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        with self._files.open(self._base + key, "rb") as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self._files.cat_file(self._base + key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        self._runner.run(self._read_many(keys, concurrency, eat))

    async def _read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        if self._async is None:
            self._async = AzureBlobFileSystem(asynchronous=True, **self._settings)
        await in_tasks(self._read, keys, concurrency, eat)

    async def _read(self, key: str) -> Buffer:
        body: bytes = await self._async._cat_file(self._base + key)  # noqa: SLF001 - fsspec's async API has underscores
        return body

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with self._files.open(self._base + key, "wb") as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        self._files.pipe_file(self._base + key, body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for entry in self._files.ls(self._base + prefix, detail=True):
            yield entry["size"]

    def close(self) -> None:
        if self._async is not None:
            self._runner.run(self._async.service_client.close())
        self._runner.close()


open_peer = _Adlfs
