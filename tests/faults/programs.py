"""Programs in processes of their own, which a test can kill or starve of disk."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

from blobio.config import Config
from blobio.testing.faultproxy import Forward
from blobio.testing.scripted import End, Received, Reply

__all__ = ["Killer", "finish", "start"]

_LIMIT_S: Final = 15
_HEAD: Final = """
import base64, os, pickle, sys
from blobio import Context
context = Context(pickle.loads(base64.b64decode(sys.argv[1])))
arguments = sys.argv[2:]
"""


@contextmanager
def start(program: str, config: Config, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `program`, which finds a `context` and its `arguments`; it is killed in the end."""
    settings = base64.b64encode(pickle.dumps(config)).decode()
    code = _HEAD + textwrap.dedent(program)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, settings, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def finish(program: str, config: Config, *arguments: str) -> list[str]:
    """Run `program` to its end, which must be a good one; return the lines it printed."""
    with start(program, config, *arguments) as process:
        out, err = process.communicate(timeout=_LIMIT_S)
        assert process.returncode == 0, err
    return out.splitlines()


@final
class Killer:
    """A fault for a proxy: the client is killed while its request waits for an answer."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._known = threading.Event()

    def aim(self, process: subprocess.Popen[str]) -> None:
        """Say whom to kill, and wait until it is dead."""
        self._process = process
        self._known.set()
        process.wait(timeout=_LIMIT_S)

    def act(self, request: Received, forward: Forward) -> Reply:
        """See `Action`."""
        del request, forward
        self._known.wait(timeout=_LIMIT_S)
        if self._process is not None:
            self._process.kill()
        return Reply(silent=True, end=End.RST)
