"""Files that cannot be replaced because they are more than their bytes: read and written in place.

FIFOs, sockets, terminals, devices, and descriptors of this process by name (`/dev/stdout`,
`/dev/fd/3`), whatever those are open on: to replace the file behind `/dev/stdout` would cut off
everybody who writes to it.

Waiting for the other side of a pipe may take forever, so every wait here watches a `stop` event.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from blobio.drivers.local.errors import os_errors
from blobio.errors import Unsupported

__all__ = ["Stopped", "drain", "fill", "is_special", "open_special"]

_POLL_MS: Final = 50
_READ_BYTES: Final = 1 << 20
_WRITE_BYTES: Final = 1 << 20
_LINKS: Final = 40  # as many as the kernel follows
_DESCRIPTORS: Final = re.compile(r"/dev/fd|/proc/([0-9]+|self|thread-self)(/task/[0-9]+)?/fd")


class Stopped(Exception):
    """The work was told to stop; nothing was published."""


def is_special(path: str) -> bool:
    """Tell whether `path` is to be written in place. False for directories and for nothing."""
    try:
        facts = os.lstat(path)
        if stat.S_ISLNK(facts.st_mode):
            if _descriptor_path(path) is not None:
                return True
            facts = os.stat(path)
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode))


def open_special(path: str, flags: int, stop: threading.Event) -> int:
    """Open `path` with `flags`, without O_CREAT or O_TRUNC, and return the descriptor.

    A descriptor of this process by name is duplicated, so that its offset is shared: writing to
    `/dev/stdout` appends to what was printed.

    Raises:
        Unsupported: `path` is a socket.
        Stopped: `stop` was set while waiting for somebody to read the FIFO.
        OSError: It cannot be opened.
    """
    number = _own_descriptor(path)
    if number is not None:
        return os.dup(number)
    if stat.S_ISSOCK(os.stat(path).st_mode):
        message = f"open of {path}: a socket cannot be opened as a file"
        raise Unsupported(message, url=path, operation="open")
    while True:
        try:
            return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            # ENXIO: a FIFO that nobody has opened for reading
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(path).st_mode):
                raise
        if stop.wait(_POLL_MS / 1000):
            raise Stopped


def fill(path: str, pieces: Iterable[memoryview], stop: threading.Event) -> None:
    """Write all of `pieces`, in order, to the special file `path`, in place.

    Raises:
        BlobError: It cannot be opened or written; some bytes may be written.
        Stopped: `stop` was set meanwhile; some bytes may be written.
    """
    with os_errors("put", path):
        fd = open_special(path, os.O_WRONLY, stop)
        try:
            mode = os.fstat(fd).st_mode
            # A pipe that polls as writable has room for PIPE_BUF bytes; more could block.
            pipe = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
            step = select.PIPE_BUF if pipe else _WRITE_BYTES
            for piece in pieces:
                _write_all(fd, piece, step, stop)
        finally:
            os.close(fd)


def drain(
    fd: int, sink: Callable[[bytes], object], limit: int | None, stop: threading.Event
) -> None:
    """Pass everything that comes out of `fd` until its end, or `limit` bytes, to `sink`.

    Raises:
        Stopped: `stop` was set meanwhile.
        OSError: It cannot be read.
    """
    taken = 0
    while limit is None or taken < limit:
        _wait(fd, select.POLLIN, stop)
        try:
            data = os.read(fd, _READ_BYTES if limit is None else min(_READ_BYTES, limit - taken))
        except BlockingIOError:
            continue
        if not data:
            return
        sink(data)
        taken += len(data)


def _write_all(fd: int, piece: memoryview, step: int, stop: threading.Event) -> None:
    written = 0
    while written < len(piece):
        _wait(fd, select.POLLOUT, stop)
        with suppress(BlockingIOError):
            written += os.write(fd, piece[written : written + step])


def _wait(fd: int, event: int, stop: threading.Event) -> None:
    poller = select.poll()
    poller.register(fd, event)
    while not stop.is_set():
        if poller.poll(_POLL_MS):
            return
    raise Stopped


def _descriptor_path(path: str) -> str | None:
    """Follow the links from `path` to the name of a descriptor, or return None."""
    for _ in range(_LINKS):
        directory, name = os.path.split(path)
        real = os.path.realpath(directory)
        if _DESCRIPTORS.fullmatch(real):
            return f"{real}/{name}"
        try:
            path = os.path.join(directory, os.readlink(path))
        except OSError:
            return None
    return None


def _own_descriptor(path: str) -> int | None:
    found = _descriptor_path(path)
    if found is None:
        return None
    directory, _, name = found.rpartition("/")
    ours = (os.path.realpath("/proc/self/fd"), "/dev/fd")
    return int(name) if name.isdecimal() and directory in ours else None
