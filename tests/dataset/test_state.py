"""The state: killed anywhere and resumed by anyone, a dataset goes on as if nothing happened."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio.dataset import Dataset, StateMismatch
from blobio.dataset.delivering import Consumer
from tests.dataset.memory import MemorySource, dataset, numbers

SHAPES: dict[str, Callable[[Dataset], Dataset]] = {
    "stored": lambda ds: ds,
    "shuffled": lambda ds: ds.shuffle(seed=4, window_bytes=int(ds.tree.row_bytes * 40)),
    "mapped and filtered": lambda ds: ds.shuffle(seed=4).map(double).filter(pc.field("n") > 20),
    "filtered before": lambda ds: ds.filter(pc.field("n") > 20).shuffle(seed=4),
    "repeated": lambda ds: ds.shuffle(seed=4).repeat(2),
    "repeated inside": lambda ds: ds.shuffle(seed=4).repeat().take(130),
    "striped": lambda ds: ds.shuffle(seed=4, window_bytes=int(ds.tree.row_bytes * 40)).stripe(3),
    "mixed": lambda ds: ds.interleave(dataset([30], start=1000), stop="all"),
    "concatenated": lambda ds: ds.concat(dataset([30], start=1000)).stripe(2),
    "zipped": lambda ds: ds.zip(dataset([80], name="m").shuffle(seed=1)),
}
BLOCKS = [30, 5, 0, 45]


def double(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(0, "n", pc.multiply(batch.column("n"), 2))


def make(shape: str, batch_rows: int = 8) -> Dataset:
    return SHAPES[shape](dataset(BLOCKS)).batch(batch_rows)


def lists(batches: Iterable[pa.RecordBatch]) -> list[list[int]]:
    return [batch.column("n").to_pylist() for batch in batches]


@pytest.mark.parametrize("shape", SHAPES)
def test_resumed_after_any_batch_is_as_if_uninterrupted(shape: str) -> None:
    whole = lists(make(shape))

    for kill in range(len(whole) + 1):
        first = make(shape)
        seen = lists(itertools.islice(first, kill))
        state = json.loads(json.dumps(first.state_dict()))
        second = make(shape)
        second.load_state_dict(state)
        assert second.state_dict() == state
        assert seen + lists(second) == whole


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(set(SHAPES) - {"repeated"})),  # uneven ranks part at an epoch's end
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), max_size=4),
)
def test_resumed_by_other_ranks_is_as_if_uninterrupted(
    shape: str, batch_rows: int, lives: list[tuple[int, int]]
) -> None:
    whole = lists(make(shape, batch_rows))
    state, seen = make(shape, batch_rows).state_dict(), list[list[int]]()

    for world, count in [*lives, (1, len(whole))]:
        ranks = [make(shape, batch_rows).shard(r, world, remainder="uneven") for r in range(world)]
        taken = []
        for rank in ranks:
            rank.load_state_dict(state)
            taken.append(lists(itertools.islice(rank, count)))
        state, *others = (rank.state_dict() for rank in ranks)
        assert all(other == state for other in others)
        turns = itertools.zip_longest(*taken)
        seen += [batch for turn in turns for batch in turn if batch is not None]

    assert seen == whole


@pytest.mark.parametrize("remainder", ["drop", "pad"])
@pytest.mark.parametrize("shape", ["shuffled", "repeated", "striped"])
def test_ranks_in_step_have_one_state_and_resume_to_the_same(shape: str, remainder: str) -> None:
    def rank(number: int) -> Dataset:
        return make(shape).shard(number, 3, remainder=remainder)  # type: ignore[arg-type]

    whole = [lists(rank(number)) for number in range(3)]

    for kill in range(len(whole[0]) + 1):
        ranks = [rank(number) for number in range(3)]
        seen = [lists(itertools.islice(ds, kill)) for ds in ranks]
        states = [ds.state_dict() for ds in ranks]
        assert states[0] == states[1] == states[2]
        for number in range(3):
            again = rank(number)
            again.load_state_dict(states[0])
            assert seen[number] + lists(again) == whole[number]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("remainder", ["drop", "pad", "uneven"])
def test_each_worker_resumes_from_its_own_state(workers: int, remainder: str) -> None:
    """As StatefulDataLoader keeps one for each worker, which are not in step."""
    ds = make("repeated", 3).shard(1, 2, remainder=remainder)  # type: ignore[arg-type]
    whole = [lists(ds.iterate(Consumer(w, workers))) for w in range(workers)]

    for worker, kill in itertools.product(range(workers), range(1 + min(map(len, whole)))):
        first = ds.iterate(Consumer(worker, workers))
        seen = lists(itertools.islice(first, kill))
        second = ds.iterate(Consumer(worker, workers))
        second.load_state_dict(first.state_dict())
        assert seen + lists(second) == whole[worker]


def test_whoever_counts_the_batches_of_workers_gets_the_state() -> None:
    ds = make("repeated", 3).shard(1, 2, remainder="drop")
    fresh = make("repeated", 3).shard(1, 2, remainder="drop")
    iterator = iter(ds)

    for count in range(1, 1 + len(ds)):
        next(iterator)
        assert fresh.state_dict(delivered=count) == iterator.state_dict()
    fresh.load_state_dict(fresh.state_dict(delivered=5))
    assert fresh.state_dict(delivered=3) == ds.with_epoch(0).state_dict(delivered=8)


def test_resuming_reads_no_block_before_the_position() -> None:
    source = MemorySource(numbers([100] * 10), ahead=0)
    ds = Dataset(source).batch(10)
    ds.load_state_dict({**ds.state_dict(), "batches": 75})

    batch = next(iter(ds))

    assert batch.column("n").to_pylist() == list(range(750, 760))
    assert source.log == [7]


def test_state_is_small_and_of_scalars() -> None:
    ds = dataset([10])
    for start in range(1, 40):
        ds = ds.concat(dataset([10], start=start).shuffle(seed=start))

    state = ds.state_dict()

    assert len(json.dumps(state)) < 1000
    assert all(value is None or isinstance(value, int | str) for value in state.values())
    assert not {"rank", "world", "worker"} & set(state)


def test_taking_and_loading_do_not_disturb() -> None:
    ds, whole = make("shuffled"), lists(make("shuffled"))
    iterator = iter(ds)

    seen = []
    for batch in iterator:
        seen += lists([batch])
        assert ds.state_dict() == iterator.state_dict() == ds.state_dict()
    assert seen == whole
    for _ in range(2):
        ds.load_state_dict({**ds.state_dict(), "batches": 3})
    assert lists(ds) == whole[3:]
    assert lists(ds) == whole


def test_state_at_the_end_has_nothing_left_of_its_epoch() -> None:
    ds = make("shuffled")
    lists(ds)
    end = ds.state_dict()

    again = make("shuffled")
    again.load_state_dict(end)
    again.set_epoch(int(end["epoch"] or 0))
    assert lists(again) == []
    again.load_state_dict(end)
    again.set_epoch(1)

    assert lists(again) == lists(make("shuffled").with_epoch(1))


def test_epochs_resume_where_the_loop_over_them_stopped() -> None:
    whole = [lists(make("shuffled").with_epoch(epoch)) for epoch in range(3)]
    ds = make("shuffled")
    ds.set_epoch(1)
    seen = lists(itertools.islice(ds, 4))
    state = ds.state_dict()

    again = make("shuffled")
    again.load_state_dict(state)
    for epoch in range(again.epoch, 3):
        again.set_epoch(epoch)
        seen += lists(again)

    assert seen == [*whole[1], *whole[2]]


def test_iterator_made_before_the_state_was_loaded_starts_there() -> None:
    ds, whole = make("shuffled"), lists(make("shuffled"))

    iterator = iter(ds)
    ds.load_state_dict({**ds.state_dict(), "batches": 2})

    assert lists(iterator) == whole[2:]


def test_state_of_batches_of_another_size_is_that_of_its_iteration() -> None:
    ds = make("shuffled", 8)
    whole = lists(ds.batches(5))
    seen = lists(itertools.islice(ds.batches(5), 3))
    state = ds.state_dict()

    again = make("shuffled", 8)
    again.load_state_dict(state)

    assert (state["batch_rows"], state["batches"]) == (5, 3)
    assert again.state_dict() == state
    assert seen + lists(again.batches(5)) == whole


def test_state_is_refused_by_an_iteration_of_other_batches() -> None:
    ds = make("shuffled", 8)
    ds.load_state_dict({**ds.state_dict(), "batches": 2, "batch_rows": 5})

    with pytest.raises(StateMismatch, match="batch_rows was 5 and is 8"):
        next(iter(ds))
    with pytest.raises(StateMismatch, match="batch_rows was 5 and is 8"):
        ds.batches(8).load_state_dict(ds.state_dict())


def test_arrow_stream_goes_on_from_a_state() -> None:
    ds = make("shuffled", 8)
    ds.load_state_dict({**ds.state_dict(), "batches": 2})

    found = pa.RecordBatchReader.from_stream(ds).read_all()

    assert found.column("n").to_pylist() == [n for b in lists(make("shuffled", 8))[2:] for n in b]


def test_iterator_loads_a_state_itself() -> None:
    iterator, whole = iter(make("repeated")), lists(make("repeated"))
    lists(itertools.islice(iterator, 3))
    state = iterator.state_dict()
    lists(itertools.islice(iterator, 5))

    iterator.load_state_dict(state)

    assert iterator.state_dict() == state
    assert lists(iterator) == whole[3:]
    assert list(iterator) == []


def test_closing_is_not_coming_to_the_end() -> None:
    ds, whole = make("shuffled"), lists(make("shuffled"))
    iterator = iter(ds)
    seen = lists(itertools.islice(iterator, 3))

    iterator.close()

    assert list(iterator) == []
    assert ds.state_dict()["batches"] == 3
    unused = iter(ds)
    unused.close()
    assert list(unused) == []
    iterator.load_state_dict(iterator.state_dict())
    assert seen + lists(iterator) == whole


def test_rows_resume_at_the_row() -> None:
    whole = [row["n"] for row in make("repeated").rows()]

    for kill in range(0, len(whole), 11):
        first = make("repeated")
        rows = first.rows()
        seen = [row["n"] for row in itertools.islice(rows, kill)]
        assert rows.state_dict() == first.state_dict()
        second = make("repeated").rows()
        second.load_state_dict(first.state_dict())
        seen += [row["n"] for row in itertools.islice(second, 2)]
        third = make("repeated")
        third.load_state_dict(second.state_dict())
        seen += [n for batch in lists(third) for n in batch]
        assert seen == whole


def test_copy_in_another_process_resumes_too() -> None:
    ds, whole = make("shuffled"), lists(make("shuffled"))
    ds.load_state_dict({**ds.state_dict(), "batches": 2})

    copy = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own

    assert lists(copy) == whole[2:]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (
            Dataset(MemorySource(numbers([50]), fingerprint="new")),
            "fingerprint was 'memory'.*'new'",
        ),
        (dataset([50]).shuffle(seed=2), "seed was 1 and is 2"),
        (dataset([50]).shuffle(seed=1, window_bytes=1), "order was .*rows.* and is .*1 rows"),
        (dataset([50]), "seed was 1 and is None; order was"),
        (dataset([50]).shuffle(seed=1).take(3), "order was .*0:3"),
        (dataset([50]).shuffle(seed=1).stripe(2), "lanes was 1 and is 2"),
        (dataset([50]).shuffle(seed=1).batch(1024, drop_last=True), "drop_last was False and"),
    ],
)
def test_state_of_another_dataset_is_refused_with_the_difference(
    other: Dataset, difference: str
) -> None:
    state = dataset([50]).shuffle(seed=1).state_dict()
    before = other.state_dict()

    with pytest.raises(StateMismatch, match=difference):
        other.load_state_dict(state)
    assert other.state_dict() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "a state of version 9"),
        ({"batches": -1}, "number 'batches'"),
        ({"epoch": None}, "number 'epoch'"),
    ],
)
def test_what_is_no_state_is_refused(change: dict[str, object], message: str) -> None:
    ds = dataset([50])

    with pytest.raises(StateMismatch, match=message):
        ds.load_state_dict({**ds.state_dict(), **change})
    with pytest.raises(ValueError, match="version None"):
        ds.load_state_dict({})


def test_epoch_that_is_not_delivered_is_refused() -> None:
    ds = dataset([50]).repeat(3)

    with pytest.raises(StateMismatch, match="of epoch 3; this dataset has 0 to 2"):
        ds.load_state_dict({**ds.state_dict(), "epoch": 3})


def test_state_of_other_functions_is_taken() -> None:
    """Functions cannot be told apart across processes, and move no row."""
    ds = make("shuffled").map(lambda batch: batch)

    ds.load_state_dict(make("shuffled").map(double).state_dict())

    assert len(lists(ds)) == len(ds)
