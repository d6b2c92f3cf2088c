"""What cases share: reading a blob whole, listing all pages, expecting an error."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from blobio.drivers.base import Driver, Upload
from blobio.testing.conformance.harness import Harness
from blobio.values import (
    Body,
    GetOptions,
    ListOptions,
    ListPage,
    PartToken,
    PutOptions,
    Range,
    Version,
)

__all__ = [
    "all_pages",
    "content",
    "list_keys",
    "part_sizes",
    "put",
    "raises",
    "read",
    "send_parts",
    "version_of",
]


@contextmanager
def raises(*kinds: type[BaseException]) -> Iterator[list[BaseException]]:
    """Expect the block to raise one of `kinds`; the list then holds what it raised."""
    raised: list[BaseException] = []
    try:
        yield raised
    except kinds as error:
        raised.append(error)
        return
    names = " or ".join(kind.__name__ for kind in kinds)
    message = f"{names} was to be raised, and nothing was"
    raise AssertionError(message)


def content(size: int, seed: int = 0) -> bytes:
    """Return `size` bytes that no other `seed` gives and no slice repeats."""
    return random.Random(f"{seed}-{size}").randbytes(size)  # noqa: S311 - test data


async def read(
    driver: Driver, key: str, wanted: Range | None = None, version: Version | None = None
) -> bytes:
    """Read a blob or a range of it, checking what the contract says of the chunks."""
    async with await driver.get(key, GetOptions(range=wanted, version=version)) as result:
        chunks = [chunk async for chunk in result.chunks()]
    assert all(chunks), "a chunk was empty"
    data = b"".join(chunks)
    assert len(data) == len(result.span), "more or fewer bytes than the span"
    return data


async def put(harness: Harness, name: str, data: Body, options: PutOptions | None = None) -> str:
    """Put a blob and return its key."""
    key = harness.key(name)
    await harness.driver.put(key, data, options or PutOptions())
    return key


async def version_of(harness: Harness, key: str) -> Version:
    """Return the version of a blob, which must have one."""
    version = (await harness.driver.head(key)).version
    assert version is not None, "head told no version"
    return version


async def all_pages(driver: Driver, prefix: str, options: ListOptions) -> list[ListPage]:
    """List to the end; every page keeps to its size, and all of them to the order."""
    pages: list[ListPage] = []
    token: str | None = None
    while not pages or token is not None:
        assert len(pages) < 1000, "the listing does not end"
        page = await driver.list_page(prefix, options, token)
        assert len(page.blobs) + len(page.prefixes) <= options.page_size
        pages.append(page)
        token = page.token
    return pages


async def list_keys(
    driver: Driver, prefix: str, options: ListOptions | None = None
) -> tuple[list[str], list[str]]:
    """List to the end; return the keys and the prefixes, without `prefix` at their start.

    Real directories are left out of the keys: a store of keys does not have them.
    """
    pages = await all_pages(driver, prefix, options or ListOptions())
    keys = [blob.key for page in pages for blob in page.blobs]
    prefixes = [one for page in pages for one in page.prefixes]
    if driver.capabilities.directories:
        keys = [key for key in keys if not key.endswith("/")]
    assert all(one.startswith(prefix) for one in (*keys, *prefixes))
    return [key[len(prefix) :] for key in keys], [one[len(prefix) :] for one in prefixes]


def part_sizes(driver: Driver) -> tuple[int, int, int]:
    """Return the sizes of three parts that every store accepts: two equal ones, one shorter."""
    smallest = max(driver.capabilities.min_part_bytes, 10)
    return smallest, smallest, 7


async def send_parts(
    upload: Upload, data: bytes, sizes: Sequence[int], order: Sequence[int] | None = None
) -> list[PartToken]:
    """Send `data` in parts of `sizes`, in `order` of their indexes; return their tokens."""
    offsets = [sum(sizes[:index]) for index in range(len(sizes))]
    tokens = {
        index: await upload.put_part(
            index, offsets[index], data[offsets[index] : offsets[index] + sizes[index]]
        )
        for index in order or range(len(sizes))
    }
    return [tokens[index] for index in range(len(sizes))]
