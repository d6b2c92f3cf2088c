"""The view by position: the rows of the order, and each block read once a call."""

from __future__ import annotations

import pickle
import threading

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset import Dataset
from blobio.errors import InvalidConfig
from tests.dataset.memory import MemorySource, dataset, numbers

BLOCKS = [5, 0, 7, 3]
NUM_ROWS = sum(BLOCKS)


@given(st.lists(st.integers(-NUM_ROWS, NUM_ROWS - 1)), st.booleans())
def test_take_gives_rows_as_a_list_would(indices: list[int], shuffled: bool) -> None:
    ds = dataset(BLOCKS).shuffle(seed=1) if shuffled else dataset(BLOCKS)
    rows = [row["n"] for row in ds.rows()]
    view = ds.random_access()

    assert view.take(indices).column("n").to_pylist() == [rows[index] for index in indices]
    assert [row["n"] for row in view.__getitems__(indices)] == [rows[index] for index in indices]


@given(st.slices(NUM_ROWS))
def test_slices_are_those_of_a_list(found: slice) -> None:
    view = dataset(BLOCKS).random_access()

    assert view[found].column("n").to_pylist() == list(range(NUM_ROWS))[found]


def test_one_row_is_a_dict() -> None:
    view = dataset(BLOCKS).random_access()

    assert view[6] == {"n": 6, "n_text": "x" * 6}
    assert view[-1]["n"] == NUM_ROWS - 1
    assert len(view) == NUM_ROWS


@pytest.mark.parametrize("index", [NUM_ROWS, -NUM_ROWS - 1])
def test_row_outside_is_refused(index: int) -> None:
    view = dataset(BLOCKS).random_access()

    with pytest.raises(IndexError, match=f"row {index} of 15"):
        view[index]
    with pytest.raises(IndexError, match=f"row {index} of 15"):
        view.take([0, index])


def test_each_block_is_read_once_a_call() -> None:
    source = MemorySource(numbers([10] * 20))
    view = Dataset(source).random_access()

    view.take([199, 5, 105, 6, 5, 104, 198, 7])
    assert source.log == [0, 10, 19]
    view[195:]
    view[105]
    assert source.log == [0, 10, 19]


def test_run_of_rows_is_not_copied() -> None:
    blocks = numbers([100])
    view = Dataset(MemorySource(blocks)).random_access()

    address = view[10:20].column(0).buffers()[1].address

    assert address == blocks[0].column(0).buffers()[1].address


def test_view_shows_maps_and_parts() -> None:
    ds = dataset([10]).skip(2).map(lambda batch: {"m": pc.negate(batch.column("n"))})

    assert ds.random_access()[0] == {"m": -2}
    assert ds.repeat(2).random_access()[9] == {"m": -3}


def test_view_pickles_and_tells_what_it_is() -> None:
    view = dataset(BLOCKS).shuffle(seed=3).random_access()
    view[0]

    copy = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own

    assert copy.take(range(15)).equals(view.take(range(15)))
    assert repr(copy) == repr(view)
    assert "memory" in repr(view)
    assert "shuffle(3" in repr(view)


def test_threads_share_a_view() -> None:
    view = dataset([10] * 10).random_access()
    wrong: list[int] = []

    def look(first: int) -> None:
        wrong.extend(n for n in range(first, 100, 4) if view[n]["n"] != n)

    threads = [threading.Thread(target=look, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_rows_that_are_not_counted_have_no_positions() -> None:
    with pytest.raises(InvalidConfig, match="random access after a filter"):
        dataset([5]).filter(pc.field("n") > 3).random_access()
    with pytest.raises(InvalidConfig, match="before repeat"):
        dataset([5]).repeat().random_access()
