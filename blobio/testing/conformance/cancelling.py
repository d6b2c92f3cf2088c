"""Cases of verbs that are cancelled: nothing half done is visible, and the driver goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from blobio.errors import NotFound
from blobio.testing.conformance.case import Feature, case
from blobio.testing.conformance.checks import content, list_keys, part_sizes, put, read, send_parts
from blobio.testing.conformance.harness import Harness
from blobio.values import GetOptions, ListOptions, PutOptions

_STEPS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34)


async def _cancel_at_steps(make: Callable[[], Coroutine[object, object, object]]) -> None:
    """Run what `make` returns again and again, cancelled after more and more turns of the loop."""
    for steps in _STEPS:
        task = asyncio.ensure_future(make())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()  # it was done before; if it failed, that is a finding


async def _settled(tasks: set[asyncio.Task[object]]) -> None:
    """Check that no task is left that was not among `tasks`."""
    for _ in range(10):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - tasks
    assert not left, f"tasks outlived the cancelled verb: {left}"


@case()
async def cancelled_gets_release_what_they_hold(harness: Harness) -> None:
    data = content(2 << 20)
    key = await harness.seed("blob", data)
    tasks = asyncio.all_tasks()

    await _cancel_at_steps(lambda: read(harness.driver, key))
    await _settled(tasks)

    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(read(harness.driver, key)) for _ in range(8)]
    assert all(task.result() == data for task in reads)


@case()
async def a_get_cancelled_while_reading_releases_its_body(harness: Harness) -> None:
    key = await harness.seed("blob", content(4 << 20))
    begun = asyncio.Event()

    async def read_slowly() -> None:
        async with await harness.driver.get(key, GetOptions()) as result:
            async for _ in result.chunks():
                begun.set()
                await asyncio.Event().wait()

    for _ in range(4):
        begun.clear()
        task = asyncio.create_task(read_slowly())
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(await read(harness.driver, key)) == 4 << 20


@case(Feature.ATOMIC_PUTS, needs="writable")
async def a_cancelled_put_leaves_the_old_blob_or_the_new(harness: Harness) -> None:
    old, new = content(1 << 20, 1), content(1 << 20, 2)
    key = await put(harness, "blob", old)
    tasks = asyncio.all_tasks()

    await _cancel_at_steps(lambda: put(harness, "blob", new))
    await _settled(tasks)

    assert await read(harness.driver, key) in (old, new)
    assert await read(harness.driver, await put(harness, "other", new)) == new


@case(needs="writable")
async def a_cancelled_upload_can_be_aborted(harness: Harness) -> None:
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions())

    await _cancel_at_steps(lambda: send_parts(upload, data, sizes))
    await upload.abort()

    try:
        await harness.driver.head(key)
    except NotFound:
        return
    message = "an aborted upload left a blob"
    raise AssertionError(message)


@case(Feature.ATOMIC_PUTS, needs="writable")
async def a_cancelled_complete_publishes_all_or_nothing(harness: Harness) -> None:
    for steps in _STEPS:
        key = harness.key(f"blob-{steps}")
        upload = await harness.driver.begin_upload(key, PutOptions())
        token = await upload.put_part(0, 0, b"7 bytes")
        task = asyncio.ensure_future(upload.complete([token], size=7))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await upload.abort()

        try:
            assert await read(harness.driver, key) == b"7 bytes"
        except NotFound:
            continue


@case(needs="writable listable")
async def cancelled_writes_leave_no_other_names(harness: Harness) -> None:
    await _cancel_at_steps(lambda: put(harness, "blob", content(300_000)))

    keys, prefixes = await list_keys(harness.driver, harness.key(""))

    assert set(keys) <= {"blob"}
    assert prefixes == []


@case(needs="listable")
async def cancelled_listings_leave_the_driver_usable(harness: Harness) -> None:
    await harness.seed("blob", b"content")
    tasks = asyncio.all_tasks()

    await _cancel_at_steps(lambda: harness.driver.list_page(harness.key(""), ListOptions(), None))
    await _settled(tasks)

    assert await list_keys(harness.driver, harness.key("")) == (["blob"], [])
