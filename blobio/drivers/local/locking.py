"""Advisory locks: of a directory, so that compare and rename are one step; of a staged file.

No file system has a rename that compares versions. Publishing, deleting and patching therefore hold
the lock of the directory shared, and a conditional change holds it exclusively, for the few
microseconds between `stat` and `rename`. Programs that do not take the lock can slip in between.

Whoever writes a staged file that has a name holds its lock, which ends with the process: so it can
be told from one that a killed process left.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from blobio.errors import ConcurrentWrite, Unsupported

__all__ = ["directory_lock", "lock_file"]

_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.001


@contextmanager
def directory_lock(directory: str, path: str, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of `directory` while the body runs, on behalf of writing `path`.

    A shared lock is a courtesy to exclusive holders: where the file system has no such locks, or a
    holder does not let go for 5 s, the body runs without it.

    Raises:
        Unsupported: `exclusive`, and the file system has no locks on directories (NFS).
        ConcurrentWrite: `exclusive`, and others held the lock for 5 s.
    """
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        if exclusive:
            raise
        yield
        return
    try:
        _acquire(held, path, exclusive=exclusive)
        yield
    finally:
        # Closing would do, were it not for a fork meanwhile, whose copy would keep the lock.
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_UN)
        os.close(held)


def lock_file(fd: int) -> bool:
    """Lock an open file until it is closed; False if somebody else has locked it.

    Where the file system has no locks, nothing is locked, and nothing is told from anything.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _acquire(held: int, path: str, *, exclusive: bool) -> None:
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    patience_ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(held, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < patience_ends:
                time.sleep(_POLL_S)
                continue
            if exclusive:
                message = f"put of {path}: others kept its directory locked for {_PATIENCE_S} s"
                raise ConcurrentWrite(message, url=path, operation="put") from error
        except OSError as error:
            if exclusive:
                message = (
                    f"put of {path}: its file system has no locks on directories, without which a "
                    "version cannot be compared and replaced in one step"
                )
                raise Unsupported(message, url=path, operation="put") from error
        return
