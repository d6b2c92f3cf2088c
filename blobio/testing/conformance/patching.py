"""Cases of `patch`."""

from __future__ import annotations

from blobio.errors import NotFound, VersionMismatch
from blobio.testing.conformance.case import Feature, case
from blobio.testing.conformance.checks import put, raises, read, version_of
from blobio.testing.conformance.harness import Harness
from blobio.values import MetaPatch, PutOptions


@case(Feature.REMOVED_NAMES, needs="writable patch metadata")
async def patch_sets_removes_and_keeps_names(harness: Harness) -> None:
    options = PutOptions(
        content_type="text/x-test", metadata={"kept": "1", "set": "old", "removed": "x"}
    )
    key = await put(harness, "blob", b"content", options)

    meta = await harness.driver.patch(
        key, MetaPatch(metadata={"set": "new", "removed": None, "added": "y", "never": None})
    )

    assert dict(meta.metadata) == {"kept": "1", "set": "new", "added": "y"}
    assert meta.content_type == "text/x-test"
    assert dict((await harness.driver.head(key)).metadata) == dict(meta.metadata)
    assert await read(harness.driver, key) == b"content"


@case(needs="writable patch metadata")
async def patch_sets_the_content_type_alone(harness: Harness) -> None:
    options = PutOptions(content_type="text/x-old", metadata={"kept": "1"})
    key = await put(harness, "blob", b"content", options)

    await harness.driver.patch(key, MetaPatch(content_type="text/x-new"))

    meta = await harness.driver.head(key)
    assert (meta.content_type, dict(meta.metadata)) == ("text/x-new", {"kept": "1"})


@case(needs="writable patch")
async def patch_sets_the_time(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")

    meta = await harness.driver.patch(key, MetaPatch(mtime=1234567.5))

    again = await harness.driver.head(key)
    for one in (meta, again):
        assert float(one.metadata.get("blobfile-mtime", one.mtime)) == 1234567.5
    assert await read(harness.driver, key) == b"content"


@case(needs="writable patch")
async def patch_returns_the_new_description(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")

    meta = await harness.driver.patch(key, MetaPatch(mtime=1234567.0))

    again = await harness.driver.head(key)
    assert (meta.key, meta.size, meta.version) == (key, 7, again.version)


@case(needs="writable patch")
async def patch_of_nothing_is_not_found(harness: Harness) -> None:
    with raises(NotFound):
        await harness.driver.patch(harness.key("nothing"), MetaPatch(mtime=1.0))


@case(needs="writable patch pinned_reads")
async def patch_of_the_version_named_works(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")

    await harness.driver.patch(key, MetaPatch(mtime=1.0), if_version=await version_of(harness, key))

    assert await read(harness.driver, key) == b"content"


@case(Feature.CONDITIONS, needs="writable patch pinned_reads")
async def patch_of_another_version_is_refused(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")
    stale = await version_of(harness, key)
    await put(harness, "blob", b"theirs, longer")
    before = await harness.driver.head(key)

    with raises(VersionMismatch):
        await harness.driver.patch(key, MetaPatch(mtime=1.0), if_version=stale)

    after = await harness.driver.head(key)
    assert (after.version, after.mtime, dict(after.metadata)) == (
        before.version,
        before.mtime,
        dict(before.metadata),
    )
