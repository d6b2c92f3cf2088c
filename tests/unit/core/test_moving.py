from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget
from blobio.core.moving import move
from blobio.drivers.base import Driver
from blobio.errors import (
    AlreadyExists,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    VersionMismatch,
)
from blobio.testing.faults import Call, Counting, Fault, Flaky, Hook, Wrapped
from blobio.values import CreateOnly, DeleteResult, Overwrite, PutOptions
from tests.unit.core.fakes import DATA, Changing, content, loaded, memory, url

T = TypeVar("T")
CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)


# Moves in a store


async def run_move(driver: Driver, to: str, mode: Overwrite | CreateOnly | None = None) -> None:
    options = PutOptions(mode=mode or Overwrite())
    await move(End(driver, url()), End(driver, url(to)), options, Means(CONFIG, ByteBudget(10_000)))


async def test_a_move_copies_and_then_removes() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), {"key": DATA})
    counting.calls.clear()

    await run_move(driver, "new")

    assert [call.verb for call in counting.calls] == ["head", "copy", "head", "delete"]
    assert await content(driver, "new") == DATA
    with pytest.raises(NotFound):
        await driver.head("key")


async def test_a_create_only_move_that_loses_moves_nothing() -> None:
    driver = await loaded(memory(), {"key": DATA, "new": b"old"})

    with pytest.raises(AlreadyExists):
        await run_move(driver, "new", CreateOnly())

    assert await content(driver, "key") == DATA
    assert await content(driver, "new") == b"old"


async def test_a_move_whose_removal_fails_says_so_and_loses_nothing() -> None:
    driver = Wrapped(
        await loaded(memory(), {"key": DATA}), Flaky(Fault("delete", PermissionDenied("no")))
    )

    with pytest.raises(PermissionDenied):
        await run_move(driver, "new")

    assert await content(driver, "key") == await content(driver, "new") == DATA


async def test_a_move_whose_source_the_store_keeps_says_so_and_loses_nothing() -> None:
    def keep(results: list[DeleteResult]) -> list[DeleteResult]:
        return [DeleteResult(key=r.key, error=PermissionDenied("kept")) for r in results]

    driver = Wrapped(await loaded(memory(), {"key": DATA}), Changing("delete", keep))

    with pytest.raises(PermissionDenied, match="kept"):
        await run_move(driver, "new")

    assert await content(driver, "new") == DATA


async def test_a_source_that_is_changed_meanwhile_is_not_removed() -> None:
    inner = await loaded(memory(), {"key": DATA})

    class Rival(Hook):
        async def around(self, call: Call, act: Callable[[], Awaitable[T]]) -> T:
            result = await act()
            if call.verb == "copy":
                await inner.put("key", b"newer", PutOptions())
            return result

    with pytest.raises(VersionMismatch, match="changed meanwhile"):
        await run_move(Wrapped(inner, Rival()), "new")

    assert await content(inner, "key") == b"newer"


async def test_a_move_onto_itself_changes_nothing() -> None:
    driver = await loaded(memory(), {"key": DATA})

    await run_move(driver, "key")

    assert await content(driver, "key") == DATA
    assert (await driver.head("key")).version == "1"


async def test_a_create_only_move_onto_itself_finds_the_name_taken() -> None:
    driver = await loaded(memory(), {"key": DATA})

    with pytest.raises(AlreadyExists):
        await run_move(driver, "key", CreateOnly())

    assert await content(driver, "key") == DATA


async def test_a_move_of_nothing_raises_even_onto_itself() -> None:
    for to in ("key", "new"):
        with pytest.raises(NotFound):
            await run_move(memory(), to)


# Moves on disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "key").write_bytes(DATA)
    return tmp_path


async def disk_move(root: Path, source: str, target: str, *, overwrite: bool = True) -> None:
    async with AsyncContext(CONFIG) as context:
        await context.move(root / source, root / target, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_move_on_disk_is_a_rename(root: Path, overwrite: bool) -> None:
    inode = (root / "key").stat().st_ino

    await disk_move(root, "key", "far/away/new", overwrite=overwrite)

    assert (root / "far/away/new").stat().st_ino == inode
    assert not (root / "key").exists()


async def test_a_move_on_disk_replaces_if_it_may(root: Path) -> None:
    (root / "new").write_bytes(b"old")

    await disk_move(root, "key", "new")

    assert (root / "new").read_bytes() == DATA


async def test_a_create_only_move_on_disk_that_loses_moves_nothing(root: Path) -> None:
    (root / "new").write_bytes(b"old")

    with pytest.raises(AlreadyExists):
        await disk_move(root, "key", "new", overwrite=False)

    assert (root / "new").read_bytes() == b"old"
    assert (root / "key").read_bytes() == DATA


async def test_a_symbolic_link_is_moved_as_itself(root: Path) -> None:
    (root / "link").symlink_to("key")

    await disk_move(root, "link", "moved")

    assert os.readlink(root / "moved") == "key"
    assert (root / "key").exists()


@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_move_of_nothing_on_disk_raises_and_makes_no_directory(
    root: Path, overwrite: bool
) -> None:
    with pytest.raises(NotFound):
        await disk_move(root, "nothing", "far/new", overwrite=overwrite)

    assert not (root / "far").exists()


async def test_a_directory_is_not_moved(root: Path) -> None:
    (root / "dir").mkdir()

    with pytest.raises(IsDirectory):
        await disk_move(root, "dir", "new")

    assert (root / "dir").is_dir()


@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_move_below_a_file_raises(root: Path, overwrite: bool) -> None:
    (root / "file").touch()

    with pytest.raises(NotDirectory):
        await disk_move(root, "key", "file/new", overwrite=overwrite)

    assert (root / "key").read_bytes() == DATA


async def test_a_move_over_a_directory_raises(root: Path) -> None:
    (root / "dir").mkdir()

    with pytest.raises(IsDirectory):
        await disk_move(root, "key", "dir")

    assert (root / "key").read_bytes() == DATA


@pytest.mark.parametrize(
    ("overwrite", "call"), [(True, "os.replace"), (False, "os.link"), (False, "os.unlink")]
)
async def test_a_rename_that_the_system_refuses_becomes_a_copy(
    root: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool, call: str
) -> None:
    """As between file systems (EXDEV), or on one without hard links."""
    name = call.removeprefix("os.")
    real = getattr(os, name)
    refused: list[tuple[str, ...]] = []

    def refuse_once(*args: str, **options: bool) -> None:
        if not refused and str(root / "key") in args:
            refused.append(args)
            raise OSError(18, "Invalid cross-device link")
        real(*args, **options)

    monkeypatch.setattr(os, name, refuse_once)

    await disk_move(root, "key", "new", overwrite=overwrite)

    assert refused
    assert (root / "new").read_bytes() == DATA
    assert not (root / "key").exists()


async def test_a_move_from_disk_to_a_store_copies_and_removes(root: Path) -> None:
    async with AsyncContext(CONFIG) as context:
        await context.move(root / "key", "memory://moves/key")

        assert await context.read_bytes("memory://moves/key") == DATA
        assert not (root / "key").exists()
        await context.rmtree("memory://moves")
