"""Listings from several places at once: every key once, for few requests more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, final

import pytest

from blobio.core.keyranges import Alphabet, scattered_pages
from blobio.errors import RequestFailed
from blobio.values import BlobMeta, Capabilities, ListOptions, ListPage

PAGE: Final = 100


@final
class Shop:
    """A store of keys whose clock goes on by a second with each request, and else stands still.

    Args:
        keys: What is listed.
        think_s: What a caller takes for a page.
        obeys: Look at `start_after`.
    """

    def __init__(self, keys: Sequence[str], *, think_s: float = 0.0, obeys: bool = True) -> None:
        self.keys = sorted(keys)
        self.now = 0.0
        self.think_s = think_s
        self.obeys = obeys
        self.requests = 0
        self.open = 0
        self.most_open = 0
        self.broken_from = ""
        self.capabilities = Capabilities(list_page_size=PAGE, list_anywhere=True)

    def clock(self) -> float:
        return self.now

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        self.requests += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        for _ in range(3):
            await asyncio.sleep(0)
        self.open -= 1
        self.now += 1.0
        after = token or (options.start_after if self.obeys else "")
        if self.broken_from and after >= self.broken_from:
            message = "broken"
            raise RequestFailed(message, operation="list")
        keys = [key for key in self.keys if key.startswith(prefix) and key > after]
        page = keys[: min(options.page_size, PAGE)]
        blobs = [BlobMeta(key=key, size=1, mtime=0.0, ctime=0.0) for key in page]
        return ListPage(blobs=blobs, token=page[-1] if len(keys) > len(page) else None)

    async def list(self, prefix: str) -> list[str]:
        """List as a caller does that is not asked what it takes."""
        found = []
        driver: Any = self
        async for page in scattered_pages(driver, prefix, clock=self.clock):
            found += [meta.key for meta in page.blobs]
            self.now += self.think_s
        return found


def numbered(count: int) -> list[str]:
    return [f"keys/shard-{index:08}.bin" for index in range(count)]


def hexadecimal(count: int) -> list[str]:
    draw = random.Random(7)
    return [f"keys/{draw.getrandbits(128):032x}" for _ in range(count)]


def dated(count: int) -> list[str]:
    return [f"keys/{index // 900:04}/{index % 900:03}/é{index}" for index in range(count)]


def lopsided(count: int) -> list[str]:
    head = [f"keys/a{index:06}" for index in range(count - 500)]
    return [*head, *(f"keys/z\U0010ffff{index}" for index in range(500))]


@pytest.mark.parametrize("make", [numbered, hexadecimal, dated, lopsided])
async def test_every_key_comes_once(make: Any) -> None:
    shop = Shop([*make(20_000), "key", "keyz"])
    found = await shop.list("keys/")
    assert sorted(found) == [key for key in shop.keys if key.startswith("keys/")]
    assert shop.most_open > 4
    pages = len(found) // PAGE
    assert shop.requests < pages * 1.25 + 120


@pytest.mark.parametrize("count", [0, 1, PAGE, 4 * PAGE, 4 * PAGE + 1, 5 * PAGE])
@pytest.mark.parametrize("make", [numbered, hexadecimal])
async def test_short_listings_are_whole(make: Any, count: int) -> None:
    shop = Shop(make(count))
    assert sorted(await shop.list("keys/")) == shop.keys


@pytest.mark.parametrize("seed", range(20))
async def test_keys_of_any_characters_come_once(seed: int) -> None:
    draw = random.Random(seed)
    letters = draw.sample("abz09/-_.~ é漢\U0001f600\U0010fffd\U0010ffff", 5)
    keys = {"k/" + "".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(3000)}
    shop = Shop(sorted(keys))
    assert sorted(await shop.list("k/")) == shop.keys
    assert sorted(await Shop(sorted(keys)).list("")) == shop.keys


async def test_a_caller_that_is_slower_than_the_store_is_served_in_order() -> None:
    shop = Shop(numbered(2000), think_s=3.0)
    assert await shop.list("keys/") == shop.keys
    assert shop.requests == 2000 // PAGE


async def test_a_store_that_ignores_where_to_start_is_listed_in_order() -> None:
    shop = Shop([*numbered(2000), "keys/z"], obeys=False)
    assert await shop.list("keys/") == shop.keys


async def test_a_store_that_cannot_start_anywhere_is_listed_in_order() -> None:
    shop = Shop(numbered(2000))
    shop.capabilities = Capabilities(list_page_size=PAGE)
    assert await shop.list("keys/") == shop.keys


async def test_a_range_that_fails_fails_the_listing() -> None:
    shop = Shop([*numbered(5000), "keys/zz"])
    shop.broken_from = "keys/shard-00003"
    with pytest.raises(RequestFailed, match="broken"):
        await shop.list("keys/")
    assert not shop.open


async def test_leaving_early_leaves_nothing_running() -> None:
    shop = Shop(numbered(5000))
    driver: Any = shop
    listing = scattered_pages(driver, "keys/", clock=shop.clock)
    for _ in range(8):
        await anext(listing)
    await listing.aclose()
    assert len(asyncio.all_tasks()) == 1


def test_the_middle_lies_between() -> None:
    alphabet = Alphabet("keys/", numbered(1000))
    middle = alphabet.middle("keys/shard-00001000.bin", "keys/shard-00009")
    assert middle is not None
    assert "keys/shard-00004" < middle < "keys/shard-00006"
    assert alphabet.middle("keys/a", "keys/a") is None
