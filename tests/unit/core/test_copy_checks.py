"""A streamed copy against the word of both stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.copying import copy
from blobio.core.ends import Copied, End, Means
from blobio.core.flow import ByteBudget
from blobio.drivers.base import Driver, GetResult
from blobio.errors import ChecksumMismatch, TransportFailed, VersionMismatch
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from blobio.url import BlobUrl
from blobio.values import BlobMeta, GetOptions, PutOptions, PutResult, Version
from tests.unit.core.fakes import (
    DATA,
    Bytes,
    Changing,
    content,
    loaded,
    memory,
    spoiled,
    url,
)

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)
FAR = BlobUrl("far", "bucket", "copy")
WRONG_MD5 = "0" * 32


async def run_copy(source: Driver, target: Driver, *, want_md5: bool = False) -> Copied:
    return await copy(
        End(source, url()),
        End(target, FAR),
        PutOptions(),
        Means(CONFIG, ByteBudget(10_000)),
        want_md5=want_md5,
    )


def zeroed(result: GetResult) -> GetResult:
    return replace(result, stream=Bytes(bytes(len(result.span))))


def telling(**facts: object) -> Changing:
    """A hook: `head` tells these facts in place of what is so."""

    def change(meta: BlobMeta) -> BlobMeta:
        return meta._replace(**facts)  # type: ignore[arg-type]  # the tests know the fields

    return Changing("head", change)


def replying(**facts: object) -> Callable[[PutResult], PutResult]:
    return lambda result: replace(result, **facts)  # type: ignore[arg-type]  # the tests know


# The source


@pytest.mark.parametrize("size", [50, 1000])
async def test_a_source_with_only_an_md5_is_held_to_it(size: int) -> None:
    bent = Wrapped(await spoiled(zeroed, DATA[:size]), telling(crc32c=None))
    counting = Counting()
    target = await loaded(memory(counting), {"copy": b"old"})

    with pytest.raises(ChecksumMismatch, match="nothing was written"):
        await run_copy(bent, target)

    assert await content(target, "copy") == b"old"
    assert counting.count("abort") == 2 * (size > 100)  # it is tried twice


@pytest.mark.parametrize("size", [50, 1000])
async def test_bytes_that_changed_on_the_way_are_read_again(size: int) -> None:
    left = [1]

    def once(result: GetResult) -> GetResult:
        left[0] -= 1
        return zeroed(result) if left[0] == 0 else result

    target = memory()

    await run_copy(await spoiled(once, DATA[:size]), target)

    assert await content(target, "copy") == DATA[:size]


async def test_a_checksum_that_a_driver_finds_wrong_is_not_tried_again() -> None:
    """What it wrote may be published."""
    source = await loaded(memory(), {"key": DATA})
    counting = Counting()
    wrong = Fault("complete", ChecksumMismatch("other bytes", operation="put"))

    with pytest.raises(ChecksumMismatch, match="other bytes"):
        await run_copy(source, memory(counting, Flaky(wrong)))

    assert counting.count("begin_upload") == 1


async def test_a_source_with_only_an_md5_is_copied() -> None:
    source = Wrapped(await loaded(memory(), {"key": DATA}), telling(crc32c=None))
    target = memory()

    copied = await run_copy(source, target)

    assert await content(target, "copy") == DATA
    assert copied.md5 is None


async def test_an_md5_that_is_computed_anyway_is_compared_too() -> None:
    source = Wrapped(await loaded(memory(), {"key": DATA}), telling(md5=WRONG_MD5))
    target = memory(Changing("complete", replying(md5=None)))

    await run_copy(source, target)
    with pytest.raises(ChecksumMismatch, match="nothing was written"):
        await run_copy(source, target, want_md5=True)


async def test_the_md5_of_the_source_is_compared_with_that_of_the_copy() -> None:
    source = Wrapped(await loaded(memory(), {"key": DATA}), telling(md5=WRONG_MD5))

    with pytest.raises(ChecksumMismatch, match="is not a copy"):
        await run_copy(source, memory())


# The destination


@pytest.mark.parametrize("size", [50, 1000])
@pytest.mark.parametrize("lie", [{"crc32c": 1}, {"md5": WRONG_MD5}])
async def test_a_destination_that_says_it_has_other_bytes_is_reported(
    size: int, lie: dict[str, object]
) -> None:
    source = await loaded(memory(), {"key": DATA[:size]})
    hooks = [Changing(verb, replying(**lie)) for verb in ("put", "complete")]

    with pytest.raises(ChecksumMismatch, match="is not a copy") as caught:
        await run_copy(source, memory(*hooks))

    assert caught.value.ambiguous
    assert caught.value.url == str(FAR)


async def test_an_md5_in_the_reply_is_compared_with_the_one_computed() -> None:
    source = Wrapped(await loaded(memory(), {"key": DATA}), telling(md5=None))
    target = memory(Changing("complete", replying(md5=WRONG_MD5, crc32c=None)))

    await run_copy(source, target)  # nothing to compare it with
    with pytest.raises(ChecksumMismatch):
        await run_copy(source, target, want_md5=True)


@pytest.mark.parametrize("size", [0, 50, 1000])
async def test_stores_that_vouch_for_nothing_are_copied_between(size: int) -> None:
    source = Wrapped(await loaded(memory(), {"key": DATA[:size]}), telling(crc32c=None, md5=None))
    hooks = [Changing(verb, replying(crc32c=None, md5=None)) for verb in ("put", "complete")]
    target = memory(*hooks)

    copied = await run_copy(source, target, want_md5=True)

    assert await content(target, "copy") == DATA[:size]
    assert copied.md5 == hashlib.md5(DATA[:size]).hexdigest()  # noqa: S324


async def test_the_md5_after_a_copy_by_the_store_is_that_of_the_copy() -> None:
    """Another writer's blob at the destination is not taken for ours."""
    driver = await loaded(memory(), {"key": DATA})

    def replaced(result: PutResult) -> PutResult:
        return replace(result, md5=None, version=Version("gone"))

    with pytest.raises(VersionMismatch) as caught:
        await copy(
            End(Wrapped(driver, Changing("copy", replaced)), url()),
            End(Wrapped(driver, Changing("copy", replaced)), url("copy")),
            PutOptions(),
            Means(CONFIG, ByteBudget(10_000)),
            want_md5=True,
        )

    assert "only its MD5 could not be read" in caught.value.__notes__[0]


