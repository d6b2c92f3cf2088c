"""Find the blobs that the words of a command line mean: names, patterns, trees.

A blob is found with the name it has relative to what was asked for, which is the name it gets below
a destination: the last component for a plain name, what follows the literal directories of a
pattern, and the path below a tree.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import final

from blobio.cli.exits import Exit, Stop, code_of
from blobio.cli.names import Filter, has_wildcards
from blobio.cli.session import Session, iterate
from blobio.core.ends import End
from blobio.core.globbing import scan_glob
from blobio.core.globpattern import GlobPattern
from blobio.core.keyranges import scattered_pages
from blobio.core.trees import contents
from blobio.drivers.base import Driver
from blobio.entries import Stat
from blobio.errors import BlobError, IsDirectory, NotDirectory, NotFound
from blobio.url import BlobUrl
from blobio.values import BlobMeta, Version

__all__ = ["Found", "Sources"]


@final
@dataclass(frozen=True, slots=True)
class Found:
    """One blob, or a directory that nothing lies in.

    Attributes:
        end: The blob and its driver.
        name: Its relative name; ends in `/` for a directory.
        meta: What the store tells of it.
    """

    end: End
    name: str
    meta: BlobMeta


@final
class Sources:
    """The blobs that some words mean; a word that means nothing is a failure of the session.

    Args:
        session: Where failures go.
        args: `recursive`, `no_glob`, `include` and `exclude` are looked at.
        missing_ok: What is not there is no failure.
        with_directories: What is found is to be removed: also the directories of a tree that
            something lies in, and links to directories as such.
    """

    def __init__(
        self,
        session: Session,
        args: argparse.Namespace,
        *,
        missing_ok: bool = False,
        with_directories: bool = False,
    ) -> None:
        self._missing_ok = missing_ok
        self._with_directories = with_directories
        self._session = session
        self._recursive: bool = args.recursive
        self._no_glob: bool = args.no_glob
        self._filter = Filter.of(args)

    def is_plain(self, word: str) -> bool:
        """Tell whether a word can mean one blob only."""
        return not self._recursive and not self.is_pattern(word)

    def is_pattern(self, word: str) -> bool:
        """Tell whether a word has wildcards that count."""
        able = self._session.context.stores.locate(word)[0].capabilities
        return not self._no_glob and has_wildcards(word, able)

    async def find(self, words: Sequence[str]) -> AsyncGenerator[Found, None]:
        """Yield what all words mean, in order; failures are reported and passed over."""
        async for word in self._session.until_failure(iterate(words)):
            matched = False
            try:
                async for found in self._of(word):
                    if not self._filter or self._filter.takes(found.name):
                        matched = True
                        yield found
                if not matched:
                    filters = " with these filters" if self._filter else ""
                    message = f"{word}: nothing matches{filters}"
                    raise Stop(Exit.NOT_FOUND, message)
            except (BlobError, Stop) as error:
                if not (self._missing_ok and code_of(error) is Exit.NOT_FOUND):
                    self._session.fail(error, src=word)

    def _of(self, word: str) -> AsyncGenerator[Found, None]:
        if self.is_pattern(word):
            return self._matches(word)
        return self._named(word)

    async def _named(self, word: str) -> AsyncGenerator[Found, None]:
        driver, url = self._session.context.stores.locate(word)
        if not word:
            message = "an empty name means nothing"
            raise NotFound(message, url=url, operation="head")
        if found := await self._blob(driver, url):
            yield found
            return
        if not self._recursive:
            message = f"{word} is a directory; -r takes what is below it"
            raise Stop(Exit.USAGE, message)
        is_content = word.endswith("/") or url.name in ("", ".", "..")
        name = "" if is_content else f"{url.name}/"
        async for below in self._tree(End(driver, url.as_directory), name):
            yield below

    async def _blob(self, driver: Driver, url: BlobUrl) -> Found | None:
        """Look for one blob; None for what can only be a directory.

        Raises:
            NotFound: Nothing has that name, and a directory is not wanted.
        """
        if not url.key or url.key.endswith("/"):
            return None
        try:
            meta = await driver.head(url.key)
            return Found(End(driver, url, size=meta.size), url.name, meta)
        except IsDirectory:
            if self._with_directories and await _is_link(driver, url):
                return Found(End(driver, url), url.name, BlobMeta(url.key, 0, 0.0, 0.0))
            return None
        except (NotFound, NotDirectory):
            if not self._recursive:
                raise
            return None

    async def _tree(self, root: End, name: str) -> AsyncGenerator[Found, None]:
        """Yield what lies below a directory, `name` in front of the relative names."""
        found = False
        entries = _all_below if self._with_directories else contents
        async for meta in entries(root.driver, root.url):
            found = True
            end = End(root.driver, root.url.with_key(meta.key), size=meta.size)
            yield Found(end, name + meta.key[len(root.url.key) :], meta)
        if not found:
            message = f"{root.url}: no such blob or directory"
            raise NotFound(message, url=root.url, operation="list")

    async def _matches(self, word: str) -> AsyncGenerator[Found, None]:
        driver, pattern = self._session.context.stores.pattern(word)
        start = min(len(each.prefix) for each in GlobPattern.parse(pattern.key).alternatives)
        async for entries in scan_glob(driver, pattern, parallel=False):
            for entry in entries:
                url = BlobUrl.parse(entry.path)
                if entry.is_dir:
                    if self._recursive:
                        root = End(driver, url.as_directory)
                        async for found in self._tree(root, root.url.key[start:]):
                            yield found
                    continue
                assert entry.stat is not None
                end = End(driver, url, size=entry.stat.size)
                yield Found(end, url.key[start:], _meta(url.key, entry.stat))


async def _is_link(driver: Driver, url: BlobUrl) -> bool:
    return driver.capabilities.local_paths and await asyncio.to_thread(os.path.islink, url.key)


async def _all_below(driver: Driver, root: BlobUrl) -> AsyncGenerator[BlobMeta, None]:
    async for page in scattered_pages(driver, root.key):
        for meta in page.blobs:
            yield meta


def _meta(key: str, stat: Stat) -> BlobMeta:
    """Turn back into a driver's words what a pattern found."""
    version = None if stat.version is None else Version(stat.version)
    return BlobMeta(
        key=key,
        size=stat.size,
        mtime=stat.mtime,
        ctime=stat.ctime,
        version=version,
        md5=stat.md5,
    )
