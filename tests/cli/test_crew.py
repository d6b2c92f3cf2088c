"""How items are dealt out: nobody turns in circles while everybody is busy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal, final

from blobio.cli import crew
from blobio.cli.trade import Trade

if TYPE_CHECKING:
    import pytest


@final
class CountingEvent(asyncio.Event):
    """An event that counts how often anybody waited for one."""

    waits = 0

    async def wait(self) -> Literal[True]:
        """Wait, and count it."""
        CountingEvent.waits += 1
        return await super().wait()


class Alone:
    """A crew that never pays."""

    def is_worth(self, items: int, size: int) -> bool:
        """Return False."""
        del items, size
        return False


async def work(item: int) -> None:
    """Do nothing."""
    del item


async def endless() -> AsyncIterator[int]:
    """Yield items for ever."""
    number = 0
    while True:
        yield number
        number += 1


async def test_who_finds_items_rests_while_nobody_takes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio, "Event", CountingEvent)
    trade: Trade[int] = Trade(
        work=work,
        describe=lambda item: {"src": str(item)},
        size_of=lambda _item: 1,
        pack=lambda item: item,
        unpack=lambda packed: int(str(packed)),
    )
    session: Any = None
    few: Any = Alone()
    deal = crew.Deal(few, session, trade)
    async with contextlib.aclosing(deal.own(endless())) as own:
        taken = await anext(own)
        await asyncio.sleep(0)
        deal.ended(taken)  # something changes, and the next item is not asked for yet
        before = CountingEvent.waits

        for _ in range(100):
            await asyncio.sleep(0)

        assert CountingEvent.waits - before <= 1
