"""`BlobFileSystem`: fsspec's verbs over `AsyncContext`. What is not here fsspec makes of these.

Nothing is cached: no listing, no fact. Blocking calls run on blobio's own loop thread, which a fork
replaces; coroutines run on the loop of whoever awaits them.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any, Final

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.utils import isfilelike

from blobio.blocking.compression import CompressedWriter
from blobio.blocking.opening import FileOptions, open_file
from blobio.blocking.text import TextWriter
from blobio.core import removing
from blobio.errors import IsDirectory, NotDirectory, NotFound, Unsupported
from blobio.fsspec import transfer
from blobio.fsspec.asyncfile import AsyncFile
from blobio.fsspec.files import ReadFile, WriteFile
from blobio.fsspec.reading import ReadingFileSystem
from blobio.url import BlobPathLike

__all__ = ["BlobFileSystem"]

_REMOVALS_IN_FLIGHT: Final = 8


class BlobFileSystem(ReadingFileSystem):
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

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", **_kwargs: Any
    ) -> None:
        """Write a blob; `mode="create"` raises `AlreadyExists` where the store has one."""
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
        target = self._context.open(
            self._url(self._strip_protocol(rpath)), "xb" if mode == "create" else "wb"
        )
        await transfer.upload(self._context, lpath, target, callback)

    async def _get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, **_kwargs: Any
    ) -> None:
        """Copy a blob to a local file, which appears whole, or into an open one."""
        rpath = self._strip_protocol(rpath)
        try:
            source = await self._context.open(self._url(rpath))
        except (NotFound, IsDirectory):
            if isfilelike(lpath) or not await self._isdir(rpath):
                raise
            await asyncio.to_thread(os.makedirs, lpath, exist_ok=True)
            return
        if isfilelike(lpath):
            await transfer.pour(source, lpath, callback)
        else:
            await transfer.download(self._context, source, lpath, callback)

    def open(
        self,
        path: str | BlobPathLike,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file as the builtin `open` does; see `blobio.BlobFile` and fsspec's `open`.

        Args:
            path: The blob, as a `BlobPath` too.
            mode: `r`, `w`, `x` or `a`, with `b` or `t`. `x` looks for the blob at once and is
                decided by the store on close.
            block_size: Bytes of one block of a sequential read.
            cache_options: Accepted; there is one way to read ahead.
            compression: As in fsspec.
            kwargs: `encoding`, `errors`, `newline`, `autocommit`.
        """
        if "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        text = {name: kwargs.pop(name, None) for name in ("encoding", "errors", "newline")}
        binary = mode.replace("b", "").replace("t", "") + "b"
        file = super().open(path, binary, block_size, cache_options, **kwargs)
        if compression is not None:
            file = _compressed(file, compression)
        if "b" in mode:
            return file
        return TextWriter(file, **{**text, "encoding": text["encoding"] or "utf-8"})

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
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
        recursive: bool = False,
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
        await transfer.each_deepest_first(
            self._rm_if_there, names, batch_size or self.batch_size or _REMOVALS_IN_FLIGHT
        )

    async def _rm_if_there(self, name: str) -> None:
        """Remove a name of a list; a directory of a store of keys goes with what is in it."""
        try:
            await self._rm_file(name)
        except NotFound:
            if self._locate(name)[0].capabilities.directories:
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

    async def _mkdir(self, path: str, create_parents: bool = True, **_kwargs: Any) -> None:
        """Make a directory where there are any; elsewhere keys make them. No bucket is created.

        Raises:
            FileExistsError: It is there.
            NotFound: There is no such bucket.
        """
        await self._makedirs(path, exist_ok=False)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
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

    def touch(self, path: str, truncate: bool = True, **_kwargs: Any) -> None:
        """Make an empty blob; `truncate=False` leaves one that is there and renews its time."""
        url = self._url(self._strip_protocol(path))
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")
            return
        now = datetime.now(UTC).timestamp()
        self._binding.call(lambda core: core.set_mtime(url, now))


def _compressed(file: WriteFile, compression: str) -> WriteFile | CompressedWriter:
    """Put a compressor in front of `file`; none if `"infer"` finds none in its name."""
    try:
        name = get_compression(file.path, compression)
        return file if name is None else CompressedWriter(compr[name](file, mode="w"), file)
    except BaseException:
        file.discard()
        raise
