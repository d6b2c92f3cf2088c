from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.copying import Way, copy, plan
from blobio.core.ends import Copied, End, Means
from blobio.core.flow import ByteBudget
from blobio.core.metadata import MTIME_KEY
from blobio.drivers.base import Driver, GetResult
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import (
    AlreadyExists,
    ChecksumMismatch,
    NotFound,
    PermissionDenied,
    Unsupported,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    MetaPatch,
    PutOptions,
    ReplaceIf,
    Version,
)
from tests.unit.core.fakes import (
    DATA,
    Bent,
    Breaking,
    Bytes,
    Changing,
    content,
    loaded,
    memory,
    other_tasks,
    spoiled,
    url,
)

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)
FAR = BlobUrl("far", "bucket", "copy")
"""A destination in another store: nothing but streaming leads there."""


async def run_copy(
    source: Driver,
    target: Driver,
    options: PutOptions | None = None,
    *,
    to: BlobUrl = FAR,
    version: Version | None = None,
    want_md5: bool = False,
) -> Copied:
    return await copy(
        End(source, url(), version),
        End(target, to),
        options or PutOptions(),
        Means(CONFIG, ByteBudget(10_000)),
        want_md5=want_md5,
    )


# The plan


def test_the_store_copies_within_itself_if_it_can() -> None:
    here = memory()

    assert plan(End(here, url("a")), End(here, url("b"))) is Way.SERVER


def test_bytes_pass_through_here_between_stores_and_where_the_store_cannot() -> None:
    here = memory()
    simple = memory(limits=replace(here.capabilities, server_copy=False))

    assert plan(End(here, url("a")), End(here, FAR)) is Way.STREAM
    assert plan(End(simple, url("a")), End(simple, url("b"))) is Way.STREAM


# By the store


async def test_a_copy_by_the_store_is_one_request() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), {"key": DATA})
    counting.calls.clear()

    copied = await run_copy(driver, driver, to=url("copy"))

    assert [call.verb for call in counting.calls] == ["copy"]
    assert copied == Copied(None, Version("2"))
    assert await content(driver, "copy") == DATA


@pytest.mark.parametrize("tells", [True, False])
async def test_a_copy_by_the_store_tells_the_md5_if_asked(tells: bool) -> None:
    driver: Driver = await loaded(memory(), {"key": DATA})
    if not tells:
        driver = Wrapped(driver, Changing("copy", lambda result: replace(result, md5=None)))

    copied = await run_copy(driver, driver, to=url("copy"), want_md5=True)

    assert copied.md5 == hashlib.md5(DATA).hexdigest()  # noqa: S324 - not for security


async def test_an_md5_that_cannot_be_read_does_not_hide_that_the_copy_is_there() -> None:
    flaky = Flaky(Fault("head", PermissionDenied("no")))
    driver = await loaded(memory(flaky), {"key": DATA})
    driver = Wrapped(driver, Changing("copy", lambda result: replace(result, md5=None)))

    with pytest.raises(PermissionDenied) as caught:
        await run_copy(driver, driver, to=url("copy"), want_md5=True)

    assert caught.value.ambiguous
    assert "the copy to memory://bucket/copy is there" in caught.value.__notes__[0]
    assert await content(driver, "copy") == DATA


async def test_a_copy_the_store_cannot_do_is_streamed() -> None:
    counting = Counting()
    flaky = Flaky(Fault("copy", Unsupported("too far")))
    driver = await loaded(memory(counting, flaky), {"key": DATA})

    await run_copy(driver, driver, to=url("copy"))

    assert counting.count("complete") == 1
    assert await content(driver, "copy") == DATA


# Streamed


@pytest.mark.parametrize("size", [0, 1, 100, 101, 1000])
async def test_a_streamed_copy_has_the_bytes(size: int) -> None:
    source, target = await loaded(memory(), {"key": DATA[:size]}), memory()

    copied = await run_copy(source, target, want_md5=True)

    assert await content(target, "copy") == DATA[:size]
    assert copied.md5 == hashlib.md5(DATA[:size]).hexdigest()  # noqa: S324
    assert copied.version == "1"


async def test_a_streamed_copy_costs_a_head_and_a_get_and_a_put_for_each_part() -> None:
    reads, writes = Counting(), Counting()
    source = await loaded(memory(reads), {"key": DATA[:250]})
    reads.calls.clear()

    await run_copy(source, memory(writes))

    assert [c.verb for c in reads.calls if c.verb != "chunk"] == ["head", "get", "get", "get"]
    assert [c.verb for c in writes.calls if c.verb != "put_part"] == ["begin_upload", "complete"]
    assert writes.count("put_part") == 3


async def test_a_streamed_copy_reads_and_writes_a_bounded_number_of_parts_at_once() -> None:
    reads, writes = Counting(), Counting()
    source = await loaded(memory(reads), {"key": DATA})

    await run_copy(source, memory(writes))

    assert reads.most_at_once("get") <= 3
    assert writes.most_at_once("put_part") <= 3


