"""`Context`: the file API for programs without an event loop, and its full description.

Each verb is one line over its namesake of `AsyncContext`, run on the loop thread; listings cross
over once a page. A context may be used from any thread, survives a fork, and pickles as its
`Config`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TextIO, Unpack, cast, final, overload

from blobio import paths
from blobio.blocking.binding import Binding
from blobio.blocking.settings import BlobfileSettings, translate
from blobio.entries import DirEntry, Stat
from blobio.errors import redact
from blobio.forks import IMPORTS
from blobio.url import PathLike

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from blobio.blocking.opening import BinaryMode, TextMode
    from blobio.config import Config
    from blobio.core.formats import Compression
    from blobio.values import Body, PutResult

__all__ = ["Context", "create_context"]


def create_context(**settings: Unpack[BlobfileSettings]) -> Context:
    """Return a new context with blobfile's settings or a `config`; see `BlobfileSettings`."""
    return Context(translate(settings))


@final
class Context:
    """The file API over one set of settings.

    Paths are URLs or local paths, as `str`, `os.PathLike` or objects with `__blobpath__`. A
    directory of an object store is any prefix of keys that ends in `/`. Every verb may raise,
    beside what it names: `InvalidUrl` for a path nobody can address, `PermissionDenied`,
    `RateLimited`, `TransportFailed`, `DeadlineExceeded` and `RequestFailed`, see `blobio.errors`.

    Args:
        config: All settings; None for `Config.from_env()`, read on first use.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._binding = Binding(config)

    def __reduce__(self) -> tuple[type[Context], tuple[Config | None]]:
        return Context, (self._binding.given,)

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Abort the writers that are open and close all connections; the next use opens anew."""
        self._binding.close()

    @property
    def config(self) -> Config:
        """The settings."""
        return self._binding.config

    def configure(self, **settings: Unpack[BlobfileSettings]) -> None:
        """Replace the settings of this context, for what is opened from now on.

        `blobio.configure` is this method of the default context. Settings that are not named go
        back to their defaults, as in blobfile.

        Args:
            **settings: See `BlobfileSettings`.

        Raises:
            TypeError: A name is unknown.
            InvalidConfig: A value is out of range or cannot be honoured.
        """
        self._binding.configure(translate(settings))

    # Files

    @overload
    def BlobFile(
        self,
        path: PathLike,
        mode: TextMode = "r",
        streaming: bool | None = None,
        buffer_size: int | None = None,
        cache_dir: str | None = None,
        file_size: int | None = None,
        version: str | None = None,
        partial_writes_on_exc: bool = False,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        compression: Compression | None = None,
    ) -> TextIO: ...
    @overload
    def BlobFile(
        self,
        path: PathLike,
        mode: BinaryMode,
        streaming: bool | None = None,
        buffer_size: int | None = None,
        cache_dir: str | None = None,
        file_size: int | None = None,
        version: str | None = None,
        partial_writes_on_exc: bool = False,
        *,
        compression: Compression | None = None,
    ) -> BinaryIO: ...
    def BlobFile(
        self,
        path: PathLike,
        mode: TextMode | BinaryMode = "r",
        streaming: bool | None = None,
        buffer_size: int | None = None,
        cache_dir: str | None = None,
        file_size: int | None = None,
        version: str | None = None,
        partial_writes_on_exc: bool = False,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        compression: Compression | None = None,
    ) -> TextIO | BinaryIO:
        """Open a file, as the builtin `open` does.

        A reader is pinned to the version it finds when it is opened. A writer publishes, whole and
        in one step, when it is closed or its `with` block ends without an error; until then
        readers see the old blob. A raising `with` block, `abort()`, Ctrl-C and garbage collection
        publish nothing.

        Args:
            path: URL or local path. Parents of a local file are made for writing.
            mode: `r`, `w`, `x` (create: fails on close if something is there by then) or `a`
                (append: a remote blob is copied, extended and published over the version that was
                copied; a local file is extended in place), with `t` (text, the default) or `b`.
            streaming: None and True read by ranges and write by parts. False reads a local copy
                and writes to a seekable temporary file that is uploaded on close. Append is never
                streamed. Local files are always seekable.
            buffer_size: Bytes of a block of a sequential read, and of the buffer of a local file;
                None for `Config.buffer_bytes` and Python's default.
            cache_dir: For reading with `streaming=False`: keep the copy there, for this version.
            file_size: For reading: the size, if it is known, which saves the HEAD of opening; a
                missing blob is then noticed by the first read. Another size is a
                `VersionMismatch`.
            version: For reading: this version. For writing: publish only over this version.
            partial_writes_on_exc: Publish even if the `with` block raises, as blobfile does by
                default.
            encoding: For text; None for UTF-8.
            errors: For text, as in `open`.
            newline: For text, as in `open`.
            compression: What the blob holds is compressed with `"gzip"`, `"bz2"`, `"xz"`, `"zstd"`
                or `"lz4"`; `"infer"` looks at the end of its name; None takes bytes as they are.

        Returns:
            A text or binary file object. All but a local file that is read or appended to, which is
            Python's own, know their `version`; writers have `abort()`.

        Raises:
            InvalidConfig (a ValueError): The mode is unknown or arguments contradict each other.
            NotFound: There is nothing to read.
            IsDirectory: The path names a directory.
            VersionMismatch: `version` is not there; on a read, the blob changed underneath; on
                close, somebody else wrote.
            AlreadyExists: On close in mode `x`.
            ConcurrentWrite: On close, the store refused this write because of another.
            Unsupported: The compression needs a package that is not installed.
            EOFError: On a read, compressed data end too early; `BlobError` if they are unsound.

        Requests: reading 1 HEAD on opening, then 1 GET a block; writing 1 PUT up to one part, else
        1 to start, 1 a part and 1 to publish; all on writing or closing, none on opening.
        """
        with IMPORTS:
            from blobio.blocking.opening import FileOptions, open_file

        options = FileOptions(
            path=path,
            mode=mode[:1],
            is_text=not mode.endswith("b"),
            streaming=streaming,
            buffer_size=buffer_size,
            cache_dir=cache_dir,
            file_size=file_size,
            version=version,
            partial_writes_on_exc=partial_writes_on_exc,
            encoding=encoding,
            errors=errors,
            newline=newline,
            compression=compression,
        )
        return cast("TextIO | BinaryIO", open_file(self._binding, mode, options))

    def read_bytes(self, path: PathLike, *, version: str | None = None) -> bytes:
        """Return the content of a blob; 1 GET, or 1 a part for more than two parts.

        Verified against the store's checksum where it has one.

        Args:
            path: The blob.
            version: Read this version.

        Raises:
            NotFound, IsDirectory, VersionMismatch: As for `BlobFile`.
            ChecksumMismatch: The bytes are not those that were stored.
        """
        return self._binding.call(lambda core: core.read_bytes(path, version=version))

    def read_text(self, path: PathLike, *, encoding: str = "utf-8") -> str:
        """Return the content of a blob as text with universal newlines; see `read_bytes`."""
        return self._binding.call(lambda core: core.read_text(path, encoding=encoding))

    def read_ranges(
        self, path: PathLike, ranges: Sequence[tuple[int, int]], *, version: str | None = None
    ) -> list[bytes]:
        """Return many byte ranges of one blob, all of one version.

        Ranges closer than `ReadConfig.coalesce_bytes` share a GET; GETs run side by side.

        Args:
            path: The blob.
            ranges: Half-open `(start, stop)` pairs, in any order; they may overlap.
            version: Read this version.

        Returns:
            One `bytes` a range, in the order given, cut at the end of the blob.

        Raises:
            ValueError: A range is negative or ends before it starts.
            NotFound, IsDirectory, VersionMismatch: As for `BlobFile`.
        """
        return self._binding.call(lambda core: core.read_ranges(path, ranges, version=version))

    def write_bytes(
        self, path: PathLike, data: Body, *, overwrite: bool = True, version: str | None = None
    ) -> PutResult:
        """Write a whole blob; 1 PUT up to one part, else an upload in parts.

        Args:
            path: The blob. Parents of a local file are made.
            data: The content.
            overwrite: False publishes only if nothing is there, decided by the store.
            version: Publish only over this version.

        Returns:
            The version written, where the store tells.

        Raises:
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost; nothing changed.
        """
        return self._binding.call(
            lambda core: core.write_bytes(path, data, overwrite=overwrite, version=version)
        )

    def write_text(
        self, path: PathLike, text: str, *, encoding: str = "utf-8", overwrite: bool = True
    ) -> PutResult:
        """Write a whole blob of text; see `write_bytes`."""
        return self._binding.call(
            lambda core: core.write_text(path, text, encoding=encoding, overwrite=overwrite)
        )

    def last_version_seen(self, file: object) -> str:
        """Return the version that an open reader reads, or that a closed writer wrote.

        Raises:
            ValueError: `file` is not one of blobio's, or its version is not known.
        """
        binary = getattr(file, "buffer", file)
        version = getattr(binary, "version", None)
        if not isinstance(version, str):
            message = f"no version is known of {redact(repr(file))}"
            raise ValueError(message)  # noqa: TRY004 - blobfile's contract
        return version

    # Questions

    def exists(self, path: PathLike) -> bool:
        """Tell whether a blob or directory has that name; 1 HEAD, and 1 LIST if that finds none."""
        return self._binding.call(lambda core: core.exists(path))

    def isfile(self, path: PathLike) -> bool:
        """Tell whether a blob or file has that name; 1 HEAD."""
        return self._binding.call(lambda core: core.isfile(path))

    def isdir(self, path: PathLike) -> bool:
        """Tell whether a directory has that name; 1 LIST. A bucket's root is one if it exists."""
        return self._binding.call(lambda core: core.isdir(path))

    def stat(self, path: PathLike) -> Stat:
        """Return size, times, MD5 and version of a blob or local file or directory; 1 HEAD.

        Raises:
            NotFound: Nothing has that name, or it is a directory of an object store.
        """
        return self._binding.call(lambda core: core.stat(path))

    def md5(self, path: PathLike) -> str:
        """Return the hex MD5 of a blob: the store's if it is proof of the bytes, else computed.

        1 HEAD, and one read of the blob if it is computed; the result is then kept with the blob
        where that does not rewrite it, on condition that it is still the version read.
        """
        return self._binding.call(lambda core: core.md5(path))

    def get_url(
        self, path: PathLike, *, method: str = "GET", expires_s: float = 3600.0
    ) -> tuple[str, float | None]:
        """Return a URL that needs no credentials, and the Unix time at which it expires.

        Args:
            path: The blob.
            method: What the URL allows: `"GET"` or `"PUT"`.
            expires_s: Seconds until it expires, as far as the store allows.

        Returns:
            The URL and a timestamp, or None if it does not expire (local, public HTTP).
        """
        return self._binding.call(
            lambda core: core.get_url(path, method=method, expires_s=expires_s)
        )

    # Paths, which need no settings and are here since blobfile's contexts have them

    def basename(self, path: PathLike) -> str:
        """Return the last part of a path; see `blobio.basename`."""
        return paths.basename(path)

    def dirname(self, path: PathLike) -> str:
        """Return the directory of a path; see `blobio.dirname`."""
        return paths.dirname(path)

    def join(self, path: PathLike, *parts: str) -> str:
        """Append `parts` to a directory; see `blobio.join`."""
        return paths.join(path, *parts)

    # Listings

    def listdir(self, path: PathLike, shard_prefix_length: int = 0) -> Iterator[str]:
        """Yield the names in a directory, directories without `/`; see `scandir`."""
        for entry in self.scandir(path, shard_prefix_length):
            yield entry.name

    def scandir(self, path: PathLike, shard_prefix_length: int = 0) -> Iterator[DirEntry]:
        """Yield the entries of a directory lazily, in the store's order; 1 LIST a page.

        Local paths come out absolute. The directory's own marker is left out.

        Args:
            path: The directory.
            shard_prefix_length: Above 0, list the directory in many pieces side by side, cut at
                every name of that length; entries come in no order.

        Raises:
            NotFound, NotDirectory: With the first entry: there is no such directory.
        """
        return self._binding.iterate(lambda core: core.scandir_pages(path, shard_prefix_length))

    def walk(
        self,
        top: PathLike,
        topdown: bool = True,
        onerror: Callable[[OSError], object] | None = None,
    ) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield `(directory, names of directories, names of files)` for `top` and all below it.

        Args:
            top: Where to start; if it is no directory nothing is yielded.
            topdown: Parents first; directories taken out of the list that was yielded are not
                entered. Otherwise children first, from one flat listing in an object store.
            onerror: Called with the error of a directory that cannot be listed; None passes over
                those of the local disk, as `os.walk` does, and raises those of a store.
        """
        return self._binding.iterate(
            lambda core: core.walk_pages(top, topdown=topdown, onerror=onerror)
        )

    def glob(self, pattern: str, parallel: bool = False) -> Iterator[str]:
        """Yield the paths that match a pattern; see `scanglob`."""
        for entry in self.scanglob(pattern, parallel):
            yield entry.path

    def scanglob(
        self, pattern: str, parallel: bool = False, shard_prefix_length: int = 0
    ) -> Iterator[DirEntry]:
        """Yield the entries that match a pattern.

        `*` and `?` match within a name, `[...]` one of a set, `{a,b}` one or the other, `**`
        anything, `**/` any number of directories, none included. A trailing `/` asks for
        directories. `[*]` is a literal `*`. Names that start with a dot are not special.

        Args:
            pattern: URL or local path with wildcards behind the bucket.
            parallel: List directories of one level side by side; the order is lost.
            shard_prefix_length: With `parallel`, see `scandir`.

        Raises:
            InvalidUrl: A wildcard stands in the bucket.
            ValueError: The braces expand to more than 1,000 alternatives.
        """
        return self._binding.iterate(
            lambda core: core.scanglob_pages(
                pattern, parallel=parallel, shard_prefix_length=shard_prefix_length
            )
        )

    # Changes

    def copy(
        self,
        src: PathLike,
        dst: PathLike,
        overwrite: bool = False,
        parallel: bool = False,
        parallel_executor: Executor | None = None,
        return_md5: bool = False,
        dst_version: str | None = None,
    ) -> str | None:
        """Copy one blob, between any two stores; within one store the store does it.

        The source is pinned to one version; the destination appears in one step, under its
        condition, decided by the store.

        Args:
            src: The blob.
            dst: Where to; not a directory.
            overwrite: False publishes only if nothing is there.
            parallel: Has no effect: parts are always copied side by side.
            parallel_executor: Has no effect: nothing is sent to other processes or threads.
            return_md5: Return the hex MD5 of the bytes.
            dst_version: Publish only over this version.

        Raises:
            NotFound, IsDirectory: There is no such source, or either is a directory.
            AlreadyExists, VersionMismatch, ConcurrentWrite: The condition lost; nothing changed.
            VersionMismatch: The source changed while it was read; nothing changed.
            ChecksumMismatch: What was read is not what the source's store vouches for; nothing
                changed. With `ambiguous` set: what was written is not what was sent.
        """
        return self._binding.call(
            lambda core: core.copy(
                src, dst, overwrite=overwrite, return_md5=return_md5, dst_version=dst_version
            )
        )

    def copytree(
        self, src: PathLike, dst: PathLike, *, overwrite: bool = False, concurrency: int = 32
    ) -> None:
        """Copy a directory and all below it, between any two stores, as `copy` copies each blob.

        Lists once; what is written into the source meanwhile may be left out. The destination may
        exist and keeps what else is in it. An empty directory of the disk becomes a marker in an
        object store, and a marker an empty directory; a directory with content needs none. Links of
        the disk to files are copied as what they lead to.

        A blob that cannot be copied does not keep the others from it. Refused in this way are keys
        that are no path below a local destination (`a/../../b`, `a//b`), links to directories or to
        nothing, pipes and devices. After 100 failures other than `AlreadyExists` no more is begun.
        Each blob appears whole or not at all; after a cancellation some are there and some are not.

        Args:
            src: The directory.
            dst: The directory that gets what is in `src`; made if need be.
            overwrite: False leaves what is there and counts it as a failure, `AlreadyExists`.
            concurrency: Most blobs in flight. Their parts share `Config.memory_bytes`.

        Raises:
            NotFound: Nothing has the name of the source.
            NotDirectory: The source is a blob.
            InvalidUrl: The destination is the source, or lies in it.
            Unsupported: The source cannot be listed, or the destination not be written.
            CopyIncomplete: Some blobs were not copied; its `failures` tell which and why.
            ValueError: `concurrency` is below 1.
        """
        self._binding.call(
            lambda core: core.copytree(src, dst, overwrite=overwrite, concurrency=concurrency)
        )

    def move(self, src: PathLike, dst: PathLike, *, overwrite: bool = False) -> None:
        """Move one blob: a rename on one local disk, elsewhere `copy` and then `remove`.

        If the removal fails the blob is at both ends; it is never at neither. Requests: 1 HEAD and
        1 DELETE beside those of `copy`, and 1 HEAD more where the store cannot compare versions.

        Args:
            src: The blob.
            dst: Where to; not a directory.
            overwrite: False moves only if nothing is there.

        Raises:
            NotFound: There is no such source.
            AlreadyExists: `overwrite` is false, and the destination exists.
            VersionMismatch: The source was changed meanwhile. It was copied and not removed.
        """
        self._binding.call(lambda core: core.move(src, dst, overwrite=overwrite))

    def makedirs(self, path: PathLike) -> None:
        """Make a directory: on disk with its parents, in an object store an empty marker.

        Raises:
            NotFound: There is no such bucket.
        """
        self._binding.call(lambda core: core.makedirs(path))

    def remove(self, path: PathLike) -> None:
        """Remove one blob or file.

        Raises:
            NotFound: Nothing has that name.
            IsDirectory: The path names a directory.
        """
        self._binding.call(lambda core: core.remove(path))

    def rmdir(self, path: PathLike) -> None:
        """Remove an empty directory; one that is missing from an object store passes.

        Raises:
            DirectoryNotEmpty: Something is in it.
            NotFound: A local directory is missing.
            InvalidUrl: It is the root of a bucket.
        """
        self._binding.call(lambda core: core.rmdir(path))

    def rmtree(
        self,
        path: PathLike,
        parallel: bool = False,
        parallel_executor: Executor | None = None,
    ) -> None:
        """Remove a directory and all below it, in batches as large as the store takes.

        Every key is tried; the first failure is raised at the end.

        Args:
            path: The directory.
            parallel: Has no effect: batches always run side by side.
            parallel_executor: Has no effect: nothing is sent to other processes or threads.

        Raises:
            NotFound: Nothing has that name.
            NotDirectory: It is a blob or file.
        """
        self._binding.call(lambda core: core.rmtree(path))

    def set_mtime(self, path: PathLike, mtime: float, version: str | None = None) -> bool:
        """Set the modification time that `stat` reports.

        On S3, which stores it as metadata, this rewrites the object with a copy onto itself.

        Args:
            path: The blob or file.
            mtime: Seconds since the epoch.
            version: Only if this version is there.

        Returns:
            False if `version` is not what is there, else True.

        Raises:
            NotFound: Nothing has that name.
        """
        return self._binding.call(lambda core: core.set_mtime(path, mtime, version))
