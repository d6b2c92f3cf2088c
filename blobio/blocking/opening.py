"""`BlobFile()`: from a path and a mode to the right file object.

Local files are opened on the caller's thread, with no loop in between: reads are Python's own file
objects, writes are staged beside the destination. Everything else goes through the core.
"""

from __future__ import annotations

import io
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, final

from blobio.blocking.compression import CompressedWriter, compress
from blobio.blocking.file import BlobReader, BlobWriter
from blobio.blocking.local import open_disk, open_local
from blobio.blocking.staged import StagedWriter
from blobio.blocking.text import TextWriter
from blobio.core.formats import compression_of
from blobio.errors import InvalidConfig, IsDirectory, NotFound, Unsupported
from blobio.url import BlobUrl, PathLike
from blobio.values import (
    Capabilities,
    CreateOnly,
    Overwrite,
    PutOptions,
    ReplaceIf,
    Version,
    WriteMode,
)

if TYPE_CHECKING:
    from blobio.blocking.binding import Binding
    from blobio.core.context import AsyncContext
    from blobio.core.files import AsyncReader
    from blobio.core.reader import RangeReader

__all__ = ["BinaryMode", "FileOptions", "TextMode", "open_file"]

TextMode: TypeAlias = 'Literal["r", "rt", "w", "wt", "a", "at", "x", "xt"]'
BinaryMode: TypeAlias = 'Literal["rb", "wb", "ab", "xb"]'
_MODES: Final = frozenset(kind + layer for kind in "rwax" for layer in ("", "t", "b"))
_TEXT_CHUNK_BYTES: Final = 256 << 10


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """The arguments of `BlobFile`, see there. `mode` is the first letter of the mode."""

    path: PathLike
    mode: str
    is_text: bool
    streaming: bool | None = None
    buffer_size: int | None = None
    cache_dir: str | None = None
    file_size: int | None = None
    version: str | None = None
    partial_writes_on_exc: bool = False
    encoding: str | None = None
    errors: str | None = None
    newline: str | None = None
    compression: str | None = None

    @property
    def condition(self) -> WriteMode:
        """What the commit of a write demands."""
        if self.mode == "x":
            return CreateOnly()
        return Overwrite() if self.version is None else ReplaceIf(Version(self.version))

    def check(self, mode: str) -> None:
        """Refuse arguments that contradict each other or the mode."""
        reading = self.mode == "r"
        rules = (
            (mode in _MODES, f"invalid mode {mode!r}: use r, w, a or x, with t or b"),
            (self.is_text or not self._has_text, "encoding, errors and newline need a text mode"),
            (self.file_size is None or reading, "file_size is for reading"),
            (self.cache_dir is None or reading, "cache_dir is for reading"),
            (self.cache_dir is None or self.streaming is False, "cache_dir needs streaming=False"),
            (not (self.mode == "a" and self.streaming), "append does not stream: streaming=False"),
            (self.mode != "x" or self.version is None, "mode x creates: it takes no version"),
            (self.buffer_size is None or self.buffer_size > 0, "buffer_size must be positive"),
            (self.file_size is None or self.file_size >= 0, "file_size cannot be negative"),
        )
        for holds, message in rules:
            if not holds:
                text = f"open of {self.path}: {message}"
                raise InvalidConfig(text, url=self.path, operation="open")

    @property
    def _has_text(self) -> bool:
        return (self.encoding, self.errors, self.newline) != (None, None, None)


def open_file(
    context: Binding, mode: str, options: FileOptions
) -> io.TextIOWrapper | io.BufferedIOBase:
    """Open a file; see `Context.BlobFile` for the contract."""
    options.check(mode)
    url = BlobUrl.parse(options.path)
    if not str(url):
        message = "open of '': an empty path names nothing"
        raise NotFound(message, url=url, operation="open")
    if not url.key or url.key.endswith("/"):
        message = f"open of {url}: this names a directory, not a blob"
        raise IsDirectory(message, url=url, operation="open")
    compression = compression_of(str(url), options.compression)
    capabilities = context.capabilities(url)
    if options.mode != "r":
        _check_writable(url, options, capabilities)
    if capabilities.local_paths:
        binary: io.BufferedIOBase = open_local(url.key, options)
    elif options.mode == "r":
        binary = _open_reader(context, url, options)
    elif options.mode == "a" or options.streaming is False:
        binary = _open_staged(context, url, options)
    else:
        binary = _open_writer(context, options)
    if compression is not None:
        direction: Literal["rb", "wb"] = "rb" if options.mode == "r" else "wb"
        partial = options.partial_writes_on_exc
        binary = compress(binary, compression, direction, partial_writes_on_exc=partial)
    return _as_text(binary, options) if options.is_text else binary


def _check_writable(url: BlobUrl, options: FileOptions, capabilities: Capabilities) -> None:
    """Refuse at once what could only fail when the file is closed."""
    appends = options.mode == "a"
    rules = (
        (capabilities.writable, "it can only be read"),
        (
            capabilities.create_only or not (appends or options.mode == "x"),
            f"mode {options.mode} needs a store that can write on condition that nothing is there",
        ),
        (
            capabilities.replace_if or not (appends or options.version is not None),
            "this needs a store that can write over one version only",
        ),
    )
    for holds, what in rules:
        if not holds and not capabilities.local_paths:
            message = f"open of {url} for writing: {what}"
            raise Unsupported(message, url=url, operation="open")


