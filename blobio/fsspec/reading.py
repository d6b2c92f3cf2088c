"""The half of `BlobFileSystem` that only reads: what a file system is made of, questions, slices.

Nothing is cached: no listing, no fact. Blocking calls run on blobio's own loop thread, which a fork
replaces; coroutines run on the loop of whoever awaits them.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from blobio.blocking.binding import Binding
from blobio.blocking.portal import portal
from blobio.config import Config
from blobio.core import listing
from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.drivers.base import Driver
from blobio.errors import BlobError, IsDirectory, NotDirectory, NotFound, Unsupported
from blobio.fsspec.base import AsyncFileSystem
from blobio.fsspec.entries import Entry, blob_entry, directory_entry, entry_of, parents
from blobio.fsspec.options import to_config
from blobio.fsspec.ranges import read_many, read_one
from blobio.url import BlobPathLike, BlobUrl

__all__ = ["ReadingFileSystem", "missing"]


class ReadingFileSystem(AsyncFileSystem):
    """How it is made, and what it can be asked; see `BlobFileSystem`."""

    scheme: ClassVar[str]
    url_prefix: str
    protocol: ClassVar[tuple[str, ...]]
    cachable = True
    mirror_sync_methods = True
    async_impl = True

    def __init__(
        self,
        *,
        asynchronous: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        batch_size: int | None = None,
        **storage_options: Any,
    ) -> None:
        self.config: Config = to_config(self.scheme, storage_options)
        self._given_loop = loop
        started = None if asynchronous else loop or portal().loop
        super().__init__(asynchronous=asynchronous, loop=started, batch_size=batch_size)
        self._binding = Binding(self.config)
        # A file system is part of cycles. What is finalised together with its sessions cannot close
        # them first; held from outside, the binding is dropped, and closes, after the collection.
        weakref.finalize(self, _drop, self._binding).atexit = False
        self._contexts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncContext] = (
            weakref.WeakKeyDictionary()
        )

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """Return the name of a path, or of each of a list; a `BlobPath` stands for its URL."""
        # Asked of each name, and a protocol costs 15 microseconds to ask for: strings first.
        if isinstance(path, str):
            if ":" not in path:
                return path.rstrip("/") or cls.root_marker
        elif isinstance(path, BlobPathLike):
            path = path.__blobpath__()
        return super()._strip_protocol(path)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Where the blocking verbs run; a fork has a loop of its own."""
        if self.asynchronous:
            return None
        return self._given_loop or portal().loop

    async def aclose(self) -> None:
        """Close the connections of the running loop. A file system of blocking verbs needs none."""
        context = self._contexts.pop(asyncio.get_running_loop(), None)
        if context is not None:
            await context.aclose()

    @property
    def _context(self) -> AsyncContext:
        running = asyncio.get_running_loop()
        if running is portal().loop:
            return self._binding.core()
        context = self._contexts.get(running)
        if context is None:
            context = self._contexts[running] = AsyncContext(self.config)
            weakref.finalize(self, _close, weakref.ref(running), context).atexit = False
        return context

    def _url(self, path: str) -> str:
        """Return what blobio calls a path of this file system."""
        return self.url_prefix + path

    def _locate(self, path: str) -> tuple[Driver, BlobUrl]:
        return self._context.stores.locate(self._url(path))

    # Questions

    async def _info(self, path: str, **_kwargs: Any) -> Entry:
        """Describe a blob (1 HEAD) or a directory (1 LIST more)."""
        path = self._strip_protocol(path)
        if not path:
            return directory_entry("")
        driver, url = self._locate(path)
        if url.key:
            try:
                return blob_entry(path, await driver.head(url.key))
            except (NotFound, IsDirectory, NotDirectory):
                pass
        if await listing.is_directory(driver, url):
            return directory_entry(path)
        raise missing(path)

    async def _ls(self, path: str, detail: bool = True, **_kwargs: Any) -> list[Any]:
        """List a directory, or the one blob of that name; 1 LIST a page."""
        path = self._strip_protocol(path)
        if not path:
            message = f"ls of {self.protocol[0]}://: blobio lists no buckets; name one"
            raise Unsupported(message, operation="list")
        driver, url = self._locate(path)
        found: list[Entry] = []
        try:
            async for entries in listing.scan(driver, url):
                found += [entry_of(path, entry) for entry in entries]
        except (NotFound, NotDirectory):
            try:
                found = [blob_entry(path, await driver.head(url.key))]
            except (NotFound, NotDirectory):
                raise missing(path) from None
        return found if detail else [entry["name"] for entry in found]

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        """List everything below a path, flat: 1 LIST a page; a level at a time with `maxdepth`."""
        path = self._strip_protocol(path)
        driver, url = self._locate(path)
        if driver.capabilities.directories or maxdepth is not None or not path:
            return await super()._find(path, maxdepth, withdirs, detail=detail, **kwargs)
        root = url.as_directory
        found: dict[str, Entry] = {}
        async for page in listing.pages(driver, root.key + prefix):
            for meta in page.blobs:
                name = f"{path}/{meta.key[len(root.key) :]}"
                if not name.endswith("/"):
                    found[name] = blob_entry(name, meta) if detail else {}
                elif withdirs:
                    found.setdefault(name[:-1], directory_entry(name[:-1]))
                if withdirs:
                    for above in parents(name.rstrip("/"), path):
                        found.setdefault(above, directory_entry(above))
        if not found and not prefix and url.key and await listing.is_file(driver, url):
            found[path] = await self._info(path)
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    async def _exists(self, path: str, **_kwargs: Any) -> bool:
        path = self._strip_protocol(path)
        return not path or await self._context.exists(self._url(path))

    async def _isdir(self, path: str) -> bool:
        path = self._strip_protocol(path)
        return not path or await self._context.isdir(self._url(path))

    async def _isfile(self, path: str) -> bool:
        path = self._strip_protocol(path)
        return bool(path) and await self._context.isfile(self._url(path))

    def created(self, path: str) -> datetime:
        """Return when a blob was created, or written if the store tells only that."""
        return datetime.fromtimestamp(self.info(path)["created"], UTC)

    def modified(self, path: str) -> datetime:
        """Return when a blob was last written."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    async def _sign(self, path: str, expiration: int = 3600, method: str = "GET") -> str:
        """Return a URL that is good for `expiration` seconds; see `blobio.Context.get_url`."""
        url = self._url(self._strip_protocol(path))
        signed, _ = await self._context.get_url(url, method=method, expires_s=expiration)
        return signed

    def sign(self, path: str, expiration: int = 3600, **kwargs: Any) -> str:
        """Return a URL that is good for `expiration` seconds; see `blobio.Context.get_url`."""
        url = self._url(self._strip_protocol(path))
        signed, _ = self._binding.call(
            lambda core: core.get_url(url, expires_s=expiration, **kwargs)
        )
        return signed

    def invalidate_cache(self, path: str | None = None) -> None:
        """Do nothing: there is no cache."""

    # Content

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_kwargs: Any
    ) -> bytes:
        """Read `blob[start:end]`; negative bounds count from its end. 1 GET if it is small."""
        url = self._url(self._strip_protocol(path))
        return await read_one(self._context, url, start, end)

    async def _cat(
        self,
        path: str | list[str],
        recursive: bool = False,
        on_error: str = "raise",
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Read blobs whole, or `start` to `end` of each: 1 GET for each that is small.

        fsspec's own waits for the first of up to 1,280 tasks to end and begins anew: a third of the
        processor time of 1,000 small reads (`benchmarks.adapters`, `cat`).

        Args:
            path: A name or pattern, or a list of them.
            recursive: Everything below directories too.
            on_error: `"raise"` raises the first failure and reads no further; `"return"` gives an
                exception in place of the bytes, `"omit"` leaves such a name out.
            batch_size: Blobs read at once; None for `HttpConfig.requests_per_host`, -1 for all.
            kwargs: `start` and `end`.

        Returns:
            The bytes, if `path` is the name of a blob, else a dictionary of them by name.
        """
        names = await self._expand_path(path, recursive=recursive)
        found: dict[str, bytes | Exception] = dict.fromkeys(names, b"")

        async def read(name: str) -> None:
            try:
                found[name] = await self._cat_file(name, **kwargs)
            except Exception as error:
                if on_error == "raise":
                    raise
                found[name] = error

        await each(read, names, window=self._window(batch_size, len(names)))
        if isinstance(path, str) and names == [self._strip_protocol(path)]:
            return found[names[0]]
        if on_error != "omit":
            return found
        return {name: data for name, data in found.items() if isinstance(data, bytes)}

    def _window(self, batch_size: int | None, count: int) -> int:
        """Return how many of `count` calls to have at once; -1 is fsspec's word for all.

        Unless somebody says so, no more than the transport would send to one host.
        """
        wanted = batch_size or self.batch_size or self.config.http.requests_per_host
        return count if wanted < 0 else min(wanted, count)

    async def _cat_ranges(
        self,
        paths: Sequence[str],
        starts: Sequence[int | None] | int | None,
        ends: Sequence[int | None] | int | None,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **_kwargs: Any,
    ) -> list[bytes | BaseException]:
        """Read many slices of many blobs; of one blob those close together share a request.

        Args:
            paths: A blob for each slice.
            starts: Where each begins, or one number for all.
            ends: Where each ends, or one number for all.
            max_gap: Bytes between two slices that are read over; None for
                `ReadConfig.coalesce_bytes`.
            batch_size: Blobs read at once.
            on_error: `"return"` gives an exception in place of its bytes, `"raise"` raises it.
        """
        urls = [self._url(self._strip_protocol(path)) for path in paths]
        window = self._window(batch_size, len(urls))
        found = await read_many(self._context, urls, starts, ends, max_gap=max_gap, window=window)
        if on_error == "raise":
            for one in found:
                if isinstance(one, BaseException):
                    raise one
        return found


def _drop(binding: Binding) -> None:
    """Let go of the last reference but the file system's own."""


def _close(where: weakref.ref[asyncio.AbstractEventLoop], context: AsyncContext) -> None:
    """Close the connections of another loop, if it still runs, on that loop."""
    loop = where()
    if loop is not None:
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(lambda: loop.create_task(context.aclose()))


def missing(path: str) -> BlobError:
    """Return the error for a path that names nothing."""
    message = f"{path}: no such blob or directory"
    return NotFound(message, operation="head")
