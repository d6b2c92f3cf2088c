"""Bounded concurrency: maps over many items, and the byte budget all transfers share."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from typing import Final, Protocol, TypeVar, final

__all__ = [
    "Budget",
    "ByteBudget",
    "Reservation",
    "Window",
    "each",
    "merge",
    "ordered_map",
    "settle",
    "unordered_map",
]

_LOOK_S: Final = 0.25
_BUSY_SHARE: Final = 0.7  # of one processor, above which more calls at once bring nothing

T = TypeVar("T")
R = TypeVar("R")


async def settle(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel `tasks` and wait until every one has ended; their outcomes are dropped."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ordered_map(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, window: int
) -> AsyncGenerator[R, None]:
    """Yield `function(item)` in the order of `items`, at most `window` calls running ahead.

    The first failure is raised in its place in the order. Leaving the iteration, by any way,
    cancels what runs and waits for it. `items` is consumed lazily, `window` ahead at most.
    """
    source = iter(items)
    running: deque[asyncio.Task[R]] = deque()
    try:
        while True:
            while len(running) < window:
                try:
                    item = next(source)
                except StopIteration:
                    break
                running.append(asyncio.ensure_future(_call(function, item)))
            if not running:
                return
            result = await running[0]
            running.popleft()
            yield result
    finally:
        await settle(running)


@final
class Window:
    """How many calls may run at once: ever more, while the processor has time to spare.

    Calls that wait for a store far away leave the processor idle, and the more of them wait at once
    the better; once it is busy, more of them only take memory. A store that has enough says so, and
    is then asked less by `blobio.transport.limit`.

    Args:
        least: Calls at the start.
        most: Calls at the end.
        clock: Seconds.
        busy: Seconds that the processor worked for this process, on all threads.
    """

    def __init__(
        self,
        least: int,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        busy: Callable[[], float] = time.process_time,
    ) -> None:
        self.size: int = least
        self._most = most
        self._clock = clock
        self._busy = busy
        self._looked = clock(), busy()

    def has_room(self, running: int) -> bool:
        """Tell whether another call may run beside `running`; grow, if it is time to."""
        return running < self.size or (self._grow() and running < self.size)

    def _grow(self) -> bool:
        if self.size >= self._most:
            return False
        now, busy = self._clock(), self._busy()
        passed = now - self._looked[0]
        if passed < _LOOK_S:
            return False
        is_idle = busy - self._looked[1] < _BUSY_SHARE * passed
        self._looked = now, busy
        if is_idle:
            self.size = min(self._most, self.size + self.size // 2 + 1)
        return is_idle


async def unordered_map(
    function: Callable[[T], Awaitable[R]], items: AsyncIterable[T], *, window: int | Window
) -> AsyncGenerator[R, None]:
    """Yield `function(item)` as each is ready, at most `window` calls at once.

    The first failure, of a call or of `items`, is raised. Leaving the iteration, by any way,
    cancels what runs and waits for it. `items` is asked for the next one when there is room.
    """
    places = window if isinstance(window, Window) else Window(window, window)
    # One callback for each task, where asyncio.wait would add one to all of them each time.
    running: set[asyncio.Task[R]] = set()
    ended: deque[asyncio.Task[R]] = deque()
    some_ended = asyncio.Event()

    def end(task: asyncio.Task[R]) -> None:
        running.discard(task)
        ended.append(task)
        some_ended.set()

    try:
        async for item in items:
            task = asyncio.ensure_future(_call(function, item))
            running.add(task)
            task.add_done_callback(end)
            if not places.has_room(len(running)):
                await some_ended.wait()
            while ended:
                yield ended.popleft().result()
            some_ended.clear()
        while running or ended:
            await some_ended.wait()
            while ended:
                yield ended.popleft().result()
            some_ended.clear()
    finally:
        await settle(running)
        for task in ended:
            if not task.cancelled():
                task.exception()  # seen here: its caller has left


async def each(
    function: Callable[[T], Awaitable[None]], items: Iterable[T], *, window: int
) -> None:
    """Run `function` on every item, at most `window` at once; the first failure cancels the rest.

    The failure is raised as itself, not as a group.
    """
    source = iter(items)

    async def work() -> None:
        for item in source:
            await function(item)

    workers = [asyncio.ensure_future(work()) for _ in range(window)]
    try:
        await asyncio.gather(*workers)
    finally:
        await settle(workers)


async def merge(
    sources: Iterable[Callable[[], AsyncIterator[T]]], *, window: int
) -> AsyncGenerator[T, None]:
    """Yield the items of many iterators as they come, `window` iterators open at once.

    Holds at most `window` items that nobody has taken. The first failure is raised when its turn in
    the queue comes, and ends the rest.
    """
    remaining = iter(sources)
    queue: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(maxsize=window)

    async def work() -> None:
        try:
            for source in remaining:
                async for item in source():
                    await queue.put((item,))
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            await queue.put(error)
        await queue.put(None)

    workers = [asyncio.ensure_future(work()) for _ in range(window)]
    open_workers = window
    try:
        while open_workers:
            received = await queue.get()
            if received is None:
                open_workers -= 1
            elif isinstance(received, Exception):
                raise received
            else:
                yield received[0]
    finally:
        await settle(workers)


async def _call(function: Callable[[T], Awaitable[R]], item: T) -> R:
    return await function(item)


class Budget(Protocol):
    """Where bytes in flight are counted."""

    async def acquire(self, size: int) -> None:
        """Wait until `size` more bytes may be held."""
        ...

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        ...


@final
class ByteBudget:
    """A bound on the bytes that all transfers of one context hold at once.

    A request larger than the whole budget is let through when nothing else is held, so that one
    part can always move.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int) -> None:
        """Wait until `size` more bytes fit; first come, first served."""
        if not self._waiters and self._fits(size):
            self._held += size
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((size, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._grant()  # drops it, and lets in who waited behind it
            else:
                self.release(size)  # granted and cancelled in the same turn of the loop
            raise

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self._held -= size
        self._grant()

    def _fits(self, size: int) -> bool:
        return self._held == 0 or self._held + size <= self._limit

    def _grant(self) -> None:
        while self._waiters:
            size, waiter = self._waiters[0]
            if not waiter.cancelled():
                if not self._fits(size):
                    return
                self._held += size
                waiter.set_result(None)
            self._waiters.popleft()


@final
class Reservation:
    """What one transfer holds of a budget, from before bytes are read until they are sent.

    To the writer of the transfer this is its `Budget`: what is handed to it has been paid for, so
    `acquire` waits for nothing, and `release` gives back what was reserved.

    Args:
        budget: What is shared with other transfers.
    """

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    async def reserve(self, size: int) -> None:
        """Wait until `size` more bytes may be held.

        Parts of one transfer must be reserved in the order in which they are sent, and each must
        be sent without waiting for a later one: then any number of transfers share any budget.
        """
        await self._budget.acquire(size)
        self._held += size

    async def acquire(self, size: int) -> None:
        """Do nothing: these bytes are reserved."""

    def release(self, size: int) -> None:
        """Give back bytes that were sent or dropped; nothing after `close`."""
        size = min(size, self._held)
        self._held -= size
        self._budget.release(size)

    def close(self) -> None:
        """Give back all that is left. Idempotent."""
        self.release(self._held)
