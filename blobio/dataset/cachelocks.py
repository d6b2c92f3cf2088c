"""Locks of a cache that end with their process, waiting for them, and where they cannot be used."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import Final, final

from blobio.errors import DeadlineExceeded, Unsupported

__all__ = ["FileLock", "Patience", "exclusive", "require_local", "try_lock"]

_MOUNTS: Final = "/proc/self/mountinfo"
_STUCK_S: Final = 60.0  # more than a look at all copies takes, or their removal
_PAUSES_S: Final = (0.0002, 0.01)
_NETWORK: Final = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
        "ocfs2", "orangefs", "panfs", "smb3", "smbfs", "wekafs",
    }
)  # fmt: skip
_LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.mergerfs"})
_ESCAPES: Final = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


@final
class FileLock:
    """A lock on an open file. It ends with `release`, or with the process however that ends.

    In a fork it goes on until both processes have let go: only the one that took it unlocks it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int = descriptor
        self._owner = os.getpid()

    def share(self) -> None:
        """Let others hold it too. There is a moment at which nobody holds it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let go. Idempotent."""
        if self.descriptor < 0:
            return
        if os.getpid() == self._owner:
            # closing alone would leave it to a process that was forked meanwhile
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)
        self.descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            self.release()


@final
class Patience:
    """How long somebody else's fetch is waited for: since the last sign of it.

    Args:
        wait_s: So many seconds.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._pulse: object = None
        self._since = time.monotonic()

    def is_over(self, pulse: object) -> bool:
        """Tell whether nothing has changed for too long.

        Args:
            pulse: What changes as long as something comes.
        """
        now = time.monotonic()
        if pulse != self._pulse:
            self._pulse, self._since = pulse, now
        return now - self._since > self._wait_s


def try_lock(path: str, *, shared: bool = False) -> FileLock | None:
    """Lock an existing file; None if it is held by somebody else, or gone by now."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor)):
            return FileLock(descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextlib.contextmanager
def exclusive(path: str) -> Iterator[int]:
    """Hold the lock of a file, made if it is missing, waiting for whoever holds it.

    Yields:
        The open file.

    Raises:
        DeadlineExceeded: Somebody holds it for longer than a minute: it is stopped, as one that
            was killed holds nothing.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _lock_in_time(descriptor, path)
        try:
            yield descriptor
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock_in_time(descriptor: int, path: str) -> None:
    give_up, pause = time.monotonic() + _STUCK_S, _PAUSES_S[0]
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                message = (
                    f"the lock {path} is held for longer than {_STUCK_S:.0f} s: a process that "
                    "uses this cache is stopped"
                )
                raise DeadlineExceeded(message, operation="open") from None
        time.sleep(pause)
        pause = min(2 * pause, _PAUSES_S[1])


def require_local(directory: str) -> None:
    """Refuse a directory on a network file system, where locks hang, or exclude nobody.

    Raises:
        Unsupported: It lies on one, as far as the system tells (Linux).
    """
    kind = _kind_of(os.path.realpath(directory), _read_mounts())
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        message = (
            f"the cache {directory} would lie on a network file system ({kind}), where locks "
            "between machines cannot be relied on: use a directory on a disk of this machine"
        )
        raise Unsupported(message, operation="open")


def _read_mounts() -> str:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _kind_of(path: str, mounts: str) -> str:
    """Return the type of the file system that holds `path`, `""` if that is not known."""
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the fifth is where it is mounted
            continue
        place = fields[4]
        for escape, character in _ESCAPES.items():
            place = place.replace(escape, character)
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):  # the last of two at one place is on top
            best, kind = place, after.split(" ")[0]
    return kind
