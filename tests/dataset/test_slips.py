"""What people get wrong when they open a dataset, and the way out that they are told."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

import blobio.dataset as bd
from blobio.errors import InvalidConfig, IsDirectory, NotFound
from tests.dataset.conftest import Place, parquet, table


@pytest.fixture(name="url")
def fixture_url(place: Place) -> str:
    return place.put("shards/0.parquet", parquet(table(20)))


@pytest.fixture(name="dataset")
def fixture_dataset(url: str, place: Place) -> bd.Dataset:
    return bd.open_dataset(url, config=place.config)


def test_directory_without_its_slash(url: str, place: Place) -> None:
    with pytest.raises((IsDirectory, NotFound)) as caught:
        bd.open_dataset(url.rpartition("/")[0], config=place.config)

    assert any("shards/'" in note for note in caught.value.__notes__)


def test_format_that_is_none(url: str, place: Place) -> None:
    with pytest.raises(InvalidConfig, match=r"format='xml': one of .*'parquet'"):
        bd.open_dataset(url, format="xml", config=place.config)  # type: ignore[arg-type]


def test_name_in_the_place_of_names(url: str, place: Place, dataset: bd.Dataset) -> None:
    with pytest.raises(InvalidConfig, match=r"columns: .*as in \['n'\]"):
        bd.open_dataset(url, columns="n", config=place.config)
    with pytest.raises(InvalidConfig, match=r"select: .*as in \['n'\]"):
        dataset.select("n")
    with pytest.raises(InvalidConfig, match=r"select: .*as in \['n'\]"):
        dataset.take(3).select("n")


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        (lambda ds: ds.batch(0), "batch_rows=0"),
        (lambda ds: ds.stripe(0), "lanes=0"),
        (lambda ds: ds.shuffle(seed="1"), "seed='1'"),
        (lambda ds: ds.shard(2, 2, remainder="drop"), "rank 2 of 2"),
    ],
)
def test_numbers_that_are_none(
    dataset: bd.Dataset, verb: Callable[[bd.Dataset], object], told: str
) -> None:
    with pytest.raises(InvalidConfig, match=told):
        verb(dataset)


def test_name_without_a_registry() -> None:
    with pytest.raises(InvalidConfig, match="BLOBIO_REGISTRY"):
        bd.load_dataset("gsm8k")


def test_tensors_without_torch(dataset: bd.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "blobio.dataset.torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ImportError, match=r"pip install .torch"):
        dataset.to_torch()
