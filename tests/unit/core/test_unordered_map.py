"""`unordered_map`: results as they are ready, a bounded number of calls, nothing left running."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from blobio.core.flow import Window, unordered_map
from tests.unit.core.fakes import other_tasks


async def numbers(count: int, fail_at: int | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if number == fail_at:
            raise ValueError(number)
        yield number


async def test_it_yields_what_is_ready_first() -> None:
    gates = [asyncio.Event() for _ in range(3)]

    async def wait(number: int) -> int:
        await gates[number].wait()
        return number

    got = []
    gates[2].set()
    async with aclosing(unordered_map(wait, numbers(3), window=3)) as results:
        async for result in results:
            got.append(result)
            gates[result - 1].set()

    assert got == [2, 1, 0]


async def test_it_runs_no_more_than_the_window() -> None:
    running = most = 0

    async def work(_number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    assert len([None async for _ in unordered_map(work, numbers(20), window=4)]) == 20
    assert most == 4


@pytest.mark.parametrize("where", ["call", "items"])
async def test_a_failure_cancels_the_rest(where: str) -> None:
    async def work(number: int) -> None:
        if number == 1 and where == "call":
            raise ValueError(number)
        await asyncio.Event().wait()

    fail_at = 3 if where == "items" else None
    with pytest.raises(ValueError, match=r"1|3"):
        async for _ in unordered_map(work, numbers(9, fail_at), window=5):
            pass

    assert other_tasks() == set()


async def test_leaving_it_cancels_what_runs() -> None:
    async def work(number: int) -> int:
        if number:
            await asyncio.Event().wait()
        return number

    async with aclosing(unordered_map(work, numbers(3), window=3)) as results:
        assert await anext(results) == 0

    assert other_tasks() == set()


async def test_failures_at_the_same_time_are_all_seen() -> None:
    """One is raised; asyncio must not complain of the others when they are collected."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def fail(item: int) -> int:
        raise OSError(item)

    with pytest.raises(OSError, match=r"[012]"):
        async for _ in unordered_map(fail, numbers(3), window=3):
            pass

    gc.collect()
    assert complaints == []


class Machine:
    """A clock and a processor, both moved by hand."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0

    def window(self, least: int, most: int) -> Window:
        return Window(least, most, clock=lambda: self.now, busy=lambda: self.worked)

    def run(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.worked += seconds * share


def test_the_window_grows_while_the_processor_is_idle() -> None:
    machine = Machine()
    window = machine.window(4, 10)
    assert not window.has_room(4)  # too early to tell
    machine.run(1.0, share=0.1)
    assert window.has_room(3)
    assert window.size == 4  # there was room
    assert window.has_room(4)
    assert window.size == 7
    machine.run(1.0, share=0.1)
    assert window.has_room(7)
    machine.run(1.0, share=0.1)
    assert not window.has_room(10)
    assert window.size == 10


def test_the_window_stays_while_the_processor_is_busy() -> None:
    machine = Machine()
    window = machine.window(4, 10)
    machine.run(1.0, share=0.9)
    assert not window.has_room(4)
    machine.run(0.1, share=0.0)
    assert not window.has_room(4)  # looked at a moment ago
    machine.run(0.2, share=0.0)
    assert window.has_room(4)


def test_a_fixed_window_does_not_grow() -> None:
    machine = Machine()
    window = machine.window(4, 4)
    machine.run(1.0, share=0.0)
    assert not window.has_room(4)
