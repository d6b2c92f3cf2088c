"""Write a file aside, then publish it in one step: the only way blobio writes files on disk.

Synchronous and free of asyncio: the driver calls it on worker threads, the blocking file object on
the caller's thread.

A staged file lives in the directory of its destination. Where the system allows it has no name at
all until it is published (`O_TMPFILE`), so even a killed process leaves nothing behind; elsewhere,
and if another process is to find it again, its name begins with `.blobio-` and ends in `.tmp`, and
its writer holds a lock on it.

What publishing keeps of a file it replaces: permission bits, and owner and group where the process
may set them. Other hard links keep the old bytes; ACLs and extended attributes are not kept.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, final

from blobio.drivers.local.directories import make_directories, sync_directory
from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.facts import (
    is_temporary,
    require_blob,
    require_version,
    temporary_name,
    version_of,
)
from blobio.drivers.local.locking import directory_lock, lock_file
from blobio.drivers.local.special import is_special
from blobio.errors import PermissionDenied, Unsupported, UploadLost
from blobio.values import Body, CreateOnly, ReplaceIf, Version, WriteMode

__all__ = ["StagedFile", "reopen", "stage"]

_NEW_FILE_BITS: Final = 0o666
_PERMISSION_BITS: Final = 0o777
_WRITE_BYTES: Final = 8 << 20
_UNNAMED: Final[int] = getattr(os, "O_TMPFILE", 0)
_DESCRIPTORS: Final = "/proc/self/fd"


def stage(
    path: str,
    mode: WriteMode,
    *,
    durable: bool = False,
    new_bits: int = _NEW_FILE_BITS,
    named: bool = False,
) -> StagedFile:
    """Start to write `path`, which stays as it is until `StagedFile.publish`.

    Parents are made, and stay even if nothing is published. A symbolic link at the end of `path`
    is followed, so that it stays and its target is replaced; but `CreateOnly` takes a link, even a
    broken one, for a thing that exists.

    Args:
        path: Destination. The working directory of now counts for a relative one.
        mode: The condition, decided by `publish`.
        durable: Flush the bytes and the name to the disk before `publish` returns.
        new_bits: Permissions of a file that does not exist yet, before the umask.
        named: Give it a name, for `reopen`.

    Raises:
        IsDirectory: `path` is a directory or ends in `/`.
        NotDirectory: A parent is a file.
        PermissionDenied: The file exists and is not writable, or the directory is not.
        Unsupported: `path` is a special file: write it in place.
    """
    with os_errors("put", path):
        target = _target(path, mode)
        existing = _existing(path, target, mode)
        bits = new_bits if existing is None else stat.S_IMODE(existing.st_mode)
        created = make_directories(os.path.dirname(target))
        scratch = _open_scratch(os.path.dirname(target), bits & _PERMISSION_BITS, named=named)
        staged = StagedFile(path, target, mode, scratch)
        if durable:
            staged.flush_on_publish([os.path.dirname(name) for name in created])
        try:
            if existing is not None:
                _take_over(scratch.fd, existing)
        except BaseException:
            staged.discard()
            raise
        return staged


def reopen(path: str, mode: WriteMode, name: str, *, durable: bool = False) -> StagedFile:
    """Go on with what another process staged for `path` and left under `name`.

    Raises:
        UploadLost: It is not there, is not a file of this user alone, or somebody writes it.
    """
    with os_errors("put", path):
        target = _target(path, mode)
        file = os.path.join(os.path.dirname(target), name)
        message = f"put of {path}: {file} is no write that can be gone on with"
        if not is_temporary(name) or os.sep in name:
            raise UploadLost(message, url=path, operation="put")
        try:
            fd = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise UploadLost(message, url=path, operation="put") from error
        facts = os.fstat(fd)
        is_own = facts.st_uid == os.geteuid() and facts.st_nlink == 1
        if not (is_own and stat.S_ISREG(facts.st_mode) and lock_file(fd)):
            os.close(fd)
            raise UploadLost(message, url=path, operation="put")
        staged = StagedFile(path, target, mode, _Scratch(fd, file))
        if durable:
            staged.flush_on_publish([])
        return staged


@final
class StagedFile:
    """A file on its way, made by `stage`. Methods may be called from any thread.

    Leaving it as a context manager discards what was not published; so does garbage collection.
    """

    def __init__(self, path: str, target: str, mode: WriteMode, scratch: _Scratch) -> None:
        self._path = path
        self._target = target
        self._mode = mode
        self._scratch = scratch
        self._flush: list[str] | None = None
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._finalizer = weakref.finalize(self, scratch.release)

    def __enter__(self) -> StagedFile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def fileno(self) -> int:
        """Return the descriptor, open for reading and writing until published or discarded."""
        return self._scratch.fd

    @property
    def name(self) -> str | None:
        """The name it has until it is published, without its directory."""
        return self._scratch.name and os.path.basename(self._scratch.name)

    def flush_on_publish(self, directories: list[str]) -> None:
        """Make `publish` durable, and with it the names in `directories`."""
        self._flush = [os.path.dirname(self._target), *directories]

    def write(self, data: Body) -> int:
        """Write all of `data` at the descriptor's offset and return its size.

        Raises:
            RequestFailed: The disk is full, a quota or limit is reached (see `errno`).
            UploadLost: It was discarded or published.
        """
        with self._open() as fd, memoryview(data) as view, view.cast("B") as octets:
            done = 0
            while done < len(octets):
                done += os.write(fd, octets[done : done + _WRITE_BYTES])
                self._check_open()
            return done

    def write_at(self, offset: int, data: Body) -> int:
        """Write all of `data` at `offset` and return its size. Raises as `write`."""
        with self._open() as fd, memoryview(data) as view, view.cast("B") as octets:
            done = 0
            while done < len(octets):
                done += os.pwrite(fd, octets[done : done + _WRITE_BYTES], offset + done)
                self._check_open()
            return done

    def truncate(self, size: int) -> None:
        """Cut what was written to `size` bytes. Raises as `write`."""
        with self._open() as fd:
            os.ftruncate(fd, size)

    def publish(self) -> Version:
        """Put the file in its place, in one step, and return its version.

        The file is closed then. If this raises, the destination is as it was and `discard` is due;
        only if the disk fails while a durable write flushes the name, it may be the new file.

        Raises:
            AlreadyExists: `CreateOnly` lost.
            VersionMismatch: `ReplaceIf` lost.
            Unsupported: The file system cannot decide the mode: it has no hard links (`CreateOnly`)
                or no locks on directories (`ReplaceIf`).
            ConcurrentWrite: Others kept the directory locked.
            IsDirectory: The destination has become a directory.
            RequestFailed: As `write`, for what the system had not written yet.
        """
        with self._open() as fd:
            # The clock of file systems may tick every few milliseconds only, and inode numbers are
            # reused: two states of a path could get the same version. This clock is finer.
            now = time.time_ns()
            with suppress(PermissionError):
                os.utime(fd, ns=(now, now))
            if self._flush is not None:
                os.fsync(fd)
            exclusive = isinstance(self._mode, ReplaceIf)
            with directory_lock(os.path.dirname(self._target), self._path, exclusive=exclusive):
                self._place()
            for directory in self._flush or ():
                sync_directory(directory)
            version = version_of(os.fstat(fd))
        self.discard()
        return version

    def discard(self) -> None:
        """Remove what was not published. Idempotent; a write under way on a thread ends first."""
        with self._lock:
            self._closed = True
            if self._users == 0:
                self._finalizer()

    def leave(self) -> None:
        """Close the file and keep it under its name, for `reopen`. Idempotent."""
        with self._lock:
            if not self._closed:
                self._scratch.name = None
        self.discard()

    def _place(self) -> None:
        if isinstance(self._mode, CreateOnly):
            self._link(self._target)
            self._scratch.remove_name()
            return
        if isinstance(self._mode, ReplaceIf):
            self._compare(self._mode.version)
        if self._scratch.name is None:
            name = os.path.join(os.path.dirname(self._target), temporary_name())
            self._link(name)
            self._scratch.name = name
        os.replace(self._scratch.name, self._target)
        self._scratch.name = None

    def _compare(self, wanted: Version) -> None:
        try:
            found = version_of(os.stat(self._target))
        except FileNotFoundError:
            found = None
        require_version("put", self._path, wanted, found)

    def _link(self, name: str) -> None:
        scratch = self._scratch
        try:
            if scratch.name is not None:
                os.link(scratch.name, name, follow_symlinks=False)
            else:
                # A directory descriptor, ignored for absolute paths, is what makes CPython call
                # linkat with AT_SYMLINK_FOLLOW, as open(2) says of O_TMPFILE.
                source = f"{_DESCRIPTORS}/{scratch.fd}"
                os.link(source, name, src_dir_fd=scratch.fd, follow_symlinks=True)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            message = (
                f"put of {self._path}: its file system has no hard links, which this write "
                "needs to appear in one step"
            )
            raise Unsupported(message, url=self._path, operation="put") from error

    @contextmanager
    def _open(self) -> Iterator[int]:
        """Keep the descriptor from being closed, and its number reused, while the body runs."""
        with self._lock:
            self._check_open()
            self._users += 1
        try:
            with os_errors("put", self._path):
                yield self._scratch.fd
        finally:
            with self._lock:
                self._users -= 1
                if self._closed and self._users == 0:
                    self._finalizer()

    def _check_open(self) -> None:
        if self._closed:
            message = f"put of {self._path}: this write is already published or discarded"
            raise UploadLost(message, url=self._path, operation="put")


@final
@dataclass(slots=True)
class _Scratch:
    """The open file and its temporary name, or None while it has none or is published."""

    fd: int
    name: str | None
    process: int = field(default_factory=os.getpid)

    def release(self) -> None:
        os.close(self.fd)
        self.remove_name()

    def remove_name(self) -> None:
        # A fork has a copy of this object, but the file is its parent's.
        if self.name is not None and self.process == os.getpid():
            with suppress(OSError):
                os.unlink(self.name)
        self.name = None


def _target(path: str, mode: WriteMode) -> str:
    """Return the absolute path to publish at: the program may change directory meanwhile."""
    if path.endswith("/"):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if os.path.islink(path) and not isinstance(mode, CreateOnly):
        return os.path.realpath(path)
    # not abspath: it would take `..` for the parent by name, which behind a link it is not
    return os.path.join(os.getcwd(), path)


def _existing(path: str, target: str, mode: WriteMode) -> os.stat_result | None:
    """Return the facts of the file that is to be replaced, or None if there is none."""
    try:
        facts = os.stat(target)
    except FileNotFoundError:
        return None
    require_blob("put", path, facts)
    if is_special(path):
        message = f"put of {path}: a special file cannot be replaced, only written in place"
        raise Unsupported(message, url=path, operation="put")
    if isinstance(mode, CreateOnly):
        return None
    # A rename asks the directory alone, but a read-only file is meant to stay as it is.
    effective = os.access in os.supports_effective_ids
    if not os.access(target, os.W_OK, effective_ids=effective) and _is_still(target, facts):
        message = f"put of {path}: the file is not writable"
        raise PermissionDenied(message, url=path, operation="put")
    return facts


def _is_still(target: str, facts: os.stat_result) -> bool:
    """Tell if `target` is the file of `facts`; what was removed is not writable either."""
    try:
        return version_of(os.stat(target)) == version_of(facts)  # inode numbers are reused
    except FileNotFoundError:
        return False


def _open_scratch(directory: str, bits: int, *, named: bool) -> _Scratch:
    # Created with the final permissions: nobody may open it who may not read the result.
    if _UNNAMED and not named and os.path.isdir(_DESCRIPTORS):
        try:
            fd = os.open(directory, _UNNAMED | os.O_RDWR | os.O_CLOEXEC, bits)
        except OSError as error:
            # EISDIR: the kernel does not know the flag; EOPNOTSUPP: the file system does not
            if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL):
                raise
        else:
            return _Scratch(fd, None)
    name = os.path.join(directory, temporary_name())
    fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, bits)
    lock_file(fd)
    return _Scratch(fd, name)


def _take_over(fd: int, existing: os.stat_result) -> None:
    """Give the file the owner, group and permissions of the one it will replace."""
    bits = stat.S_IMODE(existing.st_mode) & _PERMISSION_BITS
    facts = os.fstat(fd)
    if (facts.st_uid, facts.st_gid) != (existing.st_uid, existing.st_gid):
        try:
            os.fchown(fd, existing.st_uid, existing.st_gid)
        except PermissionError:
            # What the old group could do, the new group shall not: it gets what others have.
            bits = (bits & 0o707) | ((bits & 0o007) << 3)
    if stat.S_IMODE(os.fstat(fd).st_mode) != bits:
        os.fchmod(fd, bits)
