"""List a large flat prefix from several places at once, for callers to whom order is nothing.

A store hands out a listing page by page, each page when the one before is known: a million keys are
a thousand replies in a row. From any key on, though, it can be asked at once. So a listing begins
in order, like any other, and goes on from several places only if its first pages were full and most
of the time went by waiting for them.

Where to cut is found by asking. What comes behind all that starts like the keys seen so far gives
the keys that the rest is first cut at; then whoever has nothing left to list takes the upper half
of the widest range, cut in the middle of the keys between its ends, counted in the characters that
keys were seen to have. A guess that hits no key costs one request and narrows the range.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.core.flow import settle
from blobio.core.listing import Tokens, pages
from blobio.drivers.base import Driver
from blobio.errors import BlobError, RequestFailed
from blobio.values import BlobMeta, ListOptions, ListPage

__all__ = ["Alphabet", "scattered_pages"]

_TRIAL_PAGES: Final = 4
_WAITED_SHARE: Final = 0.5  # of the time that the first pages took, for their successors to pay
_LISTERS: Final = 16
_BEHIND: Final = "\U0010fffd"  # the last character that is one, and may be sent to a store
_END: Final = "\U0010ffff" * 257  # sorts behind anything in a key of 1,024 bytes
_DIGITS: Final = 64  # characters behind the prefix that count
_MORE_DIGITS: Final = 4  # characters of a middle behind the first one that differs
_WORTH_PAGES: Final = 2  # that must be left of a range, by its last page, for it to be cut
_FEWEST_GUESSES: Final = 64  # that may hit nothing, however short the listing turns out


async def scattered_pages(
    driver: Driver, prefix: str, *, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[ListPage, None]:
    """Yield the pages of a flat listing, each key once, from the fifth page on in no order.

    Requests: 1 LIST a page. Where several places are listed at once, further ones to find where to
    cut, at most a quarter of those for pages and some 80; and each range may end with a short page.

    Args:
        driver: In order is listed what has no `Capabilities.list_anywhere`.
        prefix: Yields all keys that start with it.
        clock: Tells seconds.

    Raises:
        RequestFailed: The store lists what was not asked for, or goes round in circles.
    """
    trial = _Trial(clock)
    listing = pages(driver, prefix)
    ranges: list[_Range] = []
    try:
        while not ranges and (page := await trial.next_page(listing)) is not None:
            yield page
            if driver.capabilities.list_anywhere and trial.pays:
                ranges = await _first_ranges(driver, prefix, trial.keys)
    finally:
        await listing.aclose()
    if not ranges:
        return
    alphabet = Alphabet(prefix, trial.keys)
    for part in ranges:
        part.page = alphabet.distance(trial.keys[0], trial.keys[-1]) // _TRIAL_PAGES
    scattered = _Scattered(driver, prefix, ranges, alphabet)
    try:
        async for page in scattered.run():
            yield page
    finally:
        await scattered.aclose()


@final
class _Trial:
    """The first pages: what they took, and how their keys look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self._waited = 0.0
        self._pages = 0
        self._full = True
        self.keys: list[str] = []

    async def next_page(self, listing: AsyncGenerator[ListPage, None]) -> ListPage | None:
        asked = self._clock()
        page = await anext(listing, None)
        self._waited += self._clock() - asked
        if page is not None and self._pages < _TRIAL_PAGES:
            self._pages += 1
            self._full = self._full and page.token is not None
            self.keys += [meta.key for meta in page.blobs]
        return page

    @property
    def pays(self) -> bool:
        """Decided once, after the last page of the trial."""
        if self._pages != _TRIAL_PAGES or not self._full:
            return False
        self._pages += 1
        took = self._clock() - self._started
        ordered = all(map(str.__lt__, self.keys, self.keys[1:]))
        return ordered and bool(self.keys) and self._waited >= _WAITED_SHARE * took


@final
class Alphabet:
    """Keys as numbers in the characters that were seen in some of them.

    Args:
        prefix: What all keys begin with; only what follows counts.
        keys: Where to look.
    """

    def __init__(self, prefix: str, keys: Iterable[str]) -> None:
        self._prefix = prefix
        self._characters: Sequence[str] = sorted(set().union(*(key[len(prefix) :] for key in keys)))

    def distance(self, low: str, high: str) -> int:
        """Return how far apart two keys are."""
        return self._number(high) - self._number(low)

    def middle(self, low: str, high: str) -> str | None:
        """Return a string halfway between two, `low < middle < high`; None if there is none."""
        base = len(self._characters) + 1
        value = (self._number(low) + self._number(high)) // 2
        digits = []
        for _ in range(_DIGITS):
            value, digit = divmod(value, base)
            digits.append(digit)
        text = self._prefix
        shared = len(_shared(low, high))
        for digit in reversed(digits):
            if not digit or len(text) > shared + _MORE_DIGITS:
                break
            text += self._characters[digit - 1]
        return text if low < text < high else None

    def _number(self, key: str) -> int:
        base = len(self._characters) + 1  # 0 stands for the end of a key
        text = key[len(self._prefix) : len(self._prefix) + _DIGITS]
        value = 0
        for character in text:
            # one that was never seen counts as the next smaller one
            value = value * base + bisect_right(self._characters, character)
        return int(value * base ** (_DIGITS - len(text)))


