"""What the text of a name says, without looking at any store: wildcards, directories, filters.

Where a copy goes must not depend on what is there already, or the same command run twice would
nest a tree in itself. So a destination is a directory because of how it is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import final

from blobio.core.globpattern import GlobAlternative, GlobPattern
from blobio.url import BlobUrl
from blobio.values import Capabilities

__all__ = ["Filter", "has_wildcards", "names_directory"]


def has_wildcards(text: str, able: Capabilities) -> bool:
    """Tell whether a name is a pattern: it has `*`, `?`, `[` or `{`.

    Where nothing can be listed nothing is: the `?` of an http URL begins its query.
    """
    return able.listable and any(mark in text for mark in "*?[{")


def names_directory(text: str) -> bool:
    """Tell whether a name is written as a directory: `x/`, `.`, `..`, `x/..`, a bare bucket."""
    if text.endswith(("/", "/.", "/..")) or text in (".", ".."):
        return True
    return bool(text) and not BlobUrl.parse(text).key


@final
class Filter:
    """`--include` and `--exclude`: which relative names a command is about.

    A pattern without `/` is compared with the last component, so that `*.tmp` means what it does
    to everyone; one with `/` with the whole relative name.

    Args:
        include: Only what one of these matches; none for all.
        exclude: Nothing that one of these matches.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = [_Pattern(text) for text in include]
        self._exclude = [_Pattern(text) for text in exclude]

    @classmethod
    def of(cls, args: argparse.Namespace) -> Filter:
        """Make the filter of a command line."""
        return cls(args.include, args.exclude)

    def __bool__(self) -> bool:
        return bool(self._include or self._exclude)

    def takes(self, name: str) -> bool:
        """Tell whether `name`, relative to the root of the tree, is wanted."""
        if any(pattern.matches(name) for pattern in self._exclude):
            return False
        return not self._include or any(pattern.matches(name) for pattern in self._include)


@final
class _Pattern:
    def __init__(self, text: str) -> None:
        self._whole = "/" in text
        self._alternatives: Sequence[GlobAlternative] = GlobPattern.parse(
            text.removeprefix("/")
        ).alternatives

    def matches(self, name: str) -> bool:
        name = name.rstrip("/")
        subject = name if self._whole else name.rpartition("/")[2]
        return any(alternative.matches(subject) for alternative in self._alternatives)
