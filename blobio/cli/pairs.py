"""The two trees that `sync` and `diff` are about, and what they have under each name."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from typing import final

from blobio.cli.exits import Exit, Stop
from blobio.cli.names import Filter
from blobio.cli.session import Session
from blobio.core.comparing import Pair, merge_trees
from blobio.core.ends import End
from blobio.core.listing import is_directory
from blobio.errors import BlobError

__all__ = ["Pairs", "require_there", "tree"]


def tree(word: str, session: Session) -> End:
    """Return the root of a tree; with or without a `/` at its end is the same.

    Raises:
        Stop: The word is empty, or nothing can be listed there.
    """
    driver, url = session.context.stores.locate(word)
    if not word:
        raise Stop(Exit.USAGE, "an empty name means no tree")
    if not driver.capabilities.listable:
        raise Stop(Exit.USAGE, f"{word} cannot be listed, and so not be compared")
    return End(driver, url.as_directory)


async def require_there(root: End, code: Exit = Exit.NOT_FOUND) -> None:
    """Stop if a tree is not there: no such directory, or no key below the prefix.

    Raises:
        Stop: With `code`.
        BlobError: Its store does not say.
    """
    if not await is_directory(root.driver, root.url):
        raise Stop(code, f"{root.url}: no such directory")


@final
class Pairs:
    """All names of two trees that the filters take; iterate once.

    A listing that fails ends the iteration, and is reported as a failure of the session.

    Args:
        left: One tree.
        right: The other.
        session: Where failures go.
        args: `include` and `exclude` are looked at.

    Attributes:
        failure: Why the listings did not come to their end, or None.
    """

    def __init__(self, left: End, right: End, session: Session, args: argparse.Namespace) -> None:
        self._left = left
        self._right = right
        self._session = session
        self._filter = Filter.of(args)
        self.failure: BlobError | OSError | None = None

    async def iterate(self) -> AsyncGenerator[Pair, None]:
        """Yield the names in order.

        A link to a directory on the left is a failure, as it is when a tree is copied: what it
        leads to is not listed, so nothing can be said about it.
        """
        on_disk = self._left.driver.capabilities.local_paths
        async with contextlib.aclosing(merge_trees(self._left, self._right)) as merged:
            while True:
                try:
                    pair = await anext(merged, None)
                except (BlobError, OSError) as error:
                    self.failure = error
                    self._session.fail(error)
                    return
                if pair is None:
                    return
                if self._filter and not self._filter.takes(pair.name):
                    continue
                if on_disk and pair.left is not None and pair.left.key.endswith("/"):
                    await self._refuse_link(pair)
                yield pair

    async def _refuse_link(self, pair: Pair) -> None:
        assert pair.left is not None
        path = pair.left.key.rstrip("/")
        is_link = await asyncio.to_thread(os.path.islink, path)
        if is_link and pair.name:
            message = f"{path}: links to directories are not followed; leave it out with --exclude"
            self._session.fail(Stop(Exit.SOME_FAILED, message), src=path)