@final
@dataclass(slots=True, eq=False)
class _Range:
    """Keys that one task lists.

    Attributes:
        after: They are greater.
        last: They are at most that.
        page: How far the keys of one page lay apart.
    """

    after: str
    last: str
    page: int = 1


@final
class _Scattered:
    """What is left of a listing, in ranges that tasks take from one another."""

    def __init__(
        self, driver: Driver, prefix: str, ranges: Sequence[_Range], alphabet: Alphabet
    ) -> None:
        self._driver = driver
        self._prefix = prefix
        self._alphabet = alphabet
        self._options = ListOptions(page_size=driver.capabilities.list_page_size)
        self._waiting = list(ranges)
        self._running: list[_Range] = []
        self._listed = 0  # pages
        self._missed = 0  # guesses that hit no key
        self._found: asyncio.Queue[ListPage | Exception | None] = asyncio.Queue(_LISTERS)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> AsyncGenerator[ListPage, None]:
        """Yield all pages."""
        self._tasks = [asyncio.ensure_future(self._work()) for _ in range(_LISTERS)]
        open_tasks = _LISTERS
        while open_tasks:
            page = await self._found.get()
            if isinstance(page, Exception):
                raise page
            if page is None:
                open_tasks -= 1
            else:
                yield page

    async def aclose(self) -> None:
        """Stop all that still lists."""
        await settle(self._tasks)

    async def _work(self) -> None:
        try:
            while (part := self._waiting.pop() if self._waiting else self._take_half()) is not None:
                self._running.append(part)
                try:
                    await self._list(part)
                finally:
                    self._running.remove(part)
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            await self._found.put(error)
        await self._found.put(None)

    def _take_half(self) -> _Range | None:
        """Take the upper half of the widest range that is being listed."""
        if self._missed > _FEWEST_GUESSES + self._listed // 4:
            return None
        for part in sorted(self._running, key=self._left, reverse=True):
            if self._left(part) < _WORTH_PAGES * part.page:
                continue
            middle = self._alphabet.middle(part.after, part.last)
            if middle is not None:
                half = _Range(middle, part.last, part.page)
                part.last = middle
                return half
        return None

    def _left(self, part: _Range) -> int:
        return self._alphabet.distance(part.after, part.last)

    async def _list(self, part: _Range) -> None:
        """List a range, whose end others may draw nearer meanwhile."""
        tokens = Tokens(self._prefix)
        token: str | None = None
        options = replace(self._options, start_after=part.after)
        is_first = True
        while True:
            page = await self._driver.list_page(self._prefix, options, token)
            blobs = page.blobs
            _require_order(self._prefix, blobs, part.after)
            inside = bisect_right(blobs, part.last, key=_key)
            self._missed += is_first and not inside
            is_first = False
            if inside:
                part.page = self._alphabet.distance(part.after, blobs[inside - 1].key)
                part.after = blobs[inside - 1].key
                self._listed += 1
                await self._found.put(ListPage(blobs=blobs[:inside]))
            token = tokens.follow(page.token)
            if token is None or inside < len(blobs) or part.after >= part.last:
                return


async def _first_ranges(driver: Driver, prefix: str, seen: Sequence[str]) -> list[_Range]:
    """Cut the rest at the first key behind all that starts like the keys before, and so on.

    Nothing is returned where the store does not list from a key on, whatever is said of it.
    """
    common = _shared(seen[0], seen[-1])
    cuts = [seen[-1]]
    try:
        while len(common) > len(prefix):
            options = ListOptions(page_size=1, start_after=max(common + _BEHIND, cuts[-1]))
            page = await driver.list_page(prefix, options, None)
            _require_order(prefix, page.blobs, options.start_after)
            if not page.blobs:
                break
            cuts.append(page.blobs[0].key)
            shorter = _shared(common, cuts[-1])
            common = shorter if shorter != common else prefix
    except BlobError:
        return []
    ends = [*cuts[1:], common + _END]
    return [_Range(low, high) for low, high in zip(cuts, ends, strict=True)]


def _require_order(prefix: str, blobs: Sequence[BlobMeta], after: str) -> None:
    """Refuse a page that is not in order, or of elsewhere: keys would be lost or come twice."""
    keys = [meta.key for meta in blobs]
    ascending = all(map(str.__lt__, keys, keys[1:]))
    if keys and not (ascending and after < keys[0] and all(key.startswith(prefix) for key in keys)):
        message = f"list of {prefix!r}: the store does not list in the order of keys"
        raise RequestFailed(message, operation="list")


def _shared(one: str, other: str) -> str:
    """Return what two strings begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((one[:n] for n, (mine, its) in pairs if mine != its), min(one, other, key=len))


def _key(meta: BlobMeta) -> str:
    return meta.key
