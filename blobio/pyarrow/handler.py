"""`BlobHandler`: the verbs that pyarrow has for a file system, over blobio's core."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, final

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileType

from blobio.blocking.binding import Binding
from blobio.blocking.file import BlobWriter
from blobio.blocking.opening import FileOptions, open_file
from blobio.core.context import AsyncContext
from blobio.core.files import AsyncWriter
from blobio.core.flow import each
from blobio.core.metadata import to_stat
from blobio.errors import IsDirectory, NotFound, Unsupported
from blobio.pyarrow.base import FileSystemHandler
from blobio.pyarrow.files import InputFile, OutputFile
from blobio.pyarrow.looking import Found, Memory, below, empty, look, seen_of, what_is
from blobio.url import BlobUrl
from blobio.values import PutOptions

if TYPE_CHECKING:
    from blobio.config import Config

__all__ = ["BlobHandler"]

_AT_ONCE: Final = 64


@final
class BlobHandler(FileSystemHandler):
    """blobio's stores as pyarrow sees them; `blobio.pyarrow.filesystem` wraps one.

    Paths are full URLs and local paths. Errors are blobio's, which are the builtin ones too.
    Reading is pinned to the version that was opened. A file that is written appears whole, when it
    is closed; not at all if a `with` block of the file, or of a `ParquetWriter`, raises.

    What a file was found to be is good for two seconds: opening it again sends nothing, and reading
    a blob that somebody else has replaced meanwhile raises `VersionMismatch`. What is written or
    removed through this file system is forgotten at once.

    Args:
        config: All settings; None for `Config.from_env()`, read on first use.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._binding = Binding(config)
        # As in blobio.fsspec: held from outside, it is dropped, and closes, only after the rest.
        weakref.finalize(self, _drop, self._binding).atexit = False
        self._memory = Memory()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BlobHandler):
            return NotImplemented
        return self._binding.given == other._binding.given

    def __hash__(self) -> int:
        return hash(BlobHandler)  # settings may hold dictionaries

    def __reduce__(self) -> tuple[type[BlobHandler], tuple[Config | None]]:
        return BlobHandler, (self._binding.given,)

    def get_type_name(self) -> str:
        """Return `"blobio"`."""
        return "blobio"

    def normalize_path(self, path: str) -> str:
        """Return the one spelling of a path: `az://` for Azure, no `/` at the end.

        Raises:
            InvalidUrl: blobio cannot address it.
        """
        url = BlobUrl.parse(path)
        whole = str(url)
        return whole.rstrip("/") if url.key.strip("/") or url.authority else whole

    # Questions

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        """Tell of each path what it is, side by side: 1 HEAD, 1 LIST more if that finds none."""
        found: dict[str, Found] = {}

        async def one(core: AsyncContext, path: str) -> None:
            found[path] = await what_is(core, path)

        window = min(len(paths), _AT_ONCE)
        self._binding.call(
            lambda core: each(lambda path: one(core, path), dict.fromkeys(paths), window=window)
        )
        return [self._info(path, found[path]) for path in paths]

    def get_file_info_selector(self, selector: FileSelector) -> list[FileInfo]:
        """List a directory, or all below it: 1 LIST a page.

        Raises:
            NotFound: There is no such directory, and `selector.allow_not_found` is false.
            NotDirectory: It is a blob.
        """
        base = selector.base_dir
        try:
            entries = self._binding.call(
                lambda core: below(core, base, recursive=selector.recursive)
            )
        except NotFound:
            if selector.allow_not_found:
                return []
            raise
        start = base.rstrip("/")
        return [self._info(f"{start}/{name}", meta or True) for name, meta in entries]

    def _info(self, path: str, found: Found) -> FileInfo:
        if found is False:
            return FileInfo(path, FileType.NotFound)
        if found is True:
            return FileInfo(path, FileType.Directory)
        self._memory.put(self.normalize_path(path), seen_of(found))
        return FileInfo(path, FileType.File, size=found.size, mtime=to_stat(found).mtime)

    # Files

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Open a blob for random access: 1 GET, of its last 64 KiB; none if it was just looked at.

        Raises:
            NotFound, IsDirectory: There is no such blob.
        """
        url = BlobUrl.parse(path)
        if self._binding.capabilities(url).local_paths:
            self._require_file(url)
            return pa.OSFile(url.key, "r")  # pyarrow's own: its threads read side by side
        name = self.normalize_path(path)
        seen = self._memory.get(name)
        if seen is None or seen.tail is None:
            known = seen
            seen = self._binding.call(lambda core: look(core, url, known))
            self._memory.put(name, seen)
        file = InputFile(self._binding, url, seen, lambda: self._memory.forget(name))
        return pa.PythonFile(file, mode="r")

    def _require_file(self, url: BlobUrl) -> None:
        if os.path.isdir(url.key):
            message = f"open of {url}: this is a directory"
            raise IsDirectory(message, url=url, operation="open")
        if not os.path.exists(url.key):
            message = f"open of {url}: no such file"
            raise NotFound(message, url=url, operation="open")

    def open_input_stream(self, path: str) -> pa.NativeFile:
        """Open a blob to be read front to back, with read-ahead: 1 HEAD, then 1 GET a block."""
        return pa.PythonFile(self._open(path, "r"), mode="r")

    def open_output_stream(
        self, path: str, metadata: Mapping[bytes, bytes] | None
    ) -> pa.NativeFile:
        """Open a blob for writing, in parts that leave as they fill; it appears on `close`.

        Args:
            path: The blob. Parents of a local file are made.
            metadata: `Content-Type` is stored with the blob; other names are left out.
        """
        kind = _content_type(metadata)
        writer = self._open(path, "w") if kind is None else self._open_typed(path, kind)
        return self._output(path, writer)

    def open_append_stream(
        self, path: str, metadata: Mapping[bytes, bytes] | None
    ) -> pa.NativeFile:
        """Open a blob to write on at its end; in a store it is copied, extended and replaced."""
        del metadata
        return self._output(path, self._open(path, "a"))

    def _open(self, path: str, mode: str) -> Any:
        options = FileOptions(path=path, mode=mode, is_text=False)
        return open_file(self._binding, f"{mode}b", options)

    def _open_typed(self, path: str, content_type: str) -> Any:
        url = BlobUrl.parse(path)
        capabilities = self._binding.capabilities(url)
        if capabilities.local_paths or not capabilities.writable or not url.key:
            return self._open(path, "w")  # without a type, or with the right error
        options = PutOptions(content_type=content_type)
        writer = self._binding.core().stores.writer(path, options)
        return BlobWriter(AsyncWriter(writer), owner=self._binding)

    def _output(self, path: str, writer: Any) -> pa.NativeFile:
        name = self.normalize_path(path)
        return pa.PythonFile(OutputFile(writer, lambda: self._memory.forget(name)), mode="w")

    # Changes

    def create_dir(self, path: str, recursive: bool) -> None:
        """Make a directory where there are any. A store of keys needs none, and is sent nothing.

        Raises:
            NotFound: There is no such bucket, or `recursive` is false and no parent.
        """
        url = BlobUrl.parse(path)
        capabilities = self._binding.capabilities(url)
        if url.key and not capabilities.directories:
            return
        parent = os.path.dirname(url.key.rstrip("/"))
        if not recursive and parent and not os.path.isdir(parent):
            message = f"create_dir of {url}: there is no {parent}"
            raise NotFound(message, url=url, operation="put")
        self._binding.call(lambda core: core.makedirs(path))

    def delete_dir(self, path: str) -> None:
        """Remove a directory and all below it: 1 LIST a page, 1 DELETE a batch.

        Raises:
            Unsupported: It is a bucket, or the root of the disk.
            NotFound, NotDirectory: There is no such directory.
        """
        self._refuse_root(path, "delete_dir", with_buckets=True)
        self._change(lambda core: core.rmtree(path), path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        """Remove all below a directory, also of a whole bucket, and keep a real directory.

        Raises:
            NotFound: There is no such directory, and `missing_dir_ok` is false.
        """
        self._refuse_root(path, "delete_dir_contents", with_buckets=False)
        try:
            self._change(lambda core: empty(core, path), path)
        except NotFound:
            if not missing_dir_ok:
                raise

    def delete_root_dir_contents(self) -> None:
        """Refuse: no request of blobio's empties everything there is."""
        message = "blobio empties no root: name a directory"
        raise Unsupported(message, operation="delete")

    def delete_file(self, path: str) -> None:
        """Remove one blob; `NotFound` if there is none."""
        self._change(lambda core: core.remove(path), path)

    def copy_file(self, src: str, dest: str) -> None:
        """Copy one blob, between any two stores, over what is there; see `blobio.Context.copy`."""
        self._change(lambda core: _ignore(core.copy(src, dest, overwrite=True)), dest)

    def move(self, src: str, dest: str) -> None:
        """Move one blob over what is there, or a directory and all below it, one by one."""
        try:
            self._change(lambda core: core.move(src, dest, overwrite=True), src, dest)
        except (NotFound, IsDirectory):
            if not self._binding.call(lambda core: core.isdir(src)):
                raise
            self._refuse_root(src, "move", with_buckets=True)
            self._change(lambda core: core.copytree(src, dest, overwrite=True), dest)
            self._change(lambda core: core.rmtree(src), src)

    def _change(self, verb: Callable[[AsyncContext], Any], *paths: str) -> None:
        try:
            self._binding.call(verb)
        finally:
            for path in paths:
                self._memory.forget(self.normalize_path(path))

    def _refuse_root(self, path: str, verb: str, *, with_buckets: bool) -> None:
        url = BlobUrl.parse(path)
        if not url.key.strip("/") and (with_buckets or not url.authority):
            message = f"{verb} of {path!r}: blobio removes no roots and no buckets"
            raise Unsupported(message, url=url, operation="delete")


def _drop(binding: Binding) -> None:
    """Let go of the last reference but the handler's own."""


async def _ignore(result: Any) -> None:
    await result


def _content_type(metadata: Mapping[bytes, bytes] | None) -> str | None:
    for name, value in (metadata or {}).items():
        if name.lower() == b"content-type":
            return value.decode()
    return None
