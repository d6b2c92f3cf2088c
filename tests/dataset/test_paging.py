"""Rows by their pages: the same rows as without, for fewer bytes where that pays."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio import Config, Context
from blobio.dataset import open_dataset, open_source
from blobio.dataset.fetching import HOLE_BYTES
from blobio.dataset.paging import saves
from blobio.dataset.reading import ShardSource
from blobio.dataset.source import RowRange
from blobio.testing.faultproxy import FaultProxy, Forward, Rule
from blobio.testing.scripted import Received, Reply
from tests.dataset.conftest import Make, Place, parquet, read_all, whole

ROWS: Final = 40_000
GROUP: Final = 20_000
INDEXED: Final[dict[str, Any]] = {
    "write_page_index": True,
    "use_dictionary": False,
    "compression": "none",
    "data_page_size": 8_000,
    "write_batch_size": 256,
}


@functools.lru_cache
def wide(rows: int = ROWS) -> pa.Table:
    """Return 60 bytes a row; `number` ascends, `text` has nulls."""
    numbers = range(rows)
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "text": pa.array([None if i % 7 == 0 else f"row {i:036}" for i in numbers]),
            "score": pa.array([i / 2 for i in numbers], pa.float64()),
        }
    )


def shard(content: pa.Table | None = None, **options: Any) -> bytes:
    data = wide() if content is None else content
    return parquet(data, **{"group": GROUP, **INDEXED, **options})


@final
@dataclass(frozen=True, slots=True)
class Counted:
    """A place behind a proxy that counts the bytes of what is read."""

    place: Place
    config: Config
    sizes: list[int] = field(default_factory=list)

    def take(self) -> tuple[int, int]:
        """Return how many GETs there were since the last call, and their bytes."""
        found = len(self.sizes), sum(self.sizes)
        self.sizes.clear()
        return found


@pytest.fixture
def counted(make_place: Make) -> Iterator[Counted]:
    place = make_place("moto")
    with FaultProxy(place.server.url) as proxy:
        s3 = replace(place.config.s3, endpoint_url=proxy.url)
        counted = Counted(place, replace(place.config, s3=s3, on_event=None))

        def count(request: Received, forward: Forward) -> Reply:
            reply = forward(request)
            counted.sizes.append(len(reply.body))
            return reply

        proxy.add(Rule(count, method="GET", times=None))
        yield counted


def test_row_of_a_large_group_takes_its_pages(counted: Counted) -> None:
    """One request for the indexes of the shard, then one for each column."""
    source = open_source(counted.place.put("a.parquet", shard()), config=counted.config)
    counted.take()

    first = read_all(source, [RowRange(1, 7_000, 7_001)])
    first_cost = counted.take()
    second = read_all(source, [RowRange(0, 123, 125)])

    assert first == wide().slice(27_000, 1)
    assert second == wide().slice(123, 2)
    assert first_cost[0] <= 1 + 3
    assert first_cost[1] < 60_000  # of 1.2 MB
    requests, size = counted.take()
    assert requests <= 3
    assert size < 40_000


def test_rows_far_apart_share_the_requests_of_their_group(counted: Counted) -> None:
    source = open_source(
        counted.place.put("a.parquet", shard()), columns=["text"], config=counted.config
    )
    counted.take()
    rows = [RowRange(0, row, row + 1) for row in (19_999, 5, 9_000)]

    found = read_all(source, rows)

    assert found["text"].to_pylist() == [wide()["text"][row].as_py() for row in (19_999, 5, 9_000)]
    requests, size = counted.take()
    assert requests <= 1 + 3
    assert size < 60_000


def test_rows_that_take_most_of_their_group_are_read_with_it(counted: Counted) -> None:
    source = open_source(counted.place.put("a.parquet", shard()), config=counted.config)
    counted.take()

    found = read_all(source, [RowRange(1, 0, 12_000)])

    assert found == wide().slice(GROUP, 12_000)
    assert counted.take()[0] == source.cost(1).count


def test_random_access_takes_pages_until_they_would_be_the_block(counted: Counted) -> None:
    ds = open_dataset(counted.place.put("a.parquet", shard()), config=counted.config)
    view = ds.skip(10).map(lambda batch: batch.select(["number", "text"])).random_access()
    counted.take()
    positions = [19_980, 25_000, 7, 25_001, 20_100]

    found = view.take(positions)

    assert found["number"].to_pylist() == [10 + position for position in positions]
    requests, size = counted.take()
    assert requests <= 1 + 3 * 4
    assert size < 150_000  # of 2.4 MB
    for row in range(400):
        assert view[50 * row]["number"] == 10 + 50 * row
    assert counted.take()[1] < 2 * 2_400_000
    assert view[19_000]["number"] == 19_010
    assert counted.take()[0] == 0


@pytest.mark.parametrize("columns", [["number", "text"], None])
def test_slices_across_row_groups_are_those_of_the_table(
    make_place: Make, columns: list[str] | None
) -> None:
    url = make_place("local").put("a.parquet", shard())
    view = open_dataset(url, columns=columns).random_access()

    expected = wide() if columns is None else wide().select(columns)
    for start, stop in ((19_990, 20_010), (0, 1), (19_999, 40_000), (0, 40_000), (39_999, 40_000)):
        assert pa.Table.from_batches([view[start:stop]]) == expected.slice(start, stop - start)


def test_pages_that_a_filter_rules_out_are_not_fetched(counted: Counted) -> None:
    condition = (pc.field("number") >= 25_000) & (pc.field("number") < 25_010)
    source = open_source(
        counted.place.put("a.parquet", shard()),
        columns=["text"],
        filter=condition,
        config=counted.config,
    )
    counted.take()

    found = read_all(source)

    assert found == wide().select(["text"]).slice(25_000, 10)
    requests, size = counted.take()
    assert requests <= 1 + 2
    assert size < 100_000  # most of it bounds of texts


def test_filter_that_bounds_show_to_fail_costs_its_indexes(counted: Counted) -> None:
    """No row group can be left out, every page can."""
    steps = pa.array([i // 1024 * 1024 for i in range(ROWS)])  # a page has 1,024 rows
    source = open_source(
        counted.place.put("a.parquet", shard(wide().set_column(0, "number", steps))),
        filter=(pc.field("number") > 7_168) & (pc.field("number") < 8_192),
        config=counted.config,
    )
    counted.take()

    batches = list(source.read([RowRange(0, 0, 9_000), RowRange(0, 9_000, GROUP)]))

    assert [batch.num_rows for batch in batches] == [0, 0]
    assert counted.take()[0] == 1


def test_filter_without_order_reads_the_same_rows(make_place: Make) -> None:
    place = make_place("memory")
    content = wide().take(pa.array([i * 7_919 % ROWS for i in range(ROWS)]))
    url = place.put("a.parquet", shard(content))
    condition = pc.field("number") < 40

    found = read_all(open_source(url, filter=condition))

    expected = content.filter(condition)
    assert found == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, GROUP), st.integers(0, 400)), min_size=1, max_size=5),
    st.sampled_from(["all", "number", "text", "null", "both"]),
    st.integers(0, ROWS),
)
def test_ranges_of_any_filter_are_those_of_all_rows(
    ranges: list[tuple[int, int]], kind: str, bound: int
) -> None:
    number, text = pc.field("number"), pc.field("text")
    condition = {
        "all": None,
        "number": (number > bound) & (number < bound + 500),
        "text": text >= f"row {bound:036}",
        "null": text.is_null() & (number < bound),
        "both": ~(number > bound) | (pc.field("score") == bound),
    }[kind]
    source = memory_source(condition)
    wanted = [
        RowRange(block, start, min(GROUP, start + count))
        for block in range(len(source.block_rows))
        for start, count in ranges
    ]

    batches = list(source.read(wanted))

    first = wide().slice(0, GROUP), wide().slice(GROUP)
    for one, batch in zip(wanted, batches, strict=True):
        block = _blocks(source)[one.block]
        rows = first[block].slice(one.start, one.stop - one.start)
        expected = rows if condition is None else rows.filter(condition)
        assert pa.Table.from_batches([batch]) == expected.combine_chunks()


_known: dict[str, bytes] = {}


def memory_source(condition: pc.Expression | None) -> ShardSource:
    """Return the shard, without a store's help to count."""
    url = "memory://dataset/paging/a.parquet"
    if not _known:
        _known[url] = shard()
        with Context() as context:
            context.write_bytes(url, _known[url])
    return open_source(url, filter=condition)


def _blocks(source: ShardSource) -> Sequence[int]:
    return [source._selection.blocks[block][1] for block in range(len(source.block_rows))]


def test_source_with_indexes_pickles(counted: Counted) -> None:
    source = open_source(counted.place.put("a.parquet", shard()), config=counted.config)
    read_all(source, [RowRange(0, 5, 6)])

    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own

    assert read_all(copy, [RowRange(1, 5, 6)]) == wide().slice(GROUP + 5, 1)
    assert read_all(copy) == wide()
    assert whole(copy)


def test_fewer_bytes_pay_if_they_are_half_with_what_lies_between() -> None:
    chunk = [(0, 1 << 20)]
    far = [(0, 1000), (500_000, 501_000), (1_000_000, 1_001_000)]

    assert saves(chunk, far)
    assert not saves(chunk, [(0, (1 << 19) + 1)])
    near = [(0, 10), (HOLE_BYTES, HOLE_BYTES + 10)]  # what lies between comes with them
    assert not saves([(0, 2 * HOLE_BYTES - 10)], near)
