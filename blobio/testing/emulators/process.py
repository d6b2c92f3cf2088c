"""Starts a server process, waits until it answers, and makes sure that it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

__all__ = ["ServerProcess", "server_process"]

_START_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02
_LISTENING: Final = re.compile(r"https?://127\.0\.0\.1:([0-9]+)")
_FOREIGN: Final = (
    "AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "STORAGE_", "RCLONE_", "MOTO_",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy",
)  # fmt: skip
_GUARD: Final = Path(__file__).with_name("guard.py")
_LOG_TAIL_CHARS: Final = 2000


@final
class ServerProcess:
    """A running server that wrote its own address to its log.

    Attributes:
        name: What to call it in messages.
        directory: A directory of its own, removed at the end; after a failure the log stays.
        log: Its standard output and error.
    """

    def __init__(self, name: str, command: Sequence[str], directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log: Path = directory / "server.log"
        with self.log.open("wb") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - commands are built in this package
                [sys.executable, "-I", "-S", str(_GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(directory),
                start_new_session=True,
            )

    def wait_for_port(self, deadline: float) -> int:
        """Return the port that the server says it listens on.

        Raises:
            RuntimeError: It ended or said nothing before `deadline` (monotonic seconds).
        """
        while True:
            match = _LISTENING.search(self.log.read_text(errors="replace"))
            if match is not None:
                return int(match.group(1))
            self.pause(deadline)

    def wait_until(self, answers: Callable[[], bool], deadline: float) -> None:
        """Call `answers` until it returns True.

        Raises:
            RuntimeError: The server ended or did not answer before `deadline`.
        """
        while not answers():
            self.pause(deadline)

    def pause(self, deadline: float) -> None:
        """Wait for a moment between two looks at the server."""
        code = self._guard.poll()
        if code is not None:
            raise RuntimeError(self._complaint(f"ended with exit code {code} while starting"))
        if time.monotonic() > deadline:
            raise RuntimeError(self._complaint(f"did not answer within {_START_TIMEOUT_S:.0f} s"))
        time.sleep(_POLL_S)

    def kill(self) -> None:
        """End the server and its guard, at once. Idempotent."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        if self._guard.poll() is None:
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.wait()

    def keep_the_log_only(self) -> None:
        """Remove what else is in its directory: data can be large."""
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path != self.log:
                path.unlink()

    def _complaint(self, what: str) -> str:
        tail = self.log.read_text(errors="replace")[-_LOG_TAIL_CHARS:]
        return f"{self.name} {what}; its log is {self.log} and ends with:\n{tail}"


@contextmanager
def server_process(
    name: str,
    command: Callable[[Path], Sequence[str]],
    answers: Callable[[int], bool],
) -> Iterator[tuple[ServerProcess, int]]:
    """Run a server for the length of a `with` block.

    Args:
        name: What to call it in messages.
        command: Given the server's own directory, returns the program and its arguments. The
            server must choose a free port of 127.0.0.1 and print its URL.
        answers: Given the port, tells whether the server works. Called until it returns True.

    Yields:
        The process and its port.

    Raises:
        RuntimeError: The server did not start; its log stays where the message says.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"blobio-{name}-"))
    process = ServerProcess(name, command(directory), directory)
    deadline = time.monotonic() + _START_TIMEOUT_S
    try:
        port = process.wait_for_port(deadline)
        process.wait_until(lambda: answers(port), deadline)
        yield process, port
    except BaseException as error:
        process.kill()
        process.keep_the_log_only()
        error.add_note(f"the log of {name} is {process.log}")
        raise
    process.kill()
    shutil.rmtree(directory, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """Return our environment without settings meant for others, with `home` as home directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
