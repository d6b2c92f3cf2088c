"""What reading a dataset has cost so far in this process: counted where it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import Final, Protocol, TypeVar, final, runtime_checkable

__all__ = ["Counting", "ReadStats", "Tally"]

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStats:
    """What the readings of a dataset have cost in this process, since it was opened or unpickled.

    Attributes:
        requests: GETs for bytes of shards; retries and the hedges of a slow one are not counted.
        fetched_bytes: Bytes that they brought.
        hedges: GETs that were sent a second time because they were slow.
        hedges_won: Of these, how many the second request answered first.
        hedged_bytes: Bytes that were asked for twice by them. Whoever loses is cut off, so at most
            as many came for nothing.
        cached_bytes: Bytes that came from a cache on disk instead; of a shard that is there as a
            whole, and mapped, those that were looked at.
        cache_hits: Ranges that came from the cache.
        cache_misses: Ranges that the cache was asked for and had not.
        shared_fetches: Of these, those that somebody else was fetching into the cache just then: no
            request, and their bytes are among `cached_bytes`.
        memory_hits: Blocks that were still in memory, decoded, see `in_memory_max_bytes`.
        stall_s: Seconds that consumers have waited for a block; mapped rows that random access
            takes at once are not waited for.
        skipped_blocks: Blocks that readings went on without.
    """

    requests: int = 0
    fetched_bytes: int = 0
    hedges: int = 0
    hedges_won: int = 0
    hedged_bytes: int = 0
    cached_bytes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    shared_fetches: int = 0
    memory_hits: int = 0
    stall_s: float = 0.0
    skipped_blocks: int = 0

    def __add__(self, other: ReadStats) -> ReadStats:
        # This happens once or more a block, and takes 14 us by `getattr`.
        sums = map(add, _values(self), _values(other))
        return ReadStats(**dict(zip(_NAMES, sums, strict=True)))


_NAMES: Final = [field.name for field in fields(ReadStats)]
_values: Final = attrgetter(*_NAMES)


@runtime_checkable
class Counting(Protocol):
    """A source that counts."""

    @property
    def stats(self) -> ReadStats:
        """What it has counted so far in this process."""
        ...


@final
class Tally:
    """`ReadStats` that grow. May be added to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stats = ReadStats()

    def add(self, more: ReadStats) -> None:
        """Count more."""
        with self._lock:
            self._stats += more

    def timed(self, items: Iterator[T]) -> Iterator[T]:
        """Yield items, and count how long each was waited for."""
        while True:
            start = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self.add(ReadStats(stall_s=time.perf_counter() - start))
            yield item
            del item  # not held while the next one is made

    def stats(self) -> ReadStats:
        """Return what was counted so far."""
        return self._stats
