"""Run blocking work on a few threads without letting go of it when its task is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar, final

__all__ = ["Threads"]

_T = TypeVar("_T")

_WORKERS: Final = 16


@final
class Threads:
    """At most 16 threads, started as they are needed.

    Not the loop's default executor: that one is the user's, who may fill it with work that waits
    for us.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="blobio-local")
        self._running = 0

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
        """
        stop = threading.Event()
        job = self._pool.submit(work, stop)
        done = asyncio.wrap_future(job)
        self._running += 1
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not job.cancel():
                stop.set()
                await _wait(done)
                # asked for in any case: asyncio complains of an exception that nobody looked at
                failed = done.cancelled() or done.exception() is not None
                if orphan is not None and not failed:
                    orphan(done.result())
            raise
        finally:
            self._running -= 1

    def close(self) -> None:
        """End the threads, at once if they are idle, else when their work ends. Idempotent."""
        self._pool.shutdown(wait=self._running == 0)


async def _wait(done: asyncio.Future[_T]) -> None:
    while not done.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([done])
