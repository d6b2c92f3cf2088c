"""What a store should hold, in plain dicts: the oracle of the state machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

__all__ = ["Blob", "Model", "Walked"]

Walked = tuple[str, frozenset[str], frozenset[str]]


@final
@dataclass(slots=True, eq=False)
class Blob:
    """One state of a blob; on disk one file, which `append` and `set_mtime` change in place."""

    data: bytes
    version: str
    mtime: float | None = None


@final
@dataclass(slots=True)
class Model:
    """The blobs of a tree by key, and its directories by key without the last `/`.

    Attributes:
        real_directories: Directories exist by themselves and outlive their content, as on a disk.
        blobs: What is there.
        made: Directories that are there without content: real ones, or markers.
        versions: All versions that a key has ever had.
    """

    real_directories: bool
    blobs: dict[str, Blob] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    versions: dict[str, set[str]] = field(default_factory=dict)

    def put(self, key: str, blob: Blob) -> None:
        self.blobs[key] = blob
        self.versions.setdefault(key, set()).add(blob.version)
        if self.real_directories:
            self.made |= set(_parents(key))

    def make(self, directory: str) -> None:
        self.made.add(directory)
        if self.real_directories:
            self.made |= set(_parents(directory))

    def remove_tree(self, directory: str) -> None:
        inside = f"{directory}/"
        self.blobs = {k: blob for k, blob in self.blobs.items() if not k.startswith(inside)}
        self.made = {d for d in self.made if d != directory and not d.startswith(inside)}

    @property
    def directories(self) -> set[str]:
        """Every directory below the root."""
        names = [*self.blobs, *self.made]
        return self.made | {parent for name in names for parent in _parents(name)}

    def is_directory(self, directory: str) -> bool:
        if not directory:  # the root of a tree, which is a prefix like any other
            return self.real_directories or bool(self.blobs or self.made)
        return directory in self.directories

    def content(self, directory: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names of the directories and of the blobs that lie in `directory`."""
        return (
            frozenset(_names_in(directory, self.directories)),
            frozenset(_names_in(directory, self.blobs)),
        )

    def walk(self, top: str) -> set[Walked]:
        """Return what walking from `top` yields, in no order."""
        if not self.is_directory(top):
            return set()
        inside = f"{top}/" if top else ""
        below = {d for d in self.directories if d.startswith(inside)}
        return {(directory, *self.content(directory)) for directory in {top, *below}}

    def other_version(self, key: str) -> str | None:
        """Return a version that `key` has had and has no longer, if there is one."""
        present = self.blobs.get(key)
        gone = self.versions.get(key, set()) - ({present.version} if present else set())
        return min(gone, default=None)


def _parents(name: str) -> Iterator[str]:
    while name := os.path.dirname(name):
        yield name


def _names_in(directory: str, names: set[str] | dict[str, Blob]) -> Iterator[str]:
    return (os.path.basename(name) for name in names if os.path.dirname(name) == directory)
