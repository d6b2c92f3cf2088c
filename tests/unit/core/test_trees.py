"""Copies of trees, over the memory driver and the disk."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget
from blobio.core.trees import copytree
from blobio.drivers.base import Driver
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import (
    AlreadyExists,
    CopyIncomplete,
    InvalidUrl,
    NotDirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
)
from blobio.testing.faults import Counting, Fault, Flaky, Slow, Wrapped
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    ListOptions,
    Overwrite,
    PutOptions,
    WriteMode,
)
from tests.unit.core.fakes import Bent, content, loaded, memory, other_tasks, settled, url

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)


def far(key: str) -> BlobUrl:
    return BlobUrl("far", "bucket", key)


async def run_tree(
    source: Driver,
    target: Driver,
    *,
    src: str = "src",
    to: BlobUrl | None = None,
    mode: WriteMode | None = None,
    concurrency: int = 4,
) -> None:
    dst = far("dst") if to is None else to
    await copytree(
        End(source, url(src)),
        End(target, dst),
        mode or CreateOnly(),
        Means(CONFIG, ByteBudget(10_000)),
        concurrency=concurrency,
    )


async def keys(driver: Driver, prefix: str = "") -> list[str]:
    page = await driver.list_page(prefix, ListOptions(), None)
    return [meta.key for meta in page.blobs]


TREE = ["src/a", "src/d/b", "src/d/e/c", "src/z"]


# What is copied


async def test_a_tree_is_copied_as_it_is() -> None:
    source, target = await loaded(memory(), [*TREE, "other", "src-not", "srcx/y"]), memory()

    await run_tree(source, target)

    assert await keys(target) == [key.replace("src", "dst") for key in TREE]
    assert await content(target, "dst/d/e/c") == b"src/d/e/c"


async def test_keys_that_no_file_could_have_are_kept_among_stores_of_keys() -> None:
    odd = ["src//a", "src/a//b", "src/../x", "src/.", "src/a b+%?#", "src/é\n"]
    source, target = await loaded(memory(), odd), memory()

    await run_tree(source, target)

    assert await keys(target) == sorted(key.replace("src/", "dst/", 1) for key in odd)


async def test_markers_are_kept_among_stores_of_keys() -> None:
    source = await loaded(memory(), {"src/": b"", "src/d/": b"", "src/d/x": b"x", "src/e/": b"e"})
    target = memory()

    await run_tree(source, target)

    assert await keys(target) == ["dst/", "dst/d/", "dst/d/x", "dst/e/"]
    assert await content(target, "dst/e/") == b"e"


async def test_a_bucket_is_copied_into_a_bucket() -> None:
    source, target = await loaded(memory(), ["a", "d/b"]), memory()

    await run_tree(source, target, src="", to=far(""))

    assert await keys(target) == ["a", "d/b"]


async def test_within_a_store_that_can_the_store_copies() -> None:
    counting = Counting()
    driver = memory(counting)
    await loaded(driver, TREE)
    counting.calls.clear()

    await run_tree(driver, driver, to=url("dst"))

    assert counting.count("copy") == 4
    assert counting.count("get") == counting.count("put") == 0


async def test_a_tree_is_listed_once_page_by_page() -> None:
    store = MemoryStore()
    await loaded(memory(store=store), [f"src/{number}" for number in range(10)])
    source = Bent(MemoryDriver("bucket", store), page_size=3)
    target = memory()

    await run_tree(source, target)

    flat = [token for _, options, token in source.pages if options.page_size != 1]
    assert len(flat) == len(set(flat)) == 4
    assert len(await keys(target)) == 10


async def test_a_bounded_number_of_blobs_is_copied_at_once() -> None:
    source = await loaded(memory(), [f"src/{number}" for number in range(20)])
    counting = Counting()

    await run_tree(source, memory(counting), concurrency=3)

    assert counting.most_at_once("put") <= 3
    assert counting.count("put") == 20


@pytest.mark.parametrize("concurrency", [0, -1])
async def test_a_concurrency_below_one_is_refused(concurrency: int) -> None:
    with pytest.raises(ValueError, match=str(concurrency)):
        await run_tree(memory(), memory(), concurrency=concurrency)


# What is refused as a whole


async def test_a_tree_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="no such directory"):
        await run_tree(memory(), memory())


async def test_a_blob_is_no_tree() -> None:
    with pytest.raises(NotDirectory, match="use copy"):
        await run_tree(await loaded(memory(), ["src"]), memory())


@pytest.mark.parametrize("to", ["src", "src/", "src/d", "src/d/new"])
async def test_a_tree_is_not_copied_into_itself(to: str) -> None:
    driver = await loaded(memory(), TREE)

    with pytest.raises(InvalidUrl, match="lies in it"):
        await run_tree(driver, driver, to=url(to))
    with pytest.raises(ValueError, match="lies in it"):
        await run_tree(driver, driver, src="", to=url(to))

    assert await keys(driver) == TREE


@pytest.mark.parametrize("to", ["srcs", "sr", ""])
async def test_a_tree_is_copied_beside_itself(to: str) -> None:
    driver = await loaded(memory(), TREE)

    await run_tree(driver, driver, to=url(to))

    assert await content(driver, f"{to}/z".lstrip("/")) == b"src/z"


@pytest.mark.parametrize(
    ("end", "lacking"),
    [("source", "listable"), ("target", "writable"), ("target", "create_only")],
)
async def test_an_end_that_cannot_do_its_part_is_refused_before_any_request(
    end: str, lacking: str
) -> None:
    counting = Counting()
    limits = replace(memory().capabilities, **{lacking: False})
    lame = memory(counting, limits=limits)
    source, target = (lame, memory()) if end == "source" else (memory(), lame)

    with pytest.raises(Unsupported):
        await run_tree(source, target)

    assert not counting.calls


# What goes wrong with some


async def test_a_blob_that_fails_does_not_keep_the_others_from_being_copied() -> None:
    source = await loaded(memory(), TREE)
    target = memory(Flaky(Fault("put", PermissionDenied("not this"), key="dst/d/b")))

    with pytest.raises(CopyIncomplete, match="1 of 4 blobs were not copied") as caught:
        await run_tree(source, target)

    ((src, dst, error),) = caught.value.failures
    assert (src, dst) == ("memory://bucket/src/d/b", "far://bucket/dst/d/b")
    assert isinstance(error, PermissionDenied)
    assert caught.value.__cause__ is error
    assert await keys(target) == ["dst/a", "dst/d/e/c", "dst/z"]


async def test_what_is_there_is_left_unless_overwritten() -> None:
    source, target = await loaded(memory(), TREE), await loaded(memory(), {"dst/a": b"old"})

    with pytest.raises(CopyIncomplete) as caught:
        await run_tree(source, target)
    assert [type(error) for *_, error in caught.value.failures] == [AlreadyExists]
    assert await content(target, "dst/a") == b"old"
    await run_tree(source, target, mode=Overwrite())

    assert await content(target, "dst/a") == b"src/a"


async def test_a_marker_that_is_there_is_no_failure() -> None:
    source = await loaded(memory(), {"src/d/": b""})
    target = await loaded(memory(), {"dst/d/": b""})

    await run_tree(source, target)

    assert await keys(target) == ["dst/d/"]


async def test_existing_blobs_are_no_reason_to_stop_but_only_some_are_told() -> None:
    names = [f"{number:03}" for number in range(250)]
    source = await loaded(memory(), [f"src/{name}" for name in names])
    target = await loaded(memory(), [f"dst/{name}" for name in names[:240]])

    with pytest.raises(CopyIncomplete, match="240 of 250") as caught:
        await run_tree(source, target)

    assert caught.value.failed == 240
    assert len(caught.value.failures) == 100
    assert len(await keys(target)) == 250


async def test_what_fails_a_hundred_times_is_given_up() -> None:
    source = await loaded(memory(), [f"src/{number:03}" for number in range(250)])
    denied = [Fault("put", PermissionDenied("wrong key")) for _ in range(250)]
    counting = Counting()

    with pytest.raises(CopyIncomplete, match="no more were tried") as caught:
        await run_tree(source, memory(counting, Flaky(*denied)))

    assert 100 <= caught.value.failed <= 104
    assert counting.count("put") == caught.value.failed


async def test_a_listing_that_fails_is_raised_as_it_is() -> None:
    store = MemoryStore()
    await loaded(memory(store=store), [f"src/{number}" for number in range(10)])
    pages = Bent(MemoryDriver("bucket", store), page_size=3)
    source = Wrapped(pages, Flaky(Fault("list_page", PermissionDenied("no"), skip=2)))

    with pytest.raises(PermissionDenied):
        await run_tree(source, memory())

    assert not other_tasks()


async def test_a_tree_that_is_cancelled_leaves_whole_blobs_only() -> None:
    source = await loaded(memory(), {f"src/{number}": bytes(250) for number in range(9)})
    slow, counting = Slow("complete"), Counting()
    store = memory()
    target = Wrapped(store, counting, slow)
    task = asyncio.ensure_future(run_tree(source, target))
    await slow.until_held(4)
    slow.let_go()
    await settled()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (key,) = await keys(store)
    assert await content(store, key) == bytes(250)
    assert counting.count("abort") == counting.count("begin_upload") - 1
    assert not other_tasks()


async def test_a_fault_of_the_program_is_not_hidden_among_failures() -> None:
    source = await loaded(memory(), TREE)

    with pytest.raises(ZeroDivisionError):
        await run_tree(source, memory(Flaky(Fault("put", ZeroDivisionError()))))

    assert not other_tasks()


def test_the_error_travels_with_its_failures() -> None:
    error = CopyIncomplete("some")
    error.failures, error.failed = (("a", "b", NotFound("gone", url="a")),), 1

    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    ((src, dst, inner),) = back.failures
    assert (src, dst, type(inner), inner.url, back.failed) == ("a", "b", NotFound, "a", 1)


async def test_metadata_comes_along() -> None:
    source, target = memory(), memory()
    described = PutOptions(content_type="text/x-test", metadata={"colour": "green"})
    await source.put("src/a", b"a", described)

    await run_tree(source, target)

    meta = await target.head("dst/a")
    assert (meta.content_type, dict(meta.metadata)) == ("text/x-test", {"colour": "green"})
