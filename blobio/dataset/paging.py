"""Rows by their pages: the page index of a row group is fetched, then the pages that rows lie in.

The rule, by bytes. A request more is worth `HOLE_BYTES`, as in `fetching`. Pages are fetched if
they are at most half of what the column chunks take, and the bytes that are saved are worth the
requests that come on top. Whether to ask for an index is decided by what the footer tells: for some
rows by the same rule with a guess, for a filter if indexes are at most a 16th of the chunks.

Where an index is missing, damaged, or not what the pages then say, the column chunks are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from blobio.dataset.engine import on_thread
from blobio.dataset.fetching import HOLE_BYTES, Fetcher, parts
from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.formats.paged import Paged
from blobio.dataset.formats.pages import Picked, RowSpan, row_count
from blobio.dataset.formats.parquet import ParquetDecoder
from blobio.dataset.runs import common_runs, join_runs

if TYPE_CHECKING:
    from blobio.core.context import AsyncContext
    from blobio.dataset.filtering import Filter
    from blobio.dataset.formats.base import Decoder
    from blobio.dataset.manifest import Shard

__all__ = ["PageReads", "Try", "saves"]

_log = logging.getLogger("blobio.dataset")

_INDEX_SHARE: Final = 16
_LEAST_BYTES: Final = 2 * HOLE_BYTES  # of column chunks: less is not worth a request more
_SHARD_INDEX_BYTES: Final = 256 << 10
_KEPT_BYTES: Final = 16 << 20  # of indexes, in each process and source
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, KeyError)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """An attempt to read less than column chunks.

    Attributes:
        shard: The number of the shard.
        block: The row group.
        paged: Its pages.
        columns: Names of the columns to read.
        rows: Rows that are wanted, in order and apart.
        plan: What is read otherwise.
        filter: The condition, or None.
        bounded: Columns of which the column index is asked.
        index: Where the indexes are.
        key: Under which they are kept: shard, row group or -1 for all of them, bounds or not.
        guess: Bytes that will come, about.
    """

    shard: int
    block: int
    paged: Paged
    columns: Sequence[str]
    rows: tuple[RowSpan, ...]
    plan: Plan
    filter: Filter | None
    bounded: tuple[str, ...]
    index: tuple[tuple[int, int], ...]
    key: tuple[int, int, bool]
    guess: int


def saves(whole: Iterable[tuple[int, int]], less: Iterable[tuple[int, int]]) -> bool:
    """Tell whether fetching fewer bytes pays, by the rule above.

    Args:
        whole: Spans of the column chunks.
        less: Spans of the pages.
    """
    whole, less = parts(whole), parts(sorted(less))
    return _pays(_size(whole), len(whole), _size(less), len(less))


def _pays(whole: int, whole_requests: int, less: int, requests: int) -> bool:
    more = max(0, requests - whole_requests)
    return 2 * less <= whole and whole - less >= more * HOLE_BYTES


def _size(spans: Iterable[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in spans)


@final
class PageReads:
    """Reads pages, and keeps the indexes used last. Its coroutines run on one loop at a time.

    Args:
        columns: Names of the columns to read.
        filter: A condition on rows, or None.
        fetcher: Fetches bytes.
    """

    def __init__(self, columns: Sequence[str], filter: Filter | None, fetcher: Fetcher) -> None:
        self._columns, self._filter = columns, filter
        self._fetcher = fetcher
        self._indexes: OrderedDict[tuple[int, int, bool], tuple[int, Memory]] = OrderedDict()
        self._kept = 0
        self._damaged: set[int] = set()
        self._pending: dict[tuple[int, int, bool], asyncio.Future[None]] = {}

    def attempt(
        self,
        decoder: Decoder,
        place: tuple[int, int],
        ranges: Iterable[tuple[int, int]],
        plan: Plan,
    ) -> Try | None:
        """Return what to try, or None where column chunks are read at once. Sends nothing.

        Args:
            decoder: Of the shard.
            place: The number of the shard, and the row group.
            ranges: Rows that are wanted.
            plan: What is read otherwise.
        """
        shard, block = place
        columns, condition = self._columns, self._filter
        if plan.fetched < _LEAST_BYTES or shard in self._damaged:
            return None
        if not isinstance(decoder, ParquetDecoder) or (paged := decoder.paged) is None:
            return None
        rows = join_runs(span for span in ranges if span[0] < span[1])
        bounded = () if condition is None else condition.columns
        try:
            guess, runs = paged.guess(block, columns, rows)
            if bounded and paged.is_bounded(block, bounded):
                guess = plan.fetched
                index = _size(paged.index_spans(block, columns, bounded))
                worth = index * _INDEX_SHARE <= plan.fetched
            else:
                bounded = ()
                # one request more, for the index
                worth = _pays(plan.fetched, len(parts(plan.spans)), guess, runs + 1)
            if not worth or not rows:
                return None
            whole, index_spans = _index_spans(paged, block, columns, bounded)
        except ValueError as error:
            self._give_up(shard, error)
            return None
        return Try(
            shard=shard,
            block=block,
            paged=paged,
            columns=columns,
            rows=rows,
            plan=plan,
            filter=condition if bounded else None,
            bounded=bounded,
            index=index_spans,
            key=(shard, -1 if whole else block, bool(bounded)),
            guess=guess,
        )

    async def read(
        self, core: AsyncContext, shard: Shard, wanted: Try
    ) -> tuple[pa.Table | None, tuple[RowSpan, ...]] | None:
        """Return rows that can be wanted, and which they are; no table if there are none.

        0 or 1 GET for indexes, which are kept, and 1 for each run of pages.

        Returns:
            None where column chunks have to be read.

        Raises:
            NotFound, VersionMismatch: The shard is gone, or is another one than was indexed.
        """
        memory = await self._index(core, shard, wanted)
        try:
            rows, picked = await on_thread(partial(_choose, wanted, memory))
        except _DAMAGE as error:
            self._give_up(wanted.shard, error)
            return None
        spans = sorted(span for one in picked for span in one.spans())
        if not rows:
            return None, ()
        if not saves(wanted.plan.spans, spans):
            return None
        memory = await self._load(core, shard, spans)
        try:
            decode = partial(wanted.paged.decode, wanted.block, picked, rows, memory)
            return await on_thread(decode), rows
        except _DAMAGE as error:
            self._give_up(wanted.shard, error)
            return None

    async def _load(
        self, core: AsyncContext, shard: Shard, spans: Iterable[tuple[int, int]]
    ) -> Memory:
        plan = Plan(spans=tuple(spans), decoded=0)
        return await self._fetcher.fetch(core, shard, plan)

    def _give_up(self, shard: int, error: Exception) -> None:
        """Go by column chunks for the rest of a shard."""
        self._damaged.add(shard)
        _log.debug("shard %s is read without its page index: %s", shard, error)

    async def _index(self, core: AsyncContext, shard: Shard, wanted: Try) -> Memory:
        key = wanted.key
        while (found := self._indexes.get(key)) is None:
            pending = self._pending.get(key)
            if pending is None or pending.get_loop() is not asyncio.get_running_loop():
                return await self._fetch(core, shard, key, wanted.index)
            await asyncio.wait([pending])
        self._indexes.move_to_end(key)
        return found[1]

    async def _fetch(
        self,
        core: AsyncContext,
        shard: Shard,
        key: tuple[int, int, bool],
        spans: Sequence[tuple[int, int]],
    ) -> Memory:
        pending = asyncio.get_running_loop().create_future()
        self._pending[key] = pending
        try:
            memory = await self._load(core, shard, spans)
            size = _size(parts(spans))
            self._indexes[key] = size, memory
            self._kept += size
            while self._kept > _KEPT_BYTES and len(self._indexes) > 1:
                self._kept -= self._indexes.popitem(last=False)[1][0]
        finally:
            del self._pending[key]
            pending.set_result(None)
        return memory


def _index_spans(
    paged: Paged, block: int, columns: Sequence[str], bounded: Sequence[str]
) -> tuple[bool, tuple[tuple[int, int], ...]]:
    """Return where the indexes of a row group are, or those of its whole shard if these are small.

    Raises:
        ValueError: The footer is damaged.
    """
    region = paged.index_region(bounds=bool(bounded))
    spans = paged.index_spans(block, columns, bounded)
    most = min(_SHARD_INDEX_BYTES, HOLE_BYTES * paged.num_groups)
    if _size(region) <= most and all(_covers(region, span) for span in spans):
        return True, tuple(region)
    return False, tuple(spans)


def _covers(region: Iterable[tuple[int, int]], span: tuple[int, int]) -> bool:
    return any(start <= span[0] and span[1] <= stop for start, stop in region)


def _choose(wanted: Try, index: Memory) -> tuple[tuple[RowSpan, ...], list[Picked]]:
    """Return the rows that are left of those wanted, and their pages."""
    paged, block = wanted.paged, wanted.block
    columns = paged.columns(block, wanted.columns, index)
    rows = wanted.rows
    if wanted.filter is not None:
        passed = paged.can_pass(block, columns, wanted.bounded, index, wanted.filter)
        rows = common_runs(rows, passed)
    return rows, paged.pick(block, columns, rows) if row_count(rows) else []
