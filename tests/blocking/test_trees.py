"""makedirs, remove, rmdir and rmtree, as a user sees them on each kind of store."""

from __future__ import annotations

import contextlib
import os

import pytest

import blobio as bf
from tests.blocking.conftest import Place

# Directories


def test_makedirs_makes_a_directory_with_its_parents(place: Place) -> None:
    place.context.makedirs(place.path("a/b/c"))
    place.context.makedirs(place.path("a/b/c/"))

    assert place.context.isdir(place.path("a/b/c"))
    assert place.context.isdir(place.path("a"))
    assert list(place.context.listdir(place.path("a/b"))) == ["c"]


def test_makedirs_keeps_what_is_in_it(place: Place) -> None:
    place.put("dir/file", b"kept")

    place.context.makedirs(place.path("dir"))

    assert place.get("dir/file") == b"kept"


def test_makedirs_over_a_local_file(local: Place) -> None:
    local.put("file")

    with pytest.raises((FileExistsError, NotADirectoryError), match="file"):
        local.context.makedirs(local.path("file"))
    with pytest.raises((FileExistsError, NotADirectoryError), match="file"):
        local.context.makedirs(local.path("file/below"))


def test_makedirs_of_a_bucket(s3: Place) -> None:
    s3.context.makedirs("s3://blocking")

    with pytest.raises(FileNotFoundError):
        s3.context.makedirs("s3://no-such-bucket-of-blobio")


def test_rmdir_removes_an_empty_directory(place: Place) -> None:
    place.context.makedirs(place.path("dir/empty"))

    place.context.rmdir(place.path("dir/empty"))

    assert not place.context.exists(place.path("dir/empty"))


def test_rmdir_refuses_one_with_content(place: Place) -> None:
    place.put("dir/file")

    with pytest.raises(OSError, match="dir") as caught:
        place.context.rmdir(place.path("dir"))

    assert isinstance(caught.value, bf.DirectoryNotEmpty)
    assert place.names() == ["dir/file"]


def test_rmdir_of_a_missing_directory(remote: Place, local: Place) -> None:
    remote.context.rmdir(remote.path("missing"))

    with pytest.raises(FileNotFoundError):
        local.context.rmdir(local.path("missing"))


def test_rmdir_of_a_bucket_or_the_root_is_refused(remote: Place) -> None:
    for path in (remote.root.rpartition("/")[0], "/"):
        with pytest.raises(ValueError, match="root"):
            remote.context.rmdir(path)


def test_rmdir_of_a_file(place: Place) -> None:
    path = place.put("file", b"kept")

    with contextlib.suppress(NotADirectoryError):  # a store of keys takes it for a missing one
        place.context.rmdir(path)

    assert place.get("file") == b"kept"


# Removing


def test_remove_removes_one_blob(place: Place) -> None:
    place.put("a")
    place.put("a2")

    place.context.remove(place.path("a"))

    assert place.names() == ["a2"]


def test_remove_of_nothing(place: Place) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        place.context.remove(place.path("missing"))


@pytest.mark.parametrize("name", ["dir/", "dir"])
def test_remove_of_a_directory_is_refused(place: Place, name: str) -> None:
    place.put("dir/file")

    with pytest.raises((IsADirectoryError, FileNotFoundError), match="dir"):
        place.context.remove(place.path(name))

    assert place.names() == ["dir/file"]


def test_remove_of_a_link_leaves_its_target(local: Place) -> None:
    local.put("target", b"kept")
    os.symlink("target", local.path("link"))

    local.context.remove(local.path("link"))

    assert local.names() == ["target"]


def test_rmtree_removes_a_directory_and_nothing_beside_it(place: Place) -> None:
    for name in ("d/a", "d/b/c", "d/b/e/f", "d2", "d-x/y", "e"):
        place.put(name)
    place.context.makedirs(place.path("d/empty/deep"))

    place.context.rmtree(place.path("d"))

    assert place.names() == ["d-x/y", "d2", "e"]
    assert not place.context.exists(place.path("d"))


def test_rmtree_of_more_than_a_batch(memory: Place) -> None:
    for number in range(2_500):
        memory.put(f"d/{number}")

    memory.context.rmtree(memory.path("d"))

    assert memory.names() == []


def test_rmtree_of_nothing_and_of_a_file(place: Place) -> None:
    path = place.put("file", b"kept")

    with pytest.raises(FileNotFoundError, match="missing"):
        place.context.rmtree(place.path("missing"))
    with pytest.raises(NotADirectoryError, match="file"):
        place.context.rmtree(path)

    assert place.get("file") == b"kept"


def test_rmtree_leaves_what_links_lead_to(local: Place) -> None:
    local.put("outside/file", b"kept")
    local.put("tree/file")
    os.symlink("../outside", local.path("tree/link"))
    os.symlink("../outside/file", local.path("tree/file-link"))
    os.symlink("nowhere", local.path("tree/broken"))

    local.context.rmtree(local.path("tree"))

    assert local.names() == ["outside/file"]


def test_rmtree_of_a_link_leaves_what_it_leads_to(local: Place) -> None:
    local.put("outside/file", b"kept")
    os.symlink("outside", local.path("link"))

    with contextlib.suppress(OSError):
        local.context.rmtree(local.path("link"))

    assert local.get("outside/file") == b"kept"
