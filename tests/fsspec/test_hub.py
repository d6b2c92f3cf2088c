"""Datasets of the Hub through fsspec: by blobio's protocol, and in the place of `hf`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import fsspec
import pytest

from blobio.errors import InvalidConfig, Unsupported
from blobio.fsspec import HubFileSystem, register, unregister
from blobio.testing.strict_hub import StrictHub, strict_hub

AT: Final = "datasets/org/name"
DATA: Final = bytes(range(256)) * 8


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[StrictHub]:
    with strict_hub() as server:
        server.make_dataset("org/name").commit({"README.md": b"# Card\n", "data/a.bin": DATA})
        yield server


@pytest.fixture(name="fs")
def fixture_fs(server: StrictHub) -> HubFileSystem:
    fs = fsspec.filesystem(
        "blobiohf", endpoint=server.config().hub.endpoint_url, token=False, skip_instance_cache=True
    )
    assert isinstance(fs, HubFileSystem)
    return fs


def test_files_are_listed_and_read(fs: HubFileSystem) -> None:
    assert fs.find(AT) == [f"{AT}/README.md", f"{AT}/data/a.bin"]
    assert fs.glob(f"{AT}/data/*") == [f"{AT}/data/a.bin"]
    assert fs.cat_file(f"{AT}/data/a.bin", start=256, end=260) == DATA[256:260]
    with fs.open(f"{AT}/data/a.bin") as file:
        assert file.read() == DATA
    assert fs.info(f"hf://{AT}/data/a.bin")["size"] == len(DATA)


def test_revisions_are_part_of_the_path(fs: HubFileSystem) -> None:
    assert fs.cat_file(f"{AT}@main/README.md") == b"# Card\n"
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{AT}@other/README.md")


def test_writes_are_refused(fs: HubFileSystem) -> None:
    with pytest.raises(Unsupported):
        fs.pipe_file(f"{AT}/new", b"x")


def test_hf_is_taken_and_given_back(server: StrictHub) -> None:
    register("hf")
    try:
        options = {"endpoint": server.config().hub.endpoint_url, "token": False}
        with fsspec.open(f"hf://{AT}/README.md", **options) as file:
            assert file.read() == b"# Card\n"
    finally:
        unregister("hf")


def test_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfig, match="'revision'"):
        fsspec.filesystem("blobiohf", revision="main")
