"""Cases of writes in parts."""

from __future__ import annotations

import asyncio

from blobio.errors import (
    AlreadyExists,
    BlobError,
    ConcurrentWrite,
    NotFound,
    UploadLost,
    VersionMismatch,
)
from blobio.testing.conformance.case import Feature, case
from blobio.testing.conformance.checks import (
    content,
    list_keys,
    part_sizes,
    put,
    raises,
    read,
    send_parts,
    version_of,
)
from blobio.testing.conformance.harness import Harness
from blobio.values import CreateOnly, Overwrite, PutOptions, PutResult, ReplaceIf, WriteMode


async def _upload(harness: Harness, data: bytes, options: PutOptions | None = None) -> PutResult:
    """Write `data` to the blob in as few parts as it takes."""
    sizes = part_sizes(harness.driver)[-1:] if len(data) < 10 else part_sizes(harness.driver)
    upload = await harness.driver.begin_upload(harness.key("blob"), options or PutOptions())
    try:
        tokens = await send_parts(upload, data, sizes)
        return await upload.complete(tokens, size=len(data))
    except BaseException:
        await upload.abort()
        raise


@case(needs="writable")
async def parts_sent_in_any_order_join_in_index_order(harness: Harness) -> None:
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions())

    tokens = await send_parts(upload, data, sizes, order=(2, 0, 1))
    await upload.complete(tokens, size=len(data))

    assert await read(harness.driver, key) == data
    assert (await harness.driver.head(key)).size == len(data)


@case(needs="writable")
async def memory_of_a_part_is_free_once_it_was_sent(harness: Harness) -> None:
    """Copies fill the memory of a part that was sent with the next one."""
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions())

    memory = bytearray(max(sizes))
    tokens, offset = [], 0
    for index, size in enumerate(sizes):
        memory[:size] = data[offset : offset + size]
        tokens.append(await upload.put_part(index, offset, memoryview(memory)[:size]))
        offset += size
    memory[:] = bytes(len(memory))
    await upload.complete(tokens, size=len(data))

    assert await read(harness.driver, key) == data


@case(Feature.COMPLETED_VERSIONS, needs="writable pinned_reads")
async def complete_tells_the_version_it_made(harness: Harness) -> None:
    result = await _upload(harness, content(sum(part_sizes(harness.driver))))

    version = await version_of(harness, harness.key("blob"))
    assert result.version in (None, version)


@case(needs="writable")
async def parts_may_be_sent_at_once(harness: Harness) -> None:
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions(size=len(data)))

    async with asyncio.TaskGroup() as group:
        tasks = []
        for index, size in enumerate(sizes):
            start = sum(sizes[:index])
            body = memoryview(data)[start : start + size]
            tasks.append(group.create_task(upload.put_part(index, start, body)))
    await upload.complete([task.result() for task in tasks], size=len(data))

    assert await read(harness.driver, key) == data


@case(needs="writable")
async def one_short_part_is_a_whole_upload(harness: Harness) -> None:
    await _upload(harness, b"7 bytes")

    assert await read(harness.driver, harness.key("blob")) == b"7 bytes"


@case(needs="writable metadata")
async def upload_stores_content_type_and_metadata(harness: Harness) -> None:
    options = PutOptions(content_type="text/x-test", metadata={"colour": "green"})

    await _upload(harness, b"7 bytes", options)

    meta = await harness.driver.head(harness.key("blob"))
    assert meta.content_type == "text/x-test"
    assert dict(meta.metadata) == {"colour": "green"}


@case(needs="writable")
async def nothing_is_visible_before_complete(harness: Harness) -> None:
    sizes = part_sizes(harness.driver)
    key = harness.key("dir/blob")
    upload = await harness.driver.begin_upload(key, PutOptions())
    await send_parts(upload, content(sum(sizes)), sizes)

    with raises(NotFound):
        await harness.driver.head(key)
    if harness.driver.capabilities.listable:
        assert await list_keys(harness.driver, harness.key("")) == ([], [])

    await upload.abort()


