"""Datasets that many tasks have written become one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from blobio.dataset import Manifest, ShardWriter, Split, freeze, join_manifests, load_manifest
from tests.dataset.conftest import Place
from tests.dataset.writing.conftest import SCHEMA, rows_of, table


def _task(place: Place, number: int) -> Manifest:
    with ShardWriter(
        place.at(f"part-{number}"), SCHEMA, shard_rows=10, tags=["a", str(number)],
        license="mit", description=str(number), config=place.config,
    ) as writer:  # fmt: skip
        writer.write(table(100 * number, 100 * number + 25))
        writer.start_split("test")
        writer.write(table(100 * number + 25, 100 * number + 30))
    return writer.manifest


def test_what_tasks_have_written_side_by_side_becomes_one_dataset(memory: Place) -> None:
    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(lambda number: _task(memory, number), range(3)))

    url = memory.at("manifest.json")
    freeze(join_manifests(parts), url, config=memory.config)

    whole = load_manifest(url, config=memory.config)
    assert whole.splits == {"train": Split(0, 9), "test": Split(9, 12)}
    train = [row for start in (0, 100, 200) for row in range(start, start + 25)]
    test = [row for start in (25, 125, 225) for row in range(start, start + 5)]
    assert rows_of(memory, whole) == train + test
    assert (whole.tags, whole.license, whole.description) == (("a", "0", "1", "2"), "mit", "")


@pytest.mark.parametrize("place_of_it", [0, 1])
def test_task_that_had_no_rows_does_not_matter(memory: Place, place_of_it: int) -> None:
    with ShardWriter(memory.at("none"), SCHEMA, config=memory.config) as writer:
        pass
    part = _task(memory, 0)

    parts = [part]
    parts.insert(place_of_it, writer.manifest)
    whole = join_manifests(parts)

    assert (whole.shards, whole.splits) == (part.shards, part.splits)


def test_datasets_without_splits_are_joined_too(memory: Place) -> None:
    part = replace(_task(memory, 0), splits={})

    whole = join_manifests([part, part])

    assert whole.shards == part.shards * 2
    assert whole.splits == {}
    assert whole.description == "0"


def test_what_does_not_fit_together_is_refused(memory: Place) -> None:
    part = _task(memory, 0)

    with pytest.raises(ValueError, match="no manifests"):
        join_manifests([])
    with pytest.raises(ValueError, match="manifest 1 has another schema"):
        join_manifests([part, replace(part, schema=pa.schema([("x", pa.int8())]))])
    with pytest.raises(ValueError, match="manifest 1 has no splits"):
        join_manifests([part, replace(part, splits={})])
    with pytest.raises(ValueError, match="manifest 0 has splits that overlap"):
        join_manifests([replace(part, splits={"a": Split(0, 2), "b": Split(1, 4)})])
    with pytest.raises(ValueError, match="shards that are in none"):
        join_manifests([replace(part, splits={"a": Split(0, 2)})])
