"""`Means.verifies`: the destination is asked, and read only if nothing else can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.attending import attended_copy as copy
from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget
from blobio.core.moving import move
from blobio.core.sameness import looks_same
from blobio.drivers.base import Driver
from blobio.errors import ChecksumMismatch
from blobio.testing.faults import Counting, Wrapped
from blobio.url import BlobUrl
from blobio.values import BlobMeta, PutOptions, PutResult
from tests.unit.core.fakes import DATA, Changing, content, loaded, memory, url

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)
MEANS = Means(CONFIG, ByteBudget(10_000), verifies=True)
FAR = BlobUrl("far", "bucket", "copy")  # another scheme: bytes pass through here
NEAR = BlobUrl("memory", "bucket", "copy")


def silent(result: PutResult) -> PutResult:
    """A reply that says nothing of what was written."""
    return replace(result, md5=None, crc32c=None)


def hashless(meta: BlobMeta) -> BlobMeta:
    return meta._replace(md5=None, crc32c=None)


def quiet(driver: Driver) -> Driver:
    """A store that does not tell hashes when it is written to."""
    return Wrapped(Wrapped(driver, Changing("put", silent)), Changing("complete", silent))


@pytest.mark.parametrize("size", [50, 1000])
async def test_what_the_reply_has_proved_is_not_asked_again(size: int) -> None:
    source = await loaded(memory(), {"key": DATA[:size]})
    counting = Counting()
    target = memory(counting)

    await copy(End(source, url()), End(target, FAR), PutOptions(), MEANS)

    assert (counting.count("head"), counting.count("get")) == (0, 0)


@pytest.mark.parametrize("size", [50, 1000])
async def test_a_stored_hash_is_enough(size: int) -> None:
    source = await loaded(memory(), {"key": DATA[:size]})
    counting = Counting()
    target = quiet(memory(counting))

    await copy(End(source, url()), End(target, FAR), PutOptions(), MEANS)

    assert (counting.count("head"), counting.count("get")) == (1, 0)


@pytest.mark.parametrize("size", [50, 1000])
async def test_without_a_hash_the_destination_is_read(size: int) -> None:
    source = await loaded(memory(), {"key": DATA[:size]})
    counting = Counting()
    target = Wrapped(quiet(memory(counting)), Changing("head", hashless))

    await copy(End(source, url()), End(target, FAR), PutOptions(), MEANS)

    assert counting.count("head") == 1
    assert counting.count("get") >= 1


@pytest.mark.parametrize("keeps_hashes", [True, False])
@pytest.mark.parametrize("is_moved", [True, False])
async def test_other_bytes_at_the_destination_are_an_error_and_the_source_stays(
    *, keeps_hashes: bool, is_moved: bool
) -> None:
    source = await loaded(memory(), {"key": DATA[:50]})
    store = memory()
    told = store if keeps_hashes else Wrapped(store, Changing("head", hashless))

    class Bent:
        """Writes other bytes than it is given, and does not say so."""

        def __getattr__(self, name: str) -> object:
            return getattr(told, name)

        async def put(self, key: str, body: bytes, options: PutOptions) -> PutResult:
            await store.put(key, b"!" + bytes(body)[1:], options)
            return PutResult()

    target: Driver = Bent()  # type: ignore[assignment]  # the rest is `told`
    job = move if is_moved else copy

    with pytest.raises(ChecksumMismatch, match="it holds other bytes") as caught:
        await job(End(source, url()), End(target, FAR), PutOptions(), MEANS)

    assert caught.value.ambiguous
    assert await content(source, "key") == DATA[:50]


async def test_both_ends_of_the_stores_own_copy_are_asked() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), {"key": DATA[:50]})
    before = counting.count("head")

    await copy(End(driver, url()), End(driver, NEAR), PutOptions(), MEANS)

    assert counting.count("head") - before == 2
    assert counting.count("get") == 0


async def test_both_ends_of_the_stores_own_copy_are_read_if_there_is_no_hash() -> None:
    counting = Counting()
    driver = Wrapped(await loaded(memory(counting), {"key": DATA[:50]}), Changing("head", hashless))

    await copy(End(driver, url()), End(driver, NEAR), PutOptions(), MEANS)

    assert counting.count("get") == 2


def test_a_time_that_lost_its_last_digits_on_disk_is_as_new() -> None:
    source = BlobMeta("k", 1, 1_234_567_890.1234567, 0.0)
    kept = source._replace(mtime=1_234_567_890.1234560)

    assert looks_same(source, kept)
    assert not looks_same(source, kept._replace(mtime=1_234_567_890.12))
