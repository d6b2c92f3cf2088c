from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio.core.listing import exists, is_directory, is_file, pages, scan, scan_shards
from blobio.drivers.base import Driver
from blobio.entries import DirEntry
from blobio.errors import NotFound, PermissionDenied
from blobio.testing.faults import Call, Counting, Fault, Flaky, Slow, Wrapped
from blobio.values import ListOptions, ListPage
from tests.unit.core.fakes import Bent, loaded, memory, other_tasks, settled, url

T = TypeVar("T")
TREE = ["a", "a/x", "a/y/1", "a/y/2", "a-", "b//c", "b//d/e", "d/", "e/f"]


async def flat(source: AsyncIterator[list[T]]) -> list[T]:
    return [item async for items in source for item in items]


def small_pages(driver: Driver, size: int = 3) -> Bent:
    return Bent(driver, limits=replace(driver.capabilities, list_page_size=size))


async def tree(keys: Iterable[str] = TREE) -> Bent:
    return small_pages(await loaded(memory(), keys))


def named(entries: Iterable[DirEntry]) -> list[tuple[str, bool]]:
    return sorted((entry.name, entry.is_dir) for entry in entries)


# Pages


async def test_pages_are_all_of_a_listing_in_order() -> None:
    driver = await tree(f"k{i:02}" for i in range(10))

    found = [meta.key async for page in pages(driver, "k") for meta in page.blobs]

    assert found == [f"k{i:02}" for i in range(10)]
    assert len(driver.pages) == 4


async def test_exactly_one_page_is_fetched_ahead() -> None:
    driver = await tree(f"k{i:02}" for i in range(12))
    requested: list[int] = []

    async for _ in pages(driver, "k"):
        await settled()
        requested.append(len(driver.pages))

    assert requested == [2, 3, 4, 4]


async def test_leaving_a_listing_cancels_the_page_ahead() -> None:
    slow = Slow("list_page")
    listing = pages(Wrapped(await tree(f"k{i}" for i in range(6)), slow), "k")
    first = asyncio.ensure_future(anext(listing))
    await slow.until_held(1)
    slow.let_go()
    await first
    await slow.until_held(1)

    await listing.aclose()

    assert not slow.held
    assert not other_tasks()


async def test_leaving_a_listing_whose_page_ahead_failed_is_silent() -> None:
    flaky = Flaky(Fault("list_page", PermissionDenied("no"), skip=1))
    listing = pages(Wrapped(await tree(f"k{i}" for i in range(6)), flaky), "k")
    await anext(listing)
    await settled()
    assert not flaky.left

    await listing.aclose()


async def test_a_failed_page_is_raised_after_the_pages_before_it() -> None:
    flaky = Flaky(Fault("list_page", PermissionDenied("no"), skip=2))
    driver = Wrapped(await tree(f"k{i}" for i in range(9)), flaky)
    found: list[str] = []

    async def consume() -> None:
        async for page in pages(driver, "k"):
            found.extend(meta.key for meta in page.blobs)

    with pytest.raises(PermissionDenied):
        await consume()
    assert found == [f"k{i}" for i in range(6)]


async def test_an_empty_page_in_the_middle_does_not_end_a_listing() -> None:
    listing = scripted(
        ListPage(token="1"), ListPage(token="2"), await memory_page("a"), ListPage(token="4")
    )

    found = [meta.key async for page in pages(listing, "") for meta in page.blobs]

    assert found == ["a"]


async def memory_page(key: str) -> ListPage:
    page = await (await loaded(memory(), [key])).list_page("", ListOptions(), None)
    return replace(page, token="3")


def scripted(*replies: ListPage) -> Driver:
    """A driver whose listing is these pages and then an empty last one."""
    left = [*replies, ListPage()]

    class Paged:
        async def around(self, call: Call, act: Callable[[], Awaitable[T]]) -> T:
            del call, act
            return cast("T", left.pop(0))  # only `list_page` is called

    return Wrapped(memory(), Paged())


# What a name means


@pytest.mark.parametrize(
    ("key", "file", "directory"),
    [
        ("a", True, True),
        ("a/", False, True),
        ("a/y", False, True),
        ("a-", True, False),
        ("d", False, True),
        ("b", False, True),
        ("b/", False, True),
        ("b//", False, True),
        ("nothing", False, False),
        ("a/y/", False, True),
        ("", False, True),
    ],
)
async def test_what_a_name_means(key: str, file: bool, directory: bool) -> None:
    driver = await tree()

    assert await is_file(driver, url(key)) == file
    assert await is_directory(driver, url(key)) == directory
    assert await exists(driver, url(key)) == (file or directory)


