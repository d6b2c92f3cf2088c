"""Cases of stores whose directories are real."""

from __future__ import annotations

from blobio.errors import DirectoryNotEmpty, IsDirectory, NotFound
from blobio.testing.conformance.case import case
from blobio.testing.conformance.checks import all_pages, put, raises, read
from blobio.testing.conformance.harness import Harness
from blobio.values import GetOptions, ListOptions, PutOptions


async def _listed(harness: Harness, options: ListOptions) -> tuple[list[str], list[str]]:
    """Return all keys, directories included, and prefixes below the harness's own directory."""
    own = harness.key("")
    pages = await all_pages(harness.driver, own, options)
    keys = [blob.key.removeprefix(own) for page in pages for blob in page.blobs]
    prefixes = [one.removeprefix(own) for page in pages for one in page.prefixes]
    return [key for key in keys if key], prefixes


@case(needs="writable directories")
async def put_of_a_directory_makes_it_and_its_parents(harness: Harness) -> None:
    await put(harness, "a/b/c/", b"")

    for name in ("a/", "a/b/", "a/b/c/"):
        assert (await harness.driver.head(harness.key(name))).key == harness.key(name)


@case(needs="writable directories")
async def put_of_a_directory_that_is_there_keeps_its_content(harness: Harness) -> None:
    key = await put(harness, "a/blob", b"content")

    await put(harness, "a/", b"")

    assert await read(harness.driver, key) == b"content"


@case(needs="writable directories")
async def a_directory_without_its_slash_is_a_directory(harness: Harness) -> None:
    await put(harness, "a/", b"")

    with raises(IsDirectory) as raised:
        await harness.driver.head(harness.key("a"))
    with raises(IsDirectory):
        await harness.driver.get(harness.key("a"), GetOptions())

    assert isinstance(raised[0], IsADirectoryError)


@case(needs="writable directories")
async def a_blob_does_not_replace_a_directory(harness: Harness) -> None:
    await put(harness, "a/", b"")

    with raises(IsDirectory):
        await harness.driver.put(harness.key("a"), b"content", PutOptions())

    assert (await harness.driver.head(harness.key("a/"))).key == harness.key("a/")


@case(needs="writable directories")
async def head_of_no_directory_is_not_found(harness: Harness) -> None:
    with raises(NotFound):
        await harness.driver.head(harness.key("nothing/"))


@case(needs="writable directories")
async def delete_removes_an_empty_directory_only(harness: Harness) -> None:
    await put(harness, "empty/", b"")
    blob = await put(harness, "full/blob", b"content")

    [empty] = await harness.driver.delete([harness.key("empty/")])
    [full] = await harness.driver.delete([harness.key("full/")])

    assert empty.error is None
    assert isinstance(full.error, DirectoryNotEmpty)
    with raises(NotFound):
        await harness.driver.head(harness.key("empty/"))
    assert await read(harness.driver, blob) == b"content"


@case(needs="writable listable directories")
async def flat_listing_names_directories(harness: Harness) -> None:
    await put(harness, "a/blob", b"content")
    await put(harness, "a/empty/", b"")
    await put(harness, "a-b", b"content")

    keys, prefixes = await _listed(harness, ListOptions())

    assert keys == ["a-b", "a/", "a/blob", "a/empty/"]
    assert prefixes == []


@case(needs="writable listable directories")
async def listing_with_a_delimiter_names_empty_directories(harness: Harness) -> None:
    await put(harness, "empty/", b"")
    await put(harness, "full/blob", b"content")
    await put(harness, "blob", b"content")

    keys, prefixes = await _listed(harness, ListOptions(delimiter="/"))

    assert keys == ["blob"]
    assert prefixes == ["empty/", "full/"]
