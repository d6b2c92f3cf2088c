from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.drivers.local import tree
from blobio.drivers.local.directories import make_directories
from blobio.drivers.local.facts import version_of
from blobio.errors import PermissionDenied
from blobio.values import BlobMeta, ListOptions

Tree: TypeAlias = "Mapping[str, Tree | None]"
"""Names to trees, for directories, or to None, for files."""

NAMES = ["a", "a-", "a0", "a.b", "b", " ", "é", "\uffff", "\udcff", ".hidden"]
FILES = st.none()
TREES = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), FILES, max_size=5),
    lambda children: st.dictionaries(st.sampled_from(NAMES), children | FILES, max_size=5),
    max_leaves=12,
)


def build(root: str, plan: object) -> None:
    for name, below in cast("Tree", plan).items():
        path = os.path.join(root, name)
        if below is None:
            Path(path).touch()
        else:
            os.mkdir(path)
            build(path, below)


def listing(prefix: str, options: ListOptions | None = None) -> tuple[list[str], list[str]]:
    """Return all keys and prefixes, having checked the size of each page."""
    options = options or ListOptions()
    keys: list[str] = []
    prefixes: list[str] = []
    token = None
    while True:
        page = tree.list_page(prefix, options, token)
        assert len(page.blobs) + len(page.prefixes) <= options.page_size
        keys += [blob.key for blob in page.blobs]
        prefixes += page.prefixes
        token = page.token
        if token is None:
            return keys, prefixes


def by_key(prefix: str, options: ListOptions | None = None) -> dict[str, BlobMeta]:
    page = tree.list_page(prefix, options or ListOptions(), None)
    assert page.token is None
    return {blob.key: blob for blob in page.blobs}


def walked(root: str) -> list[str]:
    keys = []
    for directory, directories, files in os.walk(root):
        keys.append(f"{directory}/".replace("//", "/"))
        keys += [os.path.join(directory, name) for name in files]
        assert directories == [name for name in directories if "/" not in name]
    return sorted(keys)


