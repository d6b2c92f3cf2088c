"""A tree of a store and the model of it: how to write to both, and how to see that they agree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO, Final, final

from blobio.blocking.opening import BinaryMode
from tests.property.model import Blob, Model
from tests.property.stores import Tree

__all__ = ["BOTH", "KEYS", "Pair"]

# `d` and `d/e` name directories too: `key` takes them for blobs where a store has both
KEYS: Final = ("a", "b.txt", "d/a", "d/b.txt", "d/e/c", "d-/a", "d0.txt", "d/e/f/g.txt")
BOTH: Final = ("d", "d/e")


@final
class Pair:
    """A tree and what it should hold."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.context = tree.context
        self.model = Model(real_directories=tree.is_disk)

    def key(self, key: str) -> str:
        """Return a key that the store takes: on disk no directory's name."""
        return f"{key}.blob" if self.tree.is_disk and key in BOTH else key

    def open(self, key: str, mode: BinaryMode, way: str, version: str | None = None) -> BinaryIO:
        streaming = way == "streamed"
        return self.context.BlobFile(self.tree.path(key), mode, streaming, version=version)

    def put(
        self, key: str, data: bytes, way: str, *, create: bool = False, version: str | None = None
    ) -> str | None:
        """Write a blob one way or another; return the version that the writer tells."""
        if way == "whole":
            path = self.tree.path(key)
            written = self.context.write_bytes(path, data, overwrite=not create, version=version)
            return written.version
        with self.open(key, "xb" if create else "wb", way, version) as file:
            for start in range(0, len(data), 20):
                file.write(data[start : start + 20])
        return self.context.last_version_seen(file)

    def landed(self, key: str, data: bytes, version: str | None) -> None:
        """Note that `data` is a new blob; `version` is what was told of it, if anything was."""
        present = self.context.stat(self.tree.path(key)).version
        assert present is not None
        assert version in (None, present)
        self.model.put(key, Blob(data, present))

    def given_up(self, key: str) -> None:
        """Note that a write published nothing; directories that it made on disk may stay."""
        directory = os.path.dirname(key)
        if self.tree.is_disk and directory and self.context.isdir(self.tree.path(directory)):
            self.model.make(directory)

    def changed(self, key: str, blob: Blob, mtime: float | None = None) -> None:
        """Note that `blob` is at `key` now and may have another version."""
        present = self.context.stat(self.tree.path(key)).version
        assert present is not None
        blob.version, blob.mtime = present, mtime
        self.model.put(key, blob)

    def check_walked(self, top: str, walked: Sequence[tuple[str, list[str], list[str]]]) -> None:
        found = [
            (self.tree.name(at), frozenset(below), frozenset(blobs)) for at, below, blobs in walked
        ]
        assert len(set(found)) == len(found)
        assert set(found) == self.model.walk(top)
        assert all(len(names) == len(set(names)) for step in walked for names in step[1:])

    def check_blobs(self) -> None:
        """Compare the facts and the bytes of all blobs."""
        entries = self.context.scanglob(self.tree.path("**"))
        stats = {self.tree.name(entry.path): entry.stat for entry in entries if entry.is_file}

        assert sorted(stats) == sorted(self.model.blobs)
        for key, blob in self.model.blobs.items():
            stat = stats[key]
            assert stat is not None
            assert (stat.size, stat.version) == (len(blob.data), blob.version)
            assert self.context.read_bytes(self.tree.path(key)) == blob.data
