"""`explain`: the figures are those that reading then shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from blobio.dataset import Dataset
from blobio.dataset.delivering import Consumer
from blobio.dataset.explaining import Requests
from blobio.dataset.manifest import Block, Manifest, Shard
from tests.dataset.memory import MemorySource, dataset, numbers

if TYPE_CHECKING:
    import pyarrow as pa


class PinnedSource(MemorySource):
    """Knows where its blocks are, and what they cost."""

    def __init__(self, batches: Sequence[pa.RecordBatch], *, size: int = 80) -> None:
        super().__init__(batches)
        blocks = tuple(Block(b.num_rows, size * i, size * i + size) for i, b in enumerate(batches))
        shard = Shard(url="s3://bucket/a", size=1000, version=None, format="arrow", blocks=blocks)
        self.manifest = Manifest(schema=self.schema, shards=(shard,))

    def requests(self) -> Requests:
        return Requests(count=3, fetched=2000, needed=1900)


@pytest.mark.parametrize("lanes", [1, 2, 4, 6])
@pytest.mark.parametrize(("world", "workers"), [(1, 1), (2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("shuffled", [False, True])
def test_reads_are_as_many_as_told(lanes: int, world: int, workers: int, shuffled: bool) -> None:
    """But for the seams of lanes, each of which may cut a block or a window."""
    source = MemorySource(numbers([32] * 24), ahead=0)
    ds = Dataset(source).batch(4).stripe(lanes)
    if shuffled:
        ds = ds.shuffle(seed=1, window_bytes=int(ds.tree.row_bytes * 64))

    told = ds.shard(0, world, remainder="uneven").explain(workers=workers).reads
    for rank, worker in itertools.product(range(world), range(workers)):
        mine = ds.shard(rank, world, remainder="uneven")
        list(mine.iterate(Consumer(worker, workers)))

    seams = (lanes - 1) * world * workers * (2 if shuffled else 1)
    assert 24 * told <= len(source.log) <= 24 * told + seams


def test_what_the_source_tells_is_told() -> None:
    found = Dataset(PinnedSource(numbers([30, 30, 40]))).batch(8).explain()

    assert (found.shards, found.blocks, found.rows, found.stored_bytes) == (1, 3, 100, 240)
    assert (found.requests, found.fetched_bytes, found.over_read) == (3, 2000, 0.05)
    assert str(found) == (
        "rows: 100 in 3 blocks of 1 shards\n"
        "stored: 240 bytes\n"
        "requests: 3 for 1.953 KiB, 5.0% of it for nothing\n"
        "batches: 13\n"
        "reads: each block 1.00 times, over all ranks and workers"
    )


def test_window_is_chosen_by_what_is_stored_where_that_is_more() -> None:
    small, large = (PinnedSource(numbers([30, 30, 40]), size=size) for size in (80, 800_000))

    assert Dataset(small).tree.row_bytes == dataset([1]).tree.row_bytes
    assert Dataset(large).tree.row_bytes == 3 * 3 * 800_000 / 100


def test_what_the_source_does_not_tell_is_none() -> None:
    found = dataset([30]).explain()

    assert (found.shards, found.stored_bytes, found.requests, found.over_read) == (None,) * 4
    assert found.windows is None


@pytest.mark.parametrize(
    ("remainder", "per_rank", "words"),
    [
        ("drop", (4, 4, 4), "batches: 13, 4 for each of 3 ranks, 1 left out"),
        ("pad", (5, 5, 5), "batches: 13, 5 for each of 3 ranks, 2 repeated"),
        ("uneven", (5, 4, 4), "batches: 13, 4 to 5 for each of 3 ranks"),
    ],
)
def test_parity_is_told(remainder: str, per_rank: tuple[int, ...], words: str) -> None:
    ds = dataset([100]).batch(8).shard(0, 3, remainder=remainder)  # type: ignore[arg-type]

    found = ds.explain()

    assert found.per_rank == per_rank
    assert words in str(found).splitlines()


def test_mixing_grows_with_the_window_to_the_best() -> None:
    ds = dataset([20] * 50).batch(10)
    row_bytes = ds.tree.row_bytes

    found = [
        ds.shuffle(seed=1, window_bytes=int(row_bytes * rows)).explain() for rows in (20, 100, 1000)
    ]

    assert [one.windows for one in found] == [50, 10, 1]
    assert found[0].mixing == 0
    assert 0.8 < (found[1].mixing or 0) < 0.82
    assert found[2].mixing == found[2].best_mixing == pytest.approx(0.98, abs=0.001)
    assert "windows of 100 rows" in str(found[1])


def test_mixing_is_as_told() -> None:
    ds = dataset([20] * 50).batch(10)
    ds = ds.shuffle(seed=1, window_bytes=int(ds.tree.row_bytes * 100))

    apart = [
        one // 20 != other // 20
        for batch in ds
        for one, other in itertools.combinations(batch.column("n").to_pylist(), 2)
    ]

    assert sum(apart) / len(apart) == pytest.approx(ds.explain().mixing, abs=0.02)


def test_rows_without_end_are_explained_too() -> None:
    found = dataset([10]).repeat().take(5).concat(dataset([3])).explain()
    assert found.batches == 1
    endless = dataset([10]).repeat().interleave(dataset([3]).repeat()).explain()

    assert (endless.rows, endless.batches, endless.per_rank) == (None, None, None)
    assert "rows: without end in 2 blocks" in str(endless)
