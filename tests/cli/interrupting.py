"""Interrupt a transfer in the middle, at a request that a test names; count what is sent then.

With `--max-memory` of one part the parts go out one at a time, each once the one before it is in
the journal: at the request for the fourth part three are done, whatever the machine is up to.
"""

from __future__ import annotations

import random
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, final

from blobio.testing.faultproxy import FaultProxy, Forward, Rule
from blobio.testing.scripted import End, Received, Reply

__all__ = ["DATA", "ONE_BY_ONE", "PART", "PARTS", "At", "Start", "Striker", "interrupt", "journals"]

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]

PART: Final = 5 << 20
PARTS: Final = 5
DATA: Final = random.Random(5).randbytes((PARTS - 1) * PART + 12_345)
ONE_BY_ONE: Final = ("--part-size", str(PART), "--max-memory", str(PART))

_LIMIT_S: Final = 30


@final
class Striker:
    """A fault for a proxy: the client gets a signal while its request waits for an answer."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number
        self._process: subprocess.Popen[bytes] | None = None
        self._known = threading.Event()

    def aim(self, process: subprocess.Popen[bytes]) -> None:
        """Say who is meant."""
        self._process = process
        self._known.set()

    def act(self, request: Received, forward: Forward) -> Reply:
        """See `Action`."""
        del request, forward
        self._known.wait(timeout=_LIMIT_S)
        if self._process is not None:
            self._process.send_signal(self._number)
        return Reply(silent=True, end=End.STALL)


@final
@dataclass(frozen=True, slots=True)
class At:
    """Where to strike: at the request behind `skip` others of that method, path and header."""

    method: str
    path: str
    skip: int = 0
    header: str = ""


def interrupt(start: Start, proxy: FaultProxy, number: signal.Signals, at: At, *words: str) -> int:
    """Run a command that is struck in the middle.

    Returns:
        The exit code.
    """
    striker = Striker(number)
    needs = (at.header,) if at.header else ()
    proxy.add(Rule(striker.act, method=at.method, path=at.path, skip=at.skip, needs=needs))
    with start(*words) as process:
        striker.aim(process)
        _, err = process.communicate(timeout=_LIMIT_S)
    assert b"Traceback" not in err, err.decode()
    proxy.clear()
    return process.returncode


def journals() -> list[Path]:
    """Return the journals that are there."""
    return sorted(Path("../state").glob("*.json"))
