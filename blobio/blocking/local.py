"""Local files of the blocking API, opened on the caller's thread.

Reading gives Python's own file object. Writing gives a `StagedWriter` that replaces the file in one
step when it is closed. Appending, and anything that cannot be replaced (`/dev/stdout`, a pipe), is
written in place.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Literal

from blobio.blocking.staged import StagedWriter
from blobio.drivers.local.directories import make_directories
from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import require_blob, require_version, version_of
from blobio.drivers.local.special import is_special
from blobio.drivers.local.staging import stage
from blobio.errors import InvalidConfig
from blobio.values import Version

if TYPE_CHECKING:
    from blobio.blocking.opening import FileOptions

__all__ = ["open_disk", "open_local"]


def open_local(path: str, options: FileOptions, *, durable: bool = False) -> io.BufferedIOBase:
    """Open the local file `path` in binary; see `Context.BlobFile` for the contract."""
    if options.mode == "r":
        return _read(path, options)
    if options.mode == "a":
        return _append(path, options)
    if options.mode == "w" and is_special(path):
        with os_errors("open", path):
            return open_disk(path, "w", options.buffer_size)
    staged = stage(path, options.condition, durable=durable)
    try:
        raw = io.FileIO(os.dup(staged.fileno()), "r+")
        file = io.BufferedRandom(raw, options.buffer_size or io.DEFAULT_BUFFER_SIZE)
    except BaseException:
        staged.discard()
        raise
    return StagedWriter(
        path,
        file,
        staged.publish,
        staged.discard,
        partial_writes_on_exc=options.partial_writes_on_exc,
    )


def open_disk(
    path: str, mode: Literal["r", "w", "a"], buffer_size: int | None
) -> io.BufferedReader | io.BufferedWriter:
    """Open a file of the disk as the builtin `open` does in binary."""
    raw = io.FileIO(path, mode)
    size = buffer_size or io.DEFAULT_BUFFER_SIZE
    return io.BufferedReader(raw, size) if mode == "r" else io.BufferedWriter(raw, size)


def _read(path: str, options: FileOptions) -> io.BufferedIOBase:
    with os_errors("open", path):
        file = open_disk(path, "r", options.buffer_size)
        try:
            facts = os.fstat(file.fileno())
            require_blob("open", path, facts)
            if options.version is not None:
                require_version("open", path, Version(options.version), version_of(facts))
        except BaseException:
            file.close()
            raise
        return file


def _append(path: str, options: FileOptions) -> io.BufferedIOBase:
    if options.version is not None:
        message = f"open of {path}: a local file is appended to in place, which takes no version"
        raise InvalidConfig(message, url=path, operation="open")
    with os_errors("open", path):
        make_directories(os.path.dirname(path))
        return open_disk(path, "a", options.buffer_size)
