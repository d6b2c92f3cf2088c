"""Cases of `delete`."""

from __future__ import annotations

from blobio.errors import NotFound
from blobio.testing.conformance.case import case
from blobio.testing.conformance.checks import list_keys, put, raises, read
from blobio.testing.conformance.harness import Harness


def _batch(harness: Harness, most: int) -> int:
    return min(harness.driver.capabilities.delete_batch, most)


@case(needs="writable")
async def deleted_blobs_are_gone(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")
    kept = await put(harness, "other", b"kept")

    [result] = await harness.driver.delete([key])

    assert (result.key, result.error) == (key, None)
    with raises(NotFound):
        await harness.driver.head(key)
    assert await read(harness.driver, kept) == b"kept"


@case(needs="writable")
async def delete_of_no_keys_does_nothing(harness: Harness) -> None:
    assert list(await harness.driver.delete([])) == []


@case(needs="writable delete_tells_missing")
async def delete_of_nothing_tells_so(harness: Harness) -> None:
    [result] = await harness.driver.delete([harness.key("nothing")])

    assert isinstance(result.error, NotFound)


@case(needs="writable", without="delete_tells_missing")
async def delete_of_nothing_counts_as_deleted(harness: Harness) -> None:
    [result] = await harness.driver.delete([harness.key("nothing")])

    assert result.error is None


@case(needs="writable")
async def a_batch_gives_one_result_for_each_key_in_order(harness: Harness) -> None:
    names = [f"{number:02}" for number in range(_batch(harness, 12))]
    present = [await put(harness, name, b"content") for name in names[::2]]
    keys = [harness.key(name) for name in reversed(names)]

    results = await harness.driver.delete(keys)

    assert [result.key for result in results] == keys
    for result in results:
        assert result.error is None or result.key not in present
        assert result.error is None or isinstance(result.error, NotFound)
    for key in present:
        with raises(NotFound):
            await harness.driver.head(key)


@case(needs="writable")
async def a_batch_takes_odd_keys(harness: Harness) -> None:
    names = ["<a>&amp;'\"", "a b+c", "a%20b", "é😀", "a?b#c", "plain"][: _batch(harness, 6)]
    keys = [await put(harness, name, b"content") for name in names]

    results = await harness.driver.delete(keys)

    assert [(result.key, result.error) for result in results] == [(key, None) for key in keys]
    if harness.driver.capabilities.listable:
        assert await list_keys(harness.driver, harness.key("")) == ([], [])


@case(needs="writable")
async def a_full_batch_is_one_call(harness: Harness) -> None:
    keys = [harness.key(f"{number:04}") for number in range(_batch(harness, 1000))]
    last = await put(harness, f"{len(keys) - 1:04}", b"content")

    results = await harness.driver.delete(keys)

    assert [result.key for result in results] == keys
    with raises(NotFound):
        await harness.driver.head(last)


@case(needs="writable")
async def deleted_keys_can_be_written_again(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    await harness.driver.delete([key])

    await put(harness, "blob", b"new")

    assert await read(harness.driver, key) == b"new"
