"""torch: tensors in files, and loaders whose workers open files after their parent has."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import blobio as bf
from tests.clients.conftest import Store

RUNS = 10
ITEMS = 8


def content(number: int) -> bytes:
    return bytes([number]) * (1000 + number)


def test_tensors(store: Store) -> None:
    state = {"weight": torch.arange(1000.0), "step": 7}
    with store.fs.open(store.url("state.pt"), "wb") as file:
        torch.save(state, file)
    assert store.requests() <= 1

    with store.fs.open(store.url("state.pt")) as file:
        found = torch.load(file, weights_only=True)
    with store.context.BlobFile(store.own("state.pt"), "rb") as file:
        again = torch.load(file, weights_only=True)

    assert torch.equal(found["weight"], state["weight"])
    assert torch.equal(again["weight"], state["weight"])
    assert store.requests() <= 3


class Files(Dataset[tuple[int, bytes, bytes]]):
    """Reads each item twice: by `BlobFile` and by fsspec."""

    def __init__(self, context: bf.Context, root: str, fs: Any) -> None:
        self.context = context
        self.root = root
        self.fs = fs
        self.kept = context.BlobFile(f"{root}/0", "rb")  # opened by the parent, read by workers

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, number: int) -> tuple[int, bytes, bytes]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.context.BlobFile(f"{self.root}/{number}", "rb") as file:
                first = file.read()
            with self.fs.open(f"{self.root.partition('://')[2]}/{number}") as file:
                second = file.read()
            return number, first, second

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": None}  # an open file does not travel


def first(batch: list[Any]) -> Any:
    return batch[0]


@pytest.fixture(params=["s3", "gs"])
def files(make_store: Any, request: pytest.FixtureRequest) -> Iterator[Files]:
    store = make_store(request.param)
    options = {name: value for name, value in store.options.items() if name != "on_event"}
    for number in range(ITEMS):
        store.context.write_bytes(store.own(str(number)), content(number))
    fs = fsspec.filesystem(store.root.partition(":")[0], **options)
    made = Files(store.context, store.own("x").removesuffix("/x"), fs)
    yield made
    made.kept.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_read_after_their_parent(files: Files, method: str, workers: int) -> None:
    """Ten loaders in turn; a worker that hangs is ended by the loader's own limit, which raises.

    One worker where it is spawned: each imports torch anew, which takes seconds.
    """
    for _ in range(RUNS):
        assert files[3][1:] == (content(3), content(3))  # the parent uses both
        loader = DataLoader(
            files,
            num_workers=workers,
            multiprocessing_context=method,
            collate_fn=first,
            timeout=60,
        )
        found = list(loader)
        assert found == [(n, content(n), content(n)) for n in range(ITEMS)]