# A source that nothing pins


def unpinned(meta: BlobMeta) -> BlobMeta:
    return meta._replace(version=None)


def unpinned_get(result: GetResult) -> GetResult:
    return replace(result, meta=unpinned(result.meta))


async def unpinned_source(counting: Counting, data: bytes = DATA, chunk_bytes: int = 30) -> Driver:
    hooks = (counting, Changing("head", unpinned), Changing("get", unpinned_get))
    source = memory(*hooks, chunk_bytes=chunk_bytes)
    await loaded(source, {"key": data})
    counting.calls.clear()
    return source


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 300, 1000])
@pytest.mark.parametrize("chunk_bytes", [7, 250])
async def test_a_source_without_versions_is_read_with_one_get(size: int, chunk_bytes: int) -> None:
    counting = Counting()
    source = await unpinned_source(counting, DATA[:size], chunk_bytes)
    target = memory()

    await run_copy(source, target)

    assert counting.count("get") == 1
    assert await content(target, "copy") == DATA[:size]


async def test_the_one_body_of_a_source_without_versions_is_not_resumed() -> None:
    """What comes after a break may be of another version."""
    broken = Bytes(DATA[:150], error=TransportFailed("cut"))
    source = Wrapped(
        await spoiled(lambda result: replace(unpinned_get(result), stream=broken)),
        Changing("head", unpinned),
    )
    counting = Counting()
    target = memory(counting)

    with pytest.raises(TransportFailed):
        await run_copy(source, target)

    assert counting.count("complete") == counting.count("put") == 0
    assert counting.count("abort") == counting.count("begin_upload") == 1


async def test_a_file_that_says_it_is_empty_is_read_all_the_same() -> None:
    """So are those of `/proc`: their content is made when it is read."""
    source = memory(limits=replace(memory().capabilities, local_paths=True))
    await loaded(source, {"key": DATA})
    lying = Wrapped(source, telling(size=0, crc32c=None, md5=None))
    target = memory()

    await run_copy(lying, target)

    assert await content(target, "copy") == DATA


async def test_the_size_of_a_source_without_versions_is_that_of_its_one_reply() -> None:
    """HEAD and GET may meet two versions; only the second one is copied."""
    counting = Counting()
    source = Wrapped(await unpinned_source(counting), telling(size=5, crc32c=None, md5=None))
    target = memory()

    await run_copy(source, target)

    assert await content(target, "copy") == DATA
    async with await source.get("key", GetOptions()) as result:
        assert result.meta.version is None