async def test_a_directory_is_found_behind_empty_pages() -> None:
    driver = scripted(ListPage(token="1"), ListPage(token="2"), await memory_page("a/b"))

    assert await is_directory(driver, url("a"))


async def test_no_directory_is_found_in_empty_pages_alone() -> None:
    assert not await is_directory(scripted(ListPage(token="1")), url("a"))


async def test_a_bucket_that_is_missing_is_no_directory() -> None:
    driver = memory(Flaky(Fault("list_page", NotFound("no bucket"))))

    assert not await is_directory(driver, url(""))


async def test_a_name_that_may_not_be_looked_at_is_an_error_not_an_answer() -> None:
    for question in (is_file, is_directory, exists):
        driver = memory(
            Flaky(Fault("head", PermissionDenied("no")), Fault("list_page", PermissionDenied("no")))
        )
        with pytest.raises(PermissionDenied):
            await question(driver, url("a"))


async def test_a_file_is_found_with_one_head_and_a_directory_with_one_more_list() -> None:
    counting = Counting()
    driver = Wrapped(await tree(), counting)

    await exists(driver, url("a-"))
    await exists(driver, url("e"))

    assert [call.verb for call in counting.calls] == ["head", "head", "list_page"]


# Directories


@pytest.mark.parametrize(
    ("key", "entries"),
    [
        (
            "",
            [("a", False), ("a", True), ("a-", False), ("b", True), ("d", True), ("e", True)],
        ),
        ("a", [("x", False), ("y", True)]),
        ("a/", [("x", False), ("y", True)]),
        ("b", [("", True)]),
        ("b//", [("c", False), ("d", True)]),
        ("d", []),
    ],
)
async def test_scan_lists_one_level(key: str, entries: list[tuple[str, bool]]) -> None:
    driver = await tree()

    assert named(await flat(scan(driver, url(key)))) == entries


async def test_entries_carry_their_full_path_and_what_the_listing_tells() -> None:
    driver = await loaded(memory(), {"a/x": b"12345", "a/d/y": b""})

    below, blob = sorted(await flat(scan(driver, url("a"))))

    assert (below.path, below.is_file, below.stat) == ("memory://bucket/a/d", False, None)
    assert (blob.path, blob.is_file) == ("memory://bucket/a/x", True)
    assert blob.stat is not None
    assert blob.stat.size == 5


async def test_a_marker_below_is_a_directory_and_its_own_is_no_entry() -> None:
    driver = await loaded(memory(), ["d/", "d/sub/"])

    assert named(await flat(scan(driver, url("d")))) == [("sub", True)]


async def test_a_marker_that_a_store_lists_as_a_blob_is_a_directory() -> None:
    async def list_marker() -> ListPage:
        return await (await loaded(memory(), ["d/sub/"])).list_page("d/", ListOptions(), None)

    driver = scripted(await list_marker())

    assert named(await flat(scan(driver, url("d")))) == [("sub", True)]


@pytest.mark.parametrize("length", [0, 1])
async def test_scanning_nothing_raises_and_scanning_an_empty_root_does_not(length: int) -> None:
    driver = memory()

    with pytest.raises(NotFound):
        await flat(scan_shards(driver, url("nothing"), length))
    assert await flat(scan_shards(driver, url(""), length)) == []


async def test_leaving_a_scan_leaves_no_task_behind() -> None:
    driver = await tree(f"d/{i:03}" for i in range(50))
    async with aclosing(scan(driver, url("d"))) as entries:
        await anext(entries)

    await settled()

    assert not other_tasks()


# Shards

NAMES = st.text(alphabet="!-/09Aa~é\x20", min_size=1, max_size=4)


@settings(max_examples=40)  # of 94 listings each
@given(st.lists(NAMES, max_size=25))
async def test_shards_find_what_a_plain_scan_finds(names: list[str]) -> None:
    driver = small_pages(await loaded(memory(), [f"d/{name}" for name in names]))
    if not names:
        await loaded(driver, ["d/"])

    plain = await flat(scan(driver, url("d")))
    sharded = await flat(scan_shards(driver, url("d"), 1))

    assert sorted(sharded, key=repr) == sorted(plain, key=repr)


async def test_shards_list_side_by_side_within_their_bound() -> None:
    counting, slow = Counting(), Slow("list_page")
    driver = Wrapped(await loaded(memory(), ["d/a", "d/b"]), counting, slow)
    scanning = asyncio.ensure_future(flat(scan_shards(driver, url("d"), 1)))

    await slow.until_held(32)
    await settled()
    assert len(slow.held) == 32
    slow.open()

    assert named(await scanning) == [("a", False), ("b", False)]
    assert counting.count("list_page") == 94
