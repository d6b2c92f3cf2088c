"""`BlobPath`: a path of any store with the words of `pathlib`, and no request before it is asked.

::

    root = BlobPath("s3://bucket/runs")
    for path in root.glob("*/loss.csv"):
        print(path.parent.name, path.read_text())
"""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO, cast, final, overload

from blobio.blocking.default import DEFAULT
from blobio.errors import AlreadyExists, NotFound
from blobio.paths import join
from blobio.url import BlobUrl, PathLike, fspath

if TYPE_CHECKING:
    from blobio.blocking.context import Context
    from blobio.blocking.opening import BinaryMode, TextMode
    from blobio.core.formats import Compression
    from blobio.entries import Stat
    from blobio.values import Body

__all__ = ["BlobPath"]

_SPECIAL: Final = re.compile(r"[*?\[{]")


@final
@functools.total_ordering
class BlobPath:
    """A blob, a directory, or a local file; immutable, hashable, ordered, picklable.

    What needs no request follows `pathlib.PurePosixPath`, with the bucket, container or host as the
    root that nothing leaves. Keys stay exact but for slashes at their end, which name nothing more:
    `a/` is `a`. Local paths are what `pathlib` makes of them. What asks the store is the namesake
    of `blobio.Context`, with its errors and requests.

    It is taken wherever blobio takes a path, by `__blobpath__`. It is no `os.PathLike`: the builtin
    `open` would take a URL for a local file. Equal are paths of one URL, whatever their contexts.

    Args:
        path: URL or local path.
        parts: Appended one after the other, as `joinpath` does.
        context: Where I/O goes; None for the default context, that of `blobio`'s functions.

    Raises:
        InvalidUrl: blobio cannot address it.
    """

    __slots__ = ("_context", "_url")
    _context: Context | None
    _url: BlobUrl

    def __init__(self, path: PathLike, *parts: PathLike, context: Context | None = None) -> None:
        if context is None and isinstance(path, BlobPath):
            context = path._context  # noqa: SLF001 - of its own class
        whole = join(path, *map(fspath, parts)) if parts else fspath(path)
        self._url = _settle(BlobUrl.parse(whole))
        self._context = context

    # Words without requests

    def __blobpath__(self) -> str:
        """Return the URL or local path, for blobio."""
        return str(self)

    def __str__(self) -> str:
        whole = str(self._url)
        return whole.removesuffix("/") if self._url.authority else whole

    def __repr__(self) -> str:
        return f"BlobPath({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self), self._context)

    def __hash__(self) -> int:
        return hash(self._url)

    def __eq__(self, other: object) -> bool:
        return self._url == other._url if isinstance(other, BlobPath) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._url < other._url if isinstance(other, BlobPath) else NotImplemented

    def __truediv__(self, part: PathLike) -> BlobPath:
        return self.joinpath(part)

    def joinpath(self, *parts: PathLike) -> BlobPath:
        """Append parts as `blobio.join` does: `..` stops at the root, `/x` starts there again."""
        return BlobPath(self, *parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """The root, if there is one, and each name below it."""
        if self._url.is_local:
            return self._pure.parts
        return (self.anchor, *self._url.key.split("/")) if self._url.key else (self.anchor,)

    @property
    def anchor(self) -> str:
        """The root, with its `/`: `s3://bucket/`; `""` for a local path that is relative."""
        return self._pure.anchor if self._url.is_local else str(self._url.with_key(""))

    @property
    def name(self) -> str:
        """The last name; `""` for a root."""
        return self._pure.name if self._url.is_local else self._url.name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The last suffix of the name, with its dot, or `""`."""
        return PurePosixPath(self.name).suffix

    @property
    def suffixes(self) -> list[str]:
        """All suffixes of the name."""
        return PurePosixPath(self.name).suffixes

    @property
    def parent(self) -> BlobPath:
        """The directory this is in; a root is its own."""
        if self._url.is_local:
            return self._with(str(self._pure.parent))
        return self._with(self._url.parent.key)

    @property
    def parents(self) -> tuple[BlobPath, ...]:
        """The directories this is in, from the nearest to the root."""
        found: list[BlobPath] = []
        path = self
        while path.parent != path:
            path = path.parent
            found.append(path)
        return tuple(found)

    def with_name(self, name: str) -> BlobPath:
        """Return the path with another last name.

        Raises:
            ValueError: This is a root, or `name` is empty or holds a `/`.
        """
        if not self.name or not name or "/" in name or name in (".", ".."):
            message = f"{self} takes no name {name!r}"
            raise ValueError(message)
        key = self._url.key
        return self._with(key[: len(key) - len(self.name)] + name)

    def with_stem(self, stem: str) -> BlobPath:
        """Return the path with another stem and the same suffix; `ValueError` as `with_name`."""
        return self.with_name(stem + self.suffix)

    def with_suffix(self, suffix: str) -> BlobPath:
        """Return the path with another suffix; `ValueError` if it does not start with a dot."""
        return self.with_name(PurePosixPath(self.name).with_suffix(suffix).name)

    def relative_to(self, other: PathLike) -> PurePosixPath:
        """Return the way from the directory `other` to here; `other / way` is this again.

        Raises:
            ValueError: This is not below `other`.
        """
        root = BlobPath(other)
        if root == self:
            return PurePosixPath()
        if root._url.is_local and self._url.is_local:
            return self._pure.relative_to(root._pure)
        return PurePosixPath(self._url.relative_to(root._url))

    def is_relative_to(self, other: PathLike) -> bool:
        """Tell whether this is `other` or lies below it."""
        try:
            self.relative_to(other)
        except ValueError:
            return False
        return True

    def match(self, pattern: str) -> bool:
        """Tell whether the last names match a pattern, as in `PurePosixPath.match`."""
        return PurePosixPath(str(self)).match(pattern)

    def as_uri(self) -> str:
        """Return the URL; of a local path, which must be absolute, a `file://` one."""
        return self._pure.as_uri() if self._url.is_local else str(self)

    # Questions

    @property
    def context(self) -> Context:
        """Where I/O goes."""
        return DEFAULT if self._context is None else self._context

    def stat(self) -> Stat:
        """See `blobio.Context.stat`."""
        return self.context.stat(self)

    def exists(self) -> bool:
        """See `blobio.Context.exists`."""
        return self.context.exists(self)

    def is_file(self) -> bool:
        """See `blobio.Context.isfile`."""
        return self.context.isfile(self)

    def is_dir(self) -> bool:
        """See `blobio.Context.isdir`."""
        return self.context.isdir(self)

    def iterdir(self) -> Iterator[BlobPath]:
        """Yield what is in the directory; see `blobio.Context.scandir`."""
        for entry in self.context.scandir(self):
            yield self._at(entry.path)

    def walk(
        self, top_down: bool = True, on_error: Callable[[OSError], object] | None = None
    ) -> Iterator[tuple[BlobPath, list[str], list[str]]]:
        """Yield `(directory, names of directories, names of files)`; see `blobio.Context.walk`."""
        for directory, directories, files in self.context.walk(self, top_down, on_error):
            yield self._at(directory), directories, files

    def glob(self, pattern: str) -> Iterator[BlobPath]:
        """Yield what matches a pattern below here; for its rules see `blobio.Context.scanglob`."""
        if not pattern or pattern.startswith("/"):
            message = f"glob below {self}: the pattern {pattern!r} is not relative"
            raise ValueError(message)
        literal = _SPECIAL.sub(r"[\g<0>]", str(self)).removesuffix("/")
        return map(self._at, self.context.glob(f"{literal}/{pattern}"))

    def rglob(self, pattern: str) -> Iterator[BlobPath]:
        """Yield what matches a pattern in this directory or any below it."""
        return self.glob(f"**/{pattern}")

    # Content

    @overload
    def open(
        self,
        mode: TextMode = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        compression: Compression | None = None,
        version: str | None = None,
    ) -> TextIO: ...
    @overload
    def open(
        self,
        mode: BinaryMode,
        *,
        compression: Compression | None = None,
        version: str | None = None,
    ) -> BinaryIO: ...
    def open(
        self,
        mode: TextMode | BinaryMode = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        compression: Compression | None = None,
        version: str | None = None,
    ) -> TextIO | BinaryIO:
        """Open a file; see `blobio.BlobFile`."""
        return self.context.BlobFile(
            self,
            cast("TextMode", mode),
            version=version,
            encoding=encoding,
            errors=errors,
            newline=newline,
            compression=compression,
        )

    def read_bytes(self) -> bytes:
        """See `blobio.Context.read_bytes`."""
        return self.context.read_bytes(self)

    def read_text(self, encoding: str = "utf-8") -> str:
        """See `blobio.Context.read_text`."""
        return self.context.read_text(self, encoding=encoding)

    def write_bytes(self, data: Body, *, overwrite: bool = True) -> int:
        """Write the whole blob and return its size; see `blobio.Context.write_bytes`."""
        self.context.write_bytes(self, data, overwrite=overwrite)
        return memoryview(data).nbytes

    def write_text(self, text: str, encoding: str = "utf-8", *, overwrite: bool = True) -> int:
        """Write a whole blob of text and return how many characters it has."""
        self.context.write_text(self, text, encoding=encoding, overwrite=overwrite)
        return len(text)

    # Changes

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory: in a store of keys a marker, which needs no parents.

        Args:
            mode: Permissions of a local directory.
            parents: Make those of a local directory too.
            exist_ok: A directory that is there is no error.

        Raises:
            FileExistsError: Something has that name.
            FileNotFoundError: There is no such bucket, or no parent on the local disk.
        """
        if self._url.is_local:
            pathlib.Path(self._url.key).mkdir(mode, parents, exist_ok)
        elif not self.is_dir():
            if self.is_file():
                message = f"mkdir of {self}: a blob has that name"
                raise AlreadyExists(message, url=self, operation="put")
            self.context.makedirs(self)
        elif not exist_ok:
            message = f"mkdir of {self}: it exists"
            raise AlreadyExists(message, url=self, operation="put")

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove one blob; see `blobio.Context.remove`."""
        try:
            self.context.remove(self)
        except NotFound:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        """Remove an empty directory; see `blobio.Context.rmdir`."""
        self.context.rmdir(self)

    def rmtree(self) -> None:
        """Remove a directory and all below it; see `blobio.Context.rmtree`."""
        self.context.rmtree(self)

    def rename(self, target: PathLike, *, overwrite: bool = False) -> BlobPath:
        """Move one blob to `target`, a path of its own, and return that; see `blobio.move`.

        Unlike `pathlib`'s, it raises `AlreadyExists` if something is there, unless told otherwise.
        """
        moved = self._at(target)
        self.context.move(self, moved, overwrite=overwrite)
        return moved

    def replace(self, target: PathLike) -> BlobPath:
        """Move one blob over what is at `target`, and return that."""
        return self.rename(target, overwrite=True)

    def copy(self, target: PathLike, *, overwrite: bool = False) -> BlobPath:
        """Copy one blob to `target`, in any store, and return that; see `blobio.Context.copy`."""
        copied = self._at(target)
        self.context.copy(self, copied, overwrite=overwrite)
        return copied

    @property
    def _pure(self) -> PurePosixPath:
        return PurePosixPath(self._url.key)

    def _at(self, path: PathLike) -> BlobPath:
        return BlobPath(path, context=self._context)

    def _with(self, key: str) -> BlobPath:
        return self._at(str(self._url.with_key(key)))


def _settle(url: BlobUrl) -> BlobUrl:
    """Drop the slashes at the end; make of a local path what `pathlib` does."""
    if not url.is_local:
        return url.with_key(url.key.rstrip("/"))
    local = str(PurePosixPath(url.key))
    has_colon = ":" in local.partition("/")[0]  # which would be a scheme, when it is parsed again
    return url.with_key(f"./{local}" if has_colon else local)


def _rebuild(path: str, context: Context | None) -> BlobPath:
    return BlobPath(path, context=context)
