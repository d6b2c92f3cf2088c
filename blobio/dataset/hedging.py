"""Slow reads are sent a second time, and whoever answers first is taken.

A store that answers most requests in 30 ms keeps one in a hundred waiting for a second, and rows
come in order, so that one waits for all. What is slow is learned from the reads before: nothing is
sent twice until there are enough of them, and only a small share ever is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final, Protocol, final

__all__ = ["Hedges", "Tails"]

_SAMPLES: Final = 256  # of each class, the latest
_ENOUGH: Final = 64  # of them, before any read is called slow
_QUANTILE: Final = 0.95
_TIMES_MEDIAN: Final = 2.0
_LEAST_S: Final = 0.05
_BURST: Final = 4.0  # requests that may be sent twice in a row: 16 MiB that no budget counts
_CLASSES: Final = 64


class _Reader(Protocol):
    """What reads, pinned to one version: a `blobio.core.reader.RangeReader`."""

    async def readinto(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Hedges:
    """How often reads were sent twice.

    Attributes:
        reads: Ranges that were read.
        sent: Of these, how many were asked for a second time.
        won: And of these, how many the second request answered first.
        sent_bytes: Bytes that second requests asked for. Whoever loses is cut off, so at most as
            many came for nothing.
    """

    reads: int
    sent: int
    won: int
    sent_bytes: int = 0


@final
class Tails:
    """Reads ranges, and learns how long that takes. For the loop's thread.

    A read is slow if it takes longer than 95 % of the last 256 of about its size from the same
    place did, than twice their median, and than 50 ms. It is sent again if credit is left: each
    read adds `share`, each second request takes 1, and at most 4 are saved up.

    Args:
        clock: Seconds.
        sleep: Waits for so many of them.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Coroutine[object, object, None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._seen: OrderedDict[tuple[object, int], _Times] = OrderedDict()
        self._credit = 0.0
        self._reads = self._sent = self._won = self._sent_bytes = 0

    @property
    def counts(self) -> Hedges:
        """What was done so far."""
        return Hedges(self._reads, self._sent, self._won, self._sent_bytes)

    async def readinto(
        self, reader: _Reader, start: int, view: memoryview, *, place: object, share: float
    ) -> None:
        """Fill `view` with the bytes from `start` on: 1 request, rarely 2.

        Args:
            reader: Asks, both times, so that both are of one version.
            start: The first byte.
            view: Where they go. Nobody writes to it any more when this returns or raises.
            place: Whose reads take about as long, such as a bucket.
            share: Of the reads that may be sent again; 0 for none.

        Raises:
            BlobError: As the reader does; both times, if it was asked twice.
        """
        times = self._times(place, len(view))
        self._reads += 1
        self._credit = min(_BURST, self._credit + share)
        begun = self._clock()
        slow_s = times.slow_s if share else None
        if slow_s is None:
            await reader.readinto(start, view)
        else:
            await self._hedged(reader, start, view, slow_s)
        times.add(self._clock() - begun)

    async def _hedged(self, reader: _Reader, start: int, view: memoryview, slow_s: float) -> None:
        first = asyncio.create_task(reader.readinto(start, view))
        timer = asyncio.create_task(self._sleep(slow_s))
        second: asyncio.Task[int] | None = None
        try:
            await asyncio.wait([first, timer], return_when=asyncio.FIRST_COMPLETED)
            if first.done() or self._credit < 1:
                await first
                return
            self._credit -= 1
            self._sent += 1
            self._sent_bytes += len(view)
            spare = bytearray(len(view))
            second = asyncio.create_task(reader.readinto(start, memoryview(spare)))
            if await _winner(first, second) is second:
                await _stop(first)  # it may be about to write
                view[:] = spare
                self._won += 1
        finally:
            timer.cancel()
            await _stop(first, second)

    def _times(self, place: object, size: int) -> _Times:
        key = place, size.bit_length() // 2  # sizes within a factor of four
        times = self._seen.setdefault(key, _Times())
        self._seen.move_to_end(key)
        if len(self._seen) > _CLASSES:
            self._seen.popitem(last=False)
        return times


async def _stop(*tasks: asyncio.Task[int] | None) -> None:
    """Cancel tasks, whose connections are dropped by that, and wait until they have ended."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _winner(first: asyncio.Task[int], second: asyncio.Task[int]) -> asyncio.Task[int]:
    """Return the task that succeeds first.

    Raises:
        BlobError: Neither does: what the first one says.
    """
    running: set[asyncio.Task[int]] = {first, second}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in (first, second):
            if task in done and task.exception() is None:
                return task
    await first
    return first


@final
class _Times:
    """How long the latest reads of a class took."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_SAMPLES)
        self._added = 0
        self.slow_s: float | None = None

    def add(self, duration_s: float) -> None:
        self._latest.append(duration_s)
        self._added += 1
        if self._added >= _ENOUGH and self._added % (_ENOUGH // 4) == 0:  # sorting is 10 us
            ordered = sorted(self._latest)
            quantile = ordered[int(_QUANTILE * len(ordered))]
            median = ordered[len(ordered) // 2]
            self.slow_s = max(quantile, _TIMES_MEDIAN * median, _LEAST_S)
