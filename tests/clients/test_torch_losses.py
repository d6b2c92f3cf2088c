"""What workers of a loader find lost: their parent's states have it, and other workers know it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from blobio.dataset import open_dataset, open_source
from blobio.dataset.errors import OnError
from blobio.dataset.torch import TorchDataset
from tests.clients.loaders import MARKS

pytestmark = MARKS


class Shards:
    """Four shards of 40 rows in blocks of 10; two of them can be taken away and put back."""

    def __init__(self, root: Path) -> None:
        self.paths = [root / f"{i}.parquet" for i in range(4)]
        for i, path in enumerate(self.paths):
            rows = pa.table({"n": range(40 * i, 40 * i + 40)})
            pq.write_table(rows, path, row_group_size=10)
        self.manifest = open_source([str(path) for path in self.paths]).manifest

    def move(self, numbers: Sequence[int], *, away: bool) -> None:
        for number in numbers:
            here, there = self.paths[number], self.paths[number].with_suffix(".away")
            (here if away else there).rename(there if away else here)

    def made(self, on_error: OnError = "substitute", **options: Any) -> TorchDataset:
        return open_dataset(self.manifest, on_error=on_error).shuffle(seed=1).to_torch(8, **options)


@pytest.fixture(name="shards")
def fixture_shards(tmp_path: Path) -> Shards:
    return Shards(tmp_path)


def loader_of(dataset: TorchDataset, workers: int, **options: Any) -> DataLoader[Any]:
    if workers:
        options.setdefault("multiprocessing_context", "fork")
        options.setdefault("timeout", 60)
    return DataLoader(dataset, batch_size=None, num_workers=workers, **options)


def lists(batches: Iterable[Any]) -> list[list[int]]:
    return [batch["n"].tolist() for batch in batches]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("on_error", ["skip", "substitute"])
def test_state_by_count_has_what_workers_found(
    shards: Shards, workers: int, on_error: OnError
) -> None:
    """What was lost comes back before the resume, and is not asked for again."""
    shards.move([1, 2], away=True)
    whole = lists(loader_of(shards.made(on_error), 0))
    dataset = shards.made(on_error)
    loader = iter(loader_of(dataset, workers))
    seen = lists(itertools.islice(loader, 15))
    state = json.loads(json.dumps(dataset.state_dict(delivered=15)))
    lists(loader)
    shards.move([1, 2], away=False)

    again = shards.made(on_error)
    again.load_state_dict(state)

    assert state["lost"] == "0:4-11"
    assert seen + lists(loader_of(again, 3 - workers)) == whole


def test_workers_that_persist_learn_what_was_loaded(shards: Shards) -> None:
    shards.move([1, 2], away=True)
    lost = shards.made()
    whole = lists(loader_of(lost, 0))
    state = lost.state_dict()
    shards.move([1, 2], away=False)
    dataset = shards.made()
    loader = loader_of(dataset, 2, persistent_workers=True)
    assert lists(loader) != whole  # nothing is lost here

    dataset.load_state_dict({**state, "batches": 0})

    assert lists(loader) == whole


def test_stateful_loader_keeps_what_each_worker_found(shards: Shards) -> None:
    def loader() -> Any:
        return StatefulDataLoader(
            shards.made(), batch_size=None, num_workers=2, multiprocessing_context="fork"
        )

    shards.move([1, 2], away=True)
    first = loader()
    batches = iter(first)
    whole = lists(itertools.islice(batches, 14))
    state = first.state_dict()
    whole += lists(batches)
    shards.move([1, 2], away=False)

    second = loader()
    second.load_state_dict(state)

    assert lists(second) == whole[14:]
