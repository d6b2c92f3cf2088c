"""The keyed bijection: every index once, for any size, and nothing of the order it came from."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset.permutation import Permutation, derive_key


@given(st.integers(0, 3000), st.integers())
def test_every_index_comes_up_once(size: int, seed: int) -> None:
    shuffled = Permutation(size, derive_key(seed))

    assert sorted(map(shuffled, range(size))) == list(range(size))


@given(st.integers(1, 1 << 63), st.integers(), st.data())
def test_result_is_inside_whatever_the_size(size: int, seed: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))

    assert 0 <= Permutation(size, derive_key(seed))(index) < size


def test_distinct_indices_of_a_huge_range_stay_distinct() -> None:
    size = (1 << 63) - 25
    indices = [*range(500), *range(size - 500, size)]

    found = set(map(Permutation(size, derive_key(1)), indices))

    assert len(found) == len(indices)


def test_nothing_to_permute() -> None:
    with pytest.raises(IndexError, match="index 0 of a permutation of 0"):
        Permutation(0, derive_key(1))(0)


def test_one_index_stays() -> None:
    assert Permutation(1, derive_key(1))(0) == 0


@pytest.mark.parametrize("index", [-1, 10])
def test_index_outside_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="of a permutation of 10"):
        Permutation(10, derive_key(1))(index)


@pytest.mark.parametrize("size", [-1, (1 << 63) + 1])
def test_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="0 to 2"):
        Permutation(size, derive_key(1))


def test_key_depends_on_each_part_and_on_their_order() -> None:
    keys = {derive_key(1, 2), derive_key(2, 1), derive_key(1, 2, "rows"), derive_key(12)}

    assert len(keys) == 4


def test_order_is_the_one_written_down_here() -> None:
    """A stored state names positions of this order: it must never change."""
    shuffled = Permutation(10, derive_key(7, 0, "rows", 3))

    assert [shuffled(index) for index in range(10)] == GOLDEN


GOLDEN = [5, 4, 7, 2, 1, 6, 9, 0, 3, 8]


def test_all_orders_of_four_come_up_about_equally_often() -> None:
    runs = 4800
    found = Counter(
        tuple(map(Permutation(4, derive_key(seed, "four")), range(4))) for seed in range(runs)
    )

    expected = runs / 24
    chi_square = sum((count - expected) ** 2 / expected for count in found.values())
    assert len(found) == 24
    assert chi_square < 49.7  # 23 degrees of freedom: one key in a thousand is worse


def test_neighbours_go_as_far_apart_as_by_chance() -> None:
    size = 10_000
    places = list(map(Permutation(size, derive_key(5)), range(size)))

    mean = sum(abs(a - b) for a, b in itertools.pairwise(places)) / (size - 1)

    assert mean == pytest.approx(size / 3, rel=0.03)


def test_place_and_index_are_not_correlated() -> None:
    size = 10_000
    middle = (size - 1) / 2
    shuffled = Permutation(size, derive_key(9))

    covariance = sum((i - middle) * (shuffled(i) - middle) for i in range(size)) / size

    assert abs(covariance / ((size * size - 1) / 12)) < 0.04  # four standard deviations
