"""Sources that run ahead on threads, fail, or end too early."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from blobio.dataset import Dataset, RowRange
from tests.dataset.memory import MemorySource, dataset, numbers

if TYPE_CHECKING:
    import pyarrow as pa


class ThreadedSource(MemorySource):
    """Takes ranges, and makes batches of them, on a thread of its own."""

    def read(self, ranges: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        made: queue.Queue[pa.RecordBatch | None] = queue.Queue(maxsize=3)
        stop = threading.Event()

        def work() -> None:
            for batch in MemorySource.read(self, ranges):
                made.put(batch)
                if stop.is_set():
                    break
            made.put(None)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            while (batch := made.get()) is not None:
                yield batch
        finally:
            stop.set()
            while thread.is_alive():
                try:
                    made.get(timeout=0.01)
                except queue.Empty:
                    continue
            thread.join()


class FailingSource(MemorySource):
    """Cannot read one block, for some time."""

    times = 1000

    def _load(self, found: RowRange) -> pa.RecordBatch:
        if found.block == 3 and self.times:
            self.times -= 1
            message = "shard 3 is gone"
            raise FileNotFoundError(message)
        return super()._load(found)


class ShortSource(MemorySource):
    """Forgets what is asked for after the first block."""

    def read(self, ranges: Iterable[RowRange]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(super().read(ranges)):
            if number == 0:
                yield batch


def flat(batches: Iterable[pa.RecordBatch]) -> list[int]:
    return [n for batch in batches for n in batch.column("n").to_pylist()]


SHAPES: dict[str, Callable[[Dataset, Dataset], Dataset]] = {
    "stored": lambda one, _: one,
    "shuffled": lambda one, _: one.shuffle(seed=1, window_bytes=int(one.tree.row_bytes * 60)),
    "mixed": lambda one, two: one.interleave(two.shuffle(seed=2), weights=[2, 1], stop="all"),
    "concatenated": lambda one, two: one.concat(two).stripe(4),
    "zipped": lambda one, two: one.zip(two.rename({"n": "m", "n_text": "m_text"})),
    "repeated": lambda one, two: one.concat(two).repeat(3),
}


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_threads_that_run_ahead_change_nothing(shape: str, batch_rows: int) -> None:
    def make(kind: type[MemorySource]) -> Dataset:
        one, two = (Dataset(kind(numbers([20] * 9, start=start))) for start in (0, 1000))
        return SHAPES[shape](one, two).batch(batch_rows)

    assert flat(make(ThreadedSource)) == flat(make(MemorySource))


@pytest.mark.parametrize("shape", SHAPES)
def test_leaving_early_ends_the_threads(shape: str) -> None:
    one, two = (Dataset(ThreadedSource(numbers([20] * 9, start=start))) for start in (0, 1000))
    before = threading.active_count()

    iterator = iter(SHAPES[shape](one, two).batch(7))
    next(iterator)
    iterator.close()

    assert threading.active_count() == before
    assert list(iterator) == []


def test_error_of_a_source_comes_where_its_rows_would() -> None:
    ds = Dataset(FailingSource(numbers([10] * 6))).batch(4)
    seen = []

    with pytest.raises(FileNotFoundError, match="shard 3 is gone"):
        for batch in ds:
            seen += flat([batch])

    assert seen == list(range(28))
    repaired = dataset([10] * 6).batch(4)
    repaired.load_state_dict(ds.state_dict())
    assert seen + flat(repaired) == list(range(60))


def test_batch_after_an_error_is_tried_again() -> None:
    source = FailingSource(numbers([10] * 6))
    source.times = 2
    ds = Dataset(source).batch(4)
    iterator, seen = iter(ds), list[int]()

    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="shard 3 is gone"):
            for batch in iterator:
                seen += flat([batch])
        assert iterator.state_dict() == ds.state_dict() == {**ds.state_dict(), "batches": 7}

    assert seen + flat(iterator) == list(range(60))


def test_row_after_an_error_is_tried_again() -> None:
    source = FailingSource(numbers([10] * 6))
    ds = Dataset(source).batch(20)
    ds.load_state_dict({**ds.state_dict(), "batches": 1, "rows": 7})
    rows = ds.rows()
    with pytest.raises(FileNotFoundError, match="shard 3 is gone"):
        next(rows)
    assert (ds.state_dict()["batches"], ds.state_dict()["rows"]) == (1, 7)

    source.times = 0

    assert [row["n"] for row in rows] == list(range(27, 60))


def test_error_of_a_function_comes_where_its_batch_would() -> None:
    def refuse(batch: pa.RecordBatch) -> pa.RecordBatch:
        if 12 in batch.column("n").to_pylist():
            message = "twelve"
            raise ValueError(message)
        return batch

    ds = dataset([10] * 3).batch(4).map(refuse, schema=dataset([1]).schema)

    with pytest.raises(ValueError, match="twelve"):
        list(ds)
    assert ds.state_dict()["batches"] == 3


def test_source_that_ends_too_early_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="ended before the rows of 1 came"):
        list(Dataset(ShortSource(numbers([10] * 3))))
