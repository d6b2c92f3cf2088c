"""What the tests of the core stand on: a memory driver whose replies and limits can be bent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast, final

from blobio.config import ReadConfig
from blobio.core.reader import RangeReader
from blobio.drivers.base import Driver, GetResult, Upload
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import TransportFailed
from blobio.testing.faults import Call, Hook, Wrapped
from blobio.transport.message import ByteStream
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    Body,
    Capabilities,
    DeleteResult,
    GetOptions,
    ListOptions,
    ListPage,
    MetaPatch,
    PutOptions,
    PutResult,
    SignedUrl,
    Version,
)

_T = TypeVar("_T")
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def url(key: str = "key") -> BlobUrl:
    return BlobUrl("memory", "bucket", key)


def pattern_bytes(size: int) -> bytes:
    """Bytes that differ from place to place, so that a wrong offset shows."""
    return b"".join(i.to_bytes(4, "big") for i in range(size // 4 + 1))[:size]


async def loaded(driver: Driver, blobs: Mapping[str, bytes] | Iterable[str]) -> Driver:
    """Put these blobs into a driver; a key without content gets its own name for content."""
    pairs = blobs.items() if isinstance(blobs, Mapping) else ((k, k.encode()) for k in blobs)
    for key, data in pairs:
        await driver.put(key, data, PutOptions())
    return driver


async def settled() -> None:
    """Let everything that is ready to run do so."""
    for _ in range(50):
        await asyncio.sleep(0)


def other_tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@final
class Bent:
    """A driver with other limits, other chunks or other replies than the one within.

    Args:
        driver: The one within.
        limits: Its capabilities, changed; None for unchanged.
        chunk_bytes: Yield bodies in chunks of this size.
        on_get: Changes what `get` returns.
        page_size: List no more than so many entries a page.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        limits: Capabilities | None = None,
        chunk_bytes: int | None = None,
        on_get: Callable[[GetResult], GetResult] = lambda result: result,
        page_size: int = 1000,
    ) -> None:
        self.driver = driver
        self.gets: list[GetOptions] = []
        self.pages: list[tuple[str, ListOptions, str | None]] = []
        self.closed = 0
        self._limits = limits
        self._chunk_bytes = chunk_bytes
        self._on_get = on_get
        self._page_size = page_size

    @property
    def capabilities(self) -> Capabilities:
        return self._limits or self.driver.capabilities

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        return await self.driver.head(key, version=version)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        self.gets.append(options)
        result = self._on_get(await self.driver.get(key, options))
        if self._chunk_bytes is None:
            return result
        return replace(result, stream=_Chopped(result.stream, self._chunk_bytes))

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        return await self.driver.put(key, body, options)

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        return await self.driver.begin_upload(key, options)

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        self.pages.append((prefix, options, token))
        options = replace(options, page_size=min(options.page_size, self._page_size))
        return await self.driver.list_page(prefix, options, token)

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        return await self.driver.delete(keys, if_version=if_version)

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        return await self.driver.copy(source, key, options)

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        return await self.driver.patch(key, change, if_version=if_version)

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        return await self.driver.sign_url(key, method, expires_s)

    async def aclose(self) -> None:
        self.closed += 1
        await self.driver.aclose()


@final
class _Chopped:
    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream = stream
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            for start in range(0, len(chunk), self._size):
                yield chunk[start : start + self._size]

    async def aclose(self) -> None:
        await self._stream.aclose()


@final
class Bytes:
    """A body that yields exactly these chunks, whatever was announced, and then maybe fails."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        pass


def memory(
    *hooks: Hook,
    store: MemoryStore | None = None,
    limits: Capabilities | None = None,
    chunk_bytes: int | None = None,
) -> Driver:
    """A memory driver with small chunks and other limits, behind hooks."""
    inner: Driver = MemoryDriver("bucket", store or MemoryStore())
    if limits is not None or chunk_bytes is not None:
        inner = Bent(inner, limits=limits, chunk_bytes=chunk_bytes)
    return Wrapped(inner, *hooks) if hooks else inner


@final
class Breaking:
    """A hook: the n-th body breaks off before its `steps[n]`-th chunk; later ones are whole.

    For bodies that are read one after another.
    """

    def __init__(self, *steps: int, error: Exception | None = None) -> None:
        self.steps = list(steps)
        self._error = error or TransportFailed("cut")
        self._left: int | None = None

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        if call.verb == "get":
            self._left = self.steps.pop(0) if self.steps else None
        elif call.verb == "chunk" and self._left is not None:
            if not self._left:
                self._left = None
                raise self._error
            self._left -= 1
        return await act()


DATA = pattern_bytes(1000)
SMALL = ReadConfig(part_bytes=100, window=3, coalesce_bytes=10)


def reader_of(
    driver: Driver, config: ReadConfig = SMALL, *, size: int | None = None
) -> RangeReader:
    return RangeReader(driver, url(), config, size=size)


async def stored(*hooks: Hook, data: bytes = DATA, chunk_bytes: int = 10) -> Driver:
    """A driver with one blob, `key`."""
    store = MemoryStore()
    await loaded(memory(store=store), {"key": data})
    return memory(*hooks, store=store, chunk_bytes=chunk_bytes)


async def spoiled(on_get: Callable[[GetResult], GetResult], data: bytes = DATA) -> Bent:
    """A driver with one blob, `key`, whose replies are bent."""
    store = MemoryStore()
    await loaded(memory(store=store), {"key": data})
    return Bent(MemoryDriver("bucket", store), on_get=on_get)


@final
class Changing:
    """A hook that changes the results of a verb, for a store that tells less or something else."""

    def __init__(self, verb: str, change: Callable[[Any], object]) -> None:
        self._verb = verb
        self._change = change

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        result = await act()
        return cast("_T", self._change(result)) if call.verb == self._verb else result


async def content(driver: Driver, key: str = "key") -> bytes:
    async with await driver.get(key, GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])
