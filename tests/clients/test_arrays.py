"""Arrays, archives and pictures: zarr, xarray, numpy, h5py, zipfile and PIL."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import h5py
import numpy as np
import PIL.Image
import pytest
import xarray as xr
import zarr
from zarr.storage import FsspecStore

from tests.clients.conftest import Store

# Zarr says so of every group that has them; which is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")


def zarr_store(store: Store, name: str, *, read_only: bool = False) -> FsspecStore:
    return FsspecStore.from_url(store.url(name), storage_options=store.options, read_only=read_only)


def test_zarr_array_in_shards(store: Store) -> None:
    data: Any = np.arange(64 * 64, dtype="i4").reshape(64, 64)
    array = zarr.create_array(
        zarr_store(store, "a.zarr"), shape=data.shape, chunks=(8, 8), shards=(32, 32), dtype="i4"
    )
    array[:] = data
    assert store.requests() <= 24

    found = zarr.open_array(zarr_store(store, "a.zarr", read_only=True), mode="r")
    assert store.requests() <= 6
    assert (found[10:20, 40:50] == data[10:20, 40:50]).all()
    assert store.requests() <= 6  # the index of each shard, and its chunks
    assert (found[:] == data).all()


def test_zarr_group_with_consolidated_metadata(store: Store) -> None:
    group = zarr.create_group(zarr_store(store, "g.zarr"))
    for name in ("a", "b"):
        group.create_array(name, data=np.arange(10))
    zarr.consolidate_metadata(zarr_store(store, "g.zarr"))
    store.requests()

    found = zarr.open_consolidated(zarr_store(store, "g.zarr", read_only=True), mode="r")

    assert sorted(name for name, _ in found.arrays()) == ["a", "b"]
    assert store.requests() <= 4
    assert found["b"][3] == 3


def test_zarr_in_parts_that_are_deleted(store: Store) -> None:
    group = zarr.create_group(zarr_store(store, "d.zarr"))
    group.create_array("a", data=np.arange(10))

    del group["a"]

    assert list(zarr.open_group(zarr_store(store, "d.zarr"), mode="r").array_keys()) == []


def test_xarray(store: Store) -> None:
    whole = xr.Dataset(
        {"heat": (("x", "y"), np.arange(200.0).reshape(10, 20))}, coords={"x": np.arange(10)}
    )

    whole.to_zarr(store.url("x.zarr"), storage_options=store.options)
    store.requests()
    found = xr.open_zarr(store.url("x.zarr"), storage_options=store.options)

    assert store.requests() <= 10
    xr.testing.assert_equal(found.load(), whole)


def test_numpy_archive(store: Store) -> None:
    with store.fs.open(store.url("a.npz"), "wb") as file:
        np.savez(file, one=np.arange(10), two=np.eye(3))
    assert store.requests() <= 1

    with store.fs.open(store.url("a.npz")) as file, np.load(file) as found:
        assert (found["one"] == np.arange(10)).all()
        assert (found["two"] == np.eye(3)).all()
    assert store.requests() <= 3


def test_zip(store: Store) -> None:
    with (
        store.context.BlobFile(store.own("a.zip"), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("a/b.txt", b"text" * 1000)

    with store.fs.open(store.url("a.zip")) as file, zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["a/b.txt"]
        assert archive.read("a/b.txt") == b"text" * 1000
    assert store.requests() <= 5


def test_hdf5(store: Store) -> None:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["a"] = np.arange(1000)
    store.fs.pipe_file(store.url("a.h5"), memory.getvalue())
    store.requests()

    with store.fs.open(store.url("a.h5")) as opened, h5py.File(opened, "r") as file:
        assert file["a"][500] == 500
    assert store.requests() <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_picture(store: Store, kind: str) -> None:
    picture = PIL.Image.new("RGB", (64, 48), (200, 10, 20))
    with store.fs.open(store.url("a"), "wb") as file:
        picture.save(file, kind)
    assert store.requests() <= 1

    with store.context.BlobFile(store.own("a"), "rb") as file, PIL.Image.open(file) as found:
        assert (found.size, found.format) == ((64, 48), kind)
        found.load()
    with store.fs.open(store.url("a")) as file, PIL.Image.open(file) as found:
        found.load()
    assert store.requests() <= 2
