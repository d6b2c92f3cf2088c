"""Small blobs, and facts of many, for what writes datasets: where it crosses to the loop."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, final

from blobio.blocking.binding import Binding
from blobio.errors import BlobError, NotFound
from blobio.url import BlobUrl
from blobio.values import BlobMeta, Capabilities, Overwrite, PutOptions, Version, WriteMode

if TYPE_CHECKING:
    from blobio.blocking.file import BlobWriter
    from blobio.config import Config
    from blobio.core.context import AsyncContext

__all__ = ["Blobs"]

R = TypeVar("R")

_AT_ONCE: Final = 64  # requests in flight for facts, small reads and removals
_JSON: Final = "application/json"


@final
class Blobs:
    """Blobs of any store, over one set of settings.

    Args:
        config: All settings; None for `Config.from_env()`, read on first use.
    """

    def __init__(self, config: Config | None) -> None:
        self._binding = Binding(config)
        # held from outside, it is dropped, and closes, only after the rest
        weakref.finalize(self, _drop, self._binding).atexit = False

    @property
    def config(self) -> Config:
        """The settings."""
        return self._binding.config

    @property
    def given(self) -> Config | None:
        """The settings as they were given."""
        return self._binding.given

    def close(self) -> None:
        """Close all connections; the next use opens anew."""
        self._binding.close()

    def capabilities(self, url: BlobUrl) -> Capabilities:
        """Return what the store of `url` can do."""
        return self._binding.capabilities(url)

    def head(self, url: BlobUrl, version: Version | None = None) -> BlobMeta:
        """Return the facts of one blob; 1 HEAD."""
        return self._binding.call(partial(_head, url=url, version=version))

    def heads(self, blobs: Sequence[tuple[BlobUrl, Version | None]]) -> list[BlobMeta | BlobError]:
        """Return the facts of many blobs, or why there are none; 1 HEAD each, side by side."""
        calls = [partial(_head, url=url, version=version) for url, version in blobs]
        return self._binding.call(lambda core: _side_by_side(core, calls))

    def read(self, url: BlobUrl) -> tuple[bytes, Version | None]:
        """Return content and version of a small blob; 1 GET."""
        return self._binding.call(partial(_read, url=url))

    def read_many(self, urls: Sequence[BlobUrl]) -> list[tuple[bytes, Version | None] | BlobError]:
        """Return content and version of many small blobs, or why there are none; 1 GET each."""
        calls = [partial(_read, url=url) for url in urls]
        return self._binding.call(lambda core: _side_by_side(core, calls))

    def write(self, url: BlobUrl, data: bytes, mode: WriteMode) -> Version | None:
        """Write a blob of JSON under a condition; return its version. 1 PUT up to one part."""
        return self._binding.call(partial(_write, url=url, data=data, mode=mode))

    def names(self, directory: BlobUrl) -> list[str]:
        """Return the names of the blobs in a directory, none if it is missing; 1 LIST a page."""
        return [name for name, is_dir in self._entries(directory) if not is_dir]

    def directories(self, directory: BlobUrl) -> list[str]:
        """Return the names of the directories in a directory; 1 LIST a page."""
        return [name for name, is_dir in self._entries(directory) if is_dir]

    def remove(self, urls: Iterable[BlobUrl]) -> None:
        """Remove blobs, in batches; what is missing passes. The first failure comes at the end."""
        self._binding.call(partial(_remove, urls=list(urls)))

    def writer(self, url: BlobUrl) -> BlobWriter:
        """Open a blob for writing, streamed in parts; it appears on `close`."""
        from blobio.blocking.file import BlobWriter
        from blobio.core.files import AsyncWriter

        self.capabilities(url)  # makes the driver, on the loop
        writer = self._binding.core().stores.writer(str(url), PutOptions(mode=Overwrite()))
        return BlobWriter(AsyncWriter(writer), owner=self)

    def fetch(self, url: BlobUrl, path: str, version: Version | None) -> None:
        """Download a blob of this version to a local path."""
        self._binding.call(lambda core: core.fetch(str(url), path, version))

    def read_span(self, url: BlobUrl, start: int, stop: int, version: Version | None) -> bytes:
        """Return a byte range of a blob of this version."""
        found = self._binding.call(
            lambda core: core.read_ranges(str(url), [(start, stop)], version=version)
        )
        return found[0]

    def _entries(self, directory: BlobUrl) -> list[tuple[str, bool]]:
        entries = self._binding.iterate(lambda core: core.scandir_pages(str(directory), 0))
        try:
            return [(entry.name, entry.is_dir) for entry in entries]
        except NotFound:
            return []


async def _head(core: AsyncContext, url: BlobUrl, version: Version | None) -> BlobMeta:
    driver, url = core.stores.blob(str(url), "head")
    return await driver.head(url.key, version=version)


async def _read(core: AsyncContext, url: BlobUrl) -> tuple[bytes, Version | None]:
    reader = core.stores.reader(str(url))
    data = await reader.read_all()
    return data, reader.version


async def _write(core: AsyncContext, url: BlobUrl, data: bytes, mode: WriteMode) -> Version | None:
    options = PutOptions(mode=mode, content_type=_JSON, size=len(data))
    result = await core.stores.writer(str(url), options).write_all(data)
    if result.version is not None:
        return result.version
    return (await _head(core, url, None)).version  # a store that does not say what it has written


async def _remove(core: AsyncContext, urls: Sequence[BlobUrl]) -> None:
    from blobio.core.flow import each

    if not urls:
        return
    driver = core.stores.driver(urls[0])
    size = driver.capabilities.delete_batch
    batches = [urls[start : start + size] for start in range(0, len(urls), size)]
    failures: list[Exception] = []

    async def one(batch: Sequence[BlobUrl]) -> None:
        results = await driver.delete([url.key for url in batch])
        failures.extend(
            result.error
            for result in results
            if result.error is not None and not isinstance(result.error, NotFound)
        )

    await each(one, batches, window=_AT_ONCE)
    if failures:
        raise failures[0]


async def _side_by_side(
    core: AsyncContext, calls: Sequence[Callable[[AsyncContext], Awaitable[R]]]
) -> list[R | BlobError]:
    """Return what each call returns, or the error of blobio that it raised, in their order."""
    from blobio.core.flow import ordered_map

    async def one(call: Callable[[AsyncContext], Awaitable[R]]) -> R | BlobError:
        try:
            return await call(core)
        except BlobError as error:
            return error

    return [found async for found in ordered_map(one, calls, window=_AT_ONCE)]


def _drop(binding: Binding) -> None:
    """Let go of the last reference but the owner's own."""
