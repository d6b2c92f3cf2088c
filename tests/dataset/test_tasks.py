"""`Dataset.map_shards`: every row once, in order, in any executor, and little of it at a time."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Final, final

import pyarrow.compute as pc
import pytest

from blobio.dataset import BadShard, Dataset, open_dataset
from blobio.dataset.pieces import divide
from blobio.errors import InvalidConfig
from tests.dataset.conftest import Make, Place, parquet, table
from tests.dataset.memory import MemorySource, dataset, numbers
from tests.dataset.shipped import fail_at_90, first_column, take_number

SHARDS: Final = 6
ROWS: Final = 40
_TINY: Final = 1
EVEN: Final = pc.bit_wise_and(pc.field("number"), 1) == 0


def shards(place: Place, count: int = SHARDS, **options: Any) -> Dataset:
    """Return a dataset of shards of 40 rows, in row groups of 10."""
    for number in range(count):
        place.put(f"{number:03}.parquet", parquet(table(ROWS, number * ROWS)))
    return open_dataset(place.at("*.parquet"), config=place.config, **options)


@final
class Slow(Executor):
    """Keeps what is submitted until the test says what becomes of it."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.add_done_callback(lambda _: None)
        self.futures.append(future)
        if len(self.futures) == 1:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_read_what_they_are_sent(make_place: Make, method: str) -> None:
    place = make_place("moto")
    for number in range(SHARDS):
        place.put(f"{number}.parquet", parquet(table(ROWS, number * ROWS)))
    config = place.context.config
    rows = open_dataset(place.at("*.parquet"), config=config)
    context = multiprocessing.get_context(method)

    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = list(rows.map_shards(first_column, executor=pool, task_bytes=ROWS * 20))

    assert len(found) > 1
    assert [number for part in found for number in part] == list(range(SHARDS * ROWS))


@pytest.mark.parametrize("workers", [0, 3])
def test_results_come_in_order_and_nothing_is_listed(make_place: Make, workers: int) -> None:
    place = make_place("moto")
    rows = shards(place)
    place.methods()

    if workers:
        with ThreadPoolExecutor(workers) as pool:
            found = list(rows.map_shards(first_column, executor=pool, task_bytes=_TINY))
    else:
        found = list(rows.map_shards(first_column, task_bytes=_TINY))

    assert [part[0] for part in found] == list(range(0, SHARDS * ROWS, 10))
    assert not [event for event in place.events if event.operation == "list"]
    assert len(place.events) >= SHARDS


def test_small_shards_come_together_and_large_ones_are_divided(memory: Place) -> None:
    rows = shards(memory)
    row_bytes = rows.tree.row_bytes

    together = divide(rows, int(row_bytes * ROWS * 2.5), "test")
    divided = divide(rows, int(row_bytes * 25), "test")

    assert [(piece.start, piece.stop) for piece in together] == [(0, 80), (80, 160), (160, 240)]
    assert [piece.stop - piece.start for piece in divided] == [20, 20] * SHARDS
    assert [len(piece.shards) for piece in together] == [2, 2, 2]
    assert {len(piece.shards) for piece in divided} == {1}


TREES: Final[dict[str, Callable[[Dataset], Dataset]]] = {
    "as it is": lambda rows: rows,
    "taken": lambda rows: rows.skip(13).take(170),
    "selected": lambda rows: rows.take(130).select(["number"]),
    "mapped": lambda rows: rows.map(lambda batch: batch.select(["number"])),
    "filtered": lambda rows: rows.filter(EVEN),
    "shuffled": lambda rows: rows.shuffle(seed=3, window_bytes=2_000),
    "repeated": lambda rows: rows.repeat(2),
    "shuffled and repeated": lambda rows: rows.shuffle(seed=3).repeat(2),
    "concatenated": lambda rows: rows.take(70).concat(rows.skip(200), rows),
    "interleaved": lambda rows: rows.interleave(rows.shuffle(seed=1)),
    "later epoch": lambda rows: rows.shuffle(seed=3).with_epoch(4),
    "lanes": lambda rows: rows.batch(7, drop_last=True).take(50),
}


@pytest.mark.parametrize("make", list(TREES.values()), ids=list(TREES))
@pytest.mark.parametrize("task_rows", [1, 25, 90, 10_000])
def test_pieces_are_the_whole(
    memory: Place, make: Callable[[Dataset], Dataset], task_rows: int
) -> None:
    rows = make(shards(memory))
    task_bytes = max(1, int(rows.tree.row_bytes * task_rows))

    pieces = divide(rows, task_bytes, "test")

    found = [number for piece in pieces for number in first_column(piece.dataset)]
    assert found == first_column(rows.batch(10, drop_last=False))
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]


