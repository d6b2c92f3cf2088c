"""Which blocks of a source are lost: remembered by who reads, and a part of the state.

Once a block is known to be lost nobody asks for it again, here or where the state is loaded, so
that what stands for it stays the same even if somebody brings it back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol, final, runtime_checkable

from blobio.dataset.errors import Skipped
from blobio.dataset.permutation import Permutation, derive_key
from blobio.dataset.runs import Runs, join_runs
from blobio.dataset.state import StateMismatch

__all__ = [
    "MOST_RUNS",
    "Lossy",
    "Lost",
    "dump_lost",
    "join_lost",
    "parse_lost",
    "stand_ins",
]

MOST_RUNS: Final = 128
"""Runs of blocks that a state has of each source: the longest, if there are more."""

_WORDS: Final = re.compile(r"\d+:\d+(-\d+)?(,\d+(-\d+)?)*")
_NUMBER_LIMIT: Final = 1 << 40


@final
class Lost:
    """The lost blocks of one source. May be used from any thread; pickles without its lock."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}
        self._found: Runs = ()
        self._runs: Runs | None = ()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {"_reasons": dict(self._reasons), "_found": self._found, "_runs": None}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __contains__(self, block: int) -> bool:
        return block in self._reasons or any(start <= block < stop for start, stop in self._found)

    def add(self, blocks: Iterable[int], reason: str) -> None:
        """Know that blocks are lost, and why."""
        with self._lock:
            for block in blocks:
                self._reasons.setdefault(block, reason)
            self._runs = None

    def adopt(self, runs: Iterable[tuple[int, int]]) -> None:
        """Know what another process knows."""
        with self._lock:
            self._found = join_runs([*self._found, *runs])
            self._runs = None

    def reason(self, block: int) -> str:
        """Tell why a block is lost."""
        return self._reasons.get(block, "it was lost before the state was taken that was loaded")

    @property
    def runs(self) -> Runs:
        """All of them, as runs."""
        with self._lock:
            if self._runs is None:
                single = ((block, block + 1) for block in self._reasons)
                self._runs = join_runs([*self._found, *single])
            return self._runs


@runtime_checkable
class Lossy(Protocol):
    """A source that can go on without blocks that are lost."""

    @property
    def block_rows(self) -> Sequence[int]:
        """The rows of each block."""
        ...

    @property
    def on_error(self) -> str:
        """What it does about them."""
        ...

    @property
    def lost(self) -> Lost:
        """Which they are."""
        ...

    @property
    def skipped(self) -> Sequence[Skipped]:
        """What its readings of this process went on without."""
        ...


def dump_lost(sources: Sequence[Runs]) -> str:
    """Return the lost blocks of sources in words: `0:3,17-19;2:5`, the last of a run included.

    At most `MOST_RUNS` runs of each source. What that leaves out is tried again on a resume.
    """
    return _dump(enumerate(sources))


def join_lost(states: Iterable[str]) -> str:
    """Return the words of all blocks that are lost to one or another.

    Args:
        states: What `dump_lost` wrote, each time of the same sources.

    Raises:
        StateMismatch: It did not.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for words in states:
        for number, runs in _parse(words):
            found.setdefault(number, []).extend(runs)
    return _dump((number, join_runs(runs)) for number, runs in sorted(found.items()))


def _dump(sources: Iterable[tuple[int, Runs]]) -> str:
    words = []
    for number, runs in sources:
        kept = runs
        if len(runs) > MOST_RUNS:
            longest = sorted(runs, key=lambda run: run[0] - run[1])
            kept = tuple(sorted(islice(longest, MOST_RUNS)))
        if kept:
            text = ",".join(f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in kept)
            words.append(f"{number}:{text}")
    return ";".join(words)


def parse_lost(words: str, block_counts: Sequence[int]) -> list[Runs]:
    """Return the runs of each source that `dump_lost` wrote.

    Args:
        words: What it wrote.
        block_counts: The blocks of each source.

    Raises:
        StateMismatch: It did not, or there are no such blocks.
    """
    found: list[Runs] = [()] * len(block_counts)
    for number, runs in _parse(words):
        blocks = block_counts[number] if number < len(block_counts) else 0
        if runs[-1][1] > blocks:
            words = _dump([(number, runs)])[:80]
            message = f"the state has lost blocks {words!r} of a source of {blocks} blocks"
            raise StateMismatch(message)
        found[number] = runs
    return found


def _parse(words: str) -> Iterator[tuple[int, Runs]]:
    for part in filter(None, words.split(";")):
        number, _, text = part.partition(":")
        runs = [_run(one) for one in text.split(",")] if _WORDS.fullmatch(part) else []
        if not runs or any(start >= stop for start, stop in runs):
            message = f"a state tells of lost blocks as 0:3,17-19;2:5, not {part[:80]!r}"
            raise StateMismatch(message)
        yield int(number), join_runs(runs)


def _run(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    start = min(int(first), _NUMBER_LIMIT)
    return start, min(int(last or first), _NUMBER_LIMIT) + 1


def stand_ins(fingerprint: str, block: int, blocks: int) -> Iterator[int]:
    """Yield all other blocks of a source, in the order in which they stand in for a lost one.

    It depends on nothing but the source and the block, so that every rank, worker and resumed run
    takes the same one, and different blocks that are lost rarely the same.
    """
    order = Permutation(blocks, derive_key(fingerprint, "stand in", block))
    return (other for other in map(order, range(blocks)) if other != block)
