"""Runs against sets of numbers."""

from __future__ import annotations

from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset.runs import Runs, common_runs, join_runs, subtract_runs

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)).map(lambda s: (s[0], sum(s))))


def numbers(runs: Runs) -> set[int]:
    return set(chain.from_iterable(range(*run) for run in runs))


@given(SPANS, SPANS)
def test_runs_do_what_sets_do(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    first, second = join_runs(one), join_runs(other)

    assert numbers(first) == numbers(tuple(one))
    assert all(left[1] < right[0] for left, right in pairwise(first))
    assert numbers(common_runs(first, second)) == numbers(first) & numbers(second)
    assert numbers(subtract_runs(one, second)) == numbers(first) - numbers(second)
