"""`AsyncContext`: the words of the user API, as coroutines and async iterators.

What an operation does is in the module named after it; what operations share is in `stores`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, final, overload

from blobio.config import Config
from blobio.core import copying, digest, ends, globbing, listing, moving, removing, trees
from blobio.core.cache import cached_copy
from blobio.core.compression import AsyncCompressedReader, AsyncCompressedWriter
from blobio.core.files import AsyncReader, AsyncWriter
from blobio.core.formats import Compression
from blobio.core.listing import Walked
from blobio.core.metadata import to_stat
from blobio.core.opening import AnyOpening, AsyncMode, Opening, open_any
from blobio.core.spelling import spell_entries, spelling_of
from blobio.core.stores import Stores
from blobio.entries import DirEntry, Stat
from blobio.errors import IsDirectory, NotFound, VersionMismatch
from blobio.url import BlobUrl, PathLike
from blobio.values import (
    Body,
    CreateOnly,
    MetaPatch,
    Overwrite,
    PutOptions,
    PutResult,
    ReplaceIf,
    Version,
    WriteMode,
)

__all__ = ["AsyncContext", "decode_text", "write_mode"]


def write_mode(*, overwrite: bool, version: str | None) -> WriteMode:
    """Turn the user's two words for a condition into one."""
    if version is not None:
        return ReplaceIf(Version(version))
    return Overwrite() if overwrite else CreateOnly()


def decode_text(data: bytes, encoding: str) -> str:
    """Decode with universal newlines, as a text file is read."""
    text = data.decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@final