def _as_text(binary: io.BufferedIOBase, options: FileOptions) -> io.TextIOWrapper:
    try:
        return _wrap(binary, options)
    except BaseException:  # an encoding that Python does not know, for one
        if isinstance(binary, BlobWriter | StagedWriter | CompressedWriter):
            binary.abort()
        else:
            binary.close()
        raise


def _wrap(binary: io.BufferedIOBase, options: FileOptions) -> io.TextIOWrapper:
    encoding = options.encoding or "utf-8"
    if isinstance(binary, BlobWriter | StagedWriter | CompressedWriter):
        return TextWriter(
            binary,
            encoding=encoding,
            errors=options.errors,
            newline=options.newline,
            partial_writes_on_exc=options.partial_writes_on_exc,
        )
    text = io.TextIOWrapper(
        cast("io.BufferedReader", binary),  # all that is asked of it is a buffered file
        encoding=encoding,
        errors=options.errors,
        newline=options.newline,
    )
    text._CHUNK_SIZE = options.buffer_size or _TEXT_CHUNK_BYTES  # type: ignore[attr-defined]  # noqa: SLF001 - CPython's tuning knob, missing in typeshed
    return text


def _open_reader(context: Binding, url: BlobUrl, options: FileOptions) -> io.BufferedIOBase:
    """Open a remote blob: 1 HEAD, none with `file_size`; the whole of it for `streaming=False`."""
    if options.streaming is False:
        return _open_copy(context, options)
    size, version, crc32c = options.file_size, options.version, None
    if size is None:
        known = context.call(lambda core: _learn(core, options))
        size, version, crc32c = known.size, known.version, known.crc32c
    block_bytes = options.buffer_size or context.config.buffer_bytes

    def reopen(pinned: str | None) -> AsyncReader:
        from blobio.core.files import AsyncReader

        context.capabilities(url)  # makes the driver, on the loop
        core = context.core()
        reader = core.stores.reader(
            options.path, size=size, version=pinned or version, crc32c=crc32c
        )
        return AsyncReader(reader, core.config, block_bytes)

    return BlobReader(reopen)


async def _learn(core: AsyncContext, options: FileOptions) -> RangeReader:
    return await core.stores.open_reader(options.path, version=options.version)


def _open_copy(context: Binding, options: FileOptions) -> io.BufferedIOBase:
    """Open a local copy of a remote blob, kept in `cache_dir` or gone when the file is closed."""
    if options.cache_dir is not None:
        return _open_cached(context, os.path.abspath(options.cache_dir), options)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="blobio-") as directory:
        path = os.path.join(directory, "copy")
        context.call(lambda core: core.fetch(options.path, path, options.version))
        # The open file outlives its name.
        return open_disk(path, "r", options.buffer_size)


def _open_cached(context: Binding, cache_dir: str, options: FileOptions) -> io.BufferedIOBase:
    for last_try in (False, False, True):
        path = context.call(lambda core: core.cached(options.path, cache_dir, options.version))
        try:
            return open_disk(path, "r", options.buffer_size)
        except FileNotFoundError:  # somebody's eviction came in between
            if last_try:
                raise
    raise AssertionError


def _open_writer(context: Binding, options: FileOptions) -> io.BufferedIOBase:
    from blobio.core.files import AsyncWriter

    put = PutOptions(mode=options.condition)
    writer = context.core().stores.writer(options.path, put)
    return BlobWriter(
        AsyncWriter(writer), owner=context, partial_writes_on_exc=options.partial_writes_on_exc
    )


def _open_staged(context: Binding, url: BlobUrl, options: FileOptions) -> io.BufferedIOBase:
    """Open a temporary file that is uploaded on close; for append it starts as a copy."""
    import tempfile

    directory = tempfile.mkdtemp(prefix="blobio-")
    try:
        path = os.path.join(directory, "staged")
        condition = options.condition
        if options.mode == "a":
            condition = _fetch_old(context, path, options)
        file = io.BufferedRandom(io.FileIO(path, "a+" if options.mode == "a" else "w+"))
    except BaseException:
        _remove(directory, os.getpid())
        raise
    # Also when the interpreter exits, but not in a fork: the directory is the parent's.
    discard = weakref.finalize(file, _remove, directory, os.getpid())

    def publish() -> str | None:
        put = PutOptions(mode=condition)
        return context.call(lambda core: core.publish(path, url, put))

    return StagedWriter(
        str(url),
        file,
        publish,
        discard,
        partial_writes_on_exc=options.partial_writes_on_exc,
    )


def _remove(directory: str, owner: int) -> None:
    import shutil

    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def _fetch_old(context: Binding, path: str, options: FileOptions) -> WriteMode:
    """Copy what is there now to `path`; return the condition that it is still there at commit."""
    try:
        version = context.call(lambda core: core.fetch(options.path, path, options.version))
    except NotFound:
        if options.version is not None:
            raise
        return CreateOnly()
    return Overwrite() if version is None else ReplaceIf(version)