def test_pieces_of_a_source_with_a_filter_are_the_whole(memory: Place) -> None:
    rows = shards(memory, filter=(pc.field("number") > 95) & EVEN)

    found = list(rows.map_shards(first_column, task_bytes=_TINY))

    assert [number for part in found for number in part] == list(range(96, 240, 2))
    assert len(found) == 15  # row groups that can have such rows


def test_pieces_of_any_source_are_the_whole() -> None:
    rows = dataset([5, 0, 7, 3])

    found = list(rows.map_shards(lambda part: next(iter(part))["n"].to_pylist(), task_bytes=_TINY))

    assert found == [list(range(5)), list(range(5, 12)), list(range(12, 15))]


def test_dataset_without_rows_has_no_calls() -> None:
    assert list(dataset([0]).map_shards(first_column)) == []


def test_task_is_sent_its_own_shards_alone(memory: Place) -> None:
    rows = shards(memory, 60)
    pieces = divide(rows.map(take_number), 1, "test")

    sizes = {len(pickle.dumps(piece.dataset)) for piece in pieces}

    assert max(sizes) < len(pickle.dumps(rows)) / 8
    again: Dataset = pickle.loads(pickle.dumps(pieces[7].dataset))  # noqa: S301 - our own
    assert first_column(again) == list(range(70, 80))


def test_selected_columns_alone_are_fetched_in_tasks(memory: Place) -> None:
    rows = shards(memory).take(100)

    (piece,) = divide(rows.select(["number"]), 1 << 30, "test")

    source: Any = piece.dataset.tree.parts[0]  # of a slice
    assert source.source.schema.names == ["number"]


def test_work_in_flight_is_bounded() -> None:
    executor = Slow()
    results = dataset([1] * 50).map_shards(len, executor=executor, task_bytes=1, in_flight=4)
    assert executor.futures == []

    assert next(results) == 1

    assert len(executor.futures) == 4
    results.close()  # type: ignore[attr-defined] # a generator
    assert all(future.cancelled() for future in executor.futures[1:])


def test_leaving_waits_for_calls_that_run() -> None:
    started, finish, ended = threading.Event(), threading.Event(), threading.Event()

    def call(rows: Dataset) -> None:
        if next(iter(rows))["n"][0].as_py():
            started.set()
            assert finish.wait(20)
            ended.set()

    with ThreadPoolExecutor(1) as pool:
        results = dataset([1] * 9).map_shards(call, executor=pool, task_bytes=1, in_flight=5)
        next(results)
        assert started.wait(20)
        threading.Timer(0.05, finish.set).start()
        results.close()  # type: ignore[attr-defined] # a generator

        assert ended.is_set()


@pytest.mark.parametrize("workers", [0, 2])
def test_failing_call_names_its_shard(memory: Place, workers: int) -> None:
    rows = shards(memory)
    pool = ThreadPoolExecutor(workers) if workers else None

    with pytest.raises(LookupError, match="no nineties") as caught:
        list(rows.map_shards(fail_at_90, executor=pool, task_bytes=_TINY))

    (note,) = caught.value.__notes__
    assert note == f"map_shards: at rows 90 to 100, in {memory.at('002.parquet')}"
    if pool is not None:
        pool.shutdown()


def test_damaged_shard_is_named(memory: Place) -> None:
    rows = shards(memory)
    memory.context.remove(memory.at("003.parquet"))

    with pytest.raises((BadShard, FileNotFoundError), match=r"003\.parquet"):
        list(rows.map_shards(first_column, task_bytes=1 << 30))


def test_ranks_have_runs_that_follow_one_another(memory: Place) -> None:
    rows = shards(memory)

    parts = [
        [
            number
            for part in rows.shard(rank, 4, remainder="uneven").map_shards(first_column)
            for number in part
        ]
        for rank in range(4)
    ]

    assert [number for part in parts for number in part] == list(range(240))
    assert all(40 <= len(part) <= 80 for part in parts)


@pytest.mark.parametrize("remainder", ["drop", "pad"])
def test_ranks_that_need_equal_numbers_are_refused(remainder: Any) -> None:
    with pytest.raises(InvalidConfig, match="uneven"):
        dataset([5]).shard(0, 2, remainder=remainder).map_shards(len)


def test_dataset_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="without an end"):
        dataset([5]).repeat().map_shards(len)


def test_sizes_that_are_none_are_refused() -> None:
    rows = Dataset(MemorySource(numbers([5])))

    with pytest.raises(InvalidConfig, match="task_bytes"):
        rows.map_shards(len, task_bytes=0)
    with pytest.raises(InvalidConfig, match="in flight"):
        rows.map_shards(len, in_flight=0)


@pytest.mark.parametrize(("verb", "package"), [("to_ray", "ray"), ("to_dask", "dask")])
def test_missing_engine_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, verb: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"blobio.dataset.{package}", raising=False)

    with pytest.raises(ImportError, match=rf"{verb} needs .*pip install '{package}\["):
        getattr(dataset([5]), verb)()
