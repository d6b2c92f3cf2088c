from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import Config
from blobio.core.context import AsyncContext
from blobio.core.removing import remove, rmdir, rmtree
from blobio.drivers.base import Driver
from blobio.errors import (
    DirectoryNotEmpty,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    TransportFailed,
)
from blobio.testing.faults import Counting, Fault, Flaky, Hook, Slow, Wrapped
from blobio.values import DeleteResult, ListOptions
from tests.unit.core.fakes import Bent, Changing, loaded, memory, other_tasks, settled, url

TREE = ["t/a", "t/b/c", "t/b/d/e", "t/f/", "t-", "u"]


def batched(*hooks: Hook, size: int = 2) -> Driver:
    limits = memory().capabilities
    return memory(*hooks, limits=replace(limits, delete_batch=size))


async def keys(driver: Driver) -> list[str]:
    page = await driver.list_page("", ListOptions(), None)
    return [meta.key for meta in page.blobs]


# One blob


async def test_removing_a_blob_is_one_delete() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), ["a", "b"])
    counting.calls.clear()

    await remove(driver, url("a"))

    assert [call.verb for call in counting.calls] == ["delete"]
    assert await keys(driver) == ["b"]


async def test_a_store_that_cannot_tell_what_is_missing_is_asked_first() -> None:
    counting = Counting()
    limits = replace(memory().capabilities, delete_tells_missing=False)
    driver = await loaded(memory(counting, limits=limits), ["a"])
    counting.calls.clear()

    await remove(driver, url("a"))
    with pytest.raises(NotFound):
        await remove(driver, url("a"))

    assert [call.verb for call in counting.calls] == ["head", "delete", "head"]


async def test_removing_nothing_raises() -> None:
    with pytest.raises(NotFound):
        await remove(memory(), url("nothing"))


@pytest.mark.parametrize("key", ["", "a/"])
async def test_removing_a_directory_is_refused_without_a_request(key: str) -> None:
    counting = Counting()
    with pytest.raises(IsDirectory, match="rmtree"):
        await remove(memory(counting), url(key))

    assert not counting.calls


# One directory


async def test_an_empty_directory_is_its_marker() -> None:
    driver = await loaded(memory(), TREE)

    await rmdir(driver, url("t/f"))
    await rmdir(driver, url("t/f"))  # a missing one passes in a store of keys

    assert "t/f/" not in await keys(driver)


@pytest.mark.parametrize("key", ["t", "t/", "t/b"])
async def test_a_directory_with_content_is_kept(key: str) -> None:
    driver = await loaded(memory(), TREE)

    with pytest.raises(DirectoryNotEmpty, match="rmtree"):
        await rmdir(driver, url(key))

    assert await keys(driver) == sorted(TREE)


async def test_content_on_a_later_page_keeps_the_directory() -> None:
    driver = Bent(await loaded(memory(), ["t/", "t/a"]), page_size=1)

    with pytest.raises(DirectoryNotEmpty):
        await rmdir(driver, url("t"))


async def test_a_directory_of_one_marker_is_removed_after_its_last_page() -> None:
    driver = Bent(await loaded(memory(), ["t/", "t-"]), page_size=1)

    await rmdir(driver, url("t"))

    assert await keys(driver.driver) == ["t-"]


@pytest.mark.parametrize("key", ["", "/"])
async def test_the_root_is_not_removed(key: str) -> None:
    with pytest.raises(InvalidUrl):
        await rmdir(memory(), url(key))


# Trees


async def test_a_tree_is_removed_with_all_below_and_nothing_beside() -> None:
    driver = await loaded(memory(), TREE)

    await rmtree(driver, url("t"))

    assert await keys(driver) == ["t-", "u"]


async def test_the_root_of_a_bucket_is_emptied() -> None:
    driver = await loaded(memory(), TREE)

    await rmtree(driver, url(""))

    assert await keys(driver) == []


async def test_keys_go_in_batches_of_the_stores_size() -> None:
    counting = Counting()
    driver = await loaded(batched(counting, size=3), [f"t/{i}" for i in range(8)])
    counting.calls.clear()

    await rmtree(driver, url("t"))

    assert [call.size for call in counting.calls if call.verb == "delete"] == [3, 3, 2]


async def test_a_bounded_number_of_batches_is_under_way() -> None:
    slow = Slow("delete")
    driver = await loaded(batched(slow, size=1), [f"t/{i:02}" for i in range(30)])
    removing = asyncio.ensure_future(rmtree(driver, url("t")))

    await slow.until_held(8)
    await settled()
    assert len(slow.held) == 8
    slow.open()

    await removing
    assert await keys(driver) == []


async def test_removing_no_tree_raises() -> None:
    driver = await loaded(memory(), TREE)

    with pytest.raises(NotFound):
        await rmtree(driver, url("nothing"))
    with pytest.raises(NotDirectory, match="use remove"):
        await rmtree(driver, url("u"))


