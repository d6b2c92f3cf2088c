"""What the workers of a torch `DataLoader` know of lost blocks, in memory that all of them share.

Each place of the table has one writer, which only adds: a run first, then the count. Who reads
while one is added sees it or does not, and takes zeros for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import torch

from blobio.dataset.lost import Lossy
from blobio.dataset.runs import Runs, join_runs, subtract_runs

__all__ = ["SharedLosses"]

_RUNS: Final = 64  # that each place can tell; further ones stay known to its worker only
_WORDS: Final = 3  # of a run: the number of its source, its first block, the one behind its last


@final
class SharedLosses:
    """A table of lost blocks: a place for each worker, and the last one for their parent.

    Args:
        sources: Those that blocks are lost of.
        workers: At most.
    """

    def __init__(self, sources: Sequence[Lossy], workers: int) -> None:
        shape = (workers + 1, 1 + _WORDS * _RUNS)
        self._table = torch.zeros(shape, dtype=torch.int64).share_memory_()
        self._sources = list(sources)
        self._known: list[Runs] = [() for _ in self._sources]  # what the table tells
        self._seen: list[Runs] = list(self._known)

    def learn(self) -> None:
        """Let the sources of this process know what any process told."""
        found: list[list[tuple[int, int]]] = [list(runs) for runs in self._known]
        for place in torch.nonzero(self._table[:, 0]).flatten().tolist():
            row = self._table[place].tolist()
            for at in range(1, 1 + _WORDS * row[0], _WORDS):
                number, start, stop = row[at : at + _WORDS]
                if start < stop:
                    found[number].append((start, stop))
        self._known = [join_runs(runs) for runs in found]
        for source, runs in zip(self._sources, self._known, strict=True):
            if runs:
                source.lost.adopt(runs)

    def tell(self, place: int = -1) -> None:
        """Tell the others what the sources of this process found; cheap if that is nothing new."""
        now = [source.lost.runs for source in self._sources]
        if now == self._seen:
            return
        self._seen = now
        row = self._table[place]
        for number, runs in enumerate(now):
            for start, stop in subtract_runs(runs, self._known[number]):
                count = int(row[0])
                if count == _RUNS:
                    return
                at = 1 + _WORDS * count
                row[at : at + _WORDS] = torch.tensor((number, start, stop))
                row[0] = count + 1
            self._known[number] = join_runs([*self._known[number], *runs])
