"""copytree as a user sees it, between any two kinds of store."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import blobio as bf
from blobio.testing.strict_s3 import StrictS3
from tests.blocking.conftest import Place

TREE = {"a": b"", "d/b": b"b", "d/e/c": bytes(range(256)) * 50, "z": b"z"}


def plant(place: Place, name: str = "src") -> str:
    for key, data in TREE.items():
        place.put(f"{name}/{key}", data)
    return place.path(name)


def harvest(place: Place, name: str = "dst") -> dict[str, bytes]:
    below = [key for key in place.names() if key.startswith(f"{name}/")]
    return {key.removeprefix(f"{name}/"): place.get(key) for key in below}


@pytest.mark.parametrize("kind", ["memory", "local", "s3"])
def test_a_tree_is_copied_between_any_two_stores(
    place: Place, kind: str, request: pytest.FixtureRequest
) -> None:
    other: Place = request.getfixturevalue(kind)
    s3: Place = request.getfixturevalue("s3")
    source = plant(place)

    s3.context.copytree(source, other.path("dst"))

    assert harvest(other) == TREE
    assert harvest(place, "src") == TREE


def test_paths_may_end_in_a_slash_or_be_paths(place: Place, tmp_path: Path) -> None:
    source = plant(place)

    place.context.copytree(source + "/", tmp_path / "dst")
    place.context.copytree(f"{tmp_path}/dst/", place.path("dst/"))

    assert harvest(place) == TREE


def test_local_paths_may_be_relative(local: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(local)
    monkeypatch.chdir(local.root)

    local.context.copytree("src", "new/dst")
    with pytest.raises(ValueError, match="lies in it"):
        local.context.copytree(".", "new")

    assert harvest(local, "new/dst") == TREE


def test_what_is_there_stays_unless_it_is_to_be_overwritten(place: Place) -> None:
    source = plant(place)
    place.put("dst/z", b"old")
    place.put("dst/other", b"kept")

    with pytest.raises(bf.CopyIncomplete, match="1 of 4") as caught:
        place.context.copytree(source, place.path("dst"))
    assert [dst for _, dst, _ in caught.value.failures] == [place.path("dst/z")]
    assert isinstance(caught.value.failures[0][2], FileExistsError)
    assert harvest(place) == {**TREE, "z": b"old", "other": b"kept"}
    place.context.copytree(source, place.path("dst"), overwrite=True)

    assert harvest(place) == {**TREE, "other": b"kept"}


def test_the_error_names_what_failed_and_travels(place: Place) -> None:
    source = plant(place)
    place.put("dst/z")

    with pytest.raises(OSError, match="were not copied") as caught:
        place.context.copytree(source, place.path("dst"))
    back = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own

    assert isinstance(back, bf.CopyIncomplete)
    assert [src for src, *_ in back.failures] == [place.path("src/z")]


def test_a_tree_that_is_not_there_or_is_a_blob(place: Place) -> None:
    place.put("blob")

    with pytest.raises(FileNotFoundError, match="missing"):
        place.context.copytree(place.path("missing"), place.path("dst"))
    with pytest.raises(NotADirectoryError, match="blob"):
        place.context.copytree(place.path("blob"), place.path("dst"))

    assert place.names() == ["blob"]


def test_the_root_of_a_web_server_cannot_be_listed(place: Place) -> None:
    source = plant(place)

    with pytest.raises(bf.Unsupported, match="cannot be listed"):
        place.context.copytree("http://127.0.0.1:1/dir", place.path("dst"))
    with pytest.raises(bf.Unsupported, match="can only be read"):
        place.context.copytree(source, "http://127.0.0.1:1/dir")


def test_concurrency_is_a_number_of_blobs(place: Place) -> None:
    source = plant(place)

    with pytest.raises(ValueError, match="concurrency"):
        place.context.copytree(source, place.path("dst"), concurrency=0)
    place.context.copytree(source, place.path("dst"), concurrency=1)

    assert harvest(place) == TREE


def test_permission_bits_of_files_come_along_on_disk(local: Place) -> None:
    source = plant(local)
    Path(source, "d/b").chmod(0o740)

    local.context.copytree(source, local.path("dst"))

    assert Path(local.path("dst/d/b")).stat().st_mode & 0o777 == 0o740


def test_a_tree_on_s3_is_copied_by_the_store(s3: Place) -> None:
    source = plant(s3)
    s3.methods()

    s3.context.copytree(source, s3.path("dst"))

    methods = s3.methods()
    assert (methods.count("HEAD"), methods.count("PUT")) == (4, 4)
    assert methods.count("GET") == 2  # is there anything, and what


def test_a_small_memory_is_enough_for_any_tree(s3: Place, local: Place, strict: StrictS3) -> None:
    """Every part waits for its turn."""
    data = bytes(range(256)) * 400
    for number in range(12):
        s3.put(f"src/{number}", data)
    tiny = replace(strict.config(), memory_bytes=1, read=bf.ReadConfig(part_bytes=10_000, window=3))

    with bf.Context(tiny) as context:
        context.copytree(s3.path("src"), local.path("dst"))

    assert harvest(local) == {str(number): data for number in range(12)}
