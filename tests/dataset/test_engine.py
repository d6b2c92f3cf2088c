"""Jobs that run ahead: in what order, how far, and what is left of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Final, final

import pytest

from blobio.blocking.binding import Binding
from blobio.core.context import AsyncContext
from blobio.dataset.engine import Job, Ready, on_thread, ordered
from blobio.dataset.memory import memory_limit, set_memory_bytes

SIZE: Final = 10


@pytest.fixture(autouse=True)
def room_for_three() -> Iterator[None]:
    """Let three jobs of `SIZE` bytes be held at once, and look that none is held afterwards."""
    before = memory_limit().limit
    set_memory_bytes(3 * SIZE)
    yield
    set_memory_bytes(before)
    assert memory_limit().held == 0


@final
class Jobs:
    """Jobs that give their numbers, which ones were asked for, and which were cancelled."""

    def __init__(self, count: int, *, fails: int = -1, hangs: int = -1) -> None:
        self.count = count
        self.fails = fails
        self.hangs = hangs
        self.asked: list[int] = []
        self.cancelled: list[int] = []
        self.begun: list[int] = []
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[Job[int]]:
        for number in range(self.count):
            self.asked.append(number)
            yield self.job(number)

    def job(self, number: int) -> Job[int]:
        async def make(core: AsyncContext) -> int:
            del core
            self.begun.append(number)
            if number == self.fails:
                raise ZeroDivisionError
            if number >= self.hangs >= 0:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled.append(number)
            for _ in range(self.count - number):  # the first ones take the longest
                await asyncio.sleep(0)
            return number

        return Job(SIZE, make, lambda _: SIZE)


def test_results_come_in_order_whatever_is_ready_first() -> None:
    assert list(ordered(Binding(), iter(Jobs(20)))) == list(range(20))


def test_nothing_is_asked_for_before_there_is_room() -> None:
    jobs = Jobs(20)

    with closing(ordered(Binding(), iter(jobs))) as results:
        assert jobs.asked == []
        next(results)
        assert jobs.asked == [0, 1, 2, 3]  # three are held; the next one's size is known
        next(results)
        assert jobs.asked == [0, 1, 2, 3, 4]
        assert memory_limit().held <= 3 * SIZE


def test_first_result_is_not_kept_waiting_by_many_others() -> None:
    set_memory_bytes(1000 * SIZE)
    jobs = Jobs(100)

    with closing(ordered(Binding(), iter(jobs))) as results:
        begun = []
        for _ in range(3):
            next(results)
            begun.append(len(jobs.asked) - 1)  # the last one is only looked at

    assert begun == [4, 1 + 8, 2 + 16]


def test_job_larger_than_all_memory_is_let_through_alone() -> None:
    set_memory_bytes(SIZE // 2)
    jobs = Jobs(3)

    with closing(ordered(Binding(), iter(jobs))) as results:
        for number in range(3):
            assert next(results) == number
            assert len(jobs.begun) == number + 1


def test_result_counts_for_what_it_holds_and_not_for_what_was_guessed() -> None:
    async def make(core: AsyncContext) -> int:
        del core
        return 2

    with closing(ordered(Binding(), iter([Job(SIZE, make, lambda result: result)]))) as results:
        next(results)
        assert memory_limit().held == 2


def test_two_iterations_do_not_wait_for_one_another() -> None:
    """The first holds all memory ahead, the second gets what it needs all the same."""
    with closing(ordered(Binding(), iter(Jobs(20)))) as first:
        next(first)
        assert list(ordered(Binding(), iter(Jobs(5)))) == list(range(5))
        assert list(first) == list(range(1, 20))


def test_failure_comes_in_its_place() -> None:
    seen: list[int] = []

    with pytest.raises(ZeroDivisionError):
        seen.extend(ordered(Binding(), iter(Jobs(20, fails=5))))

    with (
        closing(ordered(Binding(), iter(Jobs(20, fails=5)))) as results,
        pytest.raises(ZeroDivisionError),
    ):
        for result in results:
            seen.append(result)  # noqa: PERF402 - those before the failure are what matters
    assert seen[-5:] == [0, 1, 2, 3, 4]


def test_failure_of_the_plan_comes_after_what_it_planned() -> None:
    def plan() -> Iterator[Job[int]]:
        yield from Jobs(2)
        raise ZeroDivisionError

    results = ordered(Binding(), plan())

    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_leaving_cancels_what_runs_and_waits_for_it() -> None:
    jobs = Jobs(20, hangs=1)

    with closing(ordered(Binding(), iter(jobs))) as results:
        assert next(results) == 0

    assert sorted(jobs.cancelled) == sorted(number for number in jobs.begun if number)


def test_iteration_that_is_dropped_stops_too() -> None:
    jobs = Jobs(20, hangs=1)
    results = ordered(Binding(), iter(jobs))
    next(results)

    del results

    assert sorted(jobs.cancelled) == sorted(number for number in jobs.begun if number)


def test_decoding_happens_on_threads_of_its_own() -> None:
    async def make(core: AsyncContext) -> str:
        del core
        return await on_thread(lambda: threading.current_thread().name)

    (name,) = ordered(Binding(), iter([Job(SIZE, make, lambda _: 0)]))

    assert name.startswith("blobio-decode")


def test_what_is_ready_is_made_by_its_consumer_when_its_turn_comes() -> None:
    made: list[str] = []

    def make() -> int:
        made.append(threading.current_thread().name)
        return 1

    def plan() -> Iterator[Job[int] | Ready[int]]:
        yield Jobs(1).job(0)
        yield Ready(make)
        yield Jobs(3).job(2)

    with closing(ordered(Binding(), plan())) as results:
        assert next(results) == 0
        assert made == []
        assert list(results) == [1, 2]
    assert made == [threading.current_thread().name]


def test_memory_has_at_least_one_byte() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        set_memory_bytes(0)
