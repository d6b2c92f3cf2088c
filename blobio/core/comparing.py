"""Compare two trees: one merge of two flat listings in key order, in constant memory.

A name that one listing does not show is taken for missing, so a store that lists out of order would
make present blobs look gone. The order is therefore verified as the keys come.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

from blobio.core.ends import End
from blobio.core.listing import pages
from blobio.errors import RequestFailed
from blobio.values import BlobMeta

__all__ = ["Pair", "is_content", "merge_trees"]


class Pair(NamedTuple):
    """What two trees have under one name.

    Attributes:
        name: Relative to the roots.
        left: What the left tree has, or None.
        right: What the right tree has, or None.
    """

    name: str
    left: BlobMeta | None
    right: BlobMeta | None


def is_content(meta: BlobMeta) -> bool:
    """Tell whether an entry holds something: all do but directories, real ones and empty markers.

    So an empty directory makes no difference between two trees.
    """
    return bool(meta.size) or not meta.key.endswith("/")


async def merge_trees(left: End, right: End) -> AsyncGenerator[Pair, None]:
    """Yield all names below two directories in code-point order, entries of directories included.

    Memory: two pages of each listing. Requests: 1 LIST a page.

    Args:
        left: A directory: its key ends in `/` or is empty.
        right: Another one.

    Raises:
        RequestFailed: A store lists its keys out of code-point order, or one of them twice; what
            was yielded up to then is right, but nothing follows from a name that was not.
        BlobError: A listing failed.
    """
    async with (
        contextlib.aclosing(_ordered(left)) as lefts,
        contextlib.aclosing(_ordered(right)) as rights,
    ):
        one, other = await anext(lefts, None), await anext(rights, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one[0] < other[0]):
                assert one is not None
                yield Pair(one[0], one[1], None)
                one = await anext(lefts, None)
            elif one is None or other[0] < one[0]:
                yield Pair(other[0], None, other[1])
                other = await anext(rights, None)
            else:
                yield Pair(one[0], one[1], other[1])
                one, other = await anext(lefts, None), await anext(rights, None)


async def _ordered(root: End) -> AsyncGenerator[tuple[str, BlobMeta], None]:
    """Yield relative names with their entries, and verify the order of the keys."""
    start = len(root.url.key)
    last: str | None = None
    async with contextlib.aclosing(pages(root.driver, root.url.key)) as listing:
        async for page in listing:
            for meta in page.blobs:
                if last is not None and meta.key <= last:
                    message = (
                        f"list of {root.url}: the store lists {meta.key[:200]!r} after "
                        f"{last[:200]!r}, which is out of order; two trees cannot be compared so"
                    )
                    raise RequestFailed(message, url=root.url, operation="list")
                last = meta.key
                yield meta.key[start:], meta
