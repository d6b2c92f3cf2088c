import asyncio
import multiprocessing
import threading
from collections.abc import Sequence
from itertools import count
from typing import cast

import pytest

from blobio.drivers import memory
from blobio.drivers.base import Driver
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.drivers.registry import make_driver
from blobio.errors import (
    AlreadyExists,
    IsDirectory,
    NotFound,
    RangeNotSatisfiable,
    RequestFailed,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import (
    Capabilities,
    CreateOnly,
    From,
    GetOptions,
    Last,
    MetaPatch,
    PutOptions,
    ReplaceIf,
    Span,
)
from tests.unit.drivers.calls import SERVICES, read, write

HELLO_MD5 = "5d41402abc4b2a76b9719d911017c592"
HELLO_CRC32C = 0x9A71BB4C


class Clock:
    """Counts 1, 2, 3, ... seconds."""

    def __init__(self) -> None:
        self._seconds = count(1)

    def __call__(self) -> float:
        return float(next(self._seconds))


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver("b", MemoryStore(clock=Clock()))


def test_memory_driver_satisfies_the_contract(driver: MemoryDriver) -> None:
    contract: Driver = driver

    assert isinstance(contract.capabilities, Capabilities)


async def test_head_describes_what_was_put(driver: MemoryDriver) -> None:
    options = PutOptions(content_type="text/plain", metadata={"a": "1"})

    result = await driver.put("k", b"hello", options)

    meta = await driver.head("k")
    assert (meta.key, meta.size, meta.mtime, meta.ctime) == ("k", 5, 1.0, 1.0)
    assert (meta.md5, meta.crc32c) == (HELLO_MD5, HELLO_CRC32C)
    assert (meta.content_type, meta.metadata) == ("text/plain", {"a": "1"})
    assert (result.version, result.md5) == (meta.version, HELLO_MD5)


async def test_changing_returned_metadata_does_not_change_the_blob(driver: MemoryDriver) -> None:
    await driver.put("k", b"", PutOptions(metadata={"a": "1"}))

    cast("dict[str, str]", (await driver.head("k")).metadata)["a"] = "2"

    assert (await driver.head("k")).metadata == {"a": "1"}


async def test_missing_blob_is_not_found_by_any_verb(driver: MemoryDriver) -> None:
    with pytest.raises(NotFound):
        await driver.head("k")
    with pytest.raises(NotFound):
        await driver.get("k", GetOptions())
    with pytest.raises(NotFound):
        await driver.patch("k", MetaPatch())
    with pytest.raises(NotFound):
        await driver.copy(BlobUrl("memory", "b", "k"), "l", PutOptions())


async def test_empty_key_cannot_be_written(driver: MemoryDriver) -> None:
    await write(driver, "k")

    with pytest.raises(IsDirectory):
        await driver.put("", b"", PutOptions())
    with pytest.raises(IsDirectory):
        await driver.begin_upload("", PutOptions())
    with pytest.raises(IsDirectory):
        await driver.copy(BlobUrl("memory", "b", "k"), "", PutOptions())
    with pytest.raises(NotFound):
        await driver.head("")


async def test_get_serves_ranges(driver: MemoryDriver) -> None:
    await write(driver, "k", b"0123456789")

    assert await read(driver, "k") == b"0123456789"
    assert await read(driver, "k", GetOptions(range=Span(2, 4))) == b"23"
    assert await read(driver, "k", GetOptions(range=From(8))) == b"89"
    assert await read(driver, "k", GetOptions(range=Last(1))) == b"9"
    with pytest.raises(RangeNotSatisfiable):
        await driver.get("k", GetOptions(range=From(10)))


async def test_large_blob_comes_in_chunks(driver: MemoryDriver) -> None:
    data = bytes(range(256)) * 10_000  # 2,560,000 bytes
    await write(driver, "k", data)

    async with await driver.get("k", GetOptions()) as result:
        sizes = [len(chunk) async for chunk in result.chunks()]

    assert sizes == [1_048_576, 1_048_576, 462_848]
    assert await read(driver, "k") == data


async def test_open_read_keeps_its_version_when_the_blob_is_replaced(
    driver: MemoryDriver,
) -> None:
    await write(driver, "k", b"old")
    async with await driver.get("k", GetOptions()) as result:
        await write(driver, "k", b"new")

        assert [chunk async for chunk in result.chunks()] == [b"old"]


async def test_another_version_is_refused_for_reads(driver: MemoryDriver) -> None:
    old = await write(driver, "k", b"1")
    new = await write(driver, "k", b"2")

    with pytest.raises(VersionMismatch):
        await driver.head("k", version=old)
    with pytest.raises(VersionMismatch):
        await driver.get("k", GetOptions(version=old))
    assert await read(driver, "k", GetOptions(version=new)) == b"2"


async def test_versions_are_never_reused(driver: MemoryDriver) -> None:
    first = await write(driver, "k", b"same")
    await driver.delete(["k"])
    second = await write(driver, "k", b"same")

    assert first != second


async def test_create_only_leaves_the_winner(driver: MemoryDriver) -> None:
    options = PutOptions(mode=CreateOnly())
    await driver.put("k", b"first", options)

    with pytest.raises(AlreadyExists):
        await driver.put("k", b"second", options)

    assert await read(driver, "k") == b"first"


async def test_replace_if_needs_the_version_that_is_there(driver: MemoryDriver) -> None:
    old = await write(driver, "k", b"1")
    options = PutOptions(mode=ReplaceIf(old))

    await driver.put("k", b"2", options)

    with pytest.raises(VersionMismatch):
        await driver.put("k", b"3", options)
    with pytest.raises(VersionMismatch):
        await driver.put("absent", b"3", options)
    assert await read(driver, "k") == b"2"


def test_create_only_has_one_winner_over_several_loops() -> None:
    store = MemoryStore()
    barrier = threading.Barrier(4, timeout=10)
    outcomes: list[bool] = []

    async def create(index: int) -> None:
        barrier.wait()
        try:
            await MemoryDriver("b", store).put("k", b"%d" % index, PutOptions(mode=CreateOnly()))
        except AlreadyExists:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=asyncio.run, args=(create(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [False, False, False, True]


async def test_upload_joins_parts_that_arrive_out_of_order(driver: MemoryDriver) -> None:
    upload = await driver.begin_upload("k", PutOptions(metadata={"a": "1"}))
    second = await upload.put_part(1, 3, b"lo")
    first = await upload.put_part(0, 0, bytearray(b"hel"))
    with pytest.raises(NotFound):
        await driver.head("k")

    result = await upload.complete([first, second], size=5)

    assert result.md5 == HELLO_MD5
    assert (await driver.head("k")).metadata == {"a": "1"}
    await upload.abort()
    assert await read(driver, "k") == b"hello"


async def test_upload_of_no_parts_is_an_empty_blob(driver: MemoryDriver) -> None:
    upload = await driver.begin_upload("k", PutOptions())

    await upload.complete([], size=0)

    assert await read(driver, "k") == b""


@pytest.mark.parametrize(
    ("sent", "named", "size"),
    [
        ([(0, 0), (2, 1)], [0, 1], 2),  # a gap in the indexes
        ([(0, 0), (1, 1)], [1, 0], 2),  # out of order
        ([(0, 0), (1, 1)], [0], 1),  # one left out
        ([(0, 0), (1, 5)], [0, 1], 2),  # a hole in the bytes
        ([(0, 0), (1, 1)], [0, 1], 3),  # another size
    ],
)
async def test_upload_of_the_wrong_parts_publishes_nothing(
    driver: MemoryDriver, sent: list[tuple[int, int]], named: Sequence[int], size: int
) -> None:
    upload = await driver.begin_upload("k", PutOptions())
    tokens = {index: await upload.put_part(index, offset, b"x") for index, offset in sent}

    with pytest.raises(RequestFailed):
        await upload.complete([tokens.get(index, tokens[0]) for index in named], size=size)

    with pytest.raises(NotFound):
        await driver.head("k")


async def test_upload_decides_its_condition_at_the_end(driver: MemoryDriver) -> None:
    upload = await driver.begin_upload("k", PutOptions(mode=CreateOnly()))
    part = await upload.put_part(0, 0, b"late")
    await write(driver, "k", b"early")

    with pytest.raises(AlreadyExists):
        await upload.complete([part], size=4)

    await upload.abort()
    assert await read(driver, "k") == b"early"


async def test_aborted_upload_is_lost(driver: MemoryDriver) -> None:
    upload = await driver.begin_upload("k", PutOptions())
    await upload.abort()
    await upload.abort()

    with pytest.raises(UploadLost):
        await upload.put_part(0, 0, b"x")
    with pytest.raises(UploadLost):
        await upload.complete([], size=0)


async def test_delete_reports_missing_keys_in_order(driver: MemoryDriver) -> None:
    await write(driver, "k")

    results = await driver.delete(["k", "k", "absent"])

    assert [result.key for result in results] == ["k", "k", "absent"]
    assert [type(result.error) for result in results] == [type(None), NotFound, NotFound]


async def test_delete_refuses_more_than_a_batch(driver: MemoryDriver) -> None:
    with pytest.raises(ValueError, match="1000 keys at once, not 1001"):
        await driver.delete(["k"] * 1001)


async def test_copy_brings_content_type_and_metadata_along(driver: MemoryDriver) -> None:
    other = MemoryDriver("other", driver._store)
    await other.put("k", b"hello", PutOptions(content_type="text/x", metadata={"a": "1"}))

    result = await driver.copy(BlobUrl("memory", "other", "k"), "l", PutOptions())

    meta = await driver.head("l")
    assert (meta.content_type, meta.metadata, meta.md5) == ("text/x", {"a": "1"}, HELLO_MD5)
    assert result.version == meta.version


async def test_copy_honours_its_condition(driver: MemoryDriver) -> None:
    await write(driver, "k", b"source")
    await write(driver, "l", b"there")

    with pytest.raises(AlreadyExists):
        await driver.copy(BlobUrl("memory", "b", "k"), "l", PutOptions(mode=CreateOnly()))

    assert await read(driver, "l") == b"there"


async def test_copy_from_another_scheme_is_unsupported(driver: MemoryDriver) -> None:
    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("s3", "b", "k"), "l", PutOptions())


async def test_patch_changes_metadata_and_version_only(driver: MemoryDriver) -> None:
    old = (await driver.put("k", b"hello", PutOptions(metadata={"a": "1", "b": "2"}))).version

    change = MetaPatch(metadata={"a": None, "c": "3"}, content_type="text/x", mtime=12.5)
    meta = await driver.patch("k", change, if_version=old)

    assert meta == await driver.head("k")
    assert meta.metadata == {"b": "2", "c": "3", "blobfile-mtime": "12.5"}
    assert (meta.content_type, meta.mtime, meta.md5) == ("text/x", 1.0, HELLO_MD5)
    assert meta.version != old
    with pytest.raises(VersionMismatch):
        await driver.patch("k", change, if_version=old)


async def test_sign_url_is_unsupported(driver: MemoryDriver) -> None:
    with pytest.raises(Unsupported):
        await driver.sign_url("k", "GET", 60)


async def test_drivers_of_one_process_share_data() -> None:
    url = BlobUrl.parse("memory://shared-by-drivers/k")
    await make_driver(url, SERVICES).put("k", b"hello", PutOptions())

    assert await read(make_driver(url, SERVICES), "k") == b"hello"
    await make_driver(url, SERVICES).delete(["k"])


# The timeout of the test run is itself a thread, of which newer Pythons warn.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_gets_a_copy_and_a_free_lock() -> None:
    url = BlobUrl.parse("memory://forked/k")
    asyncio.run(write(memory.make(url, SERVICES), "k", b"parent"))
    context = multiprocessing.get_context("fork")
    seen: multiprocessing.SimpleQueue[bytes] = context.SimpleQueue()

    def child() -> None:
        driver = memory.make(url, SERVICES)
        seen.put(asyncio.run(read(driver, "k")))
        asyncio.run(write(driver, "k", b"child"))

    process = context.Process(target=child)
    process.start()

    assert seen.get() == b"parent"
    process.join()
    assert asyncio.run(read(memory.make(url, SERVICES), "k")) == b"parent"
