"""The ways in which a program can read a whole blob: each gives its bytes, or raises."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Final, final

import pytest

from blobio import Context
from blobio.aio import AsyncContext
from blobio.config import Config
from tests.faults.sites import DATA, KIB, PART

__all__ = ["WAYS", "Way", "each_protocol", "each_way"]


@final
@dataclass(frozen=True, slots=True)
class Way:
    """One way.

    Attributes:
        name: Its name.
        read: Reads all of the blob at a URL.
        whole: The whole passes through at once, and so can be checked and fetched again.
        one_request: It is a single request, if nothing fails.
        again: What came is not yet published when it is checked, and so can be fetched again.
    """

    name: str
    read: Callable[[Config, str], bytes]
    whole: bool = False
    one_request: bool = False
    again: bool = False

    @property
    def mends(self) -> bool:
        """Bytes that were changed on their way are fetched again."""
        return self.whole or self.again


def _blocking(read: Callable[[Context, str], bytes]) -> Callable[[Config, str], bytes]:
    def run(config: Config, url: str) -> bytes:
        with Context(config) as context:
            return read(context, url)

    return run


def _async(read: Callable[[AsyncContext, str], Awaitable[bytes]]) -> Callable[[Config, str], bytes]:
    async def run(config: Config, url: str) -> bytes:
        async with AsyncContext(config) as context:
            return await read(context, url)

    return lambda config, url: asyncio.run(run(config, url))


def _read_bytes_in_one(config: Config, url: str) -> bytes:
    large = replace(config, read=replace(config.read, part_bytes=len(DATA)))
    return _blocking(lambda context, path: context.read_bytes(path))(large, url)


def _file_in_pieces(context: Context, url: str) -> bytes:
    with context.BlobFile(url, "rb") as file:
        return b"".join(iter(lambda: file.read(20 * KIB), b""))


def _file_at_once(context: Context, url: str) -> bytes:
    with context.BlobFile(url, "rb") as file:
        return file.read()


def _readinto(context: Context, url: str) -> bytes:
    """Fill one large buffer, from parts fetched side by side."""
    buffer = bytearray(len(DATA) + 100)
    with context.BlobFile(url, "rb") as file:
        count = file.readinto(buffer)  # type: ignore[attr-defined]  # typeshed has it on no BinaryIO
    return bytes(buffer[:count])


def _readinto_parts(context: Context, url: str) -> bytes:
    """Fill buffers of several parts, one after the other."""
    buffer = memoryview(bytearray(len(DATA) + 100))
    done = 0
    with context.BlobFile(url, "rb") as file:
        while count := file.readinto(buffer[done : done + 2 * PART]):  # type: ignore[attr-defined]  # as above
            done += count
    return bytes(buffer[:done])


def _ranges(context: Context, url: str) -> bytes:
    step = 50 * KIB
    spans = [(start, start + step) for start in range(0, len(DATA), step)]
    return b"".join(context.read_ranges(url, spans))


async def _async_blocks(context: AsyncContext, url: str) -> bytes:
    async with context.open(url) as file:
        return b"".join([block async for block in file])


def _download(config: Config, url: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory, Context(config) as context:
        context.copy(url, f"{directory}/copy")
        assert [path.name for path in Path(directory).iterdir()] == ["copy"]
        return Path(directory, "copy").read_bytes()


WAYS: Final = (
    Way("read_bytes", _blocking(lambda context, url: context.read_bytes(url)), whole=True),
    Way("read_bytes in one", _read_bytes_in_one, whole=True, one_request=True),
    Way("BlobFile in pieces", _blocking(_file_in_pieces)),
    Way("BlobFile at once", _blocking(_file_at_once), whole=True),
    Way("readinto", _blocking(_readinto), whole=True),
    Way("readinto parts", _blocking(_readinto_parts)),
    Way("read_ranges", _blocking(_ranges)),
    Way("async read_bytes", _async(lambda context, url: context.read_bytes(url)), whole=True),
    Way("async blocks", _async(_async_blocks)),
    Way("download", _download, again=True),
)

each_way = pytest.mark.parametrize("way", WAYS, ids=attrgetter("name"))
each_protocol = pytest.mark.parametrize("site", ["s3-crc32c", "http", "hub"], indirect=True)
"""For faults that have nothing to do with checksums."""
