"""http:// URLs through the file API: read, and refused what cannot be done, before any of it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import blobio as bf
from blobio.testing.emulators import http_server
from tests.blocking.conftest import Place

DATA: Final = b"line\n" * 1000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("served")
    (directory / "blob").write_bytes(DATA)
    with http_server(directory) as server:
        yield server.url


def test_blob_is_read_like_any_other(root: str, memory: Place) -> None:
    url = f"{root}/blob"

    with bf.BlobFile(url) as file:
        assert file.readline() == "line\n"
    with bf.BlobFile(url, "rb") as binary:
        binary.seek(-5, 2)
        assert binary.read() == b"line\n"
    assert bf.read_ranges(url, [(5, 9), (0, 4)]) == [b"line", b"line"]
    assert bf.stat(url).size == len(DATA)
    bf.copy(url, memory.path("copy"))
    assert memory.get("copy") == DATA
    assert bf.get_url(url) == (url, None)


def test_questions_have_answers(root: str) -> None:
    assert bf.exists(f"{root}/blob")
    assert bf.isfile(f"{root}/blob")
    assert not bf.exists(f"{root}/missing")
    assert not bf.isdir(f"{root}/blob")
    assert list(bf.glob(f"{root}/blob")) == [f"{root}/blob"]
    with pytest.raises(FileNotFoundError):
        bf.BlobFile(f"{root}/missing")


@pytest.mark.parametrize("mode", ["w", "wb", "x", "a"])
@pytest.mark.parametrize("streaming", [None, False])
def test_opening_for_write_is_refused_at_once(root: str, mode: str, streaming: bool | None) -> None:
    with pytest.raises(bf.Unsupported, match="can only be read"):
        bf.Context().BlobFile(f"{root}/blob", mode, streaming=streaming)  # type: ignore[call-overload]


def test_other_changes_are_refused(root: str, memory: Place, tmp_path: Path) -> None:
    source = memory.put("source")
    changes: list[Callable[[], object]] = [
        lambda: bf.write_bytes(f"{root}/blob", b"x"),
        lambda: bf.remove(f"{root}/blob"),
        lambda: bf.move(f"{root}/blob", memory.path("moved")),
        lambda: bf.move(f"{root}/blob", str(tmp_path / "moved")),
        lambda: bf.copy(source, f"{root}/copy"),
        lambda: bf.makedirs(f"{root}/dir"),
        lambda: bf.set_mtime(f"{root}/blob", 1.0),
    ]
    for change in changes:
        with pytest.raises(bf.Unsupported):
            change()

    assert memory.names() == ["source"]
    assert list(tmp_path.iterdir()) == []
    assert bf.read_bytes(f"{root}/blob") == DATA


def test_listing_is_refused(root: str) -> None:
    listings: list[Callable[[], object]] = [
        lambda: list(bf.listdir(root)),
        lambda: list(bf.walk(root)),
        lambda: list(bf.glob(f"{root}/*")),
    ]
    for listing in listings:
        with pytest.raises(bf.Unsupported):
            listing()
