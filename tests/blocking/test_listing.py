"""listdir, scandir, walk, exists and friends, as a user sees them on each kind of store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

import blobio as bf
from tests.blocking.conftest import Place

TREE: Final = {
    "a.txt": b"1",
    "b.bin": b"22",
    "dir/c.txt": b"333",
    "dir/sub/d.txt": b"4444",
    "dir/sub/deep/e.txt": b"",
    "other/f.txt": b"x",
}


@pytest.fixture
def tree(place: Place) -> Place:
    for name, data in TREE.items():
        place.put(name, data)
    return place


# listdir and scandir


def test_listdir_yields_bare_names(tree: Place) -> None:
    assert sorted(tree.context.listdir(tree.root)) == ["a.txt", "b.bin", "dir", "other"]
    assert sorted(tree.context.listdir(tree.path("dir/"))) == ["c.txt", "sub"]


def test_scandir_tells_files_from_directories(tree: Place) -> None:
    entries = {entry.name: entry for entry in tree.context.scandir(tree.path("dir"))}

    assert set(entries) == {"c.txt", "sub"}
    file, directory = entries["c.txt"], entries["sub"]
    assert (file.is_file, file.is_dir, file.path) == (True, False, tree.path("dir/c.txt"))
    assert (directory.is_file, directory.is_dir, directory.path) == (
        *(False, True),
        tree.path("dir/sub"),
    )
    assert directory.stat is None
    assert file.stat is not None
    assert file.stat.size == 3
    assert file.stat.mtime == pytest.approx(tree.context.stat(file.path).mtime, abs=1)


def test_listing_is_lazy(place: Place) -> None:
    names = place.context.listdir(place.path("missing"))

    with pytest.raises(FileNotFoundError, match="missing"):
        next(names)


def test_listing_leaves_out_the_marker(place: Place) -> None:
    place.context.makedirs(place.path("dir"))

    assert list(place.context.listdir(place.path("dir"))) == []
    place.put("dir/x")
    assert list(place.context.listdir(place.path("dir"))) == ["x"]


def test_listing_a_file_is_no_directory(place: Place) -> None:
    path = place.put("blob")

    with pytest.raises((NotADirectoryError, FileNotFoundError), match="blob"):
        list(place.context.listdir(path))


def test_listing_can_be_left_early(tree: Place) -> None:
    names = tree.context.listdir(tree.root)
    next(names)
    names.close()  # type: ignore[attr-defined]  # a generator

    assert len(list(tree.context.listdir(tree.root))) == 4


def test_blob_and_directory_of_one_name_are_two_entries(remote: Place) -> None:
    remote.put("a")
    remote.put("a/b")

    entries = list(remote.context.scandir(remote.root))

    assert sorted((entry.name, entry.is_dir) for entry in entries) == [("a", False), ("a", True)]
    assert sorted(remote.context.listdir(remote.root)) == ["a", "a"]


@pytest.mark.parametrize("length", [1, 2])
def test_shards_give_the_same_entries(memory: Place, length: int) -> None:
    names = ["a", "ab", "abc", "b", "~", "!", "ü", "日", " ", "A-Z", "a/b", "ab/c", "üb/x", "z" * 9]
    for name in names:
        memory.put(name)

    plain = sorted(memory.context.scandir(memory.root))

    assert sorted(memory.context.scandir(memory.root, shard_prefix_length=length)) == plain
    assert sorted(memory.context.listdir(memory.root, length)) == [entry.name for entry in plain]


def test_shards_of_a_local_directory_and_of_nothing(local: Place) -> None:
    local.put("a/b")

    assert list(local.context.listdir(local.path("a"), shard_prefix_length=1)) == ["b"]
    with pytest.raises(FileNotFoundError):
        list(local.context.listdir(local.path("no"), shard_prefix_length=1))


def test_relative_paths_come_out_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dir" / "sub").mkdir(parents=True)
    (tmp_path / "dir" / "file").touch()
    monkeypatch.chdir(tmp_path)

    paths = sorted(entry.path for entry in bf.scandir("dir"))

    assert paths == [f"{tmp_path}/dir/file", f"{tmp_path}/dir/sub"]
    assert sorted(bf.glob("d*/f*")) == [f"{tmp_path}/dir/file"]
    assert [step[0] for step in bf.walk("dir")] == [f"{tmp_path}/dir", f"{tmp_path}/dir/sub"]
    assert list(bf.listdir(".")) == ["dir"]


# walk


def steps(place: Place, *, topdown: bool = True) -> list[tuple[str, list[str], list[str]]]:
    start = len(place.root)
    return [
        (directory[start:], sorted(below), sorted(files))
        for directory, below, files in place.context.walk(place.root, topdown)
    ]


def test_walk_goes_through_everything(tree: Place) -> None:
    found = steps(tree)

    assert found[0] == ("", ["dir", "other"], ["a.txt", "b.bin"])
    assert sorted(found) == [
        ("", ["dir", "other"], ["a.txt", "b.bin"]),
        ("/dir", ["sub"], ["c.txt"]),
        ("/dir/sub", ["deep"], ["d.txt"]),
        ("/dir/sub/deep", [], ["e.txt"]),
        ("/other", [], ["f.txt"]),
    ]


def test_walk_bottom_up_has_children_first(tree: Place) -> None:
    found = steps(tree, topdown=False)

    assert sorted(found) == sorted(steps(tree))
    order = [directory for directory, _, _ in found]
    for directory in order:
        below = [other for other in order if other.startswith(f"{directory}/")]
        assert all(order.index(other) < order.index(directory) for other in below)


def test_walk_does_not_enter_what_is_taken_out(tree: Place) -> None:
    entered = []
    for directory, below, _ in tree.context.walk(tree.root):
        entered.append(directory[len(tree.root) :])
        below[:] = [name for name in below if name not in ("sub", "other")]

    assert entered == ["", "/dir"]


@pytest.mark.parametrize("topdown", [True, False])
@pytest.mark.parametrize("name", ["missing", "blob"])
def test_walk_of_no_directory_yields_nothing(place: Place, name: str, topdown: bool) -> None:
    place.put("blob")

    assert list(place.context.walk(place.path(name), topdown=topdown)) == []


def test_walk_finds_empty_directories(place: Place) -> None:
    place.context.makedirs(place.path("dir/empty"))

    assert ("/dir/empty", [], []) in steps(place)


def test_walk_does_not_follow_links(local: Place) -> None:
    local.put("dir/file")
    os.symlink("dir", local.path("link"))
    os.symlink(".", local.path("dir/loop"))

    assert steps(local) == [("", ["dir", "link"], []), ("/dir", ["loop"], ["file"])]


def test_walk_passes_over_a_directory_that_cannot_be_read_or_tells(
    local: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put("bad/file")
    local.put("good/file")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.rstrip("/").endswith("bad"):
            raise PermissionError(13, "no", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    errors: list[OSError] = []

    silent = list(local.context.walk(local.root))
    told = list(local.context.walk(local.root, onerror=errors.append))

    assert [len(silent), len(told)] == [2, 2]
    assert [type(error).__mro__[1:3] for error in errors] != []
    assert isinstance(errors[0], PermissionError)


def test_walk_of_a_forbidden_bucket_is_an_error_and_not_an_empty_tree(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever mirrors a store would delete everything that is not there."""
    from blobio.drivers.memory.driver import MemoryDriver

    async def forbid(*_: object) -> object:
        message = "no"
        raise bf.PermissionDenied(message)

    memory.put("dir/file")
    monkeypatch.setattr(MemoryDriver, "list_page", forbid)

    for topdown in (True, False):
        with pytest.raises(PermissionError):
            list(memory.context.walk(memory.root, topdown=topdown))


