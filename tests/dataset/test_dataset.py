"""`Dataset`: what is delivered is what the plan says, whatever it is made of."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset import Dataset
from blobio.dataset.parity import Deal
from blobio.dataset.permutation import Permutation, derive_key
from blobio.dataset.plan import Cut, NaturalOrder, ShuffledOrder, plan
from blobio.dataset.vectors import permute
from blobio.errors import InvalidConfig
from tests.dataset.memory import MemorySource, dataset, numbers

WINDOW = 40  # rows


def window_bytes(rows: Dataset, window_rows: int = WINDOW) -> int:
    return int(rows.tree.row_bytes * window_rows)


def values(batches: Iterable[pa.RecordBatch], name: str = "n") -> list[list[int]]:
    return [batch.column(name).to_pylist() for batch in batches]


def flat(batches: Iterable[pa.RecordBatch], name: str = "n") -> list[int]:
    return list(itertools.chain.from_iterable(values(batches, name)))


@given(
    st.lists(st.integers(0, 25), min_size=1, max_size=8),
    st.integers(1, 60),
    st.sampled_from([(0, 1), (0, 2), (1, 2), (2, 3)]),
    st.integers(1, 4),
    st.booleans(),
)
def test_batches_are_those_of_the_plan(
    block_rows: list[int], batch_rows: int, place: tuple[int, int], lanes: int, shuffled: bool
) -> None:
    rank, world = place
    starts = [0, *itertools.accumulate(block_rows)]
    ds = dataset(block_rows).batch(batch_rows).stripe(lanes)
    if shuffled:
        ds = ds.shuffle(seed=5, window_bytes=window_bytes(ds)).with_epoch(3)
        order = ShuffledOrder(block_rows, seed=5, epoch=3, window_rows=WINDOW)
    else:
        order = NaturalOrder(block_rows)  # type: ignore[assignment]
    cut = Cut(num_rows=order.num_rows, batch_rows=batch_rows, lanes=lanes)
    expected = [
        [starts[found.block] + row for found in ranges for row in range(found.start, found.stop)]
        for ranges in plan(order, cut, Deal(total=cut.total, world=world), rank=rank)
    ]

    mine = ds.shard(rank, world, remainder="uneven")

    assert values(mine) == expected
    assert len(mine) == len(expected)


@given(st.integers(1, 3000), st.integers(), st.data())
def test_many_positions_are_permuted_as_one_by_one(
    size: int, seed: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    permutation = Permutation(size, derive_key(seed))

    assert permute(permutation, start, stop).to_pylist() == [
        permutation(index) for index in range(start, stop)
    ]


def test_batches_have_exactly_the_rows_asked_for_but_the_last() -> None:
    ds = dataset([10, 3, 0, 20])

    sizes = [batch.num_rows for batch in ds.batches(8)]

    assert sizes == [8, 8, 8, 8, 1]
    assert flat(ds.batches(8)) == list(range(33))
    assert len(ds.batch(8)) == 5
    assert len(ds.batch(8, drop_last=True)) == 4 == len(list(ds.batch(8, drop_last=True)))


def test_batch_within_a_block_is_not_copied() -> None:
    blocks = numbers([100])

    batch = next(iter(Dataset(MemorySource(blocks)).batch(10).skip(20)))

    assert batch.column(0).buffers()[1].address == blocks[0].column(0).buffers()[1].address


def test_dataset_tells_what_it_is() -> None:
    ds = dataset([5]).shuffle(seed=1).take(3).batch(2)

    assert repr(ds).startswith("Dataset(rows.shuffle(1, ")
    assert repr(ds).endswith("[0:3], 3 rows, batches of 2)")
    endless = ds.batch(4, drop_last=True).shard(1, 2, remainder="drop").repeat()
    assert repr(endless).endswith("batches of 4, full ones only, rank 1 of 2 (drop), without end)")
    ds.set_epoch(3)
    assert repr(ds).endswith("batches of 2, from epoch 3)")


def test_describing_reads_nothing() -> None:
    source = MemorySource(numbers([10, 10]))
    ds = Dataset(source).shuffle(seed=1).shard(0, 2, remainder="drop").filter(pc.field("n") > 3)

    assert (ds.schema.names, ds.num_rows, len(ds)) == (["n", "n_text"], None, 0)
    iter(ds.repeat(3))
    assert source.log == []


@pytest.mark.parametrize("shuffled", [False, True])
def test_each_block_is_read_once_an_epoch(shuffled: bool) -> None:
    source = MemorySource(numbers([30] * 10))
    ds = Dataset(source)
    if shuffled:
        ds = ds.shuffle(seed=1, window_bytes=window_bytes(ds, 90))

    assert sorted(flat(ds.batches(7))) == list(range(300))
    assert sorted(source.log) == list(range(10))


def test_lanes_keep_each_rank_to_its_own_blocks() -> None:
    for lanes, most in ((1, 10), (2, 6), (4, 6)):
        sources = [MemorySource(numbers([30] * 10)) for _ in range(2)]
        seen = [
            flat(Dataset(s).batch(5).stripe(lanes).shard(rank, 2, remainder="uneven"))
            for rank, s in enumerate(sources)
        ]
        assert sorted(seen[0] + seen[1]) == list(range(300))
        assert max(len(source.log) for source in sources) <= most


def test_leaving_early_stops_what_is_read_ahead() -> None:
    source = MemorySource(numbers([10] * 10))
    ds = Dataset(source).shuffle(seed=1, window_bytes=1).map(lambda batch: batch).batch(4)

    for _ in ds.concat(ds):
        break

    assert source.open == 0
    assert len(source.log) < 6


def test_rows_are_dicts() -> None:
    assert list(dataset([2, 1]).rows()) == [
        {"n": 0, "n_text": ""},
        {"n": 1, "n_text": "x"},
        {"n": 2, "n_text": "xx"},
    ]


def test_dataset_and_its_state_pickle() -> None:
    ds = dataset([10, 10]).shuffle(seed=1).filter(pc.field("n") >= 0).rename({"n": "m"}).batch(3)
    iterator = iter(ds)
    next(iterator)

    copy = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own

    assert copy.state_dict() == ds.state_dict()
    assert flat(copy, "m") == flat(ds, "m")


def test_map_changes_each_batch() -> None:
    ds = dataset([5, 5]).map(lambda b: {"twice": pc.multiply(b.column("n"), 2)}).batch(4)

    assert values(ds, "twice") == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]
    assert ds.schema == pa.schema([("twice", pa.int64())])


def test_map_must_keep_the_number_of_rows_and_its_schema() -> None:
    with pytest.raises(InvalidConfig, match=r"made 1 rows of 5.*filter"):
        list(dataset([5]).map(lambda batch: batch.slice(0, 1)))
    with pytest.raises(InvalidConfig, match="was declared to make"):
        list(dataset([5]).map(lambda batch: batch, schema=pa.schema([("a", pa.int8())])))


def test_schema_of_a_function_that_takes_no_empty_batch_is_asked_for() -> None:
    def first(batch: pa.RecordBatch) -> pa.RecordBatch:
        batch.column("n")[0]
        return batch

    with pytest.raises(InvalidConfig, match=r"give map\(\) the schema="):
        _ = dataset([5]).map(first).schema
    assert dataset([5]).map(first, schema=dataset([1]).schema).schema == dataset([1]).schema


@pytest.mark.parametrize(
    "predicate",
    [
        pc.field("n") < 10,
        lambda batch: pc.less(batch.column("n"), 10),
        lambda batch: [n < 10 for n in batch.column("n").to_pylist()],
    ],
)
def test_filter_shortens_batches_and_keeps_their_number(predicate: object) -> None:
    ds = dataset([7, 13]).filter(predicate).batch(8)

    assert values(ds) == [list(range(8)), [8, 9], []]
    assert len(ds) == 3
    assert ds.num_rows is None


def test_filter_must_tell_of_each_row() -> None:
    with pytest.raises(InvalidConfig, match="told of 1 rows of 5"):
        list(dataset([5]).filter(lambda _: [True]))


@pytest.mark.parametrize("by_source", [False, True])
def test_filter_before_a_shuffle_loses_and_repeats_nothing(by_source: bool) -> None:
    keep = pc.field("n_text") != "x"
    expected = [n for n in range(120) if n % 7 != 1]
    blocks = numbers([30, 1, 59, 30])
    if by_source:
        ds = Dataset(MemorySource(blocks, keep=keep))
    else:
        ds = Dataset(MemorySource(blocks)).filter(keep)

    for shaped in (ds, ds.shuffle(seed=3, window_bytes=window_bytes(ds)), ds.shuffle(seed=3)):
        found = values(shaped.batches(10))
        assert sorted(itertools.chain.from_iterable(found)) == expected
        assert len(found) == 12
        world = [flat(shaped.batch(10).shard(r, 3, remainder="drop")) for r in range(3)]
        assert sorted(itertools.chain.from_iterable(world)) == expected


@pytest.mark.parametrize("verb", ["take", "skip"])
def test_counting_rows_after_a_filter_is_refused(verb: str) -> None:
    ds = dataset([5]).filter(pc.field("n") > 3)

    with pytest.raises(InvalidConfig, match=f"{verb} after a filter"):
        getattr(ds, verb)(1)


def test_rename_and_select() -> None:
    ds = dataset([2]).rename({"n": "m"}).select(["n_text", "m"])

    assert ds.schema.names == ["n_text", "m"]
    assert [batch.to_pydict() for batch in ds] == [{"n_text": ["", "x"], "m": [0, 1]}]
    with pytest.raises(InvalidConfig, match=r"no columns \['q'"):
        ds.select(["q"])
    with pytest.raises(InvalidConfig, match="two columns one name"):
        ds.rename({"m": "n_text"})


def test_take_and_skip_count_rows() -> None:
    ds = dataset([10, 10, 10])

    assert flat(ds.skip(7).take(9)) == list(range(7, 16))
    assert flat(ds.take(5).skip(9)) == []
    assert ds.skip(25).take(100).num_rows == 5
    shuffled = ds.shuffle(seed=1)
    assert flat(shuffled.take(4)) + flat(shuffled.skip(4)) == flat(shuffled)


def test_shuffle_of_a_part_reads_that_part() -> None:
    source = MemorySource(numbers([10] * 10))

    found = flat(Dataset(source).skip(25).take(20).shuffle(seed=1))

    assert sorted(found) == list(range(25, 45))
    assert sorted(source.log) == [2, 3, 4]


def test_repeat_delivers_epochs_of_their_own() -> None:
    ds = dataset([10, 10]).shuffle(seed=1).batch(6)
    passes = [flat(ds.with_epoch(epoch)) for epoch in range(3)]

    assert flat(ds.repeat(3)) == [*passes[0], *passes[1], *passes[2]]
    assert [batch.num_rows for batch in ds.repeat(2)] == [6, 6, 6, 2] * 2
    assert len(ds.repeat(3)) == 12
    assert passes[0] != passes[1]
    endless = itertools.islice(ds.repeat(), 9)
    assert flat(endless)[:40] == [*passes[0], *passes[1]]
    with pytest.raises(TypeError, match="without an end"):
        len(ds.repeat())


def test_one_block_for_ever_is_read_a_few_times() -> None:
    source = MemorySource(numbers([100]))

    found = flat(itertools.islice(Dataset(source).batch(10).repeat(), 1000))

    assert found == list(range(100)) * 100
    assert source.log == [0]


def test_positions_after_a_repeat_go_through_epochs() -> None:
    ds = dataset([4]).shuffle(seed=1)
    both = flat(ds.repeat(2))

    assert flat(ds.repeat(2).skip(3)) == both[3:]
    assert flat(ds.repeat().take(7)) == both[:7]
    with pytest.raises(InvalidConfig, match="before repeat"):
        ds.repeat().shuffle(seed=1)
    with pytest.raises(InvalidConfig, match="before repeat"):
        ds.repeat().concat(ds)
    with pytest.raises(InvalidConfig, match="no rows"):
        ds.take(0).repeat()


@pytest.mark.parametrize(("world", "remainder"), [(2, "drop"), (3, "pad"), (4, "uneven")])
def test_ranks_get_the_batches_that_they_are_told_to(world: int, remainder: str) -> None:
    ds = dataset([10, 15]).batch(4).repeat(2)
    ranks = [ds.shard(rank, world, remainder=remainder) for rank in range(world)]  # type: ignore[arg-type]

    counts = [len(list(rank)) for rank in ranks]

    assert counts == [len(rank) for rank in ranks]
    assert counts == {"drop": [6, 6], "pad": [6, 6, 6], "uneven": [4, 4, 4, 2]}[remainder]
    if remainder == "pad":
        assert [values(rank)[2] for rank in ranks] == [[24], [0, 1, 2, 3], [4, 5, 6, 7]]


def test_no_batch_for_a_rank_without_end_is_refused() -> None:
    ds = dataset([10]).batch(10).shard(0, 2, remainder="drop").repeat()

    with pytest.raises(InvalidConfig, match="no batch for rank 0 of 2"):
        next(iter(ds))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda ds: ds.batch(0), "batch_rows="),
        (lambda ds: ds.stripe(0), "lanes="),
        (lambda ds: ds.shard(2, 2, remainder="drop"), "rank 2 of 2"),
        (lambda ds: ds.shard(0, 2, remainder="most"), "remainder is one of"),
        (lambda ds: ds.shard(0, 0, remainder="drop"), "world >= 1"),
        (lambda ds: ds.repeat(-1), "count from 0"),
        (lambda ds: ds.with_epoch(-1), "count from 0"),
        (lambda ds: ds.shuffle(seed=1, window_bytes=0), "window of some bytes"),
        (lambda ds: ds.take(-1), "from 0 on"),
        (lambda ds: ds.zip(ds), "distinct names"),
        (lambda ds: ds.concat(ds.select(["n"])), "one schema"),
        (lambda ds: ds.concat(ds.shard(0, 2, remainder="drop")), "shard.. what"),
        (lambda ds: ds.interleave(ds, weights=[1]), "a positive weight"),
        (lambda ds: ds.interleave(ds, weights=[1, 0]), "a positive weight"),
        (lambda ds: ds.interleave(ds, stop="never"), "stop is one of"),
        (lambda ds: ds.interleave(ds.repeat(), stop="all"), "without an end"),
    ],
)
def test_what_cannot_be_is_refused(make: object, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        make(dataset([5]))  # type: ignore[operator]


def test_concat_is_one_after_the_other() -> None:
    first, second = dataset([5, 3]), dataset([4], start=8)
    ds = first.concat(second, dataset([2], start=12))

    assert flat(ds.batches(5)) == list(range(14))
    assert sorted(flat(ds.shuffle(seed=1).batches(5))) == list(range(14))
    assert sorted(flat(ds.stripe(3).batches(2))) == list(range(14))


def test_striped_concat_reads_each_block_once() -> None:
    """Lanes go round through parts: none is read anew for each of its batches."""
    sources = [MemorySource(numbers([20] * 3, start=start)) for start in (0, 60)]
    ds = Dataset(sources[0]).concat(Dataset(sources[1])).batch(5).stripe(4)

    assert sorted(flat(ds)) == list(range(120))
    for source in sources:
        assert len(source.log) <= 4  # one block is cut by two lanes


def test_zip_puts_columns_side_by_side() -> None:
    left, right = dataset([7, 5]), dataset([4, 4, 2], start=100, name="m").select(["m"])

    ds = left.zip(right)

    assert ds.num_rows == 10
    assert [(row["n"], row["m"]) for row in ds.batch(3).rows()] == [(n, n + 100) for n in range(10)]
    assert sorted((row["n"], row["m"]) for row in ds.shuffle(seed=1).rows()) == [
        (n, n + 100) for n in range(10)
    ]
    with pytest.raises(InvalidConfig, match="zip first, then filter"):
        left.zip(right.filter(pc.field("m") > 3))


def test_arrow_stream_gives_all_rows() -> None:
    ds = dataset([10, 20]).filter(pc.field("n") < 25)

    table = pa.RecordBatchReader.from_stream(ds).read_all()

    assert table.column("n").to_pylist() == list(range(25))


def test_same_words_again_deliver_the_same() -> None:
    """Batches of a shuffled dataset, written down: a state in a file relies on them."""
    ds = dataset([3, 2, 4])
    ds = ds.shuffle(seed=1, window_bytes=window_bytes(ds, 6)).with_epoch(2).batch(4)
    order = ShuffledOrder([3, 2, 4], seed=1, epoch=2, window_rows=6)
    starts: Sequence[int] = [0, 3, 5]

    assert flat(ds) == [starts[b] + row for b, row in map(order.locate, range(9))]
    assert json.loads(json.dumps(ds.state_dict())) == ds.state_dict()
