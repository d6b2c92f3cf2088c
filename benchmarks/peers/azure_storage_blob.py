"""azure-storage-blob, Microsoft's own client: blocking, and its coroutines for many reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

from azure.storage.blob import ContainerClient
from azure.storage.blob.aio import ContainerClient as AsyncContainerClient

from benchmarks.peers.base import Eat, EatOne, Place
from benchmarks.peers.concurrent import in_tasks

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


@final
class _AzureStorageBlob:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._container = ContainerClient.from_connection_string(
            place.connection_string, place.bucket
        )
        self._runner = asyncio.Runner()
        self._async: Any = None

    def read(self, key: str) -> Buffer:
        body: bytes = self._container.download_blob(key).readall()
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        file = self._container.download_blob(key)
        while block := file.read(block_bytes):
            eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self.read(key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        self._runner.run(self._read_many(keys, concurrency, eat))

    async def _read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        if self._async is None:
            self._async = AsyncContainerClient.from_connection_string(
                self._place.connection_string, self._place.bucket
            )
        await in_tasks(self._read, keys, concurrency, eat)

    async def _read(self, key: str) -> Buffer:
        found = await self._async.download_blob(key)
        body: bytes = await found.readall()
        return body

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:
        self._container.upload_blob(key, blocks, length=size, overwrite=True)

    def write_bytes(self, key: str, body: bytes) -> None:
        self._container.upload_blob(key, body, overwrite=True)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for blob in self._container.list_blobs(name_starts_with=prefix):
            yield blob.size

    def close(self) -> None:
        if self._async is not None:
            self._runner.run(self._async.close())
        self._runner.close()
        self._container.close()


open_peer = _AzureStorageBlob