def refusing(*refused: str) -> Callable[[list[DeleteResult]], list[DeleteResult]]:
    def change(results: list[DeleteResult]) -> list[DeleteResult]:
        return [
            DeleteResult(key=r.key, error=PermissionDenied(r.key)) if r.key in refused else r
            for r in results
        ]

    return change


async def test_a_key_that_is_refused_is_reported_after_all_were_tried() -> None:
    inner = batched()
    driver = Wrapped(inner, Changing("delete", refusing("t/1")))
    await loaded(driver, [f"t/{i}" for i in range(8)])
    counting = Counting()

    with pytest.raises(PermissionDenied, match="t/1"):
        await rmtree(Wrapped(driver, counting), url("t"))

    assert counting.count("delete") == 4


async def test_a_batch_that_fails_is_reported_after_all_were_tried() -> None:
    lost = TransportFailed("reset")
    driver = batched(Flaky(Fault("delete", lost, key="t/2")))
    await loaded(driver, [f"t/{i}" for i in range(8)])

    with pytest.raises(TransportFailed):
        await rmtree(driver, url("t"))

    assert await keys(driver) == ["t/2", "t/3"]


async def test_a_key_that_is_gone_already_is_no_failure() -> None:
    driver = await loaded(memory(), TREE)

    def gone(results: list[DeleteResult]) -> list[DeleteResult]:
        return [DeleteResult(key=r.key, error=NotFound(r.key)) for r in results]

    await rmtree(Wrapped(driver, Changing("delete", gone)), url("t"))


async def test_a_listing_that_fails_leaves_no_task_behind() -> None:
    fault = Fault("list_page", PermissionDenied("no"), skip=1)
    driver = await loaded(memory(Flaky(fault)), [f"t/{i}" for i in range(4)])

    with pytest.raises(PermissionDenied):
        await rmtree(driver, url("t"))
    assert not other_tasks()


async def test_cancelling_leaves_no_task_behind() -> None:
    slow = Slow("delete")
    driver = await loaded(batched(slow), [f"t/{i}" for i in range(9)])
    removing = asyncio.ensure_future(rmtree(driver, url("t")))
    await slow.until_held(2)

    removing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await removing

    assert not other_tasks()


@given(st.lists(st.text(alphabet="/ab", min_size=1, max_size=5), max_size=12), st.integers(1, 4))
async def test_what_lies_below_is_removed_and_nothing_else(names: list[str], batch: int) -> None:
    below = sorted({f"t/{name}" for name in names})
    beside = ["s/x", "t", "t-/x", "tt/x"]
    driver = await loaded(batched(size=batch), [*below, *beside])

    if below:
        await rmtree(driver, url("t"))

    assert await keys(driver) == beside


# On disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("tree/a", "tree/b/c", "tree/b/d/e", "outside/kept"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "tree" / "empty").mkdir()
    return tmp_path


async def test_a_tree_on_disk_is_removed_with_its_directories(root: Path) -> None:
    async with AsyncContext(Config()) as context:
        await context.rmtree(root / "tree")

    assert not (root / "tree").exists()
    assert (root / "outside/kept").exists()


async def test_links_in_a_tree_are_removed_and_not_followed(root: Path) -> None:
    (root / "tree/link").symlink_to(root / "outside")
    (root / "tree/file").symlink_to(root / "outside/kept")
    (root / "tree/broken").symlink_to("nowhere")

    async with AsyncContext(Config()) as context:
        await context.rmtree(root / "tree")

    assert not (root / "tree").exists()
    assert (root / "outside/kept").read_text() == "outside/kept"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_link_to_a_tree_is_refused_as_by_shutil(root: Path, slash: str) -> None:
    (root / "link").symlink_to(root / "tree")

    async with AsyncContext(Config()) as context:
        with pytest.raises(NotDirectory, match="symbolic link"):
            await context.rmtree(f"{root}/link{slash}")

    assert (root / "tree/b/d/e").exists()
    assert (root / "link").is_symlink()


async def test_an_empty_directory_on_disk_is_removed_and_others_are_kept(root: Path) -> None:
    async with AsyncContext(Config()) as context:
        await context.rmdir(root / "tree/empty")
        with pytest.raises(OSError, match="not empty"):
            await context.rmdir(root / "tree/b")
        with pytest.raises(NotFound):
            await context.rmdir(root / "nothing")

    assert not (root / "tree/empty").exists()
    assert (root / "tree/b/c").exists()


async def test_a_failure_on_disk_is_reported_after_everything_else_was_removed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def unlink(path: str, **options: int) -> None:
        if str(path).endswith("b/c"):
            raise PermissionError(13, "Permission denied")
        real(path, **options)

    monkeypatch.setattr(os, "unlink", unlink)

    async with AsyncContext(Config()) as context:
        with pytest.raises(PermissionDenied):
            await context.rmtree(root / "tree")

    left = sorted(str(path.relative_to(root)) for path in (root / "tree").rglob("*"))
    assert left == ["tree/b", "tree/b/c"]
