"""The loop thread: how blocking code runs coroutines.

One daemon thread per process runs one event loop, made on first use. `call` hands it a coroutine
and waits. Crossing over costs some 50 microseconds, so the blocking room crosses once a part or
page.

* Ctrl-C, or any exception a signal handler raises in the waiting thread, cancels the coroutine and
  waits until its clean-up is done; a second one stops the waiting.
* A fork drops loop and thread in the child, which makes its own on next use.
* At interpreter exit, what `track` was given is closed on the loop, within `EXIT_S` seconds in all.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, final

from blobio.forks import IMPORTS

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

__all__ = ["EXIT_S", "Closable", "Portal", "abandon", "is_current", "portal"]

T = TypeVar("T")

_WAITS_FOR_ITSELF: Final = (
    "blobio's blocking API was called on blobio's own loop thread, where it would wait for itself; "
    "use blobio.aio there"
)

EXIT_S: Final = 1.5
"""Longest time that the clean-up at interpreter exit may take."""


class Closable(Protocol):
    """Something to close on the loop."""

    async def aclose(self) -> None:
        """Release everything; idempotent."""
        ...


@final
class Portal:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        import asyncio
        from concurrent.futures import Future

        self._outcome: Final = Future  # at interpreter exit nothing can be imported any more
        self._loop = asyncio.new_event_loop()
        self._tracked: weakref.WeakSet[Closable] = weakref.WeakSet()
        self._running: set[asyncio.Task[object]] = set()  # a loop holds its tasks only weakly
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="blobio-loop", daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for those who bring their own way of waiting for it."""
        return self._loop

    def call(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run `coroutine` on the loop and return its result, or raise what it raised.

        A daemon thread that is here when the interpreter exits waits for its end here.

        Raises:
            RuntimeError: The caller is on the loop thread itself (blocking blobio inside a callback
                of blobio), which would wait for itself; or the portal has been shut down.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(_WAITS_FOR_ITSELF)
        if self._loop.is_closed():
            coroutine.close()
            self._let_daemon_wait()
            message = "the interpreter is shutting down and blobio's event loop is gone"
            raise RuntimeError(message)
        outcome: Future[T] = self._outcome()
        tasks: list[asyncio.Task[T]] = []
        try:  # one block, so that no interrupt can fall between the start and the waiting
            self._loop.call_soon_threadsafe(self._start, coroutine, outcome, tasks)
            return outcome.result()
        except BaseException:
            if not outcome.done():
                self._loop.call_soon_threadsafe(self._cancel, tasks)
                with contextlib.suppress(BaseException):
                    outcome.exception()
            self._let_daemon_wait()
            raise
        finally:
            del outcome, tasks  # a frame that keeps its own exception alive is a cycle

    def begin(self, make: Callable[[], Coroutine[object, object, T]]) -> Future[T]:
        """Run what `make` returns on the loop without waiting; cancelling the future cancels it.

        The coroutine is made on the loop: if that ends before it comes to it, none is left behind
        that was never awaited.

        Raises:
            RuntimeError: The portal has been shut down.
        """
        outcome: Future[T] = self._outcome()
        try:
            self._loop.call_soon_threadsafe(self._begin, make, outcome)
        except BaseException:
            self._let_daemon_wait()
            raise
        return outcome

    def _begin(self, make: Callable[[], Coroutine[object, object, T]], outcome: Future[T]) -> None:
        if outcome.cancelled():
            return
        tasks: list[asyncio.Task[T]] = []
        self._start(make(), outcome, tasks)

        def pass_on(outcome: Future[T]) -> None:
            if outcome.cancelled():
                with contextlib.suppress(RuntimeError):  # the loop was closed just now
                    self._loop.call_soon_threadsafe(self._cancel, tasks)

        outcome.add_done_callback(pass_on)

    def wait(self, outcome: Future[T]) -> T:
        """Return what `begin` gave a future of, or raise what it raised; as `call` waits.

        Raises:
            RuntimeError: The caller is on the loop thread itself, see `call`.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(_WAITS_FOR_ITSELF)
        try:
            return outcome.result()
        except BaseException:
            self._let_daemon_wait()
            raise

    def _let_daemon_wait(self) -> None:
        """Never return to a daemon thread while the interpreter ends.

        It would go on with an exception of our making, and a traceback that is printed while the
        interpreter takes its streams down aborts CPython.
        """
        if self._ending and threading.current_thread().daemon:
            threading.Event().wait()

    def submit(self, cleanup: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run `cleanup` on the loop without waiting, as `__del__` must; nothing once it is shut."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # closed by another thread just now
            self._loop.call_soon_threadsafe(lambda: self._start(cleanup(), self._outcome(), []))

    def iterate(self, source: AsyncIterator[list[T]]) -> Iterator[T]:
        """Yield the items of an iterator of lists, crossing once for each list.

        Raises:
            RuntimeError: In a fork of the process that began: the pages under way stay there.
        """
        try:
            while True:
                if not is_current(self):
                    message = "this listing was begun before a fork and belongs to the parent"
                    raise RuntimeError(message)
                items = self.call(_next(source))
                if items is None:
                    return
                yield from items
        finally:
            if isinstance(source, AsyncGenerator):
                self.leave(source.aclose)
            elif not is_current(self):
                abandon((self, source))

    def leave(self, cleanup: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run `cleanup` on the loop and wait for it; also for the collector, on whatever thread.

        On the loop thread it does not wait; in a fork of the process that began, or once the loop
        is gone, it does nothing.
        """
        if not is_current(self):
            abandon((self, cleanup))
        elif self._loop.is_closed():
            return
        elif threading.current_thread() is self._thread:
            self.submit(cleanup)
        else:
            self.call(cleanup())

    def track(self, closable: Closable) -> None:
        """Close `closable` on the loop when the interpreter exits, if it still exists."""
        self._tracked.add(closable)

    def shutdown(self) -> None:
        """Clean up, stop the loop and end the thread. Idempotent."""
        if not self._thread.is_alive():
            return
        self._ending = True
        outcome: Future[None] = self._outcome()
        self._loop.call_soon_threadsafe(self._start, self._clean_up(), outcome, [])
        with contextlib.suppress(Exception):
            outcome.result(EXIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(EXIT_S)

    async def _clean_up(self) -> None:
        import asyncio

        waiting = [closable.aclose() for closable in self._tracked]
        await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), EXIT_S)

    def _start(
        self,
        coroutine: Coroutine[object, object, T],
        outcome: Future[T],
        tasks: list[asyncio.Task[T]],
    ) -> None:
        task = self._loop.create_task(coroutine)
        tasks.append(task)
        self._running.add(task)

        def settle(task: asyncio.Task[T]) -> None:
            self._running.discard(task)
            if not outcome.set_running_or_notify_cancel():  # who began it gave it up
                if not task.cancelled():
                    task.exception()  # seen: nobody else will look
            elif task.cancelled():
                import concurrent.futures

                outcome.set_exception(concurrent.futures.CancelledError())
            elif (error := task.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(task.result())

        task.add_done_callback(settle)

    @staticmethod
    def _cancel(tasks: list[asyncio.Task[T]]) -> None:
        for task in tasks:
            task.cancel()

    def _run(self) -> None:
        import asyncio

        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _next(source: AsyncIterator[T]) -> T | None:
    try:
        return await source.__anext__()
    except StopAsyncIteration:
        return None


_portal: Portal | None = None
_abandoned: list[object] = []


def portal() -> Portal:
    """Return this process's portal, started on the first call."""
    global _portal  # noqa: PLW0603 - one loop thread per process, dropped by a fork
    if _portal is None:
        with IMPORTS:
            if _portal is None:
                _portal = Portal()
                atexit.register(_portal.shutdown)
    return _portal


def is_current(candidate: Portal) -> bool:
    """Tell whether a portal is this process's; one that came through a fork is not."""
    return candidate is _portal


def abandon(thing: object) -> None:
    """Keep, for the life of this process, something that belongs to the parent's loop.

    A forked child shares the parent's epoll object: closing a socket of the parent's loop here
    would take it out of the parent's own event loop. So nothing of it is ever finalised.
    """
    _abandoned.append(thing)


def _forget_after_fork() -> None:
    """Drop the parent's loop: its thread does not exist in the child."""
    global _portal  # noqa: PLW0603 - see `portal`
    if _portal is not None:
        atexit.unregister(_portal.shutdown)
        abandon(_portal)
    _portal = None


os.register_at_fork(after_in_child=_forget_after_fork)