@case(needs="writable")
async def the_old_blob_stays_readable_until_complete(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    sizes = part_sizes(harness.driver)
    data = content(sum(sizes))

    upload = await harness.driver.begin_upload(key, PutOptions())
    tokens = await send_parts(upload, data, sizes)
    before = await read(harness.driver, key)
    await upload.complete(tokens, size=len(data))

    assert before == b"old"
    assert await read(harness.driver, key) == data


@case(needs="writable")
async def abort_leaves_the_old_blob(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    upload = await harness.driver.begin_upload(key, PutOptions())
    await upload.put_part(0, 0, b"7 bytes")

    await upload.abort()

    assert await read(harness.driver, key) == b"old"


@case(needs="writable")
async def abort_leaves_nothing_where_nothing_was(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())
    await upload.put_part(0, 0, b"7 bytes")

    await upload.abort()

    with raises(NotFound):
        await harness.driver.head(harness.key("blob"))
    if harness.driver.capabilities.listable:
        assert await list_keys(harness.driver, harness.key("")) == ([], [])


@case(needs="writable")
async def abort_is_idempotent(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())

    await upload.abort()
    await upload.abort()


@case(needs="writable")
async def abort_after_complete_does_nothing(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())
    token = await upload.put_part(0, 0, b"7 bytes")
    await upload.complete([token], size=7)

    await upload.abort()

    assert await read(harness.driver, harness.key("blob")) == b"7 bytes"


@case(Feature.ABORTED_UPLOADS, needs="writable")
async def an_aborted_upload_cannot_be_completed(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())
    token = await upload.put_part(0, 0, b"7 bytes")
    await upload.abort()

    with raises(UploadLost):
        await upload.complete([token], size=7)

    with raises(NotFound):
        await harness.driver.head(harness.key("blob"))


@case(needs="writable create_only")
async def upload_of_create_only_writes_where_nothing_is(harness: Harness) -> None:
    await _upload(harness, b"7 bytes", PutOptions(mode=CreateOnly()))

    assert await read(harness.driver, harness.key("blob")) == b"7 bytes"


@case(Feature.CONDITIONS, Feature.CREATE_ON_COMPLETE, needs="writable create_only")
async def create_only_is_decided_on_complete(harness: Harness) -> None:
    key = harness.key("blob")
    upload = await harness.driver.begin_upload(key, PutOptions(mode=CreateOnly()))
    token = await upload.put_part(0, 0, b"7 bytes")
    await put(harness, "blob", b"theirs")

    with raises(AlreadyExists):
        await upload.complete([token], size=7)
    await upload.abort()

    assert await read(harness.driver, key) == b"theirs"


@case(needs="writable replace_if")
async def upload_of_replace_if_writes_over_the_version_named(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")

    await _upload(harness, b"7 bytes", PutOptions(mode=ReplaceIf(await version_of(harness, key))))

    assert await read(harness.driver, key) == b"7 bytes"


@case(Feature.CONDITIONS, Feature.REPLACE_ON_COMPLETE, needs="writable replace_if")
async def replace_if_is_decided_on_complete(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    mode = ReplaceIf(await version_of(harness, key))
    upload = await harness.driver.begin_upload(key, PutOptions(mode=mode))
    token = await upload.put_part(0, 0, b"7 bytes")
    await put(harness, "blob", b"theirs")

    with raises(VersionMismatch):
        await upload.complete([token], size=7)
    await upload.abort()

    assert await read(harness.driver, key) == b"theirs"


async def _race(harness: Harness, mode: WriteMode, count: int) -> list[bytes]:
    """Upload `count` bodies to one key at once; return those that were told they won."""
    bodies = [f"{number:07}".encode() for number in range(count)]
    outcomes = await asyncio.gather(
        *(_upload(harness, data, PutOptions(mode=mode)) for data in bodies),
        return_exceptions=True,
    )
    losses = (AlreadyExists, ConcurrentWrite, UploadLost)
    assert all(isinstance(one, (PutResult, *losses)) for one in outcomes), outcomes
    pairs = zip(bodies, outcomes, strict=True)
    return [data for data, outcome in pairs if isinstance(outcome, PutResult)]


@case(Feature.RACING_UPLOADS, needs="writable")
async def racing_uploads_leave_one_of_them_whole(harness: Harness) -> None:
    winners = await _race(harness, Overwrite(), 4)

    assert await read(harness.driver, harness.key("blob")) in winners


@case(
    Feature.CONDITIONS,
    Feature.CREATE_ON_COMPLETE,
    Feature.RACING_UPLOADS,
    needs="writable create_only",
)
async def racing_create_only_uploads_have_one_winner(harness: Harness) -> None:
    winners = await _race(harness, CreateOnly(), 8)

    assert len(winners) == 1
    assert await read(harness.driver, harness.key("blob")) == winners[0]


@case(needs="writable")
async def a_part_may_be_sent_again(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())
    await upload.put_part(0, 0, b"7 bytes")
    token = await upload.put_part(0, 0, b"7 bytes")

    await upload.complete([token], size=7)

    assert await read(harness.driver, harness.key("blob")) == b"7 bytes"


@case(needs="writable")
async def a_size_that_the_parts_do_not_have_is_refused(harness: Harness) -> None:
    upload = await harness.driver.begin_upload(harness.key("blob"), PutOptions())
    token = await upload.put_part(0, 0, b"7 bytes")

    with raises(BlobError, ValueError):
        await upload.complete([token], size=8)
    await upload.abort()

    with raises(NotFound):
        await harness.driver.head(harness.key("blob"))
