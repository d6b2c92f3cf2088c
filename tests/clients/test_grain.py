"""Grain: a view of a dataset is one of its data sources."""

from __future__ import annotations

import grain

from blobio.dataset import Dataset
from tests.dataset.memory import MemorySource, numbers


def test_map_dataset_reads_a_view() -> None:
    view = Dataset(MemorySource(numbers([40, 60]))).random_access()

    batches = list(grain.MapDataset.source(view).shuffle(seed=1).to_iter_dataset().batch(25))

    assert [len(batch["n"]) for batch in batches] == [25] * 4
    assert sorted(n for batch in batches for n in batch["n"].tolist()) == list(range(100))


def test_checkpoint_goes_on() -> None:
    view = Dataset(MemorySource(numbers([40, 60]))).shuffle(seed=1).random_access()
    iterator = iter(grain.MapDataset.source(view).to_iter_dataset())
    seen = [next(iterator)["n"] for _ in range(30)]
    again = iter(grain.MapDataset.source(view).to_iter_dataset())
    again.set_state(iterator.get_state())

    assert seen + [row["n"] for row in again] == view[:]["n"].to_pylist()


def test_data_loader_samples_a_view() -> None:
    view = Dataset(MemorySource(numbers([10]))).random_access()
    sampler = grain.samplers.IndexSampler(
        num_records=10,
        shuffle=True,
        seed=1,
        num_epochs=1,
        shard_options=grain.sharding.NoSharding(),
    )

    rows = [row["n"] for row in grain.DataLoader(data_source=view, sampler=sampler)]

    assert sorted(rows) == list(range(10))