@pytest.mark.slow
@given(plan=TREES, page_size=st.integers(1, 7))
def test_flat_listing_is_the_sorted_walk_at_any_page_size(plan: object, page_size: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        build(root, plan)

        found = listing(f"{root}/", ListOptions(page_size=page_size))

        assert found == (walked(root), [])


@pytest.mark.slow
@given(plan=TREES, data=st.data())
def test_flat_listing_starts_after_any_key(plan: object, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as root:
        build(root, plan)
        keys = walked(root)
        after = data.draw(st.sampled_from([*keys, f"{root}/a/a", f"{root}/a!", f"{root}/zz"]))

        found = listing(f"{root}/", ListOptions(start_after=after, page_size=3))

        assert found == ([key for key in keys if key > after], [])


@pytest.mark.slow
@given(plan=TREES, start=st.sampled_from(["", "a", "é", "x"]), page_size=st.integers(1, 7))
def test_listing_with_delimiter_is_listdir(plan: object, start: str, page_size: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        build(root, plan)
        options = ListOptions(delimiter="/", page_size=page_size)

        keys, prefixes = listing(f"{root}/{start}", options)

        expected = sorted(
            entry.path + "/" * entry.is_dir()
            for entry in os.scandir(root)
            if entry.name.startswith(start)
        )
        marker = [] if start else [f"{root}/"]
        assert keys == marker + [key for key in expected if not key.endswith("/")]
        assert prefixes == [key for key in expected if key.endswith("/")]


def test_resuming_scans_only_directories_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / str(number)).touch()
    scanned: list[str] = []
    real = os.scandir

    def note(path: str) -> object:
        scanned.append(path.removeprefix(f"{tmp_path}/"))
        return real(path)

    monkeypatch.setattr(os, "scandir", note)

    page = tree.list_page(f"{tmp_path}/", ListOptions(page_size=2), f"{tmp_path}/b/1")

    assert [blob.key.removeprefix(f"{tmp_path}/") for blob in page.blobs] == ["b/2", "c/"]
    assert scanned == ["", "b/", "c/"]


def test_prefix_is_a_string_not_a_directory(tmp_path: Path) -> None:
    for path in ("food", "foo", "bar", "fo/x"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    at = f"{tmp_path}/"

    assert listing(f"{at}fo") == ([f"{at}fo/", f"{at}fo/x", f"{at}foo", f"{at}food"], [])
    assert listing(f"{at}fo", ListOptions(delimiter="/")) == (
        [f"{at}foo", f"{at}food"],
        [f"{at}fo/"],
    )


def test_empty_prefix_is_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(str(tmp_path), {"d": {"f": None}, "g": None})
    monkeypatch.chdir(tmp_path)

    assert listing("") == (["d/", "d/f", "g"], [])
    assert listing("", ListOptions(delimiter="/")) == (["g"], ["d/"])
    assert listing("d/") == (["d/", "d/f"], [])


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_nothing_there_is_an_empty_page(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "f").touch()
    options = ListOptions(delimiter=delimiter)

    assert listing(f"{tmp_path}/absent/", options) == ([], [])
    assert listing(f"{tmp_path}/f/", options) == ([], [])
    assert listing(f"{tmp_path}/absent/x", options) == ([], [])


@pytest.mark.parametrize("page_size", [1, 2, 10])
def test_marker_comes_first_and_only_once(tmp_path: Path, page_size: int) -> None:
    (tmp_path / "f").touch()
    options = ListOptions(delimiter="/", page_size=page_size)

    assert listing(f"{tmp_path}/", options)[0] == [f"{tmp_path}/", f"{tmp_path}/f"]


def test_delimited_listing_starts_after_a_name_but_keeps_its_directory(tmp_path: Path) -> None:
    build(str(tmp_path), {"a": None, "d": {"x": None}, "e": None})
    at = f"{tmp_path}/"

    def after(name: str) -> tuple[list[str], list[str]]:
        return listing(at, ListOptions(delimiter="/", page_size=1, start_after=at + name))

    assert after("a") == ([f"{at}e"], [f"{at}d/"])
    assert after("d/a") == ([f"{at}e"], [f"{at}d/"])
    assert after("d0") == ([f"{at}e"], [])


def test_link_to_a_directory_is_a_directory_that_is_not_entered(tmp_path: Path) -> None:
    build(str(tmp_path), {"d": {"f": None}})
    (tmp_path / "d" / "up").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to("d")
    at = f"{tmp_path}/"

    assert listing(at) == ([at, f"{at}d/", f"{at}d/f", f"{at}d/up/", f"{at}link/"], [])
    assert listing(at, ListOptions(delimiter="/")) == ([at], [f"{at}d/", f"{at}link/"])
    assert listing(f"{at}link/", ListOptions(page_size=1)) == (
        [f"{at}link/", f"{at}link/f", f"{at}link/up/"],
        [],
    )


def test_broken_and_circular_links_are_blobs_with_the_facts_of_the_link(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("absent")
    (tmp_path / "circle").symlink_to("circle")
    os.utime(tmp_path / "broken", ns=(0, 5_000_000_000), follow_symlinks=False)

    found = by_key(f"{tmp_path}/")

    assert list(found) == [f"{tmp_path}/", f"{tmp_path}/broken", f"{tmp_path}/circle"]
    broken = found[f"{tmp_path}/broken"]
    assert (broken.size, broken.mtime, broken.version) == (0, 5.0, None)


def test_entries_carry_size_times_version_and_mode(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    (tmp_path / "f").chmod(0o640)
    os.utime(tmp_path / "f", (1, 2))
    facts = os.stat(tmp_path / "f")

    entry = by_key(f"{tmp_path}/")[f"{tmp_path}/f"]

    assert (entry.size, entry.mtime, entry.ctime) == (5, 2.0, facts.st_ctime)
    assert (entry.version, entry.mode) == (version_of(facts), 0o640)


def test_directories_have_neither_size_nor_version(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()

    entry = by_key(f"{tmp_path}/")[f"{tmp_path}/d/"]

    assert (entry.size, entry.version) == (0, None)


def test_unpublished_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".blobio-0123456789abcdef.tmp").touch()
    (tmp_path / ".blobio-kept").touch()

    assert list(by_key(f"{tmp_path}/")) == [f"{tmp_path}/", f"{tmp_path}/.blobio-kept"]


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("page_size", [1, 2, 10])
def test_files_that_vanish_meanwhile_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delimiter: str, page_size: int
) -> None:
    build(str(tmp_path), dict.fromkeys("abcdef"))
    real = tree._Window.scan

    def vanish(window: tree._Window, directory: str, start: str = "") -> list[tree._Child]:
        children = real(window, directory, start)
        for name in "abde":
            (tmp_path / name).unlink(missing_ok=True)
        return children

    monkeypatch.setattr(tree._Window, "scan", vanish)
    options = ListOptions(delimiter=delimiter, page_size=page_size)

    assert listing(f"{tmp_path}/", options)[0] == [
        f"{tmp_path}/",
        f"{tmp_path}/c",
        f"{tmp_path}/f",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_large_directory_is_listed_whole_in_small_pages(tmp_path: Path, delimiter: str) -> None:
    """Of its names a scan keeps only what a page can use."""
    names = sorted(f"{number * 7919 % 1511:04}" for number in range(1511))
    for name in names:
        (tmp_path / name).touch()

    keys, prefixes = listing(f"{tmp_path}/", ListOptions(delimiter=delimiter, page_size=100))

    assert keys == [f"{tmp_path}/", *(f"{tmp_path}/{name}" for name in names)]
    assert prefixes == []


def test_unreadable_directory_is_an_error_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", deny)  # the tests may run as root, who may read anything

    with pytest.raises(PermissionDenied):
        listing(f"{tmp_path}/")


@pytest.mark.slow
def test_deep_tree_needs_no_recursion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deepest = "d/" * 1100  # deeper than Python recurses
    make_directories(deepest)

    keys, _ = listing("")

    for key in reversed(keys):  # pytest's own cleaning recurses
        os.rmdir(key)
    assert len(keys) == 1100
    assert keys[-1] == deepest
