"""Hugging Face `datasets`, and paths of universal_pathlib."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from upath import UPath

from tests.clients.conftest import Store


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def rows() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"number": list(range(100)), "text": ["word"] * 100})


def test_dataset_saved_and_loaded(store: Store) -> None:
    url = store.url("saved")

    rows().save_to_disk(url, storage_options=store.options)
    assert store.requests() <= 12
    found = datasets.load_from_disk(url, storage_options=store.options)

    assert found.to_dict() == rows().to_dict()
    assert store.requests() <= 24


def test_dataset_streamed(store: Store) -> None:
    with store.fs.open(store.url("rows.parquet"), "wb") as file:
        rows().to_parquet(file)
    store.requests()

    found = datasets.load_dataset(
        "parquet",
        data_files=store.url("rows.parquet"),
        storage_options=store.options,
        split="train",
        streaming=True,
    )

    assert [row["number"] for row in found] == list(range(100))
    assert store.requests() <= 12


def test_universal_path(store: Store) -> None:
    root = UPath(store.url("u"), **store.options)
    path = root / "a" / "b.txt"

    path.write_text("hello")
    assert path.read_text() == "hello"
    assert (path.name, path.suffix, path.parent.name) == ("b.txt", ".txt", "a")
    assert path.exists()
    assert path.is_file()
    assert (root / "a").is_dir()
    assert path.stat().st_size == 5
    assert [found.name for found in (root / "a").iterdir()] == ["b.txt"]
    assert [found.name for found in root.rglob("*.txt")] == ["b.txt"]
    assert str(path) == store.url("u/a/b.txt")
    assert str(path.parent.parent) == store.url("u")
    assert str(path.relative_to(root)) == "a/b.txt"
    moved = path.rename(root / "c.txt")
    assert not path.exists()
    moved.unlink()
    assert not (root / "c.txt").exists()
