"""Cases of reads that name a version."""

from __future__ import annotations

from blobio.errors import NotFound, VersionMismatch
from blobio.testing.conformance.case import Feature, case
from blobio.testing.conformance.checks import put, raises, read, version_of
from blobio.testing.conformance.harness import Harness
from blobio.values import From, GetOptions, Span, Version


@case(needs="pinned_reads")
async def the_current_version_is_served(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")
    version = await version_of(harness, key)

    assert await read(harness.driver, key, version=version) == b"content"
    assert await read(harness.driver, key, Span(1, 3), version) == b"on"
    assert (await harness.driver.head(key, version=version)).version == version


@case(Feature.CONDITIONS, needs="pinned_reads")
async def a_replaced_version_is_refused(harness: Harness) -> None:
    key = await harness.seed("blob", b"old content")
    version = await version_of(harness, key)
    await harness.seed("blob", b"new content, longer")

    for wanted in (None, Span(1, 3), From(2)):
        with raises(VersionMismatch):
            await harness.driver.get(key, GetOptions(range=wanted, version=version))
    with raises(VersionMismatch):
        await harness.driver.head(key, version=version)


@case(Feature.CONDITIONS, needs="pinned_reads")
async def a_version_of_another_blob_is_refused(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")
    other = await version_of(harness, await harness.seed("other", b"other content"))

    with raises(VersionMismatch):
        await harness.driver.get(key, GetOptions(version=other))


@case(needs="pinned_reads")
async def a_version_of_nothing_is_not_found(harness: Harness) -> None:
    version = await version_of(harness, await harness.seed("other", b"other content"))

    with raises(NotFound):
        await harness.driver.head(harness.key("nothing"), version=version)
    with raises(NotFound):
        await harness.driver.get(harness.key("nothing"), GetOptions(version=version))


@case(needs="pinned_reads writable")
async def every_write_gives_another_version(harness: Harness) -> None:
    seen: set[Version] = set()

    for data in (b"one", b"two", b"six", b"one more"):
        seen.add(await version_of(harness, await put(harness, "blob", data)))

    assert len(seen) == 4
