from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.core.flow import ByteBudget, each, merge, ordered_map, settle
from tests.unit.core.fakes import other_tasks, settled


class Gates:
    """A function whose calls end when the test says so."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self._gates: dict[int, asyncio.Future[int]] = {}

    async def __call__(self, item: int) -> int:
        self.started.append(item)
        self._gates[item] = asyncio.get_running_loop().create_future()
        try:
            return await self._gates[item]
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise

    async def quietly(self, item: int) -> None:
        await self(item)

    def open(self, item: int) -> None:
        self._gates[item].set_result(item * 10)

    def fail(self, item: int, error: Exception) -> None:
        self._gates[item].set_exception(error)


async def collect(source: AsyncIterator[int]) -> list[int]:
    return [item async for item in source]


async def test_ordered_map_keeps_the_order_when_calls_end_out_of_order() -> None:
    gates = Gates()
    task = asyncio.ensure_future(collect(ordered_map(gates, range(3), window=3)))
    await settled()

    for item in (2, 1, 0):
        gates.open(item)

    assert await task == [0, 10, 20]


async def test_ordered_map_takes_and_runs_no_more_items_than_its_window() -> None:
    gates = Gates()
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    task = asyncio.ensure_future(collect(ordered_map(gates, items(), window=3)))
    await settled()

    assert gates.started == taken == [0, 1, 2]

    gates.open(1)
    await settled()

    assert gates.started == taken == [0, 1, 2]

    gates.open(0)
    await settled()

    assert gates.started == taken == [0, 1, 2, 3, 4]
    await settle([task])


async def test_ordered_map_raises_a_failure_in_its_place() -> None:
    gates = Gates()
    found: list[int] = []

    async def consume() -> None:
        async with aclosing(ordered_map(gates, range(5), window=3)) as results:
            async for result in results:
                found.append(result)  # noqa: PERF401 - kept when the iteration fails

    task = asyncio.ensure_future(consume())
    await settled()
    gates.fail(1, ValueError("one"))
    gates.open(0)

    with pytest.raises(ValueError, match="one"):
        await task
    assert found == [0]
    assert gates.cancelled == [2]
    assert not other_tasks()


async def test_leaving_an_ordered_map_cancels_what_runs_and_waits_for_it() -> None:
    gates = Gates()
    results = ordered_map(gates, range(5), window=3)
    first = asyncio.ensure_future(anext(results))
    await settled()
    gates.open(0)
    await first

    await results.aclose()

    assert gates.cancelled == [1, 2]
    assert not other_tasks()


async def test_cancelling_the_consumer_of_an_ordered_map_cancels_its_calls() -> None:
    gates = Gates()
    task = asyncio.ensure_future(collect(ordered_map(gates, range(5), window=2)))
    await settled()

    await settle([task])
    await settled()

    assert gates.cancelled == [0, 1]
    assert not other_tasks()


async def test_an_ordered_map_of_nothing_is_empty() -> None:
    assert await collect(ordered_map(Gates(), [], window=4)) == []


async def test_each_runs_a_window_at_a_time() -> None:
    gates = Gates()
    task = asyncio.ensure_future(each(gates.quietly, range(4), window=2))
    await settled()

    assert gates.started == [0, 1]

    gates.open(1)
    await settled()

    assert gates.started == [0, 1, 2]
    for item in (0, 2):
        gates.open(item)
    await settled()
    gates.open(3)
    await task


async def test_the_first_failure_of_each_cancels_the_rest_and_is_raised_as_itself() -> None:
    gates = Gates()
    task = asyncio.ensure_future(each(gates.quietly, range(9), window=3))
    await settled()

    gates.fail(1, KeyError("one"))

    with pytest.raises(KeyError, match="one"):
        await task
    assert gates.cancelled == [0, 2]
    assert gates.started == [0, 1, 2]
    assert not other_tasks()


async def test_cancelling_each_cancels_its_calls() -> None:
    gates = Gates()
    task = asyncio.ensure_future(each(gates.quietly, range(9), window=2))
    await settled()

    await settle([task])

    assert gates.cancelled == [0, 1]
    assert not other_tasks()


class Sources:
    """Iterators of `(source, step)` numbers, which remember how many were open at once."""

    def __init__(self, count: int, steps: int) -> None:
        self.open = 0
        self.most_open = 0
        self.taken = 0
        self._count = count
        self._steps = steps

    def all(self) -> list[Callable[[], AsyncGenerator[int, None]]]:
        return [partial(self._one, index) for index in range(self._count)]

    async def _one(self, index: int) -> AsyncGenerator[int, None]:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for step in range(self._steps):
                await asyncio.sleep(0)
                self.taken += 1
                yield index * 100 + step
        finally:
            self.open -= 1


@pytest.mark.parametrize("window", [1, 3, 20])
async def test_merge_yields_every_item_once_with_a_window_of_sources_open(window: int) -> None:
    sources = Sources(10, 7)

    found = await collect(merge(sources.all(), window=window))

    assert sorted(found) == sorted(i * 100 + k for i in range(10) for k in range(7))
    assert sources.most_open == min(window, 10)
    assert sources.open == 0


async def test_merge_with_a_window_of_one_keeps_the_order() -> None:
    found = await collect(merge(Sources(4, 3).all(), window=1))

    assert found == sorted(found)


async def test_merge_holds_few_items_that_nobody_has_taken() -> None:
    sources = Sources(10, 50)
    merged = merge(sources.all(), window=3)
    await anext(merged)

    await settled()

    assert sources.taken <= 1 + 3 + 3  # given out, in the queue, in the hands of the workers
    await merged.aclose()


async def test_the_failure_of_a_merged_source_ends_all_of_them() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("broken")

    sources = Sources(3, 100)

    with pytest.raises(ValueError, match="broken"):
        await collect(merge([*sources.all(), broken], window=4))
    await settled()

    assert sources.open == 0
    assert not other_tasks()


async def test_leaving_a_merge_closes_its_sources() -> None:
    sources = Sources(3, 100)
    merged = merge(sources.all(), window=2)
    await anext(merged)

    await merged.aclose()
    await settled()

    assert sources.open == 0
    assert not other_tasks()


async def test_a_budget_serves_first_come_first() -> None:
    budget = ByteBudget(10)
    order: list[str] = []

    async def take(name: str, size: int) -> None:
        await budget.acquire(size)
        order.append(name)

    await take("first", 8)
    tasks = [asyncio.ensure_future(take("large", 9)), asyncio.ensure_future(take("small", 1))]
    await settled()

    assert order == ["first"]  # the small one would fit, but must not starve the large one

    budget.release(8)
    await asyncio.gather(*tasks)

    assert order == ["first", "large", "small"]


async def test_a_budget_lets_through_one_request_larger_than_itself() -> None:
    budget = ByteBudget(10)

    await budget.acquire(100)
    waiting = asyncio.ensure_future(budget.acquire(1))
    await settled()

    assert not waiting.done()

    budget.release(100)
    await waiting


async def test_a_large_request_waits_until_nothing_else_is_held() -> None:
    budget = ByteBudget(10)
    await budget.acquire(1)
    waiting = asyncio.ensure_future(budget.acquire(100))
    await settled()

    assert not waiting.done()

    budget.release(1)
    await waiting


async def test_a_cancelled_waiter_holds_nothing_and_blocks_nobody() -> None:
    budget = ByteBudget(10)
    await budget.acquire(5)
    large = asyncio.ensure_future(budget.acquire(9))
    small = asyncio.ensure_future(budget.acquire(5))
    await settled()

    await settle([large])
    await settled()

    assert small.done()
    budget.release(5)
    budget.release(5)
    await asyncio.wait_for(budget.acquire(10), 1)


async def test_a_waiter_cancelled_while_a_release_skips_it_still_ends_as_cancelled() -> None:
    budget = ByteBudget(10)
    await budget.acquire(10)
    waiting = asyncio.ensure_future(budget.acquire(5))
    await settled()

    waiting.cancel()
    budget.release(10)  # before the cancelled task has had its turn

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(budget.acquire(10), 1)


async def test_a_waiter_cancelled_just_after_it_was_granted_gives_the_bytes_back() -> None:
    budget = ByteBudget(10)
    await budget.acquire(10)
    waiting = asyncio.ensure_future(budget.acquire(10))
    await settled()

    budget.release(10)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(budget.acquire(10), 1)


@given(
    st.lists(st.tuples(st.integers(1, 15), st.booleans()), max_size=12),
    st.integers(1, 12),
)
async def test_a_budget_is_never_overdrawn_and_ends_empty(
    requests: list[tuple[int, bool]], limit: int
) -> None:
    """Whoever is cancelled, at most the limit is held, or one request that is larger."""
    budget = ByteBudget(limit)
    held: list[int] = []

    async def use(size: int) -> None:
        await budget.acquire(size)
        held.append(size)
        assert sum(held) <= limit or len(held) == 1
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            held.remove(size)
            budget.release(size)

    tasks = [asyncio.ensure_future(use(size)) for size, _ in requests]
    for task, (_, is_cancelled) in zip(tasks, requests, strict=True):
        await asyncio.sleep(0)
        if is_cancelled:
            task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert not [r for r in results if isinstance(r, Exception)]
    assert not held
    await asyncio.wait_for(budget.acquire(limit), 1)
