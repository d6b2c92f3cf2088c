"""torch over `blobio.dataset`: workers, ranks and loaders that stop and go on."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from blobio.dataset import Dataset, StateMismatch
from blobio.dataset.torch import TorchDataset, tensors
from blobio.errors import InvalidConfig
from tests.clients.loaders import MARKS
from tests.dataset.memory import MemorySource, numbers

pytestmark = MARKS


def made(**options: Any) -> TorchDataset:
    source = MemorySource(numbers([40, 3, 57]))
    return Dataset(source).shuffle(seed=1).to_torch(7, **options)


def loader_of(dataset: TorchDataset, workers: int = 0, **options: Any) -> DataLoader[Any]:
    if workers:
        options.setdefault("multiprocessing_context", "fork")
        options.setdefault("timeout", 60)
    return DataLoader(dataset, batch_size=None, num_workers=workers, **options)


def len_of(batch: pa.RecordBatch) -> int:
    return int(batch.num_rows)


def lists(batches: Iterable[Any]) -> list[list[int]]:
    return [batch["n"].tolist() for batch in batches]


def flat(batches: Iterable[Any]) -> list[int]:
    return list(itertools.chain.from_iterable(lists(batches)))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_deliver_the_order_of_one_process(method: str) -> None:
    alone = lists(loader_of(made()))

    loader = loader_of(made(), 2, multiprocessing_context=method)

    assert lists(loader) == alone
    assert len(loader) == len(alone) == 15
    assert sorted(itertools.chain.from_iterable(alone)) == list(range(100))


@pytest.mark.parametrize("workers", [0, 3])
def test_ranks_get_as_many_batches_and_all_rows(workers: int) -> None:
    ranks = [made(rank=rank, world=2, remainder="drop") for rank in range(2)]

    found = [lists(loader_of(rank, workers)) for rank in ranks]

    assert [len(batches) for batches in found] == [7, 7] == [len(rank) for rank in ranks]
    rows = [n for batches in found for batch in batches for n in batch]
    assert len(set(rows)) == len(rows) == 98


@pytest.mark.parametrize("persistent", [False, True])
def test_epoch_reaches_the_workers(persistent: bool) -> None:
    dataset = made()
    loader = loader_of(dataset, 2, persistent_workers=persistent)
    alone = made()

    for epoch in (0, 1, 5):
        dataset.set_epoch(epoch)
        alone.set_epoch(epoch)
        assert flat(loader) == flat(alone)


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("persistent", [False, True])
def test_state_by_count_resumes_at_any_batch_with_other_workers(
    workers: int, persistent: bool
) -> None:
    whole = lists(made())
    options = {"persistent_workers": True} if persistent and workers else {}
    dataset = made()
    loader = loader_of(dataset, workers, **options)
    next_epoch = made()
    next_epoch.set_epoch(1)

    for kill in (0, 4, 14, 15):
        seen = lists(itertools.islice(made(), kill))
        state = json.loads(json.dumps(made().state_dict(delivered=kill)))
        dataset.load_state_dict(state)
        assert seen + lists(loader) == whole
        assert lists(loader) == whole  # a state is used once
        dataset.set_epoch(1)
        assert lists(loader) == lists(next_epoch)


def test_state_of_workers_needs_a_count() -> None:
    dataset = made()
    iterator = iter(loader_of(dataset, 2))
    next(iterator)

    with pytest.raises(InvalidConfig, match="StatefulDataLoader"):
        dataset.state_dict()
    assert dataset.state_dict(delivered=1)["batches"] == 1
    lists(iterator)


def test_state_in_one_process_is_that_of_the_iteration() -> None:
    dataset, whole = made(), lists(made())
    seen = lists(itertools.islice(loader_of(dataset), 5))

    again = made()
    again.load_state_dict(dataset.state_dict())

    assert seen + lists(again) == whole
    with pytest.raises(StateMismatch, match="batch_rows"):
        Dataset(MemorySource(numbers([40, 3, 57]))).shuffle(seed=1).to_torch(8).load_state_dict(
            again.state_dict()
        )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("world", [1, 2])
def test_stateful_loader_resumes_at_any_batch(workers: int, world: int) -> None:
    options: dict[str, Any] = {"multiprocessing_context": "fork"} if workers else {}

    def loader() -> StatefulDataLoader[Any]:
        dataset = made(rank=world - 1, world=world, remainder="pad")
        return StatefulDataLoader(dataset, batch_size=None, num_workers=workers, **options)

    whole = lists(loader())
    for kill in (0, 1, 4, len(whole) - 1):
        first = loader()
        iterator = iter(first)
        seen = lists(itertools.islice(iterator, kill))
        state = first.state_dict()
        second = loader()
        second.load_state_dict(state)
        resumed = iter(second)
        seen += lists(itertools.islice(resumed, 1))
        third = loader()
        third.load_state_dict(second.state_dict())
        assert seen + lists(third) == whole
        assert lists(third) == whole  # the epoch after a resumed one is whole
        del iterator, resumed


def test_stateful_loader_at_the_end_of_an_epoch_starts_the_next() -> None:
    for workers in (0, 2):
        options: dict[str, Any] = {"multiprocessing_context": "fork"} if workers else {}
        first = StatefulDataLoader(made(), batch_size=None, num_workers=workers, **options)
        whole = lists(first)
        second = StatefulDataLoader(made(), batch_size=None, num_workers=workers, **options)
        second.load_state_dict(first.state_dict())

        assert lists(second) == whole


def test_rank_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    ds = Dataset(MemorySource(numbers([100]))).batch(10)

    assert flat(ds.to_torch()) == flat(ds.to_torch(rank=1, world=2))
    assert flat(ds.shard(0, 2, remainder="drop").to_torch()) == flat(ds.to_torch(rank=0, world=2))
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(InvalidConfig, match="belong together"):
        ds.to_torch()


def test_rank_comes_from_torch_distributed(tmp_path: Any) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    try:
        assert len(made()) == 15
    finally:
        torch.distributed.destroy_process_group()


def test_dataset_is_left_alone() -> None:
    ds = Dataset(MemorySource(numbers([10]))).batch(2)

    dataset = ds.to_torch()
    dataset.set_epoch(3)
    list(dataset)

    assert (ds.epoch, ds.state_dict()["batches"]) == (0, 0)


def test_pickled_dataset_is_the_same() -> None:
    dataset = made()
    dataset.load_state_dict(made().state_dict(delivered=3))

    assert lists(pickle.loads(pickle.dumps(dataset))) == lists(made())[3:]  # noqa: S301 - our own


def test_columns_become_tensors_of_their_own() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "i": pa.array([1, 2, 3], pa.int32()),
            "f": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "b": pa.array([True, False, True]),
            "v": pa.FixedSizeListArray.from_arrays(pa.array(range(6), pa.int64()), 2),
            "s": pa.array(["a", None, "c"]),
        }
    )
    found: dict[str, Any] = tensors(batch.slice(1))

    assert torch.equal(found["i"], torch.tensor([2, 3], dtype=torch.int32))
    assert torch.equal(found["f"], torch.tensor([2.5, 3.5]))
    assert torch.equal(found["b"], torch.tensor([False, True]))
    assert torch.equal(found["v"], torch.tensor([[2, 3], [4, 5]]))
    assert found["s"] == [None, "c"]
    found["i"].add_(1)
    assert batch.column("i").to_pylist() == [1, 2, 3]
    with pytest.raises(InvalidConfig, match="column 'x' has nulls"):
        tensors(pa.RecordBatch.from_pydict({"x": pa.array([1, None])}))


def test_another_conversion_is_called_for_each_batch() -> None:
    dataset = made(convert=len_of)

    assert list(dataset) == [7] * 14 + [2]
