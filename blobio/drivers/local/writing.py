"""The writing verbs as functions that block; each ends with nothing half done.

`stop` is the event of `Threads.run`: once it is set, nothing is published any more.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import threading
from collections.abc import Iterable
from typing import IO, Final

from blobio.drivers.local.directories import make_directories
from blobio.drivers.local.errors import os_errors, translate
from blobio.drivers.local.facts import (
    describe,
    is_temporary,
    require_blob,
    require_version,
    version_of,
)
from blobio.drivers.local.locking import directory_lock
from blobio.drivers.local.special import Stopped, fill, is_special
from blobio.drivers.local.staging import StagedFile, stage
from blobio.errors import (
    AlreadyExists,
    BlobError,
    IsDirectory,
    NotDirectory,
    Unsupported,
    VersionMismatch,
)
from blobio.values import (
    BlobMeta,
    Body,
    CreateOnly,
    DeleteResult,
    MetaPatch,
    PutOptions,
    PutResult,
    ReplaceIf,
    Version,
    WriteMode,
)

__all__ = [
    "check_options",
    "check_special_mode",
    "copy",
    "delete",
    "patch",
    "put",
    "put_directory",
    "put_special",
]

_SLICE_BYTES: Final = 8 << 20
_NO_COPY_IN_KERNEL: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY}
)


def check_options(operation: str, key: str, options: PutOptions) -> None:
    """Refuse what files cannot hold. A content type is not kept: it follows from the name.

    Raises:
        Unsupported: There is metadata.
    """
    if options.metadata:
        message = (
            f"{operation} of {key}: local files hold no metadata ({', '.join(options.metadata)})"
        )
        raise Unsupported(message, url=key, operation=operation)


def put(
    key: str, body: Body, options: PutOptions, stop: threading.Event, *, durable: bool
) -> PutResult:
    """Write a file; see `Driver.put`.

    Raises:
        BlobError: As `stage` and `StagedFile.publish`.
        Stopped: `stop` was set before publication; for a special file, during it.
    """
    with memoryview(body) as view, view.cast("B") as octets:
        if is_special(key):
            return put_special(key, [octets], options.mode, stop)
        with stage(key, options.mode, durable=durable) as staged:
            for start in range(0, len(octets), _SLICE_BYTES):
                _go_on(stop)
                staged.write(octets[start : start + _SLICE_BYTES])
            _go_on(stop)
            return PutResult(version=staged.publish())


def check_special_mode(key: str, mode: WriteMode) -> None:
    """Check that a special file can be written in this mode.

    Raises:
        AlreadyExists: `CreateOnly` was asked for.
        Unsupported: `ReplaceIf` was: it has no versions.
    """
    if isinstance(mode, CreateOnly):
        message = f"put of {key}: it exists, and only a new file was to be written"
        raise AlreadyExists(message, url=key, operation="put")
    if isinstance(mode, ReplaceIf):
        message = f"put of {key}: a special file has no versions"
        raise Unsupported(message, url=key, operation="put")


def put_special(
    key: str, pieces: Iterable[memoryview], mode: WriteMode, stop: threading.Event
) -> PutResult:
    """Write into a special file, in place. Raises as `check_special_mode` and `fill`."""
    check_special_mode(key, mode)
    fill(key, pieces, stop)
    return PutResult()


def put_directory(key: str, body: Body, options: PutOptions) -> PutResult:
    """Make the directory `key` and its parents.

    Raises:
        IsDirectory: There is a body.
        AlreadyExists: `CreateOnly`, and something of that name exists.
        NotDirectory: A file is in the way.
        Unsupported: `ReplaceIf`: directories have no versions.
    """
    if len(body):
        message = f"put of {key}: a directory holds no bytes"
        raise IsDirectory(message, url=key, operation="put")
    if isinstance(options.mode, ReplaceIf):
        message = f"put of {key}: directories have no versions"
        raise Unsupported(message, url=key, operation="put")
    path = key.rstrip("/") or "/"
    with os_errors("put", key):
        if isinstance(options.mode, CreateOnly):
            make_directories(os.path.dirname(path) or ".")
            os.mkdir(path)
        else:
            make_directories(path)
    return PutResult()


def copy(
    source: str, key: str, options: PutOptions, stop: threading.Event, *, durable: bool
) -> PutResult:
    """Copy a file, inside the kernel where it can; see `Driver.copy`.

    A new file gets the permission bits of the source, less the umask; an old one keeps its own.

    Raises:
        Unsupported: Either is a special or pseudo-file.
        VersionMismatch: The source changed meanwhile.
        BlobError: Otherwise, as `stage` and `StagedFile.publish`.
        Stopped: `stop` was set before publication.
    """
    if is_special(source) or is_special(key):
        message = f"copy of {source} to {key}: special files are read and written, not copied"
        raise Unsupported(message, url=source, operation="copy")
    with os_errors("copy", source), open(source, "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        bits = stat.S_IMODE(facts.st_mode)
        with (
            stage(key, options.mode, durable=durable, new_bits=bits) as staged,
            os_errors("copy", key, source=source),
        ):
            copied = _copy_bytes(file, staged, facts.st_size, stop)
            if facts.st_size == 0 and file.read(1):
                message = f"copy of {source}: its size is not known beforehand"
                raise Unsupported(message, url=source, operation="copy")
            _require_unchanged(source, facts, os.fstat(file.fileno()), copied)
            _go_on(stop)
            return PutResult(version=staged.publish())


def patch(key: str, change: MetaPatch, if_version: Version | None) -> BlobMeta:
    """Set the modification time; see `Driver.patch`.

    Raises:
        Unsupported: Anything else is to be changed.
        NotFound, VersionMismatch, IsDirectory, PermissionDenied: As they say.
    """
    names = [name for name, value in change.metadata.items() if value is not None]
    if names or change.content_type is not None:
        message = f"patch of {key}: local files hold no metadata and no content type"
        raise Unsupported(message, url=key, operation="patch")
    directory = os.path.dirname(os.path.realpath(key))
    exclusive = if_version is not None
    with os_errors("patch", key):
        require_blob("patch", key, os.stat(key))
        with directory_lock(directory, key, exclusive=exclusive):
            facts = os.stat(key)
            if if_version is not None:
                found = describe(key, facts).version
                require_version("patch", key, if_version, found)
            if change.mtime is not None:
                os.utime(key, ns=(facts.st_atime_ns, _nanoseconds(change.mtime)))
            return describe(key, os.stat(key))


def _nanoseconds(seconds: float) -> int:
    """Convert exactly: the product with 1e9 has more digits than a float."""
    whole = math.floor(seconds)
    return whole * 10**9 + round((seconds - whole) * 1e9)


def delete(key: str) -> DeleteResult:
    """Remove a file, a symbolic link, or, if `key` ends in `/`, an empty directory.

    `link/`, where `link` leads to a directory, removes the link and nothing behind it.
    """
    path = key.rstrip("/") or key
    try:
        with (
            os_errors("delete", key),
            directory_lock(os.path.dirname(path) or ".", key, exclusive=False),
        ):
            if path != key:
                _remove_directory(key, path)
            else:
                _unlink(key)
    except BlobError as error:
        return DeleteResult(key=key, error=error)
    return DeleteResult(key=key)


def _unlink(key: str) -> None:
    try:
        os.unlink(key)
    except PermissionError:
        # POSIX says EPERM for a directory, Linux EISDIR
        require_blob("delete", key, os.lstat(key))
        raise


def _remove_directory(key: str, path: str) -> None:
    if os.path.islink(path):
        if not os.path.isdir(path):
            message = f"delete of {key}: it is a link that does not lead to a directory"
            raise NotDirectory(message, url=key, operation="delete")
        os.unlink(path)
        return
    try:
        os.rmdir(path)
    except OSError as error:
        # POSIX lets either errno say that a directory is not empty
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _sweep(path):
            full = OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            raise translate(full, "delete", key) from error
        os.rmdir(path)


def _sweep(path: str) -> bool:
    """Remove unpublished files from a directory that holds nothing else, else return False.

    Listings do not show them, so to its user the directory is empty.
    """
    names = os.listdir(path)
    if not all(is_temporary(name) for name in names):
        return False
    for name in names:
        os.unlink(os.path.join(path, name))
    return True


def _copy_bytes(file: IO[bytes], staged: StagedFile, size: int, stop: threading.Event) -> int:
    copied = 0
    in_kernel = hasattr(os, "copy_file_range")
    while copied < size:
        _go_on(stop)
        step = min(_SLICE_BYTES, size - copied)
        count = 0
        if in_kernel:
            try:
                count = os.copy_file_range(file.fileno(), staged.fileno(), step, copied, copied)
            except OSError as error:
                if error.errno not in _NO_COPY_IN_KERNEL:
                    raise
            in_kernel = count > 0
        if not in_kernel:
            count = staged.write_at(copied, os.pread(file.fileno(), step, copied))
        if count == 0:
            break
        copied += count
    return copied


def _require_unchanged(
    source: str, before: os.stat_result, after: os.stat_result, copied: int
) -> None:
    if version_of(before) != version_of(after) or copied != before.st_size:
        message = f"copy of {source}: it changed while it was copied"
        raise VersionMismatch(message, url=source, operation="copy")


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