class AsyncContext:
    """The file API as coroutines and async iterators.

    Every verb means what its namesake in `blobio.Context` means, and is described there. Use it as
    an async context manager, or call `aclose`. It belongs to the event loop it is first used on.

    Args:
        config: All settings; None for `Config.from_env()`.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config: Config = Config.from_env() if config is None else config
        self.stores: Stores = Stores(self.config)
        self.means: ends.Means = ends.Means(self.config, self.stores.budget, self.stores.uploads)

    async def __aenter__(self) -> AsyncContext:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Abort the writers that are open, then close all connections. Idempotent."""
        await self.stores.aclose()

    @overload
    def open(
        self,
        path: PathLike,
        mode: Literal["rb"] = "rb",
        *,
        buffer_size: int | None = None,
        version: str | None = None,
    ) -> Opening[AsyncReader]: ...
    @overload
    def open(
        self,
        path: PathLike,
        mode: Literal["wb", "xb", "ab"],
        *,
        buffer_size: int | None = None,
        version: str | None = None,
    ) -> Opening[AsyncWriter]: ...
    @overload
    def open(
        self,
        path: PathLike,
        mode: Literal["rb"] = "rb",
        *,
        buffer_size: int | None = None,
        version: str | None = None,
        compression: Compression,
    ) -> Opening[AsyncCompressedReader]: ...
    @overload
    def open(
        self,
        path: PathLike,
        mode: Literal["wb", "xb", "ab"],
        *,
        buffer_size: int | None = None,
        version: str | None = None,
        compression: Compression,
    ) -> Opening[AsyncCompressedWriter]: ...
    def open(
        self,
        path: PathLike,
        mode: AsyncMode = "rb",
        *,
        buffer_size: int | None = None,
        version: str | None = None,
        compression: Compression | None = None,
    ) -> AnyOpening:
        """Open a blob: `async with context.open(path, "wb") as file: await file.write(...)`.

        Args:
            path: The blob.
            mode: `"rb"`; `"wb"`; `"xb"`, which publishes only if nothing is there by then; `"ab"`,
                which rewrites the blob with more at its end, only over the version it copied.
            buffer_size: Bytes of a block of a sequential read; None for `Config.buffer_bytes`.
            version: Read this version; or publish only over this version.
            compression: As of `blobio.Context.BlobFile`; such a reader goes front to back.

        Raises:
            ValueError: Another mode, or an unknown compression.
            NotFound, IsDirectory, VersionMismatch: On entering, see `blobio.Context.BlobFile`.
            AlreadyExists, VersionMismatch, ConcurrentWrite: On leaving a writer.
        """
        return open_any(
            self.stores, path, mode, compression, buffer_size=buffer_size, version=version
        )

    # Questions

    async def exists(self, path: PathLike) -> bool:
        """See `blobio.Context.exists`."""
        return await listing.exists(*self.stores.locate(path))

    async def isfile(self, path: PathLike) -> bool:
        """See `blobio.Context.isfile`."""
        return await listing.is_file(*self.stores.locate(path))

    async def isdir(self, path: PathLike) -> bool:
        """See `blobio.Context.isdir`."""
        return await listing.is_directory(*self.stores.locate(path))

    async def stat(self, path: PathLike) -> Stat:
        """See `blobio.Context.stat`."""
        driver, url = self.stores.locate(path)
        if driver.capabilities.directories:
            try:
                return to_stat(await driver.head(url.key))
            except IsDirectory:
                return to_stat(await driver.head(url.as_directory.key))
        if not url.key or url.key.endswith("/"):
            message = f"stat of {url}: a directory of a store of keys has no facts of its own"
            raise NotFound(message, url=url, operation="head")
        return to_stat(await driver.head(url.key))

    async def md5(self, path: PathLike) -> str:
        """See `blobio.Context.md5`."""
        return await digest.md5(*self.stores.blob(path, "md5"), self.config.read)

    async def get_url(
        self, path: PathLike, *, method: str = "GET", expires_s: float = 3600.0
    ) -> tuple[str, float | None]:
        """See `blobio.Context.get_url`."""
        driver, url = self.stores.locate(path)
        signed = await driver.sign_url(url.key, method, expires_s)
        return signed.url, signed.expires_at

    # Listings; the `_pages` forms are for a caller that pays for each crossing of a thread

    async def scandir_pages(
        self, path: PathLike, shard_prefix_length: int = 0
    ) -> AsyncIterator[list[DirEntry]]:
        """As `scandir`, a list of entries at a time."""
        driver, url = self.stores.place(path)
        spelling = spelling_of(url, self.config)
        async for entries in listing.scan_shards(driver, url, shard_prefix_length):
            yield spell_entries(entries, spelling)

    async def scandir(
        self, path: PathLike, shard_prefix_length: int = 0
    ) -> AsyncIterator[DirEntry]:
        """See `blobio.Context.scandir`."""
        async for entries in self.scandir_pages(path, shard_prefix_length):
            for entry in entries:
                yield entry

    async def listdir(self, path: PathLike, shard_prefix_length: int = 0) -> AsyncIterator[str]:
        """See `blobio.Context.listdir`."""
        async for entry in self.scandir(path, shard_prefix_length):
            yield entry.name

    async def walk_pages(
        self,
        top: PathLike,
        *,
        topdown: bool = True,
        onerror: Callable[[OSError], object] | None = None,
    ) -> AsyncIterator[list[Walked]]:
        """As `walk`, a list of steps at a time."""
        driver, url = self.stores.place(top)
        spelling = spelling_of(url, self.config)
        async for steps in listing.walk(driver, url, topdown=topdown, onerror=onerror):
            yield (
                steps
                if spelling is None
                else [(spelling(at), dirs, files) for at, dirs, files in steps]
            )

    async def walk(
        self,
        top: PathLike,
        *,
        topdown: bool = True,
        onerror: Callable[[OSError], object] | None = None,
    ) -> AsyncIterator[Walked]:
        """See `blobio.Context.walk`."""
        async for steps in self.walk_pages(top, topdown=topdown, onerror=onerror):
            for step in steps:
                yield step

    async def scanglob_pages(
        self, pattern: str, *, parallel: bool = False, shard_prefix_length: int = 0
    ) -> AsyncIterator[list[DirEntry]]:
        """As `scanglob`, a list of entries at a time."""
        if shard_prefix_length and not parallel:
            message = "shard_prefix_length needs parallel=True"
            raise ValueError(message)
        driver, url = self.stores.pattern(pattern)
        found = globbing.scan_glob(
            driver, url, parallel=parallel, shard_prefix_length=shard_prefix_length
        )
        spelling = spelling_of(url, self.config)
        async for entries in found:
            yield spell_entries(entries, spelling)

    async def scanglob(
        self, pattern: str, *, parallel: bool = False, shard_prefix_length: int = 0
    ) -> AsyncIterator[DirEntry]:
        """See `blobio.Context.scanglob`."""
        found = self.scanglob_pages(
            pattern, parallel=parallel, shard_prefix_length=shard_prefix_length
        )
        async for entries in found:
            for entry in entries:
                yield entry

    async def glob(self, pattern: str, *, parallel: bool = False) -> AsyncIterator[str]:
        """See `blobio.Context.glob`."""
        async for entry in self.scanglob(pattern, parallel=parallel):
            yield entry.path

    # Changes

    async def makedirs(self, path: PathLike) -> None:
        """See `blobio.Context.makedirs`."""
        driver, url = self.stores.locate(path)
        key = url.as_directory.key
        if key:
            await driver.put(key, b"", PutOptions())
        elif not await listing.is_directory(driver, url):
            message = f"makedirs of {url}: there is no such bucket, and blobio makes none"
            raise NotFound(message, url=url, operation="put")

    async def remove(self, path: PathLike) -> None:
        """See `blobio.Context.remove`."""
        await removing.remove(*self.stores.locate(path))

    async def rmdir(self, path: PathLike) -> None:
        """See `blobio.Context.rmdir`."""
        await removing.rmdir(*self.stores.locate(path))

    async def rmtree(self, path: PathLike) -> None:
        """See `blobio.Context.rmtree`."""
        await removing.rmtree(*self.stores.locate(path))

    async def set_mtime(self, path: PathLike, mtime: float, version: str | None = None) -> bool:
        """See `blobio.Context.set_mtime`."""
        driver, url = self.stores.locate(path)
        if_version = None if version is None else Version(version)
        try:
            await driver.patch(url.key, MetaPatch(mtime=mtime), if_version=if_version)
        except VersionMismatch:
            return False
        return True

    async def copy(
        self,
        src: PathLike,
        dst: PathLike,
        *,
        overwrite: bool = False,
        return_md5: bool = False,
        dst_version: str | None = None,
    ) -> str | None:
        """See `blobio.Context.copy`."""
        options = PutOptions(mode=write_mode(overwrite=overwrite, version=dst_version))
        source = ends.End(*self.stores.blob(src, "copy"))
        target = ends.End(*self.stores.blob(dst, "copy"))
        copied = await copying.copy(source, target, options, self.means, want_md5=return_md5)
        return copied.md5

    async def copytree(
        self, src: PathLike, dst: PathLike, *, overwrite: bool = False, concurrency: int = 32
    ) -> None:
        """See `blobio.Context.copytree`."""
        source, target = (ends.End(*self.stores.place(path)) for path in (src, dst))
        mode = write_mode(overwrite=overwrite, version=None)
        await trees.copytree(source, target, mode, self.means, concurrency=concurrency)

    async def move(self, src: PathLike, dst: PathLike, *, overwrite: bool = False) -> None:
        """See `blobio.Context.move`."""
        options = PutOptions(mode=write_mode(overwrite=overwrite, version=None))
        source = ends.End(*self.stores.blob(src, "move"))
        target = ends.End(*self.stores.blob(dst, "move"))
        await moving.move(source, target, options, self.means)

    # Content

    async def read_bytes(self, path: PathLike, *, version: str | None = None) -> bytes:
        """See `blobio.Context.read_bytes`."""
        return await self.stores.reader(path, version=version).read_all()

    async def read_text(self, path: PathLike, *, encoding: str = "utf-8") -> str:
        """See `blobio.Context.read_text`."""
        return decode_text(await self.read_bytes(path), encoding)

    async def read_ranges(
        self, path: PathLike, ranges: Sequence[tuple[int, int]], *, version: str | None = None
    ) -> list[bytes]:
        """See `blobio.Context.read_ranges`."""
        return await self.stores.reader(path, version=version).read_ranges(ranges)

    async def write_bytes(
        self,
        path: PathLike,
        data: Body,
        *,
        overwrite: bool = True,
        version: str | None = None,
    ) -> PutResult:
        """See `blobio.Context.write_bytes`."""
        view = memoryview(data).cast("B")
        mode = write_mode(overwrite=overwrite, version=version)
        writer = self.stores.writer(path, PutOptions(mode=mode, size=len(view)))
        return await writer.write_all(data if isinstance(data, bytes) else view)

    async def write_text(
        self, path: PathLike, text: str, *, encoding: str = "utf-8", overwrite: bool = True
    ) -> PutResult:
        """See `blobio.Context.write_text`."""
        return await self.write_bytes(path, text.encode(encoding), overwrite=overwrite)

    # Local copies, for files that are not streamed

    async def fetch(self, path: PathLike, local_path: str, version: str | None) -> Version | None:
        """Download a blob to a local path, replacing what is there; return the version copied."""
        driver, url = self.stores.blob(path, "read")
        wanted = None if version is None else Version(version)
        meta = await driver.head(url.key, version=wanted)
        source = ends.End(driver, url, meta.version)
        target = ends.End(*self.stores.blob(local_path, "write"))
        await copying.copy(source, target, PutOptions(), self.means)
        return meta.version

    async def publish(self, local_path: str, url: BlobUrl, options: PutOptions) -> Version | None:
        """Upload a local file under a condition; return the version written."""
        source = ends.End(*self.stores.blob(local_path, "read"))
        target = ends.End(self.stores.driver(url), url)
        copied = await copying.copy(source, target, options, self.means)
        return copied.version

    async def cached(self, path: PathLike, cache_dir: str, version: str | None) -> str:
        """Return the local path of a blob's copy in `cache_dir`; 1 HEAD if it is there already."""
        driver, url = self.stores.blob(path, "read")
        meta = await driver.head(url.key, version=None if version is None else Version(version))

        async def download(target: str) -> None:
            await self.fetch(path, target, meta.version)

        return await cached_copy(
            cache_dir, url, meta, download, limit_bytes=self.config.cache_bytes
        )
