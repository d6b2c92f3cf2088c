"""The file that an editor works on, and the editor itself.

What somebody has written is never thrown away: a draft that was changed stays on disk until it has
been published, and whoever stops before that says where it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, final

from blobio.cli.exits import Exit, Stop

__all__ = ["Draft", "editor_of", "open_editor"]

_MAX_NAME_BYTES: Final = 200  # an editor adds to it: `.name.swp`, `name~`


@final
class Draft:
    """A file of mode 0600 in a directory of mode 0700, named as the blob is. Blocks on disk.

    Args:
        name: The last component of the blob's name.
        data: What the blob holds.

    Attributes:
        path: Where it is.

    Raises:
        Stop: It could not be made.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._data = data
        try:
            self._directory = tempfile.mkdtemp(prefix="blobio-edit-")
            self.path: str = os.path.join(self._directory, _file_name(name))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
                file.write(data)
        except OSError as error:
            message = f"no temporary file could be made: {error}"
            raise Stop(Exit.SOME_FAILED, message) from error

    def read(self) -> bytes:
        """Return what it holds now.

        Raises:
            Stop: It is gone.
        """
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError as error:
            message = f"the editor left no {self.path}: {error.strerror}; nothing was written"
            raise Stop(Exit.SOME_FAILED, message) from error

    def settle(self) -> str | None:
        """Drop it if it holds what it did at first, or nothing can be read; else tell its path."""
        with contextlib.suppress(Stop):
            if self.read() != self._data:
                return self.path
        self.drop()
        return None

    def drop(self) -> None:
        """Remove it with all that the editor left beside it."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _file_name(name: str) -> str:
    """Return a name that a file can have, with the suffix that tells the editor the language."""
    if name not in ("", ".", "..") and len(os.fsencode(name)) <= _MAX_NAME_BYTES:
        return name
    suffix = os.path.splitext(name)[1]
    return f"blob{suffix}" if len(os.fsencode(suffix)) <= _MAX_NAME_BYTES else "blob"


def editor_of(environ: Mapping[str, str]) -> list[str]:
    """Return the words of the editor's command: `$VISUAL`, `$EDITOR`, or `vi`.

    Raises:
        Stop: The variable is no command line.
    """
    name = next((name for name in ("VISUAL", "EDITOR") if environ.get(name, "").strip()), None)
    if name is None:
        return ["vi"]
    try:
        return shlex.split(environ[name])
    except ValueError as error:
        raise Stop(Exit.USAGE, f"${name} is no command line: {error}") from error


async def open_editor(command: Sequence[str], path: str) -> None:
    """Run the editor on a file until it ends; Ctrl-C is the editor's.

    Raises:
        Stop: It cannot be run, or says that it failed.
    """
    with _interrupts_ignored():
        try:
            process = await asyncio.create_subprocess_exec(*command, path)
        except OSError as error:
            message = f"the editor {command[0]!r} cannot be run: {error.strerror}; set $EDITOR"
            raise Stop(Exit.USAGE, message) from error
        try:
            status = await process.wait()
        except asyncio.CancelledError:  # SIGTERM
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
    if status:
        how = f"exit code {status}" if status > 0 else f"signal {-status}"
        message = f"the editor {command[0]!r} ended with {how}; nothing was written"
        raise Stop(Exit.SOME_FAILED, message)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Do nothing on SIGINT; by a handler, which a program that is started does not inherit."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
