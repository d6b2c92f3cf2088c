"""The loop thread: results, exceptions, interrupts, iteration."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine

import pytest

import blobio as bf
from blobio.blocking.portal import Portal, portal

MAIN = threading.main_thread()


def interrupt() -> None:
    """Press Ctrl-C on the main thread, from the loop thread."""
    assert MAIN.ident is not None
    signal.pthread_kill(MAIN.ident, signal.SIGINT)


def test_call_returns_the_result() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert portal().call(work()) == 7


def test_exception_passes_through_as_it_is() -> None:
    error = LookupError("mine")

    async def work() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        portal().call(work())
    assert caught.value is error


def test_exception_leaves_no_reference_cycle_behind() -> None:
    class Mark:
        pass

    async def work(_: Mark) -> None:
        raise LookupError

    gc.collect()
    gc.disable()
    try:
        mark = Mark()
        ended = threading.Event()
        weakref.finalize(mark, ended.set)
        with contextlib.suppress(LookupError):  # pytest.raises would make a cycle of its own
            portal().call(work(mark))
        del mark
        portal().call(asyncio.sleep(0))
        assert ended.is_set()
    finally:
        gc.enable()


def test_call_on_its_own_thread_is_refused_with_a_way_out() -> None:
    async def work() -> None:
        bf.exists("memory://b/k")

    with pytest.raises(RuntimeError, match=r"blobio\.aio"):
        portal().call(work())


def test_every_thread_but_the_loop_may_call() -> None:
    threads: set[str] = set()

    async def work() -> None:
        threads.add(threading.current_thread().name)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: portal().call(work()), range(8)))

    assert threads == {"blobio-loop"}


def test_interrupt_cancels_the_coroutine_and_waits_for_its_clean_up() -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("started")
        interrupt()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):  # clean-up that takes several turns of the loop
                await asyncio.sleep(0)
            steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        portal().call(work())

    assert steps == ["started", "cleaned up"]


def test_second_interrupt_ends_the_waiting() -> None:
    let_go = asyncio.Event()

    async def work() -> None:
        interrupt()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            interrupt()
            await let_go.wait()  # a clean-up that hangs

    with pytest.raises(KeyboardInterrupt):
        portal().call(work())

    async def release() -> None:
        let_go.set()

    portal().call(release())


def test_exception_of_any_signal_handler_interrupts() -> None:
    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    async def work() -> None:
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGUSR1)
        await asyncio.Event().wait()

    old = signal.signal(signal.SIGUSR1, ring)
    try:
        with pytest.raises(Alarm):
            portal().call(work())
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_coroutine_that_cancels_itself_reaches_the_caller() -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(concurrent.futures.CancelledError):
        portal().call(work())


class Pages:
    """An async iterator of lists that counts its steps."""

    def __init__(self) -> None:
        self.steps = 0
        self.closed = threading.Event()

    async def source(self) -> AsyncIterator[list[int]]:
        try:
            for page in ([1, 2, 3], [], [4]):
                self.steps += 1
                await asyncio.sleep(0)
                yield page
        finally:
            self.closed.set()


def test_iterate_yields_all_items_in_order() -> None:
    assert list(portal().iterate(Pages().source())) == [1, 2, 3, 4]


def test_iterate_crosses_once_a_page() -> None:
    pages = Pages()
    items = portal().iterate(pages.source())

    assert [next(items), next(items), next(items)] == [1, 2, 3]

    assert pages.steps == 1


def test_iterate_closes_the_source_when_left_early() -> None:
    pages = Pages()

    for item in portal().iterate(pages.source()):
        if item == 2:
            break
    gc.collect()

    assert pages.closed.is_set()


def test_iterate_closes_the_source_when_collected_on_the_loop_thread() -> None:
    pages = Pages()
    items = portal().iterate(pages.source())
    held = [items]
    next(items)
    del items

    async def drop() -> None:
        held.clear()

    portal().call(drop())
    portal().call(asyncio.sleep(0))
    portal().call(asyncio.sleep(0))

    assert pages.closed.is_set()


def test_iterate_passes_an_exception_through() -> None:
    async def source() -> AsyncIterator[list[int]]:
        yield [1]
        raise LookupError

    items = portal().iterate(source())
    assert next(items) == 1

    with pytest.raises(LookupError):
        next(items)


def test_submit_runs_without_being_waited_for() -> None:
    done = threading.Event()

    async def cleanup() -> None:
        done.set()

    portal().submit(cleanup)
    portal().call(asyncio.sleep(0))

    assert done.is_set()


def test_portal_that_was_shut_down_says_so() -> None:
    own = Portal()
    own.shutdown()
    own.shutdown()

    with pytest.raises(RuntimeError, match="event loop is gone"):
        own.call(asyncio.sleep(0))
    own.submit(lambda: pytest.fail("must not run"))


def test_shutdown_closes_what_was_tracked_and_cancels_the_rest() -> None:
    steps: list[str] = []

    class Thing:
        async def aclose(self) -> None:
            steps.append("closed")

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cancelled")

    own, thing = Portal(), Thing()
    own.track(thing)
    own.submit(forever)

    own.shutdown()

    assert steps == ["closed", "cancelled"]


def test_blocking_calls_work_inside_a_running_loop_of_another_thread() -> None:
    """As in a notebook, whose main thread runs a loop."""

    async def cell() -> bytes:
        bf.write_bytes("memory://portal/notebook", b"cell")
        with bf.BlobFile("memory://portal/notebook", "rb") as file:
            return file.read()

    assert asyncio.run(cell()) == b"cell"


def test_16_threads_share_one_context() -> None:
    context = bf.Context(bf.Config(read=bf.ReadConfig(part_bytes=512)))

    def work(number: int) -> bytes:
        path = f"memory://portal/threads/{number}"
        data = bytes([number]) * 5_000
        for _ in range(5):
            with context.BlobFile(path, "wb") as out:
                out.write(data)
            with context.BlobFile(path, "rb") as file:
                assert file.read() == data
        return context.read_bytes(path)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(16)))

    assert found == [bytes([number]) * 5_000 for number in range(16)]
    assert len(list(context.listdir("memory://portal/threads"))) == 16
    context.close()


def test_what_was_begun_runs_without_being_waited_for() -> None:
    async def work() -> int:
        return 7

    outcome = portal().begin(work)

    assert portal().wait(outcome) == 7


def test_waiting_raises_what_was_raised() -> None:
    async def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        portal().wait(portal().begin(work))


def test_nothing_is_begun_on_a_portal_that_was_shut_down() -> None:
    async def work() -> int:
        return 7

    shut = Portal()
    shut.shutdown()

    with pytest.raises(RuntimeError):
        shut.begin(work)


def test_what_the_loop_does_not_come_to_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coroutine that is made and dropped would be told of at exit."""
    made: list[int] = []

    async def work() -> None:
        """Do nothing."""

    def make() -> Coroutine[object, object, None]:
        made.append(1)
        return work()

    ending = Portal()
    monkeypatch.setattr(ending.loop, "call_soon_threadsafe", lambda *_call: None)
    ending.begin(make)
    monkeypatch.undo()
    ending.shutdown()

    assert made == []


def test_cancelling_what_was_begun_cancels_the_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    outcome = portal().begin(work)
    assert begun.wait(10)

    assert outcome.cancel()
    assert ended.wait(10)
    with pytest.raises(concurrent.futures.CancelledError):
        portal().wait(outcome)


def test_what_was_cancelled_before_the_loop_came_to_it_is_never_made() -> None:
    made: list[int] = []
    go_on = threading.Event()

    async def work() -> None:
        made.append(1)

    portal().loop.call_soon_threadsafe(go_on.wait, 10)
    outcome = portal().begin(work)

    assert outcome.cancel()
    go_on.set()
    portal().call(asyncio.sleep(0))

    assert made == []


def test_leaving_waits_for_the_clean_up() -> None:
    done: list[int] = []

    async def clean_up() -> None:
        done.append(1)

    portal().leave(clean_up)

    assert done == [1]


def test_waiting_on_its_own_thread_is_refused() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def wait() -> None:
        portal().wait(portal().begin(work))

    with pytest.raises(RuntimeError, match="own loop thread"):
        portal().call(wait())
