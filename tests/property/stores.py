"""The stores that the state machine runs on, with parts so small that a few bytes are many."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, final

from blobio import Config, Context
from blobio.config import ReadConfig, WriteConfig
from blobio.testing.emulators import AzureServer, GcsServer, S3Server
from blobio.testing.strict_gcs import strict_gcs

__all__ = [
    "Tree",
    "TreeMaker",
    "azure_trees",
    "gcs_trees",
    "local_trees",
    "memory_trees",
    "s3_trees",
    "strict_gcs_trees",
]

_numbers: Final = itertools.count(1)
_TINY: Final = Config(
    read=ReadConfig(part_bytes=8, window=3, coalesce_bytes=4),
    write=WriteConfig(part_bytes=16, window=2),
    buffer_bytes=8,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """An empty directory of a store, and what tells that store from others.

    Attributes:
        context: Reaches it.
        root: Its path or URL, without a trailing `/`.
        is_disk: Directories are real, a file is not a directory, and append is done in place.
        conditional_copies: Copies within the store obey `overwrite=False`.
        quick_lists: A listing in a hundred pieces takes no time.
        discard: Removes it.
    """

    context: Context
    root: str
    is_disk: bool = False
    conditional_copies: bool = True
    quick_lists: bool = True
    discard: Callable[[], None] = lambda: None

    def path(self, name: str) -> str:
        """Return the path of a name in it, that of the root for the empty name."""
        return f"{self.root}/{name}" if name else self.root

    def name(self, path: str) -> str:
        """Return what `path` is called in it."""
        assert path == self.root or path.startswith(f"{self.root}/"), path
        return path[len(self.root) + 1 :]


TreeMaker = Callable[[], Tree]


@contextmanager
def memory_trees() -> Iterator[TreeMaker]:
    with Context(_TINY) as context:
        yield lambda: Tree(context=context, root=f"memory://property/{next(_numbers)}")


@contextmanager
def local_trees() -> Iterator[TreeMaker]:
    with Context(_TINY) as context:

        def make() -> Tree:
            directory = tempfile.TemporaryDirectory()
            return Tree(
                context=context, root=directory.name, is_disk=True, discard=directory.cleanup
            )

        yield make


@contextmanager
def s3_trees(server: S3Server, bucket: str) -> Iterator[TreeMaker]:
    server.make_bucket(bucket)
    with Context(replace(_TINY, s3=server.config().s3)) as context:

        def make() -> Tree:
            # moto decides no conditions of copies
            root = f"s3://{bucket}/{next(_numbers)}"
            return Tree(context=context, root=root, conditional_copies=False, quick_lists=False)

        yield make


@contextmanager
def gcs_trees(server: GcsServer, bucket: str) -> Iterator[TreeMaker]:
    server.make_bucket(bucket)
    # fake-gcs-server decides no conditions of a compose, nor of copies: every write is one request
    whole = WriteConfig(part_bytes=4096, window=2)
    with Context(replace(_TINY, gcs=server.config().gcs, write=whole)) as context:

        def make() -> Tree:
            root = f"gs://{bucket}/{next(_numbers)}"
            return Tree(context=context, root=root, conditional_copies=False, quick_lists=False)

        yield make


@contextmanager
def strict_gcs_trees(*, parallel_uploads: bool) -> Iterator[TreeMaker]:
    """Yield trees of a server that decides everything, with many parts to a write."""
    with strict_gcs() as server:
        server.make_bucket("bucket")
        gcs = replace(server.config().gcs, parallel_uploads=parallel_uploads)
        with Context(replace(_TINY, gcs=gcs)) as context:
            yield lambda: Tree(
                context=context, root=f"gs://bucket/{next(_numbers)}", quick_lists=False
            )


@contextmanager
def azure_trees(server: AzureServer, container: str) -> Iterator[TreeMaker]:
    server.make_container(container)
    with Context(replace(_TINY, azure=server.config().azure)) as context:

        def make() -> Tree:
            root = f"az://{server.account}/{container}/{next(_numbers)}"
            return Tree(context=context, root=root, quick_lists=False)

        yield make
