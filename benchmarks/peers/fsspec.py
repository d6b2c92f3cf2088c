"""What fsspec file systems have in common: blocking verbs, and coroutines with an underscore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import Eat, EatOne, Place
from benchmarks.peers.concurrent import in_tasks

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FsspecPeer"]


class FsspecPeer:
    """A file system used as fsspec's documentation tells to.

    Args:
        place: Where the objects are.
        kind: Class of the file system.
        settings: Its storage options.
    """

    def __init__(self, place: Place, kind: Any, settings: dict[str, Any]) -> None:
        self._base = f"{place.bucket}/"
        self._kind = kind
        self._settings = {**settings, "skip_instance_cache": True}
        self._files = kind(**self._settings)
        self._runner = asyncio.Runner()
        self._async: Any = None

    def read(self, key: str) -> Buffer:
        """Read a whole object."""
        body: bytes = self._files.cat_file(self._base + key)
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        """Read an object block by block."""
        with self._files.open(self._base + key, "rb") as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        """Read objects one after the other."""
        for key in keys:
            eat(key, self._files.cat_file(self._base + key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        """Read objects side by side."""
        self._runner.run(self._read_many(keys, concurrency, eat))

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        """Write an object block by block."""
        with self._files.open(self._base + key, "wb") as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        """Write a whole object."""
        self._files.pipe_file(self._base + key, body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        """List the objects below a prefix."""
        for entry in self._files.ls(self._base + prefix, detail=True):
            yield entry["size"]

    def close(self) -> None:
        """Close what is open."""
        if self._async is not None:
            self._runner.run(self._close(self._async))
        self._runner.close()

    async def _connect(self, files: Any) -> None:
        """Open the connections of a file system for coroutines, where it does not do so itself."""

    async def _close(self, files: Any) -> None:
        """Close the connections of a file system for coroutines."""
        raise NotImplementedError

    async def _read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        if self._async is None:
            self._async = self._kind(asynchronous=True, **self._settings)
            await self._connect(self._async)
        await in_tasks(self._read, keys, concurrency, eat)

    async def _read(self, key: str) -> Buffer:
        body: bytes = await self._async._cat_file(self._base + key)  # noqa: SLF001 - fsspec's async API has underscores
        return body
