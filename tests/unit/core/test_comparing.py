"""The merge of two listings: every name once, in order, and no trust in a store without order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blobio.aio import AsyncContext
from blobio.config import Config
from blobio.core.comparing import Pair, is_content, merge_trees
from blobio.core.ends import End
from blobio.drivers.base import Driver
from blobio.errors import RequestFailed
from blobio.values import BlobMeta, ListOptions, ListPage


class _Listing:
    """The listing of a driver, in an order of its own."""

    def __init__(self, inner: Driver, keys: Sequence[str]) -> None:
        self.capabilities = inner.capabilities
        self._keys = keys

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        del options
        at = int(token or 0)
        key = prefix + self._keys[at]
        more = str(at + 1) if at + 1 < len(self._keys) else None
        return ListPage(blobs=[BlobMeta(key=key, size=1, mtime=0, ctime=0)], token=more)


async def _merged(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, bool, bool]]:
    async with AsyncContext(Config()) as context:
        driver, url = context.stores.locate("memory://merged/tree/")
        ends = [End(_Listing(driver, keys), url) for keys in (left, right)]  # type: ignore[arg-type] # only what is used of a driver
        return [_facts(pair) async for pair in merge_trees(*ends)]


def _facts(pair: Pair) -> tuple[str, bool, bool]:
    return pair.name, pair.left is not None, pair.right is not None


async def test_every_name_comes_once_in_code_point_order() -> None:
    merged = await _merged(["a", "a-b", "a/b", "z"], ["a/b", "b", "é"])

    assert merged == [
        ("a", True, False),
        ("a-b", True, False),
        ("a/b", True, True),
        ("b", False, True),
        ("z", True, False),
        ("é", False, True),
    ]


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"], ["a/b", "a-b"]])
async def test_a_listing_out_of_order_is_refused(keys: list[str]) -> None:
    with pytest.raises(RequestFailed, match="out of order"):
        await _merged(["a"], keys)


async def test_disk_and_keys_are_in_one_order(tmp_path: Path) -> None:
    names = ["a-b", "a/b", "a.c", "a/b-c/d", "a0", "é", "\U0001f600", "\uffee"]
    async with AsyncContext(Config()) as context:
        roots = [str(tmp_path), "memory://order/tree"]
        for root in roots:
            for name in names:
                await context.write_bytes(f"{root}/{name}", b"x")
        ends = [End(*context.stores.locate(root)) for root in roots]
        left, right = (replace(end, url=end.url.as_directory) for end in ends)

        merged = [pair async for pair in merge_trees(left, right)]

    content = [pair for pair in merged if pair.left is None or is_content(pair.left)]
    assert [pair.name for pair in content] == sorted(names)
    assert all(pair.left and pair.right for pair in content)


@pytest.mark.parametrize(
    ("key", "size", "expected"), [("a", 0, True), ("a/", 0, False), ("a/", 1, True)]
)
def test_directories_are_no_content(key: str, size: int, *, expected: bool) -> None:
    assert is_content(BlobMeta(key=key, size=size, mtime=0, ctime=0)) is expected
