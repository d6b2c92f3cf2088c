"""Cases of `list_page`."""

from __future__ import annotations

import asyncio
from typing import Final

from blobio.errors import NotFound
from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import all_pages, list_keys, raises
from blobio.testing.conformance.harness import Harness
from blobio.values import ListOptions

_NAMES: Final = ("a", "b/1", "b/2", "b/c/3", "d", "e/4", "log-1", "logs/5", "z")
_DIRECTLY: Final = ListOptions(delimiter="/")
_PAGE_SIZES: Final = {str(size): size for size in (1, 2, 3, 4, 5, 9, 10, 100_000)}


async def _plant(harness: Harness, *names: str) -> str:
    """Make blobs of these names, each holding its name; return the prefix they share."""
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(harness.seed(name, name.encode()))
    return harness.key("")


@case(needs="listable")
async def flat_listing_names_every_key_in_order(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)

    assert await list_keys(harness.driver, prefix) == (sorted(_NAMES), [])


@case(needs="listable")
async def listed_blobs_are_described_as_by_head(harness: Harness) -> None:
    prefix = await _plant(harness, "b/1", "b/22")

    page = await harness.driver.list_page(prefix + "b/", ListOptions(), None)

    blobs = [blob for blob in page.blobs if not blob.key.endswith("/")]
    assert [blob.size for blob in blobs] == [3, 4]
    for blob in blobs:
        meta = await harness.driver.head(blob.key)
        assert blob.version in (None, meta.version)
        assert blob.md5 in (None, meta.md5)
        assert abs(blob.mtime - meta.mtime) < 1.5, "a whole second may be cut off"


@case(needs="listable")
async def delimiter_reports_what_lies_deeper_as_prefixes(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)

    assert await list_keys(harness.driver, prefix, _DIRECTLY) == (
        ["a", "d", "log-1", "z"],
        ["b/", "e/", "logs/"],
    )
    assert await list_keys(harness.driver, prefix + "b/", _DIRECTLY) == (["1", "2"], ["c/"])


@case(needs="listable")
async def prefix_need_not_end_at_a_slash(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)

    assert await list_keys(harness.driver, prefix + "log") == (["-1", "s/5"], [])
    assert await list_keys(harness.driver, prefix + "log", _DIRECTLY) == (["-1"], ["s/"])
    assert await list_keys(harness.driver, prefix + "b/c") == (["/3"], [])


@case(Feature.NAMES_AND_PREFIXES, needs="listable", without="directories")
async def a_key_beside_keys_below_it_is_listed_as_both(harness: Harness) -> None:
    prefix = await _plant(harness, "a", "a/b", "a-c")

    assert await list_keys(harness.driver, prefix) == (["a", "a-c", "a/b"], [])
    assert await list_keys(harness.driver, prefix, _DIRECTLY) == (["a", "a-c"], ["a/"])


@case(Feature.MARKERS, needs="listable writable", without="directories")
async def a_marker_is_listed_as_the_blob_it_is(harness: Harness) -> None:
    prefix = await _plant(harness, "dir/", "dir/blob")

    assert await list_keys(harness.driver, prefix) == (["dir/", "dir/blob"], [])
    assert await list_keys(harness.driver, prefix, _DIRECTLY) == ([], ["dir/"])
    assert await list_keys(harness.driver, prefix + "dir/", _DIRECTLY) == (["", "blob"], [])


@case(needs="listable")
async def nothing_below_the_prefix_is_an_empty_page(harness: Harness) -> None:
    prefix = await _plant(harness, "a")

    for options in (ListOptions(), _DIRECTLY):
        for below in (prefix + "nothing", prefix + "nothing/"):
            page = await harness.driver.list_page(below, options, None)
            assert (list(page.blobs), list(page.prefixes), page.token) == ([], [], None)


@case_for_each(_PAGE_SIZES, needs="listable")
async def pages_of_any_size_add_up(harness: Harness, page_size: int) -> None:
    prefix = await _plant(harness, *_NAMES)

    flat = await list_keys(harness.driver, prefix, ListOptions(page_size=page_size))

    assert flat == (sorted(_NAMES), [])


@case_for_each(_PAGE_SIZES, Feature.PREFIX_PAGES, needs="listable")
async def pages_with_prefixes_add_up(harness: Harness, page_size: int) -> None:
    prefix = await _plant(harness, *_NAMES)

    direct = await list_keys(
        harness.driver, prefix, ListOptions(page_size=page_size, delimiter="/")
    )

    assert direct == (["a", "d", "log-1", "z"], ["b/", "e/", "logs/"])


@case(needs="listable")
async def a_page_can_be_asked_for_again(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)
    options = ListOptions(page_size=2)
    first = await harness.driver.list_page(prefix, options, None)
    assert first.token is not None

    second = await harness.driver.list_page(prefix, options, first.token)
    await all_pages(harness.driver, prefix, options)
    other = await harness.another_driver()
    again = await other.list_page(prefix, options, first.token)

    assert [blob.key for blob in again.blobs] == [blob.key for blob in second.blobs]
    assert again.blobs


@case(needs="listable")
async def start_after_leaves_out_what_comes_before(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)

    for after in ("a", "b/2", "c", "0", "z", "log-1"):
        options = ListOptions(start_after=prefix + after)
        expected = sorted(name for name in _NAMES if name > after)
        assert await list_keys(harness.driver, prefix, options) == (expected, []), after


@case(needs="listable")
async def start_after_goes_with_pages(harness: Harness) -> None:
    prefix = await _plant(harness, *_NAMES)

    options = ListOptions(start_after=prefix + "b/1", page_size=2)

    expected = sorted(name for name in _NAMES if name > "b/1")
    assert await list_keys(harness.driver, prefix, options) == (expected, [])


@case(needs="listable")
async def keys_are_in_order_of_their_utf8_bytes(harness: Harness) -> None:
    names = ["a b", "a+b", "a-b", "a.b", "aB", "a_b", "ab", "aé", "a中", "a😀"]
    prefix = await _plant(harness, *reversed(names))

    keys, _ = await list_keys(harness.driver, prefix, ListOptions(page_size=3))

    assert keys == sorted(names, key=lambda name: name.encode())


@case(needs="listable writable")
async def deleted_and_replaced_blobs_are_listed_as_they_are(harness: Harness) -> None:
    prefix = await _plant(harness, "a", "b")
    await harness.driver.delete([harness.key("a")])
    await harness.seed("b", b"longer than before")

    page = await harness.driver.list_page(prefix, ListOptions(), None)

    blobs = [blob for blob in page.blobs if not blob.key.endswith("/")]
    assert [(blob.key, blob.size) for blob in blobs] == [(harness.key("b"), 18)]


@case(Feature.MISSING_BUCKETS, needs="listable", without="directories")
async def a_bucket_that_is_not_there_is_not_found(harness: Harness) -> None:
    other = await harness.another_driver("blobio-no-such-bucket")

    with raises(NotFound):
        await other.list_page("", ListOptions(), None)
    with raises(NotFound):
        await other.head("key")
