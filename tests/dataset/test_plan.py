"""The plan: every row once for any ranks, workers and kill point, and the same order for all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset.parity import Deal
from blobio.dataset.plan import Cut, NaturalOrder, Order, ShuffledOrder, plan
from blobio.dataset.source import RowRange

Row: TypeAlias = tuple[int, int]
Batch: TypeAlias = tuple[Row, ...]

BLOCKS = st.lists(st.integers(0, 30), max_size=12)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[int], Order]:
    block_rows = draw(BLOCKS)
    if draw(st.booleans()):
        return block_rows, NaturalOrder(block_rows)
    seed, epoch, window_rows = draw(st.tuples(st.integers(), st.integers(0), st.integers(1, 90)))
    return block_rows, ShuffledOrder(block_rows, seed=seed, epoch=epoch, window_rows=window_rows)


def rows(ranges: Sequence[RowRange]) -> Batch:
    return tuple((found.block, row) for found in ranges for row in range(found.start, found.stop))


def all_rows(block_rows: Sequence[int]) -> list[Row]:
    return [(block, row) for block, count in enumerate(block_rows) for row in range(count)]


def cut_of(order: Order, batch_rows: int, lanes: int = 1) -> Cut:
    return Cut(num_rows=order.num_rows, batch_rows=batch_rows, lanes=lanes)


def deliver(order: Order, cut: Cut, deal: Deal, workers: int) -> list[list[Batch]]:
    """Return what each rank delivers when it takes its workers in turn, as a DataLoader does."""
    delivered = []
    for rank in range(deal.world):
        parts = [
            [rows(b) for b in plan(order, cut, deal, rank=rank, worker=w, workers=workers)]
            for w in range(workers)
        ]
        turns = itertools.zip_longest(*parts)
        delivered.append([batch for turn in turns for batch in turn if batch is not None])
    return delivered


def in_order(ranks: Sequence[Sequence[Batch]]) -> list[Batch]:
    """Return the batches of all ranks as they follow one another in the order."""
    turns = itertools.zip_longest(*ranks)
    return [batch for turn in turns for batch in turn if batch is not None]


@given(orders())
def test_locate_finds_every_row_once(found: tuple[list[int], Order]) -> None:
    block_rows, order = found

    assert order.num_rows == sum(block_rows)
    located = [order.locate(position) for position in range(order.num_rows)]
    assert sorted(located) == all_rows(block_rows)
    for outside in (-1, order.num_rows):
        with pytest.raises(IndexError, match="position"):
            order.locate(outside)


@given(orders(), st.integers(1, 40), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_every_row_once_and_one_order_for_any_ranks_and_workers(
    found: tuple[list[int], Order], batch_rows: int, lanes: int, world: int, workers: int
) -> None:
    block_rows, order = found
    cut = cut_of(order, batch_rows, lanes)
    alone = [rows(batch) for batch in plan(order, cut, Deal(total=cut.total))]

    together = in_order(deliver(order, cut, Deal(total=cut.total, world=world), workers))

    assert together == alone
    assert sorted(itertools.chain.from_iterable(together)) == all_rows(block_rows)


@given(
    orders(),
    st.integers(1, 40),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6)), max_size=4),
)
def test_killed_and_resumed_by_others_is_as_if_uninterrupted(
    found: tuple[list[int], Order], batch_rows: int, lanes: int, lives: list[tuple[int, int, int]]
) -> None:
    """Each life has its own ranks and workers, and dies when each rank delivered some batches."""
    _, order = found
    cut = cut_of(order, batch_rows, lanes)
    alone = [rows(batch) for batch in plan(order, cut, Deal(total=cut.total))]

    start, seen = 0, list[Batch]()
    for world, workers, count in [*lives, (1, 1, len(alone))]:
        deal = Deal(total=cut.total, world=world, start=start)
        ranks = deliver(order, cut, deal, workers)
        seen += in_order([batches[:count] for batches in ranks])
        start = deal.delivered(count)

    assert seen == alone
    assert start == cut.total


@given(
    st.integers(0, 60), st.integers(1, 7), st.integers(1, 4), st.integers(0, 70),
    st.sampled_from(["drop", "pad", "uneven"]),
)  # fmt: skip
def test_counts_are_exact_and_equal_unless_uneven(
    total: int, world: int, workers: int, start: int, remainder: str
) -> None:
    deal = Deal(total=total, world=world, remainder=remainder, start=start)  # type: ignore[arg-type]

    counts = [deal.count(rank) for rank in range(world)]
    ranks = [list(deal.batches(rank)) for rank in range(world)]

    assert counts == [len(batches) for batches in ranks]
    assert sum(map(len, ranks)) == deal.dealt
    for rank in range(world):
        of_workers = [list(deal.batches(rank, worker, workers)) for worker in range(workers)]
        assert [deal.count(rank, worker, workers) for worker in range(workers)] == [
            len(batches) for batches in of_workers
        ]
        assert sorted(itertools.chain.from_iterable(of_workers)) == sorted(ranks[rank])
    left = list(range(start, total))
    dealt = [
        number for turn in itertools.zip_longest(*ranks) for number in turn if number is not None
    ]
    if remainder == "uneven":
        assert max(map(len, ranks)) - min(map(len, ranks)) <= 1
        assert dealt == left
    else:
        assert len(set(map(len, ranks))) == 1
    if remainder == "drop":
        assert dealt == left[: len(left) // world * world]
    if remainder == "pad":
        assert dealt[: len(left)] == left
        assert dealt[len(left) :] == [i % total for i in range(len(dealt) - len(left))]


def test_batches_are_dealt_as_issue_7_says() -> None:
    deal = Deal(total=13, world=2)

    assert list(deal.batches(1, worker=0, workers=2)) == [1, 5, 9]
    assert list(deal.batches(1, worker=1, workers=2)) == [3, 7, 11]
    assert list(deal.batches(0)) == [0, 2, 4, 6, 8, 10, 12]


def test_order_without_end_is_dealt_without_end() -> None:
    deal = Deal(total=None, world=3, remainder="drop", start=6)

    assert list(itertools.islice(deal.batches(2, 1, 2), 3)) == [11, 17, 23]
    assert deal.count(2) is None
    assert deal.delivered(4) == 18


@pytest.mark.parametrize(
    ("rank", "worker", "message"),
    [(2, 0, "rank 2 of 2"), (-1, 0, "rank -1"), (0, 3, "worker 3 of 3")],
)
def test_rank_and_worker_must_exist(rank: int, worker: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Deal(total=5, world=2).batches(rank, worker, 3)


def test_impossible_deal_and_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="world >= 1"):
        Deal(total=5, world=0)
    with pytest.raises(ValueError, match="remainder is one of"):
        Deal(total=5, remainder="repeat")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_rows=0"):
        Cut(num_rows=5, batch_rows=0)
    with pytest.raises(ValueError, match="at least one row"):
        ShuffledOrder([5], seed=1, epoch=0, window_rows=0)


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 9))
def test_cut_covers_each_position_once(num_rows: int, batch_rows: int, lanes: int) -> None:
    cut = Cut(num_rows=num_rows, batch_rows=batch_rows, lanes=lanes)

    spans = [cut.span(batch) for batch in range(cut.total or 0)]

    assert sorted(itertools.chain.from_iterable(range(*span) for span in spans)) == [
        *range(num_rows)
    ]
    assert all(stop - start == batch_rows for start, stop in spans[:-1])


def test_short_last_batch_is_one_unless_dropped() -> None:
    keep = Cut(num_rows=10, batch_rows=4)
    drop = Cut(num_rows=10, batch_rows=4, drop_last=True)

    assert (keep.total, keep.span(2)) == (3, (8, 10))
    assert drop.total == 2


def test_lane_of_a_rank_is_one_run_of_the_order() -> None:
    cut = Cut(num_rows=100, batch_rows=10, lanes=2)

    spans = [cut.span(batch) for batch in Deal(total=cut.total, world=2).batches(1)]

    assert spans == [(50, 60), (60, 70), (70, 80), (80, 90), (90, 100)]


def test_shuffle_differs_by_epoch_and_by_seed() -> None:
    found = [
        [
            ShuffledOrder([50] * 4, seed=seed, epoch=epoch, window_rows=100).locate(p)
            for p in range(200)
        ]
        for seed, epoch in [(1, 0), (1, 1), (2, 0)]
    ]

    assert found[0] != found[1] != found[2] != found[0]


def test_window_mixes_its_blocks_and_no_others() -> None:
    order = ShuffledOrder([50] * 10, seed=3, epoch=0, window_rows=120)
    first, second = order.window(0), order.window(1)

    assert order.num_windows == 5
    assert len(first.blocks) == 2
    assert {order.locate(p)[0] for p in range(100)} == set(first.blocks)
    assert {order.locate(p)[0] for p in range(100, 200)} == set(second.blocks)
    assert {order.locate(p)[0] for p in range(30)} == set(first.blocks)


def test_block_beyond_the_window_is_one_of_its_own() -> None:
    order = ShuffledOrder([500, 500], seed=3, epoch=0, window_rows=1)

    assert [len(order.window(number).blocks) for number in range(order.num_windows)] == [1, 1]


def test_order_is_the_one_written_down_here() -> None:
    """A stored state names positions of this order: it must never change."""
    order = ShuffledOrder([3, 2, 4], seed=1, epoch=2, window_rows=6)

    assert [order.locate(position) for position in range(9)] == GOLDEN


GOLDEN = [(2, 2), (2, 3), (2, 1), (2, 0), (1, 0), (1, 1), (0, 0), (0, 2), (0, 1)]


def test_far_positions_cost_no_more_than_near_ones() -> None:
    """A million blocks of a million rows: a position is found without those before it."""
    blocks = 1000
    order = ShuffledOrder([10**12] * blocks, seed=1, epoch=0, window_rows=10**13)

    block, row = order.locate(10**15 - 1)

    assert 0 <= block < blocks
    assert 0 <= row < 10**12
