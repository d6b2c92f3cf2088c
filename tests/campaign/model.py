"""What may be stored under a key, as far as its clients can know. Pure.

Time is a counter that rises at the start and the end of every operation, so an operation has a
window. A blob is a register: each write sets it at one instant of its window, if it has an effect
at all; each read tells what it was at one instant of its own. `History.candidates` returns the
writes that a read in a given window may show. A write is out of the question once something else
is known to have been current, at an instant after its window and before the read's.

Values are unique but for the empty blob, so what a read shows names its write.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, final

__all__ = ["Clock", "Fact", "History", "Model", "Violation", "Window", "Write"]

_VERSIONS_KEPT: Final = 32
_PRUNE_ABOVE: Final = 12


class Violation(AssertionError):
    """A promise was broken."""


class Window(NamedTuple):
    """The span of time of an operation."""

    start: float
    end: float


@final
@dataclass(slots=True, eq=False)
class Write:
    """A write that took, or may have taken, effect.

    Attributes:
        value: The bytes written, or None for a deletion.
        start: When it began.
        end: When it was over; infinity while it is under way.
        version: The version it made, or None if nobody knows.
    """

    value: bytes | None
    start: float
    end: float = math.inf
    version: str | None = None


class Fact(NamedTuple):
    """At some instant of the window, `value` was current."""

    value: bytes | None
    window: Window


@final
class History:
    """One key.

    Attributes:
        writes: Those that some read, now or later, may show.
        versions: Values of the versions seen last.
    """

    def __init__(self) -> None:
        self.writes: list[Write] = [Write(None, -1.0, -1.0)]
        self.versions: OrderedDict[str, bytes] = OrderedDict()
        self._facts: list[Fact] = []

    def begin(self, value: bytes | None, start: float) -> Write:
        """Note that a write is under way."""
        write = Write(value, start)
        self.writes.append(write)
        return write

    def commit(self, write: Write, end: float, version: str | None = None) -> None:
        """Note that a write took effect."""
        write.end = end
        write.version = version
        self.observe(write.value, Window(write.start, end), version)

    def leave_open(self, write: Write, end: float) -> None:
        """Note that a write is over, and that nobody knows if it took effect."""
        write.end = end

    def withdraw(self, write: Write) -> None:
        """Note that a write had no effect, and never will."""
        self.writes.remove(write)

    def observe(self, value: bytes | None, window: Window, version: str | None = None) -> None:
        """Note that `value` was current at some instant of `window`."""
        self._facts.append(Fact(value, window))
        if version is not None and value is not None:
            self.versions[version] = value
            self.versions.move_to_end(version)
            if len(self.versions) > _VERSIONS_KEPT:
                self.versions.popitem(last=False)

    def candidates(self, window: Window, *, without: Write | None = None) -> list[Write]:
        """Return the writes whose value may have been current at some instant of `window`."""
        facts = [fact for fact in self._facts if fact.window.end < window.start]
        return [
            write
            for write in self.writes
            if write is not without and write.start < window.end and not _is_past(write, facts)
        ]

    def prune(self, horizon: float) -> None:
        """Forget what no window that starts at `horizon` or later can show."""
        if len(self._facts) + len(self.writes) <= _PRUNE_ABOVE:
            return
        facts = [fact for fact in self._facts if fact.window.end < horizon]
        self.writes = [write for write in self.writes if not _is_past(write, facts)]
        self._facts = [fact for fact in self._facts if fact.window.end >= horizon]


def _is_past(write: Write, facts: list[Fact]) -> bool:
    return any(fact.window.start > write.end and fact.value != write.value for fact in facts)


@final
class Clock:
    """Counts starts and ends, and knows which operations are under way."""

    def __init__(self) -> None:
        self._ticks = itertools.count(1)
        self._open: set[float] = set()

    def start(self) -> float:
        """Begin an operation."""
        now = float(next(self._ticks))
        self._open.add(now)
        return now

    def end(self, start: float) -> Window:
        """End the operation that began at `start`."""
        self._open.discard(start)
        return Window(start, float(next(self._ticks)))

    @property
    def horizon(self) -> float:
        """The earliest start of an operation that is under way, or may come."""
        return min(self._open, default=math.inf)


@final
class Model:
    """All keys of one store.

    Attributes:
        clock: The time.
    """

    def __init__(self) -> None:
        self.clock: Final = Clock()
        self._histories: dict[str, History] = {}

    def __getitem__(self, key: str) -> History:
        """Return the history of a key."""
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = History()
        return history

    def known_keys(self) -> list[str]:
        """Return every key that was ever spoken of, in order."""
        return sorted(self._histories)

    def prune(self, key: str) -> None:
        """Forget what can no longer be seen of a key."""
        self._histories[key].prune(self.clock.horizon)