async def test_content_type_and_metadata_come_along() -> None:
    source, target = memory(), memory()
    described = PutOptions(content_type="text/plain", metadata={"a": "1", "b": "2"})
    await source.put("key", DATA, described)

    await run_copy(source, target, PutOptions(metadata={"b": "mine"}))

    meta = await target.head("copy")
    assert meta.content_type == "text/plain"
    assert meta.metadata == {"a": "1", "b": "mine"}


async def test_what_the_caller_says_of_the_copy_comes_first() -> None:
    source, target = memory(), memory()
    await source.put("key", DATA, PutOptions(content_type="text/plain"))

    await run_copy(source, target, PutOptions(content_type="image/png"))

    assert (await target.head("copy")).content_type == "image/png"


async def test_a_copy_is_new_and_so_is_its_time() -> None:
    source, target = memory(), memory()
    await source.put("key", DATA, PutOptions())
    await source.patch("key", MetaPatch(mtime=5.0))

    await run_copy(source, target)

    assert MTIME_KEY not in (await target.head("copy")).metadata


async def test_metadata_stays_behind_where_the_destination_stores_none() -> None:
    source = memory()
    await source.put("key", DATA, PutOptions(metadata={"a": "1"}))
    target = memory(limits=replace(source.capabilities, metadata=False))

    await run_copy(source, target)

    assert not (await target.head("copy")).metadata


async def test_a_broken_body_is_resumed_while_copying() -> None:
    source = await loaded(memory(), {"key": DATA})
    broken = Wrapped(Bent(source, chunk_bytes=10), Breaking(3, 1, 2))
    target = memory()

    await run_copy(broken, target)

    assert await content(target, "copy") == DATA


def replaced_after(gets: int, store: MemoryStore) -> Callable[[GetResult], GetResult]:
    """Put other bytes of the same size in place of the source after so many replies."""
    left = [gets]

    def on_get(result: GetResult) -> GetResult:
        left[0] -= 1
        if left[0] == 0:
            changed = MemoryDriver("bucket", store).put("key", bytes(1000), PutOptions())
            run_to_end(changed)
        return result

    return on_get


def run_to_end(coroutine: object) -> None:
    """Run a coroutine that only lets others run and waits for nothing."""
    send = coroutine.send  # type: ignore[attr-defined]  # a coroutine
    try:
        while True:
            send(None)
    except StopIteration:
        pass


async def test_a_source_that_changes_underneath_is_refused_and_nothing_written() -> None:
    store = MemoryStore()
    await loaded(memory(store=store), {"key": DATA})
    source = Bent(MemoryDriver("bucket", store), on_get=replaced_after(2, store))
    counting = Counting()
    target = memory(counting)

    with pytest.raises(VersionMismatch):
        await run_copy(source, target)

    with pytest.raises(NotFound):
        await target.head("copy")
    assert counting.count("complete") == counting.count("put") == 0
    assert counting.count("abort") == counting.count("begin_upload")
    assert not other_tasks()


async def test_a_copy_of_a_version_that_is_gone_is_refused() -> None:
    source = await loaded(memory(), {"key": DATA})

    with pytest.raises(VersionMismatch):
        await run_copy(source, memory(), version=Version("99"))


@pytest.mark.parametrize("size", [50, 1000])
async def test_bytes_that_are_not_those_stored_are_not_written(size: int) -> None:
    def flip(result: GetResult) -> GetResult:
        span = result.span
        return replace(result, stream=Bytes(bytes(len(span))))

    source = await spoiled(flip, DATA[:size])
    counting = Counting()
    target = await loaded(memory(counting), {"copy": b"old"})

    with pytest.raises(ChecksumMismatch):
        await run_copy(source, target)

    assert await content(target, "copy") == b"old"
    assert counting.count("abort") == 2 * (size > 100)  # it is tried twice


async def test_a_source_without_a_checksum_is_copied() -> None:
    bent = await spoiled(lambda result: result)
    source = Wrapped(bent, Changing("head", lambda meta: meta._replace(crc32c=None, md5=None)))
    target = memory()

    await run_copy(source, target)

    assert await content(target, "copy") == DATA


@pytest.mark.parametrize("size", [50, 1000])
@pytest.mark.parametrize(
    ("mode", "error"),
    [(CreateOnly(), AlreadyExists), (ReplaceIf(Version("99")), VersionMismatch)],
)
async def test_a_condition_that_loses_leaves_the_destination(
    size: int, mode: CreateOnly | ReplaceIf, error: type[Exception]
) -> None:
    source = await loaded(memory(), {"key": DATA[:size]})
    target = await loaded(memory(), {"copy": b"old"})

    with pytest.raises(error):
        await run_copy(source, target, PutOptions(mode=mode))

    assert await content(target, "copy") == b"old"


@pytest.mark.parametrize("to", [FAR, url("copy")])
async def test_a_copy_of_nothing_raises(to: BlobUrl) -> None:
    driver = memory()

    with pytest.raises(NotFound):
        await run_copy(driver, driver, to=to)


async def test_a_failed_part_of_the_destination_aborts_the_copy() -> None:
    source = await loaded(memory(), {"key": DATA})
    counting = Counting()
    target = memory(counting, Flaky(Fault("put_part", PermissionDenied("no"), skip=2)))

    with pytest.raises(PermissionDenied):
        await run_copy(source, target)

    assert counting.count("abort") == 1
    assert not other_tasks()
