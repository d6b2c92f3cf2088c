"""Cases of `copy`."""

from __future__ import annotations

from typing import Final

from blobio.errors import AlreadyExists, NotFound, Unsupported, VersionMismatch
from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import content, put, raises, read, version_of
from blobio.testing.conformance.harness import Harness
from blobio.url import BlobUrl
from blobio.values import CreateOnly, PutOptions, ReplaceIf

_NAMES: Final = {
    "space-plus": "a b+c",
    "percent": "a%20b%",
    "question-hash": "a?versionId=b#c",
    "unicode": "é中😀",
    "xml": "<a>&'\"",
}


@case_for_each({"empty": 0, "small": 1000, "large": 1 << 20}, needs="writable server_copy")
async def copy_has_the_bytes_of_the_source(harness: Harness, size: int) -> None:
    source, target = await put(harness, "source", content(size)), harness.key("dir/target")

    result = await harness.driver.copy(harness.url(source), target, PutOptions())

    assert await read(harness.driver, target) == content(size)
    assert await read(harness.driver, source) == content(size)
    assert result.version in (None, (await harness.driver.head(target)).version)


@case(needs="writable server_copy metadata")
async def copy_has_the_metadata_of_the_source(harness: Harness) -> None:
    options = PutOptions(content_type="text/x-test", metadata={"colour": "green"})
    source, target = await put(harness, "source", b"abc", options), harness.key("target")

    await harness.driver.copy(harness.url(source), target, PutOptions())

    meta = await harness.driver.head(target)
    assert (meta.content_type, meta.metadata.get("colour")) == ("text/x-test", "green")


@case(needs="writable server_copy")
async def copy_replaces_what_is_there(harness: Harness) -> None:
    source = await put(harness, "source", b"new")
    target = await put(harness, "target", b"old and longer")

    await harness.driver.copy(harness.url(source), target, PutOptions())

    assert await read(harness.driver, target) == b"new"


@case(needs="writable server_copy")
async def copy_onto_itself_keeps_the_blob(harness: Harness) -> None:
    key = await put(harness, "blob", b"content")

    await harness.driver.copy(harness.url(key), key, PutOptions())

    assert await read(harness.driver, key) == b"content"


@case(needs="writable server_copy metadata")
async def copy_onto_itself_keeps_the_metadata(harness: Harness) -> None:
    options = PutOptions(content_type="text/x-test", metadata={"colour": "green"})
    key = await put(harness, "blob", b"content", options)

    await harness.driver.copy(harness.url(key), key, PutOptions())

    meta = await harness.driver.head(key)
    assert (meta.content_type, meta.metadata.get("colour")) == ("text/x-test", "green")


@case_for_each(_NAMES, needs="writable server_copy")
async def copy_from_an_exact_key(harness: Harness, name: str) -> None:
    source = await put(harness, name, name.encode())
    target = harness.key(name + "-copy")

    await harness.driver.copy(harness.url(source), target, PutOptions())

    assert await read(harness.driver, target) == name.encode()


@case(needs="writable server_copy")
async def copy_of_nothing_is_not_found(harness: Harness) -> None:
    target = await put(harness, "target", b"old")

    with raises(NotFound):
        await harness.driver.copy(harness.url(harness.key("nothing")), target, PutOptions())

    assert await read(harness.driver, target) == b"old"


@case(needs="writable server_copy create_only")
async def create_only_copy_writes_where_nothing_is(harness: Harness) -> None:
    source, target = await put(harness, "source", b"new"), harness.key("target")

    await harness.driver.copy(harness.url(source), target, PutOptions(mode=CreateOnly()))

    assert await read(harness.driver, target) == b"new"


@case(Feature.CONDITIONS, Feature.CONDITIONAL_COPIES, needs="writable server_copy create_only")
async def create_only_copy_leaves_what_is_there(harness: Harness) -> None:
    source, target = await put(harness, "source", b"new"), await put(harness, "target", b"old")

    with raises(AlreadyExists):
        await harness.driver.copy(harness.url(source), target, PutOptions(mode=CreateOnly()))

    assert await read(harness.driver, target) == b"old"


@case(Feature.CONDITIONS, Feature.CONDITIONAL_COPIES, needs="writable server_copy replace_if")
async def replace_if_copy_leaves_another_version(harness: Harness) -> None:
    source, target = await put(harness, "source", b"new"), await put(harness, "target", b"old")
    stale = PutOptions(mode=ReplaceIf(await version_of(harness, target)))
    await put(harness, "target", b"theirs")

    with raises(VersionMismatch):
        await harness.driver.copy(harness.url(source), target, stale)

    assert await read(harness.driver, target) == b"theirs"


@case(needs="writable server_copy")
async def copy_from_another_kind_of_store_is_unsupported(harness: Harness) -> None:
    with raises(Unsupported):
        await harness.driver.copy(
            BlobUrl("elsewhere", "bucket", "key"), harness.key("target"), PutOptions()
        )
