from __future__ import annotations

import asyncio

import pytest

from blobio.drivers.window import for_each


async def test_results_are_in_order_and_in_flight_is_bounded() -> None:
    running = 0
    most = 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - item):
            await asyncio.sleep(0)
        running -= 1
        return item * item

    assert await for_each(work, range(10), 3) == [n * n for n in range(10)]
    assert most == 3


async def test_first_failure_stops_the_rest_and_comes_as_it_is() -> None:
    started: list[int] = []
    cancelled: list[int] = []

    async def work(item: int) -> None:
        started.append(item)
        if item == 1:
            raise LookupError(item)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(LookupError):
        await for_each(work, range(100), 2)
    assert started == [0, 1]
    assert cancelled == [0]


async def test_nothing_to_do_gives_nothing() -> None:
    async def work(item: int) -> int:
        return item

    assert await for_each(work, [], 4) == []
