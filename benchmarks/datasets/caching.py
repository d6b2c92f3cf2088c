"""B7: two ranks share a cache of a quarter of the data, and one of them is killed again and again.

Every row has to come once and as it is stored, and the bytes in the directory must never exceed the
limit. Only blobio takes part: nobody else keeps ranges of shards below a limit in bytes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Final, final

from benchmarks.datasets.data import PREFIX
from benchmarks.datasets.sharing import BATCH_ROWS, RANKS, Share, Turn
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["SHARED"]

_SAMPLE_S: Final = 0.02
_MOMENT_S: Final = 0.1  # after a batch was asked for, at most, when the kill comes


@final
class _Rank:
    """A process that reads its share."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.turn: Turn | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.datasets.sharing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._write(json.dumps(asdict(share)))

    def wait(self) -> None:
        """Wait until it has imported all that it needs."""
        self._read()

    def ask(self) -> None:
        """Ask for the next batch."""
        self._write("")

    def answer(self) -> Turn | None:
        """Return the batch that was asked for, None at the end."""
        told = json.loads(self._read())
        if told is None:
            return None
        self.turn = Turn(**told)
        self.share = replace(self.share, delivered=self.share.delivered + 1)
        return self.turn

    def kill(self) -> None:
        """Kill it, if it has not ended, and wait for its end."""
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            message = f"rank {self.share.rank} has ended by itself"
            raise Wrong(message)
        return line


@final
class _Run:
    """Both ranks, turn by turn, and what was seen."""

    def __init__(self, site: Site, directory: str, limit_bytes: int) -> None:
        share = Share(
            place=site.place, rank=0, directory=directory, limit_bytes=limit_bytes, delivered=0
        )
        self._ranks = [_Rank(replace(share, rank=rank)) for rank in range(RANKS)]
        self._draw = random.Random(7)  # noqa: S311 - moments, no secret
        for one in self._ranks:
            one.wait()
        self._ended: list[Turn] = []
        self.firsts: list[int] = []
        self.recoveries_s: list[float] = []

    @property
    def turns(self) -> list[Turn]:
        """The last turn of each process there was."""
        return self._ended + [rank.turn for rank in self._ranks if rank.turn is not None]

    def go(self, each: int, kills: int) -> None:
        """Deliver so many batches of each rank, and kill the last one now and then."""
        moments = set(self._draw.sample(range(1, each), kills))
        for number in range(each):
            for rank in self._ranks:
                rank.ask()
            for rank in self._ranks[:-1]:
                self._take(rank)
            if number in moments:
                self._replace_last()
            else:
                self._take(self._ranks[-1])
        for rank in self._ranks:
            rank.ask()
            if rank.answer() is not None:
                raise Wrong("a rank has more batches than the other")

    def close(self) -> None:
        """End the processes that are left."""
        for rank in self._ranks:
            rank.kill()

    def _take(self, rank: _Rank) -> None:
        turn = rank.answer()
        if turn is None or turn.rows != BATCH_ROWS or turn.corrupt:
            message = f"rank {rank.share.rank} has delivered {turn}"
            raise Wrong(message)
        self.firsts.append(turn.first)

    def _replace_last(self) -> None:
        """Kill the last rank in the middle of a batch, and take that of one in its place."""
        time.sleep(self._draw.random() * _MOMENT_S)
        rank = self._ranks.pop()
        rank.kill()
        if rank.turn is not None:
            self._ended.append(rank.turn)
        other = _Rank(rank.share)
        other.wait()
        self._ranks.append(other)
        started = time.perf_counter()
        other.ask()
        self._take(other)
        self.recoveries_s.append(time.perf_counter() - started)


@contextmanager
def _watched(directory: str, limit_bytes: int) -> Iterator[list[int]]:
    """Look again and again how many bytes there are; yield the excess at its highest."""
    over, is_over = [0], threading.Event()

    def look() -> None:
        while not is_over.wait(_SAMPLE_S):
            over[0] = max(over[0], _bytes_below(directory) - limit_bytes)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield over
    finally:
        is_over.set()
        thread.join()


def _bytes_below(directory: str) -> int:
    from blobio.dataset.cachelocks import exclusive

    lock = os.path.join(directory, "lock")
    if not os.path.exists(lock):
        return 0
    with exclusive(lock):  # nothing grows, moves or goes meanwhile
        return sum(os.lstat(entry.path).st_size for entry in os.scandir(directory))


def _blobio(site: Site) -> Outcome:
    from blobio.dataset import Cache

    stored = os.scandir(site.path(PREFIX))
    limit_bytes = sum(entry.stat().st_size for entry in stored) // 4
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="blobio-bench-"))
        over = stack.enter_context(_watched(directory, limit_bytes))
        run = _Run(site, directory, limit_bytes)
        stack.callback(run.close)
        run.go(site.size.rows // BATCH_ROWS // RANKS, kills=site.size.shards - 1)
        damaged = Cache(directory, max_bytes=limit_bytes).verify()
    if sorted(run.firsts) != list(range(0, site.size.rows, BATCH_ROWS)):
        raise Wrong("rows are missing or come twice")
    if over[0] or damaged:
        message = f"{over[0]} bytes over the limit, {len(damaged)} damaged copies"
        raise Wrong(message)
    return _outcome(site, run)


def _outcome(site: Site, run: _Run) -> Outcome:
    hits, misses = (sum(getattr(turn, name) for turn in run.turns) for name in ("hits", "misses"))
    recoveries = ", ".join(f"{one * 1000:.0f}" for one in run.recoveries_s)
    note = (
        f"{hits / (hits + misses):.0%} of ranges from the cache, 0 bytes over its limit, 0 rows"
        f" corrupt; {recoveries} ms from open to the first batch after a kill"
    )
    return Outcome(site.size.rows, note)


SHARED = Task(
    title=f"B7 {RANKS} ranks with a cache of 25% of the data, one of them killed",
    ways={"blobio": _blobio},
)
