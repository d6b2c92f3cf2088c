"""`open()` of the async API: a mode becomes a reader or a writer, on entering or awaiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Final, Generic, Literal, TypeAlias, TypeVar, final, overload

from blobio.core.compression import AsyncCompressedReader, AsyncCompressedWriter
from blobio.core.files import AsyncReader, AsyncWriter
from blobio.core.formats import Compression, compression_of
from blobio.core.stores import Stores
from blobio.errors import NotFound
from blobio.url import PathLike, fspath
from blobio.values import CreateOnly, Overwrite, PutOptions, ReplaceIf, Version, WriteMode

__all__ = ["AnyOpening", "AsyncMode", "Opening", "open_any", "open_blob"]

F = TypeVar("F", bound="AsyncReader | AsyncWriter | AsyncCompressedReader | AsyncCompressedWriter")
AsyncMode: TypeAlias = 'Literal["rb", "wb", "xb", "ab"]'
_MODES: Final = ("rb", "wb", "xb", "ab")


@final
class Opening(Generic[F]):
    """A file about to be opened: `async with` it, or `await` it and close the file yourself."""

    def __init__(self, start: Callable[[], Awaitable[F]]) -> None:
        self._start = start
        self._file: F | None = None

    def __await__(self) -> Generator[object, None, F]:
        return (yield from self._start().__await__())

    async def __aenter__(self) -> F:
        self._file = await self._start()
        return self._file

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        assert self._file is not None
        await self._file.__aexit__(kind, error, trace)


AnyOpening: TypeAlias = (
    Opening[AsyncReader]
    | Opening[AsyncWriter]
    | Opening[AsyncCompressedReader]
    | Opening[AsyncCompressedWriter]
)


@overload
def open_blob(
    stores: Stores,
    path: PathLike,
    mode: Literal["rb"],
    *,
    buffer_size: int | None,
    version: str | None,
) -> Opening[AsyncReader]: ...
@overload
def open_blob(
    stores: Stores,
    path: PathLike,
    mode: Literal["wb", "xb", "ab"],
    *,
    buffer_size: int | None,
    version: str | None,
) -> Opening[AsyncWriter]: ...
def open_blob(
    stores: Stores,
    path: PathLike,
    mode: str,
    *,
    buffer_size: int | None,
    version: str | None,
) -> Opening[AsyncReader] | Opening[AsyncWriter]:
    """Prepare to open a blob; nothing is sent before the result is entered or awaited."""
    if mode not in _MODES:
        message = (
            f"mode {mode!r}: the async API opens files in {', '.join(_MODES)}; for text use "
            "read_text and write_text"
        )
        raise ValueError(message)
    if mode == "rb":

        async def read() -> AsyncReader:
            reader = await stores.open_reader(path, version=version)
            return AsyncReader(reader, stores.config, buffer_size or stores.config.buffer_bytes)

        return Opening(read)

    async def write() -> AsyncWriter:
        if mode == "ab":
            return await _append(stores, path, version)
        condition = ReplaceIf(Version(version)) if version is not None else Overwrite()
        return _writer(stores, path, CreateOnly() if mode == "xb" else condition)

    return Opening(write)


def open_any(
    stores: Stores,
    path: PathLike,
    mode: AsyncMode,
    compression: Compression | None,
    *,
    buffer_size: int | None,
    version: str | None,
) -> AnyOpening:
    """As `open_blob`, behind a compression if one is asked for.

    Raises:
        InvalidConfig, Unsupported: As `compression_of` does.
    """
    kind = compression_of(fspath(path), compression)
    if compression is None or mode not in _MODES:
        return open_blob(stores, path, mode, buffer_size=buffer_size, version=version)
    if mode == "rb":
        reading = open_blob(stores, path, mode, buffer_size=buffer_size, version=version)

        async def read() -> AsyncCompressedReader:
            return AsyncCompressedReader(await reading, kind)

        return Opening(read)
    writing = open_blob(stores, path, mode, buffer_size=buffer_size, version=version)

    async def write() -> AsyncCompressedWriter:
        return AsyncCompressedWriter(await writing, kind)

    return Opening(write)


def _writer(stores: Stores, path: PathLike, mode: WriteMode) -> AsyncWriter:
    return AsyncWriter(stores.writer(path, PutOptions(mode=mode)))


async def _append(stores: Stores, path: PathLike, version: str | None) -> AsyncWriter:
    """Start a new version with the old content: published only over the version copied."""
    try:
        reader = await stores.open_reader(path, version=version)
    except NotFound:
        if version is not None:
            raise
        return _writer(stores, path, CreateOnly())
    mode = Overwrite() if reader.version is None else ReplaceIf(reader.version)
    writer = _writer(stores, path, mode)
    try:
        async with AsyncReader(reader, stores.config, stores.config.buffer_bytes) as old:
            async for block in old:
                await writer.write(block)
    except BaseException:
        await writer.abort()
        raise
    return writer
