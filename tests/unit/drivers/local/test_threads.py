from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time

import pytest

from blobio.drivers.local import threads as room
from blobio.drivers.local.threads import Threads


async def test_work_returns_and_raises() -> None:
    threads = Threads()

    def fail(stop: threading.Event) -> None:
        raise LookupError(stop.is_set())

    assert await threads.run(lambda stop: stop.is_set()) is False
    with pytest.raises(LookupError):
        await threads.run(fail)
    threads.close()


async def test_closing_ends_idle_threads() -> None:
    threads = Threads()
    worker = await threads.run(lambda _stop: threading.current_thread())

    threads.close()
    threads.close()

    assert not worker.is_alive()


async def test_closing_does_not_wait_for_work() -> None:
    threads = Threads()
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    go_on = threading.Event()

    def work(_stop: threading.Event) -> threading.Thread:
        loop.call_soon_threadsafe(started.set)
        assert go_on.wait(10)
        return threading.current_thread()

    task = asyncio.create_task(threads.run(work))
    await started.wait()
    threads.close()
    go_on.set()

    (await task).join(10)


async def test_cancelled_task_waits_for_its_work_and_releases_the_result() -> None:
    threads = Threads()
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    steps: list[str] = []

    def work(stop: threading.Event) -> str:
        loop.call_soon_threadsafe(started.set)
        assert stop.wait(10)
        steps.append("work ended")
        return "result"

    task = asyncio.create_task(threads.run(work, orphan=steps.append))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps == ["work ended", "result"]
    threads.close()


async def test_second_cancellation_does_not_let_go_of_the_work() -> None:
    threads = Threads()
    loop = asyncio.get_running_loop()
    started, stopping = asyncio.Event(), asyncio.Event()
    go_on = threading.Event()
    ended: list[bool] = []

    def work(stop: threading.Event) -> None:
        loop.call_soon_threadsafe(started.set)
        assert stop.wait(10)
        loop.call_soon_threadsafe(stopping.set)
        assert go_on.wait(10)
        ended.append(True)
        raise LookupError

    task = asyncio.create_task(threads.run(work))
    await started.wait()
    task.cancel()
    await stopping.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == [True]
    threads.close()


async def test_work_that_has_not_begun_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_WORKERS", 1)
    threads = Threads()
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    go_on = threading.Event()
    begun: list[bool] = []

    def occupy(_stop: threading.Event) -> bool:
        loop.call_soon_threadsafe(started.set)
        return go_on.wait(10)

    first = asyncio.create_task(threads.run(occupy))
    await started.wait()
    second = asyncio.create_task(threads.run(lambda _stop: begun.append(True)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()

    assert await first
    assert begun == []
    threads.close()


async def test_failure_of_cancelled_work_is_no_complaint_of_asyncio() -> None:
    threads = Threads()
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    started = asyncio.Event()

    def work(stop: threading.Event) -> None:
        loop.call_soon_threadsafe(started.set)
        assert stop.wait(10)
        raise LookupError

    task = asyncio.create_task(threads.run(work))
    await started.wait()
    task.cancel()
    await asyncio.wait([task])  # not `await task`: its traceback would keep the failure alive
    assert task.cancelled()
    threads.close()
    del task
    gc.collect()

    assert complaints == []


async def test_closed_threads_take_no_work() -> None:
    """Not even while one of them is still at its last call."""
    threads = Threads()
    go_on = threading.Event()
    last = asyncio.create_task(threads.run(lambda _stop: go_on.wait(10)))
    await asyncio.sleep(0)
    threads.close()

    with pytest.raises(RuntimeError, match="closed"):
        await threads.run(lambda _stop: None)

    go_on.set()
    assert await last


async def test_short_calls_are_done_by_one_thread() -> None:
    threads = Threads()
    idents = await asyncio.gather(*(threads.run(lambda _stop: threading.get_ident())
                                    for _ in range(100)))  # fmt: skip

    assert len(set(idents)) <= 2  # a second one if the machine was slow
    threads.close()


async def test_what_waits_behind_a_long_call_gets_another_thread() -> None:
    threads = Threads()
    go_on = threading.Event()
    long = [
        asyncio.create_task(threads.run(lambda _stop: go_on.wait(10)))
        for _ in range(room._WORKERS - 1)
    ]

    assert await threads.run(lambda _stop: "done") == "done"

    go_on.set()
    assert all(await asyncio.gather(*long))
    threads.close()


async def test_a_call_that_was_not_begun_is_dropped() -> None:
    threads = Threads()
    go_on = threading.Event()
    done: list[str] = []
    long = [
        asyncio.create_task(threads.run(lambda _stop: go_on.wait(10))) for _ in range(room._WORKERS)
    ]
    waiting = asyncio.create_task(threads.run(lambda _stop: done.append("done")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    go_on.set()
    await asyncio.gather(*long)
    assert await threads.run(lambda _stop: done) == []
    threads.close()


async def test_brief_work_is_done_on_the_loop_only_if_that_is_wanted() -> None:
    places = []
    for on_loop_s in (0.0, 60.0):
        threads = Threads(on_loop_s)

        places.append(await threads.run_brief(lambda _stop: threading.current_thread()))
        threads.close()

    assert places[0] is not threading.current_thread()
    assert places[1] is threading.current_thread()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("calls", [[0.003, 0.003, 0.003], [0.061]], ids=["in-a-row", "one"])
async def test_after_long_calls_on_the_loop_threads_serve_for_a_while(
    monkeypatch: pytest.MonkeyPatch, calls: list[float], *, fails: bool
) -> None:
    threads = Threads(0.002)
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    async def long(seconds: float) -> None:
        def work(_stop: threading.Event) -> None:
            nonlocal now
            now += seconds
            if fails:
                raise LookupError

        with contextlib.suppress(LookupError):
            await threads.run_brief(work)

    async def is_on_loop() -> bool:
        place = await threads.run_brief(lambda _stop: threading.current_thread())
        return place is threading.current_thread()

    await long(0.003)
    await long(0.003)
    assert await is_on_loop()
    for seconds in calls:
        await long(seconds)
    assert not await is_on_loop()
    now += 1.0
    assert await is_on_loop()
    threads.close()


async def test_closed_threads_take_no_brief_work_either() -> None:
    threads = Threads(60.0)
    threads.close()

    with pytest.raises(RuntimeError):
        await threads.run_brief(lambda _stop: None)