def test_error_handler_of_walk_may_raise(local: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    def refuse(path: str) -> object:
        raise PermissionError(13, "no", path)

    def stop(_: OSError) -> None:
        raise Stop

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(Stop):
        list(local.context.walk(local.root, onerror=stop))


# exists, isfile, isdir, stat


def test_questions_about_each_kind_of_name(tree: Place) -> None:
    answers = {
        name: tuple(
            question(tree.path(name))
            for question in (tree.context.exists, tree.context.isfile, tree.context.isdir)
        )
        for name in ("a.txt", "dir", "dir/", "dir/sub", "missing", "dir/c", "a.txt/b", "di")
    }

    assert answers == {
        "a.txt": (True, True, False),
        "dir": (True, False, True),
        "dir/": (True, False, True),
        "dir/sub": (True, False, True),
        "missing": (False, False, False),
        "dir/c": (False, False, False),
        "a.txt/b": (False, False, False),
        "di": (False, False, False),
    }


def test_bucket_is_a_directory(s3: Place) -> None:
    for root in ("s3://blocking", "s3://blocking/"):
        assert (s3.context.exists(root), s3.context.isdir(root)) == (True, True)
        assert not s3.context.isfile(root)


def test_stat_tells_size_time_md5_and_version(remote: Place) -> None:
    path = remote.put("blob", b"hello")

    found = remote.context.stat(path)

    assert (found.size, found.md5) == (5, "5d41402abc4b2a76b9719d911017c592")
    assert found.version is not None
    assert abs(found.mtime - found.ctime) < 5


def test_stat_of_a_missing_name(place: Place) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        place.context.stat(place.path("missing"))


def test_stat_of_a_directory(tree: Place, request: pytest.FixtureRequest) -> None:
    """A directory of an object store has none, as in blobfile."""
    for name in ("dir", "dir/"):
        if "local" in request.node.name:
            assert tree.context.stat(tree.path(name)).size == 0
        else:
            with pytest.raises(FileNotFoundError, match="dir"):
                tree.context.stat(tree.path(name))


def test_md5_is_that_of_the_bytes(place: Place) -> None:
    path = place.put("blob", b"hello")

    assert place.context.md5(path) == "5d41402abc4b2a76b9719d911017c592"
    with pytest.raises(FileNotFoundError):
        place.context.md5(place.path("missing"))


def test_set_mtime_is_what_stat_and_scandir_tell(place: Place) -> None:
    path = place.put("blob", b"data")

    assert place.context.set_mtime(path, 1234567890.0)

    assert place.context.stat(path).mtime == 1234567890.0
    assert place.get("blob") == b"data"


def test_set_mtime_of_another_version_changes_nothing(place: Place) -> None:
    path = place.put("blob")
    old = place.context.stat(path).version
    place.put("blob", b"longer")
    before = place.context.stat(path)

    assert place.context.set_mtime(path, 1.0, version=old) is False

    assert place.context.stat(path) == before
    assert place.context.set_mtime(path, 1.0, version=before.version) is True


def test_set_mtime_of_a_missing_name(place: Place) -> None:
    with pytest.raises(FileNotFoundError):
        place.context.set_mtime(place.path("missing"), 1.0)


def test_get_url_works_without_credentials(s3: Place) -> None:
    import time
    import urllib.request

    path = s3.put("blob", b"data")

    url, expires = s3.context.get_url(path, expires_s=60)

    with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - loopback
        assert reply.read() == b"data"
    assert expires is not None
    assert 0 < expires - time.time() <= 61


def test_get_url_of_a_local_file_never_expires(local: Place) -> None:
    url, expires = local.context.get_url(local.put("blob"))

    assert (url, expires) == (f"file://{local.path('blob')}", None)
    assert local.context.read_bytes(url) == b""


def test_get_url_for_put_writes(s3: Place) -> None:
    import urllib.request

    url, _ = s3.context.get_url(s3.path("blob"), method="PUT")
    request = urllib.request.Request(url, data=b"sent", method="PUT")  # noqa: S310 - loopback
    request.add_header("Content-Type", "")
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass

    assert s3.get("blob") == b"sent"
