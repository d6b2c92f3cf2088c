"""Find what a glob pattern matches, listing as little as its wildcards allow.

A pattern is read from the left: literal directories are never listed, a wildcard component costs
one LIST of each directory that can hold a match, `**` turns to one flat listing of what lies below.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final, final

from blobio.core.flow import merge
from blobio.core.globpattern import DoubleStar, GlobAlternative, GlobPattern, Wild
from blobio.core.listing import (
    blob_entry,
    directory_entry,
    is_directory,
    one_level,
    page_entries,
    pages,
    scan_shards,
)
from blobio.drivers.base import Driver
from blobio.entries import DirEntry
from blobio.errors import IsDirectory, NotDirectory, NotFound
from blobio.url import BlobUrl

__all__ = ["scan_glob"]

_DIRECTORIES_AT_ONCE: Final = 16


async def scan_glob(
    driver: Driver, pattern: BlobUrl, *, parallel: bool, shard_prefix_length: int = 0
) -> AsyncGenerator[list[DirEntry], None]:
    """Yield what the key of `pattern` matches, page by page.

    An entry that several `{a,b}` alternatives match comes once. With `parallel` directories of one
    level are listed side by side and the order is lost.
    """
    alternatives = GlobPattern.parse(pattern.key).alternatives
    seen: set[tuple[str, bool]] | None = set() if len(alternatives) > 1 else None
    for alternative in alternatives:
        scanner = _Scanner(
            driver, pattern, alternative, parallel=parallel, shards=shard_prefix_length
        )
        async for entries in scanner.run():
            if seen is None:
                yield entries
                continue
            fresh = [entry for entry in entries if (entry.path, entry.is_dir) not in seen]
            seen.update((entry.path, entry.is_dir) for entry in fresh)
            if fresh:
                yield fresh


@final
class _Scanner:
    """The search for one alternative."""

    def __init__(
        self,
        driver: Driver,
        root: BlobUrl,
        alternative: GlobAlternative,
        parallel: bool,  # noqa: FBT001 - private
        shards: int,
    ) -> None:
        self._driver = driver
        self._root = root
        self._alternative = alternative
        self._segments = alternative.segments
        self._parallel = parallel
        self._shards = shards

    async def run(self) -> AsyncGenerator[list[DirEntry], None]:
        literal = self._alternative.literal
        if literal is not None:
            if entry := await self._probe(self._root.with_key(literal)):
                yield [entry]
            return
        async for entries in self._descend(self._root.with_key(self._alternative.prefix), 0):
            yield entries

    async def _descend(
        self, directory: BlobUrl, depth: int
    ) -> AsyncGenerator[list[DirEntry], None]:
        """Yield the matches below `directory`, whose path matched the first `depth` segments."""
        segment = self._segments[depth]
        last = depth == len(self._segments) - 1
        if isinstance(segment, DoubleStar):
            found = self._flat(directory, segment)
        elif isinstance(segment, Wild):
            found = self._wild(directory, segment, depth, last=last)
        elif last:
            entry = await self._probe(directory.with_key(directory.key + segment.text))
            if entry is not None:
                yield [entry]
            return
        else:
            below = directory.with_key(f"{directory.key}{segment.text}/")
            found = self._descend(below, depth + 1)
        async for entries in found:
            yield entries

    async def _wild(
        self, directory: BlobUrl, segment: Wild, depth: int, *, last: bool
    ) -> AsyncGenerator[list[DirEntry], None]:
        async for entries in self._level(directory, segment):
            matched = [entry for entry in entries if segment.matches(entry.name)]
            if last:
                if wanted := [e for e in matched if e.is_dir or not self._alternative.dirs_only]:
                    yield wanted
                continue
            sources = [
                partial(
                    self._descend, directory.with_key(f"{directory.key}{entry.name}/"), depth + 1
                )
                for entry in matched
                if entry.is_dir
            ]
            async for found in merge(sources, window=_DIRECTORIES_AT_ONCE if self._parallel else 1):
                yield found

    async def _level(
        self, directory: BlobUrl, segment: Wild
    ) -> AsyncGenerator[list[DirEntry], None]:
        if self._shards and not segment.literal_prefix:
            with contextlib.suppress(NotFound):
                async for entries in scan_shards(self._driver, directory, self._shards):
                    yield entries
            return
        prefix = directory.key + segment.literal_prefix
        with contextlib.suppress(NotFound):
            async for page in pages(self._driver, prefix, one_level(self._driver)):
                yield page_entries(directory, page)

    async def _flat(
        self, directory: BlobUrl, segment: DoubleStar
    ) -> AsyncGenerator[list[DirEntry], None]:
        """List flat, and name the directories that the keys imply, each once, as they appear."""
        base = str(directory)
        start = len(directory.key)
        implied: list[str] = []  # the directories open at this point of the key order
        with contextlib.suppress(NotFound):
            async for page in pages(self._driver, directory.key + segment.literal_prefix):
                entries: list[DirEntry] = []
                for meta in page.blobs:
                    parents, name = _split(meta.key[start:])
                    for depth in range(_common(implied, parents), len(parents)):
                        path = "/".join(parents[: depth + 1])
                        if self._alternative.matches(directory.key + path):
                            entries.append(directory_entry(base, path))
                    implied = parents
                    wanted = name and not self._alternative.dirs_only
                    if wanted and self._alternative.matches(meta.key):
                        entries.append(blob_entry(base, meta.key[start:], meta))
                if entries:
                    yield entries

    async def _probe(self, url: BlobUrl) -> DirEntry | None:
        """Look one name up: 1 HEAD, and 1 LIST if that finds no blob."""
        parent = str(url)[: len(str(url)) - len(url.name)]
        if url.name and not self._alternative.dirs_only:
            with contextlib.suppress(NotFound, IsDirectory, NotDirectory):
                return blob_entry(parent, url.name, await self._driver.head(url.key))
        if await is_directory(self._driver, url):
            return directory_entry(parent, url.name)
        return None


def _split(relative: str) -> tuple[list[str], str]:
    *parents, name = relative.split("/")
    return parents, name


def _common(left: list[str], right: list[str]) -> int:
    """Return how many components the two paths share at their start."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
