"""`Dataset.write`: the same rows in the same order, all of them or no dataset."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Literal, final

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from blobio import AlreadyExists
from blobio.dataset import Dataset, freeze, join_manifests, load_manifest, open_dataset
from blobio.dataset.writing import Writing, _Part
from blobio.errors import InvalidConfig
from tests.dataset.conftest import Make, Place, parquet
from tests.dataset.writing.conftest import SCHEMA, rows_of, table

ROWS: Final = 200
HOW: Final = Writing(
    format="parquet",
    split="train",
    shard_bytes=1 << 20,
    license=None,
    tags=(),
    description="",
    overwrite=False,
    config=None,
)


def opened(place: Place, **options: Any) -> Dataset:
    """Return a dataset of five shards of 40 rows, in row groups of 10."""
    for number in range(5):
        rows = table(number * 40, number * 40 + 40)
        place.put(f"old/{number}.parquet", parquet(rows))
    return open_dataset(place.at("old/*.parquet"), config=place.config, **options)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_rows_are_written_in_their_order(place: Place, kind: Literal["parquet", "arrow"]) -> None:
    rows = opened(place).skip(7)

    manifest = rows.write(
        place.at("new"), format=kind, split="test", tags=["a"], license="mit", config=place.config
    )

    assert rows_of(place, manifest) == list(range(7, ROWS))
    assert load_manifest(place.at("new/manifest.json"), config=place.config) == manifest
    assert list(manifest.splits) == ["test"]
    assert (manifest.license, manifest.tags) == ("mit", ("a",))
    assert {shard.format for shard in manifest.shards} == {kind}


def test_shuffled_and_filtered_rows_are_written_as_they_are_delivered(memory: Place) -> None:
    rows = opened(memory).shuffle(seed=5).filter(pc.field("id") > 50).repeat(2)

    manifest = rows.write(memory.at("new"), shard_bytes=2_000, config=memory.config)

    assert rows_of(memory, manifest) == [row["id"] for row in rows.rows()]
    assert len(manifest.shards) > 1


def test_dataset_without_rows_is_written(memory: Place) -> None:
    manifest = opened(memory).take(0).write(memory.at("new"), config=memory.config)

    assert manifest.num_rows == 0
    assert manifest.schema.equals(SCHEMA)


def test_dataset_without_an_end_is_refused(memory: Place) -> None:
    with pytest.raises(InvalidConfig, match="without an end"):
        opened(memory).repeat().write(memory.at("new"), config=memory.config)

    assert not [name for name in memory.names() if name.startswith("new")]


def test_tasks_write_parts_that_are_joined_in_order(place: Place) -> None:
    rows = opened(place)

    with ThreadPoolExecutor(3) as pool:
        manifest = rows.write(
            place.at("new"), executor=pool, task_bytes=1, license="mit", config=place.config
        )

    assert rows_of(place, manifest) == list(range(ROWS))
    assert len(manifest.shards) == 20
    assert load_manifest(place.at("new/manifest.json"), config=place.config) == manifest
    assert manifest.license == "mit"


@pytest.mark.slow
def test_processes_write_parts(make_place: Make) -> None:
    place = make_place("moto")
    place = replace(place, config=place.context.config)  # whose events are not counted
    rows = opened(place)

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        manifest = rows.write(place.at("new"), executor=pool, task_bytes=2_500, config=place.config)

    assert rows_of(place, manifest) == list(range(ROWS))
    assert len(manifest.shards) > 1


@pytest.mark.parametrize("tasks", [False, True])
def test_dataset_that_is_there_stays(memory: Place, tasks: bool) -> None:
    rows = opened(memory)
    old = rows.write(memory.at("new"), config=memory.config)
    before = memory.names()

    with ThreadPoolExecutor(2) as pool, pytest.raises(AlreadyExists, match=r"new/manifest\.json"):
        rows.write(memory.at("new"), executor=pool if tasks else None, config=memory.config)

    assert memory.names() == before
    new = rows.take(50).write(memory.at("new"), overwrite=True, config=memory.config)
    assert load_manifest(memory.at("new/manifest.json"), config=memory.config) == new != old


@pytest.mark.parametrize("tasks", [False, True])
def test_failure_leaves_nothing(memory: Place, tasks: bool) -> None:
    rows = opened(memory).map(_fail_at_130)

    with ThreadPoolExecutor(2) as pool, pytest.raises(LookupError) as caught:
        rows.write(
            memory.at("new"), executor=pool if tasks else None, task_bytes=1, config=memory.config
        )

    assert not [name for name in memory.names() if name.startswith("new")]
    if tasks:
        assert "old/3.parquet" in caught.value.__notes__[-1]


def _fail_at_130(batch: pa.RecordBatch) -> pa.RecordBatch:
    if 130 in batch["id"].to_pylist():
        raise LookupError
    return batch


@final
class Twice(Executor):
    """Does everything twice, as an executor that took a worker for lost."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_task_that_is_tried_again_finds_what_it_has_written(memory: Place) -> None:
    manifest = opened(memory).write(
        memory.at("new"), executor=Twice(), task_bytes=1, config=memory.config
    )

    assert rows_of(memory, manifest) == list(range(ROWS))
    assert len([name for name in memory.names() if name.startswith("new/parts")]) == 40


def test_task_goes_over_what_a_killed_one_has_left(memory: Place) -> None:
    from blobio.dataset import ShardWriter

    dead = ShardWriter(memory.at("part"), SCHEMA, shard_rows=10, config=memory.config)
    dead.__enter__().write(table(0, 25))

    part = _Part(opened(memory), memory.at("part"), replace(HOW, config=memory.config))
    manifest = part()

    assert rows_of(memory, manifest) == list(range(ROWS))
    dead.abort()


@pytest.mark.parametrize("tasks", [False, True])
@pytest.mark.parametrize("world", [3, 30])
def test_ranks_write_runs_that_are_joined_in_order(memory: Place, tasks: bool, world: int) -> None:
    rows = opened(memory)
    parts = []

    for rank in range(world):
        mine = rows.shard(rank, world, remainder="uneven")
        with ThreadPoolExecutor(2) as pool:
            parts.append(
                mine.write(
                    memory.at(f"new/{rank}"),
                    executor=pool if tasks else None,
                    config=memory.config,
                )
            )

    url = memory.at("new/manifest.json")
    whole = freeze(join_manifests(parts), url, config=memory.config)
    assert rows_of(memory, whole) == list(range(ROWS))
    assert min(len(part.shards) for part in parts) == (world == 3)
