"""Copies of trees to, from and on the disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget
from blobio.core.trees import copytree
from blobio.drivers.base import Driver
from blobio.drivers.local.driver import LocalDriver
from blobio.errors import (
    BlobError,
    CopyIncomplete,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    Unsupported,
)
from blobio.url import BlobUrl
from blobio.values import CreateOnly, Overwrite, WriteMode
from tests.unit.core.fakes import content, loaded, memory, url
from tests.unit.core.test_trees import CONFIG, TREE, far, keys


def tree_on_disk(root: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "empty/inner").mkdir(parents=True)
    (root / "d/e/f").write_bytes(b"f")
    (root / "d-x").write_bytes(b"x")


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def on_disk(path: Path) -> BlobUrl:
    return BlobUrl("file", "", str(path))


async def run_ends(
    source: End, target: End, mode: WriteMode | None = None
) -> tuple[tuple[str, str, BlobError], ...]:
    """Copy a tree and return what failed."""
    try:
        means = Means(CONFIG, ByteBudget(10_000))
        await copytree(source, target, mode or CreateOnly(), means, concurrency=4)
    except CopyIncomplete as error:
        return error.failures
    return ()


@pytest_asyncio.fixture(name="disk")
async def fixture_disk() -> AsyncIterator[Driver]:
    driver = LocalDriver()
    yield driver
    await driver.aclose()


async def test_only_empty_directories_of_the_disk_become_markers(
    disk: Driver, tmp_path: Path
) -> None:
    tree_on_disk(tmp_path / "src")
    target = memory()

    failures = await run_ends(End(disk, on_disk(tmp_path / "src")), End(target, far("dst")))

    assert not failures
    assert await keys(target) == ["dst/d-x", "dst/d/e/f", "dst/empty/inner/"]


async def test_a_tree_goes_to_the_disk_and_back(disk: Driver, tmp_path: Path) -> None:
    source, back = (
        await loaded(memory(), {"src/d/": b"", "src/e/f/g": b"g", "src/h": b""}),
        memory(),
    )

    first = await run_ends(End(source, url("src")), End(disk, on_disk(tmp_path / "x/y")))
    second = await run_ends(End(disk, on_disk(tmp_path / "x/y")), End(back, far("dst")))

    assert not first
    assert not second
    assert (tmp_path / "x/y/d").is_dir()
    assert await keys(back) == ["dst/d/", "dst/e/f/g", "dst/h"]


async def test_an_empty_tree_makes_an_empty_directory(disk: Driver, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    target = memory()

    await run_ends(End(disk, on_disk(tmp_path / "src")), End(target, far("dst")))
    await run_ends(End(disk, on_disk(tmp_path / "src")), End(target, far("")))
    await run_ends(End(disk, on_disk(tmp_path / "src")), End(disk, on_disk(tmp_path / "dst")))

    assert await keys(target) == ["dst/"]
    assert (tmp_path / "dst").is_dir()


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "..", "d/..", "/etc/x", "a//b", "./a", "a/.", "../", "a/../b/", "a\0b"],
)
async def test_a_name_that_would_leave_the_directory_is_refused(
    disk: Driver, tmp_path: Path, name: str
) -> None:
    body = b"" if name.endswith("/") else b"evil"
    source = await loaded(memory(), {f"src/{name}": body, "src/good": b"good"})
    target = tmp_path / "deep/dst"

    failures = await run_ends(End(source, url("src")), End(disk, on_disk(target)), Overwrite())

    assert [(src, type(error)) for src, _, error in failures] == [
        (f"memory://bucket/src/{name}", InvalidUrl)
    ]
    assert files_in(tmp_path) == ["deep/dst/good"]


async def test_a_marker_with_content_has_no_place_on_disk(disk: Driver, tmp_path: Path) -> None:
    source = await loaded(memory(), {"src/d/": b"bytes", "src/e": b""})

    failures = await run_ends(End(source, url("src")), End(disk, on_disk(tmp_path)))

    assert [type(error) for *_, error in failures] == [IsDirectory]
    assert files_in(tmp_path) == ["e"]


async def test_links_to_files_are_copied_and_others_are_refused(
    disk: Driver, tmp_path: Path
) -> None:
    src = tmp_path / "src"
    tree_on_disk(src)
    (src / "file-link").symlink_to("d-x")
    (src / "dir-link").symlink_to("d")
    (src / "loop").symlink_to(".")
    (src / "nowhere").symlink_to("missing")
    os.mkfifo(src / "pipe")
    target = memory()

    failures = await run_ends(End(disk, on_disk(src)), End(target, far("dst")))

    names = sorted(path.rstrip("/").rpartition("/")[2] for path, *_ in failures)
    assert names == ["dir-link", "loop", "nowhere", "pipe"]
    assert {type(error) for *_, error in failures} == {Unsupported}
    assert await content(target, "dst/file-link") == b"x"
    assert "dst/dir-link/" not in await keys(target)


async def test_the_source_itself_may_be_a_link(disk: Driver, tmp_path: Path) -> None:
    tree_on_disk(tmp_path / "real")
    (tmp_path / "src").symlink_to("real")
    target = memory()

    failures = await run_ends(End(disk, on_disk(tmp_path / "src")), End(target, far("dst")))

    assert not failures
    assert "dst/d/e/f" in await keys(target)


async def test_a_tree_is_not_copied_into_itself_through_a_link(
    disk: Driver, tmp_path: Path
) -> None:
    tree_on_disk(tmp_path / "src")
    (tmp_path / "other").symlink_to("src/d")
    source = End(disk, on_disk(tmp_path / "src"))

    for name in ("src", "other", "other/new", "src/../src/d", "other/../d"):
        with pytest.raises(InvalidUrl):
            await run_ends(source, End(disk, on_disk(tmp_path / name)))

    assert await run_ends(source, End(disk, on_disk(tmp_path / "src2"))) == ()


async def test_an_empty_path_is_no_destination(
    disk: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = await loaded(memory(), TREE)

    with pytest.raises(NotFound, match="names nothing"):
        await run_ends(End(source, url("src")), End(disk, BlobUrl("file", "", "")))

    assert files_in(tmp_path) == []


async def test_a_file_is_not_taken_for_the_destination(disk: Driver, tmp_path: Path) -> None:
    (tmp_path / "dst").write_bytes(b"old")
    source = await loaded(memory(), TREE)

    with pytest.raises(NotDirectory, match="destination is a file"):
        await run_ends(End(source, url("src")), End(disk, on_disk(tmp_path / "dst")), Overwrite())

    assert (tmp_path / "dst").read_bytes() == b"old"


async def test_a_name_that_is_a_file_and_a_directory_fails_for_one_of_them(
    disk: Driver, tmp_path: Path
) -> None:
    source = await loaded(memory(), ["src/a", "src/a/b", "src/c"])

    failures = await run_ends(End(source, url("src")), End(disk, on_disk(tmp_path)), Overwrite())

    assert len(failures) == 1
    assert (tmp_path / "c").read_bytes() == b"src/c"
