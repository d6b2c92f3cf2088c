"""Mixing by weights: even everywhere, every row as often as the stopping rule says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset import Dataset
from blobio.dataset.interleaving import Stop, phases_of
from tests.dataset.memory import MemorySource, dataset, numbers

PARTS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=2, max_size=4)


def mixed(counts: Sequence[int], weights: Sequence[float], stop: Stop) -> Dataset:
    first, *others = (
        dataset([count // 2, count - count // 2], start=1000 * number)
        for number, count in enumerate(counts)
    )
    return first.interleave(*others, weights=weights, stop=stop)


def found(ds: Dataset, batch_rows: int = 7) -> list[int]:
    return [n for batch in ds.batches(batch_rows) for n in batch.column("n").to_pylist()]


def expected(counts: Sequence[int], weights: Sequence[int], stop: Stop) -> list[int]:
    """Return the rows position by position, from the counts of the phases alone."""
    units = [max(1, round(weight / (sum(weights) / (1 << 20)))) for weight in weights]
    rows = []
    for phase in phases_of(counts, units, stop):
        assert phase.stop is not None
        for place in range(phase.stop - phase.start):
            before, after = phase.counts(place), phase.counts(place + 1)
            for part, taken, was, now in zip(phase.active, phase.taken, before, after, strict=True):
                if now > was:
                    rows.append(1000 * part + (taken + was) % counts[part])
    return rows


@given(PARTS, st.sampled_from(["first", "all", "rest"]), st.integers(1, 40))
def test_rows_are_where_the_weights_put_them(
    parts: list[tuple[int, int]], stop: Stop, batch_rows: int
) -> None:
    counts, weights = [count for count, _ in parts], [weight for _, weight in parts]
    ds = mixed(counts, weights, stop)

    rows = found(ds, batch_rows)

    assert rows == expected(counts, weights, stop)
    assert len(rows) == ds.num_rows
    if stop == "rest":
        assert sorted(rows) == [
            1000 * p + n for p, count in enumerate(counts) for n in range(count)
        ]
    if stop == "all":
        read = Counter(row // 1000 for row in rows)
        assert all(read[part] >= count for part, count in enumerate(counts))


@given(st.lists(st.integers(1, 20), min_size=2, max_size=4))
def test_shares_are_even_everywhere(weights: list[int]) -> None:
    (phase,) = phases_of([None] * len(weights), weights, "first")

    for length in range(300):
        for count, weight in zip(phase.counts(length), weights, strict=True):
            assert abs(count - length * weight / sum(weights)) <= 1.5


def test_first_stops_before_a_part_is_short() -> None:
    assert found(mixed([3, 10], [1, 1], "first")) == [0, 1000, 1, 1001, 2, 1002]
    assert found(mixed([0, 10], [1, 1], "first")) == []


def test_all_goes_round_in_the_shorter_part() -> None:
    rows = found(mixed([2, 6], [1, 1], "all"))

    assert [row for row in rows if row < 1000] == [0, 1, 0, 1, 0, 1][: len(rows) - 6]
    assert [row for row in rows if row >= 1000] == list(range(1000, 1006))


def test_going_round_a_shuffled_part_takes_its_next_epoch() -> None:
    short = dataset([8]).shuffle(seed=1)
    ds = short.interleave(dataset([24], start=1000), stop="all")

    rows = [row for row in found(ds) if row < 1000]

    assert rows[:8] == found(short)
    assert rows[8:16] == found(short.with_epoch(1))


def test_mix_without_end_follows_its_weights() -> None:
    ds = dataset([5]).repeat().interleave(dataset([5], start=1000).repeat(), weights=[0.75, 0.25])

    rows = found(ds.take(1000))

    assert ds.num_rows is None
    assert sum(row < 1000 for row in rows) == 750


def test_mix_can_be_shuffled_and_striped() -> None:
    ds = mixed([40, 70], [1, 2], "rest")
    rows = sorted(found(ds))

    assert sorted(found(ds.shuffle(seed=1))) == rows
    assert sorted(found(ds.stripe(3))) == rows


def test_mix_of_filtered_parts_has_every_row_once() -> None:
    parts = dataset([40]).filter(pc.field("n") >= 20), dataset([70], start=1000)
    ds = parts[0].interleave(parts[1], weights=[1, 2], stop="rest")

    assert sorted(found(ds)) == [*range(20, 40), *range(1000, 1070)]
    assert sorted(found(ds.shuffle(seed=1))) == [*range(20, 40), *range(1000, 1070)]


@pytest.mark.parametrize("batch_rows", [1, 10, 1000])
def test_parts_are_read_once_and_side_by_side(batch_rows: int) -> None:
    sources = [MemorySource(numbers([30] * 4, start=start)) for start in (0, 1000)]
    ds = Dataset(sources[0]).interleave(Dataset(sources[1]))

    found(ds, batch_rows)

    assert [source.log for source in sources] == [[0, 1, 2, 3]] * 2
