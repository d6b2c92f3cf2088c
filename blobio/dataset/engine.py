"""The engine: jobs that fetch and decode, run ahead of a consumer as far as memory allows.

The consumer's thread takes jobs from its plan and starts them on blobio's loop; decoding goes to a
few threads. Jobs are started in order and their results are taken in order, so that the one a
consumer waits for has always been started. A result that is ready costs no crossing of threads.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, final

from blobio.blocking.binding import Binding
from blobio.blocking.portal import Portal, is_current, portal
from blobio.core.context import AsyncContext
from blobio.core.flow import settle
from blobio.dataset.memory import MemoryLimit, memory_limit
from blobio.forks import IMPORTS

__all__ = ["Job", "Ready", "on_thread", "ordered"]

T = TypeVar("T")

# Few jobs at first, and twice as many after each result. They start, but for the first, when the
# first has ended: it is not kept waiting by the bytes of those behind it.
_FIRST_AHEAD: Final = 4
_MOST_AHEAD: Final = 64
_DECODERS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Something to be made ahead of its consumer.

    Attributes:
        cost: About how many bytes it holds while it is made.
        make: Makes it, on the loop.
        size: Tells how many bytes the result holds.
    """

    cost: int
    make: Callable[[AsyncContext], Coroutine[object, object, T]]
    size: Callable[[T], int]


@final
@dataclass(frozen=True, slots=True)
class Ready(Generic[T]):
    """Something that is made on the thread of its consumer, when it is wanted.

    What takes less than to cross over to the loop, and holds nothing ahead.
    """

    make: Callable[[], T]


def ordered(binding: Binding, jobs: Iterator[Job[T] | Ready[T]]) -> Generator[T, None, None]:
    """Yield the result of each job, in order, and run ahead of it under `memory_limit()`.

    `jobs` is asked for the next one on the thread of the consumer, and only when there is room. The
    first failure, of a job or of `jobs`, is raised in its place in the order. A result counts as
    held until the next one is asked for. Leaving the iteration cancels what runs and waits for it.

    Raises:
        RuntimeError: In a fork of the process that began.
    """
    ahead: _Ahead[T] = _Ahead(binding)
    source = _Source(jobs)
    try:
        while True:
            while (job := source.next_job()) is not None and ahead.start(job):
                source.take()
            if ahead.is_empty:
                break
            yield ahead.wait()
            ahead.drop()
        source.end()
    finally:
        ahead.close()


@final
class _Source(Generic[T]):
    """Jobs with one that is looked at before it is taken."""

    def __init__(self, jobs: Iterator[Job[T] | Ready[T]]) -> None:
        self._jobs = jobs
        self._next: Job[T] | Ready[T] | None = None
        self._ended = False
        self._failure: Exception | None = None

    def next_job(self) -> Job[T] | Ready[T] | None:
        if self._next is None and not self._ended:
            try:
                self._next = next(self._jobs, None)
            except Exception as error:  # noqa: BLE001 - raised when its turn comes
                self._failure = error
            self._ended = self._next is None
        return self._next

    def take(self) -> None:
        self._next = None

    def end(self) -> None:
        """Raise what ended the jobs, if it was no end."""
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # a frame that keeps its own exception alive is a cycle


@final
class _Ahead(Generic[T]):
    """The jobs that were started and not yet consumed, oldest first."""

    def __init__(self, binding: Binding) -> None:
        self._core = binding.core()
        self._portal: Portal = portal()
        self._memory: MemoryLimit = memory_limit()
        self._running: deque[_Running[T]] = deque()
        self._most = _FIRST_AHEAD
        self._tasks: set[asyncio.Task[object]] = set()
        self._first_ended: asyncio.Event | None = None

    @property
    def is_empty(self) -> bool:
        return not self._running

    def start(self, job: Job[T] | Ready[T]) -> bool:
        """Start a job if there is room for it, or nothing else to wait for."""
        self._check_fork()
        if len(self._running) >= self._most:
            return False
        if isinstance(job, Ready):
            self._running.append(_Running[T](0, self._memory, job))
            return True
        if not self._memory.take(job.cost, force=not self._running):
            return False
        running = _Running[T](job.cost, self._memory)
        if (ended := self._first_ended) is None:
            self._first_ended = asyncio.Event()
            running.outcome = self._portal.begin(lambda: self._run_first(job, running))
        else:
            running.outcome = self._portal.begin(lambda: self._run(job, running, ended))
        self._running.append(running)
        return True

    async def _run_first(self, job: Job[T], running: _Running[T]) -> T:
        assert self._first_ended is not None
        try:
            return await self._run(job, running)
        finally:
            self._first_ended.set()

    async def _run(
        self, job: Job[T], running: _Running[T], after: asyncio.Event | None = None
    ) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if after is not None:
                await after.wait()
            result = await job.make(self._core)
            running.count(job.size(result))
        finally:
            self._tasks.discard(task)
        return result

    def wait(self) -> T:
        """Return the result of the oldest job, which stays counted."""
        self._check_fork()
        oldest = self._running[0]
        if oldest.ready is not None:
            return oldest.ready.make()
        outcome = oldest.outcome
        assert outcome is not None
        return self._portal.wait(outcome)

    def drop(self) -> None:
        """Let go of the oldest job."""
        self._running.popleft().count(0)
        self._most = min(_MOST_AHEAD, 2 * self._most)

    def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        running, self._running = self._running, deque()
        if not is_current(self._portal):  # the jobs are the parent's, and so is what they hold
            return
        started = [one.outcome for one in running if one.outcome is not None]
        is_idle = all(outcome.done() for outcome in started)
        for outcome in started:
            outcome.cancel()
        if not is_idle:  # crossing over to the loop takes longer than many a read
            self._portal.leave(self._stop)
        for one in running:
            one.count(0)

    async def _stop(self) -> None:
        await settle(list(self._tasks))

    def _check_fork(self) -> None:
        if not is_current(self._portal):
            message = "this iteration was begun before a fork and belongs to the parent"
            raise RuntimeError(message)


@final
class _Running(Generic[T]):
    """A job that was started, and the bytes that it counts for."""

    def __init__(self, cost: int, memory: MemoryLimit, ready: Ready[T] | None = None) -> None:
        self.ready = ready
        self._cost = cost
        self._memory = memory
        self._done = False
        self.outcome: Future[T] | None = None

    def count(self, size: int) -> None:
        """Count `size` bytes from now on; nothing any more once that was 0."""
        if self._done:
            return
        self._done = not size
        self._memory.change(size - self._cost)
        self._cost = size


_decoders: ThreadPoolExecutor | None = None


async def on_thread(function: Callable[[], T]) -> T:
    """Run `function` on one of a few threads of this process, made on first use."""
    global _decoders  # noqa: PLW0603 - threads of one process, dropped by a fork
    if _decoders is None:
        with IMPORTS:
            count = min(_DECODERS, os.cpu_count() or 1)
            _decoders = ThreadPoolExecutor(max(2, count), thread_name_prefix="blobio-decode")
    try:
        outcome = asyncio.get_running_loop().run_in_executor(_decoders, function)
    except RuntimeError:  # the main thread has ended, and others go on reading until they end too
        return function()
    return await outcome


def _forget_after_fork() -> None:
    """Drop the parent's threads: they do not exist in the child."""
    global _decoders  # noqa: PLW0603 - see `on_thread`
    _decoders = None


os.register_at_fork(after_in_child=_forget_after_fork)
