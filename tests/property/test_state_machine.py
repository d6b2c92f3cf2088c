"""The file API against a dict, in any order of calls, on stores of keys and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from blobio import (
    AlreadyExists,
    DirectoryNotEmpty,
    NotDirectory,
    NotFound,
    VersionMismatch,
)
from blobio.testing.emulators import AzureServer, GcsServer, S3Server
from tests.property.model import Blob
from tests.property.pair import BOTH, KEYS, Pair
from tests.property.patterns import PATTERNS, matching
from tests.property.stores import (
    TreeMaker,
    azure_trees,
    gcs_trees,
    local_trees,
    memory_trees,
    s3_trees,
    strict_gcs_trees,
)

DIRECTORIES: Final = ("", "d", "d/e", "d/e/f", "d-", "new", "new/er")
MTIMES: Final = (0.0, 1.5, 1_600_000_000.25)

keys = st.sampled_from(KEYS + BOTH)
directories = st.sampled_from(DIRECTORIES)
bodies = st.binary(max_size=12) | st.binary(min_size=13, max_size=70)
offsets = st.integers(0, 80)
ways = st.sampled_from(["whole", "streamed", "staged"])


@final
@dataclass(frozen=True, slots=True)
class Opened:
    """A file that stays open while others change what it was opened for."""

    file: BinaryIO
    key: str
    blob: Blob
    data: bytes
    version: str


class FileApi(RuleBasedStateMachine):
    """Every rule does one thing to the tree and to the model, and compares what both say."""

    def __init__(self, make_tree: TreeMaker) -> None:
        super().__init__()
        self.pair = Pair(make_tree())
        self.tree, self.model = self.pair.tree, self.pair.model
        self.context = self.tree.context
        self.opened: list[Opened] = []

    def teardown(self) -> None:
        for opened in self.opened:
            opened.file.close()
        self.tree.discard()

    @initialize(keys=st.sampled_from([(), KEYS, KEYS + BOTH]))
    def fill(self, keys: Sequence[str]) -> None:
        """Start with nothing, or with blobs that were there before in another version."""
        for key in map(self.pair.key, keys):
            for data in (b"old", key.encode() * 8):
                self.pair.landed(key, data, self.pair.put(key, data, "whole"))

    # Writing

    @rule(key=keys, data=bodies, way=ways)
    def write(self, key: str, data: bytes, way: str) -> None:
        key = self.pair.key(key)
        self.pair.landed(key, data, self.pair.put(key, data, way))

    @rule(key=keys, data=bodies, way=ways)
    def create(self, key: str, data: bytes, way: str) -> None:
        key = self.pair.key(key)
        if key in self.model.blobs:
            with pytest.raises(AlreadyExists):
                self.pair.put(key, data, way, create=True)
        else:
            self.pair.landed(key, data, self.pair.put(key, data, way, create=True))

    @rule(key=keys, data=bodies, way=ways)
    def replace(self, key: str, data: bytes, way: str) -> None:
        key = self.pair.key(key)
        if (present := self.model.blobs.get(key)) is not None:
            self.pair.landed(key, data, self.pair.put(key, data, way, version=present.version))

    @rule(key=keys, data=bodies, way=ways)
    def replace_what_is_gone(self, key: str, data: bytes, way: str) -> None:
        key = self.pair.key(key)
        if (gone := self.model.other_version(key)) is not None:
            with pytest.raises(VersionMismatch):
                self.pair.put(key, data, way, version=gone)
            self.pair.given_up(key)

    @rule(key=keys, data=bodies)
    def append(self, key: str, data: bytes) -> None:
        key = self.pair.key(key)
        with self.context.BlobFile(self.tree.path(key), "ab") as file:
            file.write(data)
        blob = self.model.blobs.get(key)
        if blob is None or not self.tree.is_disk:
            version = None if self.tree.is_disk else self.context.last_version_seen(file)
            self.pair.landed(key, (blob.data if blob else b"") + data, version)
        else:
            blob.data += data
            self.pair.changed(key, blob)

    @precondition(lambda self: not self.tree.is_disk)
    @rule(key=keys, data=bodies)
    def append_to_what_is_replaced(self, key: str, data: bytes) -> None:
        blob = self.model.blobs.get(key)
        file = self.context.BlobFile(self.tree.path(key), "ab")
        file.write(data)
        self.write(key, b"new" if blob is None else blob.data + b"new", "whole")
        with pytest.raises(AlreadyExists if blob is None else VersionMismatch):
            file.close()

    @rule(key=keys, data=bodies, way=st.sampled_from(["streamed", "staged"]))
    def give_up_writing(self, key: str, data: bytes, way: str) -> None:
        key = self.pair.key(key)
        file = self.pair.open(key, "wb", way)
        file.write(data)
        file.abort()  # type: ignore[attr-defined]  # blobio's writers have it, BinaryIO has not
        self.pair.given_up(key)

    @rule(key=keys, mtime=st.sampled_from(MTIMES), version=st.sampled_from(["any", "is", "was"]))
    def set_mtime(self, key: str, mtime: float, version: str) -> None:
        key = self.pair.key(key)
        path, blob = self.tree.path(key), self.model.blobs.get(key)
        gone = self.model.other_version(key)
        if blob is None:
            with pytest.raises(NotFound):
                self.context.set_mtime(path, mtime)
        elif version == "was" and gone is not None:
            assert not self.context.set_mtime(path, mtime, gone)
        else:
            assert self.context.set_mtime(path, mtime, blob.version if version == "is" else None)
            if not self.tree.is_disk:
                blob = Blob(blob.data, blob.version)
            self.pair.changed(key, blob, mtime)

    # Copying and removing

    @rule(src=keys, dst=keys, overwrite=st.booleans(), want_md5=st.booleans())
    def copy(self, src: str, dst: str, overwrite: bool, want_md5: bool) -> None:
        src, dst = self.pair.key(src), self.pair.key(dst)
        if not overwrite and dst in self.model.blobs and not self.tree.conditional_copies:
            return
        ends = self.tree.path(src), self.tree.path(dst)
        blob = self.model.blobs.get(src)
        if blob is not None and (overwrite or dst not in self.model.blobs):
            md5 = self.context.copy(*ends, overwrite, return_md5=want_md5)
            assert md5 == (md5_of(blob.data) if want_md5 else None)
            self.pair.landed(dst, blob.data, None)
        else:
            with pytest.raises((NotFound, AlreadyExists)):
                self.context.copy(*ends, overwrite)

    @rule(src=keys, dst=keys, overwrite=st.booleans())
    def move(self, src: str, dst: str, overwrite: bool) -> None:
        src, dst = self.pair.key(src), self.pair.key(dst)
        is_taken = dst in self.model.blobs
        if not overwrite and is_taken and not self.tree.conditional_copies:
            return
        ends = self.tree.path(src), self.tree.path(dst)
        blob = self.model.blobs.get(src)
        if blob is None or (is_taken and not overwrite):
            with pytest.raises((NotFound, AlreadyExists)):
                self.context.move(*ends, overwrite=overwrite)
            return
        self.context.move(*ends, overwrite=overwrite)
        if src != dst:
            del self.model.blobs[src]
            self.pair.changed(dst, blob if self.tree.is_disk else Blob(blob.data, blob.version))

    @rule(key=keys)
    def remove(self, key: str) -> None:
        key = self.pair.key(key)
        if key in self.model.blobs:
            self.context.remove(self.tree.path(key))
            del self.model.blobs[key]
        else:
            with pytest.raises(NotFound):
                self.context.remove(self.tree.path(key))

    @rule(directory=directories.filter(bool))
    def makedirs(self, directory: str) -> None:
        self.context.makedirs(self.tree.path(directory))
        self.model.make(directory)

    @rule(directory=directories.filter(bool))
    def rmdir(self, directory: str) -> None:
        path = self.tree.path(directory)
        if any(self.model.content(directory)):
            with pytest.raises(DirectoryNotEmpty):
                self.context.rmdir(path)
        elif self.tree.is_disk and not self.model.is_directory(directory):
            with pytest.raises(NotFound):
                self.context.rmdir(path)
        else:
            self.context.rmdir(path)
            self.model.made.discard(directory)

    @rule(directory=directories.filter(bool))
    def rmtree(self, directory: str) -> None:
        path = self.tree.path(directory)
        if self.model.is_directory(directory):
            self.context.rmtree(path)
            self.model.remove_tree(directory)
        else:
            is_blob = directory in self.model.blobs
            with pytest.raises(NotDirectory if is_blob else NotFound):
                self.context.rmtree(path)

    # Reading

    @rule(key=keys, version=st.sampled_from(["any", "is", "was"]))
    def read(self, key: str, version: str) -> None:
        key = self.pair.key(key)
        path, blob = self.tree.path(key), self.model.blobs.get(key)
        if blob is None:
            with pytest.raises(NotFound):
                self.context.read_bytes(path)
        elif version == "was" and (gone := self.model.other_version(key)) is not None:
            with pytest.raises(VersionMismatch):
                self.context.read_bytes(path, version=gone)
        else:
            wanted = blob.version if version == "is" else None
            assert self.context.read_bytes(path, version=wanted) == blob.data

    @rule(key=keys, pairs=st.lists(st.tuples(offsets, offsets), max_size=5))
    def read_ranges(self, key: str, pairs: list[tuple[int, int]]) -> None:
        key = self.pair.key(key)
        ranges = [(min(pair), max(pair)) for pair in pairs]
        blob = self.model.blobs.get(key)
        if blob is not None:
            found = self.context.read_ranges(self.tree.path(key), ranges)
            assert found == [blob.data[start:stop] for start, stop in ranges]
        elif any(start < stop for start, stop in ranges):
            with pytest.raises(NotFound):
                self.context.read_ranges(self.tree.path(key), ranges)

    @rule(key=keys, size=offsets)
    def open_for_later(self, key: str, size: int) -> None:
        key = self.pair.key(key)
        blob = self.model.blobs.get(key)
        if blob is None:
            with pytest.raises(NotFound):
                self.context.BlobFile(self.tree.path(key), "rb")
            return
        file = self.context.BlobFile(self.tree.path(key), "rb")
        self.opened.append(Opened(file, key, blob, blob.data, blob.version))
        assert file.read(size) == blob.data[:size]

    @precondition(lambda self: self.opened)
    @rule(which=st.integers(0, 9), start=offsets, size=offsets)
    def read_now(self, which: int, start: int, size: int) -> None:
        opened = self.opened[which % len(self.opened)]
        data = opened.blob.data if self.tree.is_disk else opened.data
        present = self.model.blobs.get(opened.key)
        opened.file.seek(start)
        if self.tree.is_disk or (present is not None and present.version == opened.version):
            assert opened.file.read(size) == data[start : start + size]
            return
        try:
            found = opened.file.read(size)
        except VersionMismatch:
            return
        except NotFound:
            assert present is None
            return
        assert found == data[start : start + size]

    @precondition(lambda self: self.opened)
    @rule(which=st.integers(0, 9))
    def close(self, which: int) -> None:
        self.opened.pop(which % len(self.opened)).file.close()

    # Looking around

    @rule(key=keys | directories.filter(bool))
    def ask(self, key: str) -> None:
        path, blob = self.tree.path(key), self.model.blobs.get(key)
        is_directory = self.model.is_directory(key)

        assert self.context.isfile(path) == (blob is not None)
        assert self.context.isdir(path) == is_directory
        assert self.context.exists(path) == (blob is not None or is_directory)
        if blob is not None:
            stat = self.context.stat(path)
            assert (stat.size, stat.version) == (len(blob.data), blob.version)
            assert stat.mtime == blob.mtime or blob.mtime is None
            assert self.context.md5(path) == md5_of(blob.data)
        elif not is_directory or not self.tree.is_disk:
            with pytest.raises(NotFound):
                self.context.stat(path)

    @rule(directory=directories, shards=st.integers(0, 1))
    def scandir(self, directory: str, shards: int) -> None:
        path = self.tree.path(directory)
        if not self.model.is_directory(directory):
            with pytest.raises((NotFound, NotDirectory)):
                list(self.context.scandir(path))
            return
        entries = list(self.context.scandir(path, shards * self.tree.quick_lists))
        below, blobs = self.model.content(directory)
        inside = f"{directory}/" if directory else ""

        assert sorted(entry.name for entry in entries if entry.is_dir) == sorted(below)
        assert sorted(entry.name for entry in entries if entry.is_file) == sorted(blobs)
        assert sorted(self.context.listdir(path)) == sorted([*below, *blobs])
        for entry in entries:
            assert self.tree.name(entry.path) == inside + entry.name
            assert (entry.stat is None) == entry.is_dir

    @rule(directory=directories, topdown=st.booleans())
    def walk(self, directory: str, topdown: bool) -> None:
        walked = list(self.context.walk(self.tree.path(directory), topdown))

        self.pair.check_walked(directory, walked)
        order = [top for top, _, _ in (walked if topdown else walked[::-1])]
        for i, top in enumerate(order):
            assert not any(earlier.startswith(f"{top}/") for earlier in order[:i])

    @rule(pattern=st.sampled_from(sorted(PATTERNS)), parallel=st.booleans())
    def glob(self, pattern: str, parallel: bool) -> None:
        found = list(self.context.glob(self.tree.path(pattern), parallel))

        blobs, directories = PATTERNS[pattern]
        expected = matching(blobs, self.model.blobs)
        expected += matching(directories, self.model.directories)
        assert sorted(self.tree.name(path) for path in found) == sorted(expected)

    # What always holds

    @invariant()
    def directories_are_those_of_the_model(self) -> None:
        self.pair.check_walked("", list(self.context.walk(self.tree.root, topdown=False)))

    @invariant()
    def blobs_are_those_of_the_model(self) -> None:
        self.pair.check_blobs()


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def check(make_tree: TreeMaker, *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: FileApi(make_tree),  # type: ignore[arg-type]  # anything that makes one will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=[HealthCheck.too_slow],  # of a server's making
        ),
    )


pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a failure is shrunk first


def test_memory_does_what_a_dict_does() -> None:
    with memory_trees() as make_tree:
        check(make_tree, examples=40, steps=30)


def test_the_local_disk_does_what_a_dict_does() -> None:
    with local_trees() as make_tree:
        check(make_tree, examples=30, steps=30)


def test_s3_does_what_a_dict_does(moto: S3Server) -> None:
    with s3_trees(moto, "property-machine") as make_tree:
        check(make_tree, examples=5, steps=16)


def test_gcs_does_what_a_dict_does(gcs: GcsServer) -> None:
    with gcs_trees(gcs, "property-machine") as make_tree:
        check(make_tree, examples=5, steps=16)


@pytest.mark.parametrize("parallel_uploads", [True, False])
def test_strict_gcs_does_what_a_dict_does(parallel_uploads: bool) -> None:
    with strict_gcs_trees(parallel_uploads=parallel_uploads) as make_tree:
        check(make_tree, examples=5, steps=16)


def test_azure_does_what_a_dict_does(azurite: AzureServer) -> None:
    with azure_trees(azurite, "property-machine") as make_tree:
        check(make_tree, examples=5, steps=16)
