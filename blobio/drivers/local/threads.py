"""Run blocking work on a few threads without letting go of it when its task is cancelled.

Most calls of a disk are so short that to wake a thread for each, and the loop for each result,
takes several times as long as the calls themselves. So one thread does one after the other, waits a
moment for more, and hands back together what has ended meanwhile. Only if it is at one call for
longer than such calls take does another thread help out.

Even one thread has to take turns with the loop, at every call of the system. A program that has
nothing else on its loop can let short calls be made right there, for as long as they are short.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, final

__all__ = ["Threads"]

_T = TypeVar("_T")

_WORKERS: Final = 16
_LONG_S: Final = 0.002  # at one call: what waits behind it gets a thread of its own
_LINGER_S: Final = 0.01  # a thread without work; a program may end so much later
_LONG_CALLS: Final = 3  # on the loop, one after the other, or one of ten times that
_CAREFUL_S: Final = 1.0  # without calls on the loop, after those
_NEVER: Final = threading.Event()  # nobody stops what nobody waits for


@final
class _Job(Generic[_T]):
    """One call of blocking work.

    Attributes:
        stop: Tells `work` to end.
        done: Ends when the work has ended; replaced while nothing may end the wait for it.
        has_ended: The outcome is there.
    """

    __slots__ = ("_error", "_free", "_result", "done", "has_ended", "stop", "work")

    def __init__(self, work: Callable[[threading.Event], _T], done: asyncio.Future[None]) -> None:
        self.work = work
        self.stop = threading.Event()
        self.done = done
        self.has_ended = False
        self._free = [None]  # whoever takes this out has the job
        self._result: _T | None = None
        self._error: BaseException | None = None

    def claim(self) -> bool:
        """Take the job, to do it or to drop it; False if it is taken."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def perform(self) -> None:
        """Do the work, on this thread."""
        try:
            self._result = self.work(self.stop)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error

    def end(self) -> None:
        """Let go whoever waits, on the loop's thread."""
        self.has_ended = True
        if not self.done.done():
            self.done.set_result(None)

    def release(self, orphan: Callable[[_T], object] | None) -> None:
        """Hand a result that nobody waits for any more to `orphan`."""
        if orphan is not None and self._error is None:
            orphan(self._result)  # type: ignore[arg-type]

    def outcome(self) -> _T:
        """Return or raise what the work did."""
        error, self._error = self._error, None
        if error is None:
            return self._result  # type: ignore[return-value]
        try:
            raise error
        finally:
            del error  # or it and this frame would hold each other


@final
class _Worker:
    """A thread while it serves the queue; `since` is when it began its call, None between calls."""

    __slots__ = ("since",)

    def __init__(self, since: float | None) -> None:
        self.since = since


@final
class Threads:
    """At most 16 threads, started as they are needed.

    Not the loop's default executor: that one is the user's, who may fill it with work that waits
    for us.

    Args:
        on_loop_s: As `Config.disk_on_loop_s`.
    """

    def __init__(self, on_loop_s: float = 0.0) -> None:
        self._on_loop_s = on_loop_s
        self._careful_until = 0.0
        self._long = 0
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="blobio-local")
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._workers: set[_Worker] = set()
        self._ended: deque[_Job[Any]] = deque()
        self._is_told = False
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0
        self._is_closed = False

    async def run(
        self,
        work: Callable[[threading.Event], _T],
        *,
        orphan: Callable[[_T], object] | None = None,
    ) -> _T:
        """Return what `work` returns, or raise what it raises.

        If the task is cancelled, the event that `work` got is set, and the cancellation goes on
        only when `work` has ended: nobody closes a descriptor that a thread still uses, and nothing
        changes on disk after the cancelled call is over.

        Args:
            work: Runs on a thread. May take long only if it watches the event.
            orphan: Releases a result that came too late for its cancelled task.

        Raises:
            RuntimeError: The threads were closed.
        """
        if self._is_closed:
            message = "the driver of the disk is closed"
            raise RuntimeError(message)
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future())
        self._jobs.put(job)
        self._see_to_it(loop)
        self._running += 1
        try:
            await job.done
        except asyncio.CancelledError:
            if not job.claim():
                job.stop.set()
                while not job.has_ended:
                    job.done = loop.create_future()
                    with suppress(asyncio.CancelledError):
                        await job.done
                job.release(orphan)
            raise
        finally:
            self._running -= 1
        return job.outcome()

    async def run_brief(
        self,
        work: Callable[[threading.Event], _T],
        *,
        orphan: Callable[[_T], object] | None = None,
    ) -> _T:
        """As `run`, for work that waits for nothing but the disk: maybe at once, on this thread."""
        start = time.perf_counter()
        if not self._on_loop_s or start < self._careful_until or self._is_closed:
            return await self.run(work, orphan=orphan)
        try:
            return work(_NEVER)
        finally:
            end = time.perf_counter()
            # One that is long may be another process having its turn; some in a row are the disk.
            self._long = self._long + 1 if end - start > self._on_loop_s else 0
            if self._long >= _LONG_CALLS or end - start > _LONG_CALLS * 10 * self._on_loop_s:
                self._careful_until = end + _CAREFUL_S
                self._long = 0

    def close(self) -> None:
        """End the threads, at once if they are idle, else when their work ends. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        for _ in range(_WORKERS):
            self._jobs.put(None)
        if self._timer is not None:
            self._timer.cancel()
        self._pool.shutdown(wait=self._running == 0)

    def _see_to_it(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let another thread serve the queue if all that do so are at long calls."""
        now = time.monotonic()
        workers = list(self._workers)
        if len(workers) >= _WORKERS:
            return
        if all(worker.since is not None and now - worker.since > _LONG_S for worker in workers):
            worker = _Worker(now)
            self._workers.add(worker)
            self._pool.submit(self._serve, worker, loop)
        elif self._timer is None:
            self._timer = loop.call_later(_LONG_S, self._look_again, loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if not self._jobs.empty():
            self._see_to_it(loop)

    def _serve(self, worker: _Worker, loop: asyncio.AbstractEventLoop) -> None:
        """Do what is in the queue, on a thread, until there has been nothing for a moment."""
        while True:
            worker.since = None
            try:
                job = self._jobs.get(timeout=_LINGER_S)
            except queue.Empty:
                self._workers.discard(worker)
                # What came in between counted on this thread.
                if self._jobs.empty():
                    return
                self._workers.add(worker)
                continue
            if job is None:
                self._workers.discard(worker)
                return
            worker.since = time.monotonic()
            if job.claim():
                job.perform()
                self._ended.append(job)
                if not self._is_told:
                    self._is_told = True
                    with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                        loop.call_soon_threadsafe(self._hand_back)
            del job  # its result is somebody else's now

    def _hand_back(self) -> None:
        """Let go who waits for what has ended, on the loop's thread."""
        self._is_told = False
        while self._ended:
            self._ended.popleft().end()
