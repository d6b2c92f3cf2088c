"""The Azure driver against the strict server: lost replies, pending copies, other accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from blobio.config import AzureConfig, RetryConfig
from blobio.drivers.azure.copying import CopyLimits
from blobio.drivers.azure.driver import AzureDriver
from blobio.drivers.registry import DriverServices
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ConcurrentWrite,
    PermissionDenied,
    RequestFailed,
    Unauthenticated,
    VersionMismatch,
)
from blobio.testing.strict_azure import (
    Container,
    Fault,
    RequestHead,
    StoredBlob,
    StrictAzure,
    Strike,
)
from blobio.transport.base import Transport
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import connect, stack
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    GetOptions,
    ListOptions,
    MetaPatch,
    Overwrite,
    PutOptions,
    ReplaceIf,
    SignedUrl,
    Version,
    WriteMode,
)

LIMITS = CopyLimits(block_bytes=10, window=3, poll_s=0.0, poll_max_s=0.0)
FAST = RetryConfig(attempts=4, base_s=0.0001, max_s=0.0001)


@asynccontextmanager
async def driver_of(
    server: StrictAzure, authority: str = "account/container", *, azure: AzureConfig | None = None
) -> AsyncIterator[AzureDriver]:
    config = replace(server.config(), retry=FAST)
    if azure is not None:
        config = replace(config, azure=azure)
    base = connect(config)

    def own(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(base, config, RetryBudget(100), signer=signer, judge=judge)

    driver = AzureDriver(authority, DriverServices(config, own), limits=LIMITS)
    try:
        yield driver
    finally:
        await driver.aclose()
        await base.aclose()


def once(operation: str, fault: Fault) -> Callable[[RequestHead], Fault | None]:
    """Return a hook that lets `fault` strike the first request of that operation."""
    left = [fault]

    def hook(head: RequestHead) -> Fault | None:
        return left.pop() if left and head.operation == operation else None

    return hook


async def read(driver: AzureDriver, key: str) -> bytes:
    async with await driver.get(key, GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


def url(key: str, container: str = "account/container") -> BlobUrl:
    return BlobUrl("az", container, key)


async def put(driver: AzureDriver, key: str, mode: WriteMode) -> str | None:
    return (await driver.put(key, b"ours", PutOptions(mode=mode))).version


async def upload(driver: AzureDriver, key: str, mode: WriteMode) -> str | None:
    one = await driver.begin_upload(key, PutOptions(mode=mode))
    parts = [await one.put_part(0, 0, b"ou"), await one.put_part(1, 2, b"rs")]
    return (await one.complete(parts, size=4)).version


async def copy(driver: AzureDriver, key: str, mode: WriteMode) -> str | None:
    await driver.put("source", b"ours", PutOptions())
    return (await driver.copy(url("source"), key, PutOptions(mode=mode))).version


WRITES = {"PutBlob": put, "PutBlockList": upload, "CopyBlob": copy}
REPLY_LOST = [Fault(Strike.DROP_REPLY), Fault(Strike.FAIL_AFTER, status=500, code="InternalError")]
NOT_DONE = [
    Fault(Strike.RESET),
    Fault(Strike.REFUSE, code="ServerBusy"),
    Fault(Strike.DAMAGE_REQUEST),
]


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("kind", ["overwrite", "create", "replace"])
@pytest.mark.parametrize("fault", [*REPLY_LOST, *NOT_DONE], ids=lambda fault: fault.strike.name)
async def test_write_that_was_struck_succeeds_once(operation: str, kind: str, fault: Fault) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        mode: WriteMode = CreateOnly() if kind == "create" else Overwrite()
        if kind == "replace":
            old = (await driver.put("key", b"old", PutOptions())).version
            assert old is not None
            mode = ReplaceIf(old)
        server.hook = once(operation, fault)

        version = await WRITES[operation](driver, "key", mode)

        assert server.strikes[fault.strike] == 1
        assert version == container.blobs["key"].etag
        assert await read(driver, "key") == b"ours"


@pytest.mark.parametrize("operation", WRITES)
async def test_create_that_lost_is_told_so_although_its_reply_was_lost(operation: str) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        await driver.put("key", b"theirs", PutOptions())
        server.hook = once(operation, Fault(Strike.DROP_REPLY))

        with pytest.raises(AlreadyExists):
            await WRITES[operation](driver, "key", CreateOnly())

        assert await read(driver, "key") == b"theirs"


@pytest.mark.parametrize("fault", [*REPLY_LOST, *NOT_DONE], ids=lambda fault: fault.strike.name)
async def test_patch_that_was_struck_succeeds_once(fault: Fault) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        version = (await driver.put("key", b"ours", PutOptions())).version
        server.hook = once("SetBlobMetadata", fault)

        meta = await driver.patch("key", MetaPatch(metadata={"a": "b"}), if_version=version)

        assert server.strikes[fault.strike] == 1
        assert dict(meta.metadata) == {"a": "b"}
        assert meta == await driver.head("key")


async def test_delete_whose_reply_was_lost_is_no_missing_blob() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        await driver.put("key", b"ours", PutOptions())
        server.hook = once("DeleteBlob", Fault(Strike.DROP_REPLY))

        (result,) = await driver.delete(["key"])

        assert result.error is None


async def test_commit_of_a_rival_drops_our_blocks_and_stays_intact() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        ours = await driver.begin_upload("key", PutOptions())
        theirs = await driver.begin_upload("key", PutOptions())
        mine = await ours.put_part(0, 0, b"ours")
        parts = [await theirs.put_part(0, 0, b"theirs")]
        await theirs.complete(parts, size=6)

        with pytest.raises(ConcurrentWrite, match="another writer published first"):
            await ours.complete([mine], size=4)

        assert await read(driver, "key") == b"theirs"


async def test_blocks_of_another_program_are_explained() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        container.add_block("key", "c2hvcnQ=", b"theirs")
        upload = await driver.begin_upload("key", PutOptions())

        with pytest.raises(ConcurrentWrite, match="names of another length"):
            await upload.put_part(0, 0, b"ours")


async def test_abort_leaves_the_blocks_of_others() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        ours = await driver.begin_upload("key", PutOptions())
        theirs = await driver.begin_upload("key", PutOptions())
        await ours.put_part(0, 0, b"ours")
        part = await theirs.put_part(0, 0, b"theirs")

        await ours.abort()
        await theirs.complete([part], size=6)

        assert await read(driver, "key") == b"theirs"


@pytest.mark.parametrize("operation", WRITES)
async def test_leased_blob_is_not_written(operation: str) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        await driver.put("key", b"theirs", PutOptions())
        container.blobs["key"].lease = "their lease"

        with pytest.raises(ConcurrentWrite, match="holds a lease"):
            await WRITES[operation](driver, "key", Overwrite())
        (deleted,) = await driver.delete(["key"])

        assert isinstance(deleted.error, ConcurrentWrite)
        assert await read(driver, "key") == b"theirs"


async def described(driver: AzureDriver, container: Container) -> None:
    """Make a source with all that a copy must keep."""
    options = PutOptions(content_type="text/x-test", metadata={"colour": "grün", "a-b": "c"})
    await driver.put("source", bytes(range(95)), options)
    container.blobs["source"].tags = "team=red&cost%20centre=7"
    container.blobs["source"].tier = "Cool"
    container.blobs["source"].headers["cache-control"] = "no-store"


def check_described(blob: StoredBlob) -> None:
    assert blob.body == bytes(range(95))
    assert blob.headers["content-type"] == "text/x-test"
    assert blob.headers["cache-control"] == "no-store"
    assert blob.headers["content-md5"]
    assert blob.metadata["blobio_x_a_2db"] == "c"
    assert blob.tags == "team=red&cost%20centre=7"
    assert blob.tier == "Cool"


@pytest.mark.parametrize("polls", [0, 1, 3])
@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly()])
async def test_copy_within_an_account_keeps_everything(polls: int, mode: WriteMode) -> None:
    async with StrictAzure(pending_polls=polls) as server, driver_of(server) as driver:
        container = server.make_container("container")
        await described(driver, container)

        result = await driver.copy(url("source"), "target", PutOptions(mode=mode))

        check_described(container.blobs["target"])
        assert result.version == container.blobs["target"].etag
        assert dict((await driver.head("target")).metadata) == {"colour": "grün", "a-b": "c"}


@pytest.mark.parametrize("ended", ["failed", "aborted"])
async def test_copy_that_does_not_end_well_is_an_error(ended: str) -> None:
    async with StrictAzure(pending_polls=2) as server, driver_of(server) as driver:
        server.make_container("container")
        server.service.copy_ends_as = ended
        await driver.put("source", b"ours", PutOptions())

        with pytest.raises(RequestFailed, match=ended):
            await driver.copy(url("source"), "target", PutOptions())


async def test_copy_whose_source_changes_is_refused() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        await driver.put("source", b"ours", PutOptions())

        def change(head: RequestHead) -> None:
            if head.operation == "CopyBlob":
                container.touch(container.blobs["source"])

        server.hook = change
        with pytest.raises(VersionMismatch):
            await driver.copy(url("source"), "target", PutOptions())

        assert "target" not in container.blobs


async def test_cancelled_copy_is_aborted_at_the_service() -> None:
    async with StrictAzure(pending_polls=1_000_000) as server, driver_of(server) as driver:
        container = server.make_container("container")
        await driver.put("source", b"ours", PutOptions())
        looks = asyncio.Event()

        def hook(head: RequestHead) -> None:
            if head.operation == "GetBlobProperties" and head.key == "target":
                looks.set()

        server.hook = hook
        task = asyncio.create_task(driver.copy(url("source"), "target", PutOptions()))
        await looks.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert container.blobs["target"].copy["x-ms-copy-status"] == "aborted"


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly()])
async def test_copy_between_accounts_goes_by_blocks_with_a_sas(mode: WriteMode) -> None:
    async with (
        StrictAzure() as server,
        driver_of(server, "other/container") as source,
        driver_of(server) as driver,
    ):
        await described(source, server.make_container("container", account="other"))
        container = server.make_container("container")

        result = await driver.copy(
            url("source", "other/container"), "target", PutOptions(mode=mode)
        )

        check_described(container.blobs["target"])
        assert server.requests["PutBlockFromUrl"] == 10
        assert server.requests["CopyBlob"] == 0
        assert result.version == container.blobs["target"].etag
        assert not container.uncommitted


async def test_source_in_another_account_that_changes_is_refused() -> None:
    async with (
        StrictAzure() as server,
        driver_of(server, "other/container") as source,
        driver_of(server) as driver,
    ):
        theirs = server.make_container("container", account="other")
        await described(source, theirs)
        container = server.make_container("container")

        def change(head: RequestHead) -> None:
            if head.operation == "PutBlockFromUrl" and server.requests["PutBlockFromUrl"] == 5:
                theirs.touch(theirs.blobs["source"])

        server.hook = change
        with pytest.raises(VersionMismatch):
            await driver.copy(url("source", "other/container"), "target", PutOptions())

        assert not container.blobs


async def test_batch_is_one_request() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        keys = [f"<{number}> é?&%" for number in range(256)]
        for key in keys[:-1]:
            container.store(key, StoredBlob(body=b""))

        results = await driver.delete(keys)

        assert server.requests["BlobBatch"] == 1
        assert server.requests["DeleteBlob"] == 0
        assert [result.error for result in results] == [None] * 256
        assert not container.blobs


async def test_store_without_batches_is_asked_key_by_key() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        for key in "abcd":
            container.store(key, StoredBlob(body=b""))
        refusal = Fault(Strike.REFUSE, status=501, code="NotImplemented")
        server.hook = lambda head: refusal if head.operation == "BlobBatch" else None

        await driver.delete(["a", "b"])
        await driver.delete(["c", "d"])

        assert not container.blobs
        assert server.requests["BlobBatch"] == 1


async def test_folders_are_deleted_after_what_lies_in_them() -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        for key in ("dir", "dir/sub"):
            container.store(key, StoredBlob(body=b"", metadata={"hdi_isfolder": "true"}))
        container.store("dir/sub/blob", StoredBlob(body=b"x"))
        page = await driver.list_page("", ListOptions(), None)
        keys = [meta.key for meta in page.blobs]

        results = await driver.delete(keys)

        assert keys == ["dir/", "dir/sub/", "dir/sub/blob"]
        assert [result.error for result in results] == [None] * 3
        assert not container.blobs


async def test_wrong_clock_is_corrected_by_the_first_refusal() -> None:
    now = 2_000_000_000.0
    async with StrictAzure(clock=lambda: now) as server, driver_of(server) as driver:
        server.make_container("container")

        await driver.put("key", b"ours", PutOptions())
        await driver.put("key", b"ours", PutOptions())

        assert server.requests["PutBlob"] == 3


async def test_wrong_key_is_refused_at_once() -> None:
    async with StrictAzure() as server:
        azure = AzureConfig(endpoint_url=server.url + "/{account}", account_key="d3Jvbmc=")
        server.make_container("container")
        async with driver_of(server, azure=azure) as driver:
            with pytest.raises(Unauthenticated):
                await driver.put("key", b"ours", PutOptions())

        assert server.requests["PutBlob"] == 1


@pytest.mark.parametrize(
    "strike",
    [Strike.CUT, Strike.SHORTEN, Strike.OVERSTATE, Strike.UNBOUNDED, Strike.DAMAGE],
)
async def test_read_that_is_spoiled_is_never_taken_for_whole(strike: Strike) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        server.make_container("container")
        await driver.put("key", bytes(range(200)), PutOptions())
        server.hook = once("GetBlob", Fault(strike, at=0.5))

        with pytest.raises(BlobError):
            await read(driver, "key")


@pytest.mark.parametrize("at", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("strike", [Strike.CUT, Strike.SHORTEN, Strike.OVERSTATE, Strike.UNBOUNDED])
async def test_listing_that_is_spoiled_is_asked_for_again(strike: Strike, at: float) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        for number in range(9):
            container.store(str(number), StoredBlob(body=b""))
        server.hook = once("ListBlobs", Fault(strike, at=at))

        page = await driver.list_page("", ListOptions(), None)

        assert len(page.blobs) == 9
        assert server.requests["ListBlobs"] == 2


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["create", "replace"])
async def test_two_writers_race_200_times_under_lost_replies(kind: str) -> None:
    """The strict server decides; every third write of either loses its reply.

    Blocks that the loser sent after the winner had published stay for a week: nobody can remove
    them without publishing to the blob again.
    """
    struck = [0]

    def hook(head: RequestHead) -> Fault | None:
        if head.operation not in ("PutBlob", "PutBlockList"):
            return None
        struck[0] += 1
        return Fault(Strike.DROP_REPLY) if struck[0] % 3 == 0 else None

    async with StrictAzure() as server, driver_of(server) as one, driver_of(server) as two:
        container = server.make_container("container")
        for number in range(200):
            mode: WriteMode = CreateOnly()
            key = str(number)
            if kind == "replace":
                mode = ReplaceIf(_seeded(container, key))
            ways = [put if number & 1 else upload, put if number & 2 else upload]
            server.hook = hook

            outcomes = await asyncio.gather(
                ways[0](one, key, mode), ways[1](two, key, mode), return_exceptions=True
            )

            wins = [version for version in outcomes if isinstance(version, str)]
            assert len(wins) == 1, outcomes
            assert container.blobs[key].etag == wins[0]
            assert container.blobs[key].body == b"ours"


def _seeded(container: Container, key: str) -> Version:
    return Version(container.store(key, StoredBlob(body=b"old")).etag)


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly()])
async def test_large_copy_within_an_account_appears_in_one_commit(mode: WriteMode) -> None:
    """A background copy would show an empty blob until it is done."""
    async with StrictAzure(pending_polls=3) as server, driver_of(server) as driver:
        container = server.make_container("container")
        driver._limits = replace(LIMITS, whole_bytes=94)
        await described(driver, container)
        seen: list[bool] = []

        def hook(head: RequestHead) -> None:
            if head.key == "target":
                seen.append("target" in container.blobs)

        server.hook = hook
        result = await driver.copy(url("source"), "target", PutOptions(mode=mode))

        check_described(container.blobs["target"])
        assert not any(seen)
        assert server.requests["PutBlockFromUrl"] == 10
        assert server.requests["CopyBlob"] == 0
        assert result.version == container.blobs["target"].etag


async def test_large_copy_at_a_service_without_blocks_from_urls_is_made_whole() -> None:
    """As Azurite answers."""
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        driver._limits = replace(LIMITS, whole_bytes=94)
        await described(driver, container)
        refused = Fault(Strike.REFUSE, status=501, code="NotImplemented")
        server.hook = lambda head: refused if head.operation == "PutBlockFromUrl" else None

        await driver.copy(url("source"), "target", PutOptions())

        check_described(container.blobs["target"])
        assert server.requests["PutBlockFromUrl"] <= LIMITS.window
        assert server.requests["CopyBlob"] == 1


async def test_large_copy_by_who_may_make_no_sas_is_made_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_request: object) -> SignedUrl:
        message = "no key for user delegation"
        raise PermissionDenied(message)

    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        driver._limits = replace(LIMITS, whole_bytes=94)
        await described(driver, container)
        monkeypatch.setattr(driver._urls, "sign", refuse)

        await driver.copy(url("source"), "target", PutOptions())

        check_described(container.blobs["target"])
        assert server.requests["CopyBlob"] == 1


@pytest.mark.parametrize(("tier", "kind"), [("Archive", "BlockBlob"), (None, "AppendBlob")])
async def test_large_copy_that_blocks_could_not_make_is_made_whole(
    tier: str | None, kind: str
) -> None:
    async with StrictAzure() as server, driver_of(server) as driver:
        container = server.make_container("container")
        driver._limits = replace(LIMITS, whole_bytes=94)
        await described(driver, container)
        container.blobs["source"].tier = tier
        container.blobs["source"].blob_type = kind

        await driver.copy(url("source"), "target", PutOptions())

        assert container.blobs["target"].body == bytes(range(95))
        assert server.requests["PutBlockFromUrl"] == 0
