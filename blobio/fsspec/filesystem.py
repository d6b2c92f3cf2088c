"""`BlobFileSystem`: fsspec's verbs over `AsyncContext`. What is not here fsspec makes of these.

Nothing is cached: no listing, no fact. Blocking calls run on blobio's own loop thread, which a fork
replaces; coroutines run on the loop of whoever awaits them.
"""

from __future__ import annotations

import asyncio
import io
import os
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from fsspec.asyn import AsyncFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import isfilelike

from blobio.blocking.binding import Binding
from blobio.blocking.opening import FileOptions, open_file
from blobio.blocking.portal import portal
from blobio.blocking.text import TextWriter
from blobio.config import Config
from blobio.core import listing, removing
from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.drivers.base import Driver
from blobio.errors import BlobError, IsDirectory, NotDirectory, NotFound, Unsupported
from blobio.fsspec.entries import Entry, blob_entry, directory_entry, entry_of, parents
from blobio.fsspec.files import AsyncFile, ReadFile, WriteFile
from blobio.fsspec.options import to_config
from blobio.fsspec.ranges import read_many, read_one
from blobio.url import BlobUrl

__all__ = ["BlobFileSystem"]

_REMOVALS_IN_FLIGHT: Final = 8


class BlobFileSystem(AsyncFileSystem):
    """One scheme of blobio as an fsspec file system; the classes in `schemes` are made of it.

    Paths are as fsspec wants them: without protocol and trailing `/`. Errors are blobio's, which
    are the builtin ones too.

    Args:
        asynchronous: The verbs with an underscore are awaited on the caller's loop.
        loop: Run the blocking verbs on this loop, which another thread runs; None for blobio's own.
        batch_size: Most calls of fsspec's bulk verbs at once.
        storage_options: See `blobio.fsspec.options.to_config`.

    Raises:
        InvalidConfig: A storage option is unknown.
    """

    scheme: ClassVar[str]
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
        self._contexts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncContext] = (
            weakref.WeakKeyDictionary()
        )

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
        return context

    @classmethod
    def _url(cls, path: str) -> str:
        """Return what blobio calls a path of this file system."""
        return path if cls.scheme == "file" else f"{cls.scheme}://{path}"

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
        raise _missing(path)

    async def _ls(self, path: str, detail: bool = True, **_kwargs: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's
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
                raise _missing(path) from None
        return found if detail else [entry["name"] for entry in found]

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002 - fsspec's signature
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
                name = f"{url.authority}/{meta.key}"
                if not name.endswith("/"):
                    found[name] = blob_entry(name, meta)
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
        """Read a blob or a slice of it; negative bounds count from the end. 1 GET if it is small."""
        url = self._url(self._strip_protocol(path))
        return await read_one(self._context, url, start, end)

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
        window = batch_size or self.batch_size or 64
        found = await read_many(self._context, urls, starts, ends, max_gap=max_gap, window=window)
        if on_error == "raise":
            for one in found:
                if isinstance(one, BaseException):
                    raise one
        return found

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", **_kwargs: Any
    ) -> None:
        """Write a blob; `mode="create"` raises `AlreadyExists` if there is one, by the store's word."""
        url = self._url(self._strip_protocol(path))
        await self._context.write_bytes(url, value, overwrite=mode != "create")

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_kwargs: Any,
    ) -> None:
        """Copy a local file to the store, parts side by side, with news for `callback`."""
        if await asyncio.to_thread(os.path.isdir, lpath):
            await self._makedirs(rpath, exist_ok=True)
            return
        target = self._url(self._strip_protocol(rpath))
        async with self._context.open(os.path.abspath(lpath)) as source:
            callback.set_size(source.size)
            opened = self._context.open(target, "xb" if mode == "create" else "wb")
            async with opened as writer:
                async for block in source:
                    await writer.write(block)
                    callback.relative_update(len(block))

    async def _get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, **_kwargs: Any
    ) -> None:
        """Copy a blob to a local file, which appears whole, or into an open one."""
        rpath = self._strip_protocol(rpath)
        try:
            opened = await self._context.open(self._url(rpath))
        except (NotFound, IsDirectory):
            if isfilelike(lpath) or not await self._isdir(rpath):
                raise
            await asyncio.to_thread(os.makedirs, lpath, exist_ok=True)
            return
        async with opened as source:
            callback.set_size(source.size)
            if isfilelike(lpath):
                async for block in source:
                    await asyncio.to_thread(lpath.write, block)
                    callback.relative_update(len(block))
                return
            async with self._context.open(os.path.abspath(lpath), "wb") as writer:
                async for block in source:
                    await writer.write(block)
                    callback.relative_update(len(block))

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file as the builtin `open` does; see `blobio.BlobFile` and fsspec's `open`.

        Args:
            path: The blob.
            mode: `r`, `w`, `x` or `a`, with `b` or `t`. `x` looks for the blob at once and is
                decided by the store on close.
            block_size: Bytes of one block of a sequential read.
            cache_options: Accepted; there is one way to read ahead.
            compression: As in fsspec.
            kwargs: `encoding`, `errors`, `newline`, `autocommit`.
        """
        if "b" in mode or "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        text = {name: kwargs.pop(name, None) for name in ("encoding", "errors", "newline")}
        binary = mode.replace("t", "") + "b"
        file = super().open(path, binary, block_size, cache_options, compression, **kwargs)
        if isinstance(file, WriteFile):
            return TextWriter(file, **{**text, "encoding": text["encoding"] or "utf-8"})  # type: ignore[arg-type]
        return io.TextIOWrapper(file, **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,  # noqa: FBT001, FBT002 - fsspec's signature
        **_kwargs: Any,
    ) -> ReadFile | WriteFile:
        kind = mode.replace("b", "")
        size = block_size if isinstance(block_size, int) else None
        blocksize = size or self.config.buffer_bytes
        if kind == "x" and self._binding.call(lambda core: core.exists(self._url(path))):
            raise FileExistsError(path)
        options = FileOptions(path=self._url(path), mode=kind, is_text=False, buffer_size=size)
        file: Any = open_file(self._binding, f"{kind}b", options)
        if kind == "r":
            return ReadFile(self, path, file, blocksize)
        return WriteFile(self, path, f"{kind}b", file, blocksize, autocommit=autocommit)

    async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> AsyncFile:
        """Open a file whose `read`, `write` and `close` are coroutines; binary modes only."""
        if "b" not in mode or kwargs.get("compression"):
            message = f"open_async of {path}: it opens binary files without compression"
            raise ValueError(message)
        opening: Any = self._context.open(self._url(self._strip_protocol(path)), mode)  # type: ignore[call-overload]
        return AsyncFile(opening, await opening.__aenter__(), mode)

    # Changes

    async def _cp_file(self, path1: str, path2: str, **_kwargs: Any) -> None:
        """Copy one blob, in the store where it can; of a directory only its being there."""
        path1, path2 = self._strip_protocol(path1), self._strip_protocol(path2)
        try:
            await self._context.copy(self._url(path1), self._url(path2), overwrite=True)
        except (NotFound, IsDirectory):
            if not await self._isdir(path1):
                raise
            await self._makedirs(path2, exist_ok=True)

    async def _rm_file(self, path: str, **_kwargs: Any) -> None:
        url = self._url(self._strip_protocol(path))
        try:
            await self._context.remove(url)
        except (NotFound, IsDirectory):
            if not await self._context.isdir(url):
                raise
            await self._rmdir(path)

    async def _rm(
        self,
        path: str | list[str],
        recursive: bool = False,  # noqa: FBT001, FBT002 - fsspec's signature
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **_kwargs: Any,
    ) -> None:
        """Remove blobs, with `recursive` directories too: 1 LIST a page, 1 DELETE a batch.

        Raises:
            FileNotFoundError: Nothing has that name.
        """
        if recursive and maxdepth is None and isinstance(path, str) and "*" not in path:
            await self._rm_tree(self._strip_protocol(path))
            return
        names = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)
        window = batch_size or self.batch_size or _REMOVALS_IN_FLIGHT
        # What lies deepest goes first; a directory of a store of keys goes with what is in it.
        for depth in sorted({name.count("/") for name in names}, reverse=True):
            level = [name for name in names if name.count("/") == depth]
            await each(self._rm_if_there, level, window=window)

    async def _rm_if_there(self, name: str) -> None:
        try:
            await self._rm_file(name)
        except NotFound:
            driver, _ = self._locate(name)
            if driver.capabilities.directories:
                raise

    async def _rm_tree(self, path: str) -> None:
        driver, url = self._locate(path)
        if not url.key:
            message = f"rm of {url}: blobio removes no buckets"
            raise Unsupported(message, url=url, operation="delete")
        try:
            await removing.rmtree(driver, url)
        except NotDirectory:
            await self._context.remove(self._url(path))

    async def _mkdir(self, path: str, create_parents: bool = True, **_kwargs: Any) -> None:  # noqa: FBT001, FBT002, ARG002 - fsspec's
        """Make a directory where there are any; elsewhere keys make them. No bucket is created.

        Raises:
            FileExistsError: It is there.
            NotFound: There is no such bucket.
        """
        await self._makedirs(path, exist_ok=False)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - fsspec's signature
        path = self._strip_protocol(path)
        driver, url = self._locate(path)
        if not driver.capabilities.directories and url.key:
            return
        if not exist_ok and await self._exists(path):
            raise FileExistsError(path)
        await self._context.makedirs(self._url(path))

    async def _rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        await self._context.rmdir(self._url(self._strip_protocol(path)))

    def touch(self, path: str, truncate: bool = True, **_kwargs: Any) -> None:  # noqa: FBT001, FBT002 - fsspec's
        """Make an empty blob; `truncate=False` leaves one that is there and renews its time."""
        url = self._url(self._strip_protocol(path))
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")
            return
        now = datetime.now(UTC).timestamp()
        self._binding.call(lambda core: core.set_mtime(url, now))


def _missing(path: str) -> BlobError:
    message = f"{path}: no such blob or directory"
    return NotFound(message, operation="head")
