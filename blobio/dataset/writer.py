"""`ShardWriter`: rows become shards in any store, and a dataset when the last one is there.

Rows gather to a block, blocks to a shard, shards to a manifest. A block is encoded in memory and
handed to the store in parts; nothing is put on the local disk, and memory does not grow with shards
or dataset. Readers go by the manifest, which is written last, on condition that there is none.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar, final

from blobio.dataset import progress as journal
from blobio.dataset.blobs import Blobs
from blobio.dataset.manifest import Manifest
from blobio.dataset.manifestjson import dump_manifest, parse_manifest
from blobio.dataset.progress import MANIFEST, Progress, splits_of
from blobio.dataset.rowblocks import RowData, Sizes, as_batches
from blobio.dataset.shardfile import encoding_of
from blobio.dataset.sharding import Shards
from blobio.errors import AlreadyExists, BlobError, ConcurrentWrite, Conflict, NotFound, Unsupported
from blobio.url import BlobUrl, PathLike
from blobio.values import CreateOnly, Overwrite, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.config import Config

__all__ = ["DEFAULT_SHARD_BYTES", "ShardWriter", "discard_unfinished", "root_of"]

_log: Final = logging.getLogger("blobio.dataset")

T = TypeVar("T")

DEFAULT_SHARD_BYTES: Final = 256 << 20
_AUTO: Final = "auto"
_RUN_BYTES: Final = 4
_SPLIT: Final = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")

Compression: TypeAlias = 'Literal["auto", "zstd", "snappy", "lz4", "gzip", "brotli"] | None'


def discard_unfinished(url_prefix: PathLike, *, config: Config | None = None) -> int:
    """Remove what an interrupted `ShardWriter` has left below a prefix, its finished shards too.

    Nothing happens to a dataset that was published. Of a writer that is still at work this takes
    the shards away: it then ends with `ConcurrentWrite`.

    Returns:
        How many shards were removed; 0 if nothing was left.

    Raises:
        ManifestError: There is a manifest that cannot be read: nothing was removed.
    """
    blobs, root = Blobs(config), root_of(url_prefix)
    # a writer that was killed after it had published leaves its journal too
    try:
        kept = parse_manifest(blobs.read(root.join(MANIFEST))[0], root.join(MANIFEST)).shards
    except NotFound:
        kept = ()
    return journal.discard_unfinished(blobs, root, kept)


def root_of(url_prefix: PathLike) -> BlobUrl:
    """Return the directory that a dataset is written to."""
    root = BlobUrl.parse(url_prefix)
    if root.is_local:
        root = root.with_key(os.path.abspath(root.key))
    return root.as_directory


@final
class ShardWriter:
    """Write a dataset as shards below a prefix of any store. Use it as a context manager.

    Shards are `data/SPLIT-NNNNN-RUN.parquet` (or `.arrow`), RUN being eight hex digits that no
    other run has. The dataset is `manifest.json`, written when the block ends, on condition that
    there is none: readers see all of it or nothing. If the block raises or is interrupted, nothing
    is published and the finished shards are removed, or with `resume` kept. A process that is
    killed leaves its finished shards and a journal of them, `_unfinished.json`.

    Memory: one block of Arrow bytes, its encoding, and the parts in flight (`WriteConfig.window` of
    `part_bytes`), whatever the sizes of shards and dataset. Nothing is put on the local disk.
    Requests: 1 HEAD and 1 PUT to begin; a shard, its upload, 1 HEAD and 1 PUT; 1 HEAD, 1 PUT and
    the removal of the journal to end. Not for use from two threads at once.

    Args:
        url_prefix: The directory of the dataset.
        schema: Of every row.
        format: `"parquet"`, with page index; or `"arrow"`, the IPC file.
        split: The split that rows go to until `start_split` is called.
        num_rows: How many rows that split will get, if you know: its shards then come out even, the
            last one too. A wrong number costs evenness, nothing else.
        shard_bytes: Stored bytes of a shard, about.
        shard_rows: Rows of a shard, exactly, instead of `shard_bytes`.
        row_group_bytes: Arrow bytes of a row group or record batch; None for a quarter of
            `shard_bytes`, at most 32 MiB.
        row_group_rows: Most rows of a row group or record batch.
        compression: Of Parquet's pages or Arrow's buffers; `"auto"` is zstd for Parquet and none
            for Arrow, which can then be mapped into memory.
        content_defined_chunking: Cut Parquet pages where the values say so, which lets stores that
            deduplicate keep what a new version of the dataset shares with the old one. None means
            where pyarrow has it (21 and later).
        license: As an SPDX identifier or words.
        tags: Words to find the dataset by.
        description: For people.
        resume: Go on after the finished shards of an interrupted run, if there is one:
            `safe_rows` then tells how many rows to leave out. When the block raises, finished
            shards are kept for the next run.
        overwrite: Replace a dataset that is there. Its shards stay, for those who read them.
        config: All settings; None for `Config.from_env()`.

    Raises:
        ValueError: A size, format or name of a split is none.
    """

    def __init__(
        self,
        url_prefix: PathLike,
        schema: pa.Schema,
        *,
        format: Literal["parquet", "arrow"] = "parquet",
        split: str = "train",
        num_rows: int | None = None,
        shard_bytes: int = DEFAULT_SHARD_BYTES,
        shard_rows: int | None = None,
        row_group_bytes: int | None = None,
        row_group_rows: int | None = None,
        compression: Compression = _AUTO,
        content_defined_chunking: bool | None = None,
        license: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        resume: bool = False,
        overwrite: bool = False,
        config: Config | None = None,
    ) -> None:
        self._root = root_of(url_prefix)
        self._schema = schema
        self._sizes = Sizes(
            shard_bytes=shard_bytes,
            shard_rows=shard_rows,
            block_bytes=row_group_bytes,
            block_rows=row_group_rows,
        )
        self._encoding = encoding_of(format, compression, chunking=content_defined_chunking)
        self._about = Manifest(
            schema=schema, shards=(), license=license, tags=tuple(tags), description=description
        )
        self._first = (_checked_split(split), num_rows)
        self._resume = resume
        self._overwrite = overwrite
        self._blobs = Blobs(config)
        self._progress: Progress | None = None
        self._shards: Shards | None = None
        self._state: Literal["new", "open", "failed", "published", "aborted"] = "new"
        self._reason = ""
        self._may_be_published = False
        self._manifest: Manifest | None = None

    @property
    def url(self) -> str:
        """Where the manifest goes."""
        return str(self._root.join(MANIFEST))

    @property
    def manifest(self) -> Manifest:
        """The dataset as it was published.

        Raises:
            ValueError: It is not, or not yet.
        """
        if self._manifest is None:
            message = f"{self.url} is not published: that comes with close(), or the end of `with`"
            raise ValueError(message)
        return self._manifest

    @property
    def safe_rows(self) -> int:
        """Rows of the current split that are in finished shards.

        With `resume`, ask at the start, and leave out as many rows of what you write.
        """
        return self._opened().safe_rows

    def start_split(self, name: str, *, num_rows: int | None = None) -> int:
        """Let the rows that follow go to another split, with its own shards; return `safe_rows`.

        Args:
            name: Letters, digits, `_` and single dots. That of the current split, as long as it
                has got no rows, changes nothing but `num_rows`.
            num_rows: How many rows it will get, if you know.

        Raises:
            ValueError: It is no such name, or the split was ended before.
            BlobError: The last shard of the split before could not be written.
        """
        shards = self._opened()
        shards.check_new(_checked_split(name))
        return self._guarded(lambda: shards.start(name, num_rows))

    def write(self, rows: RowData) -> None:
        """Write rows: an Arrow batch or table, a list of dicts, or an Arrow stream.

        Columns may come in another order than in the schema, and are cast where no value changes.
        Waits while the parts in flight are too many.

        Raises:
            ValueError: Rows do not fit the schema; of a list or a table, none were taken.
            TypeError: These are no rows.
            BlobError: The store failed: nothing more can be written.
        """
        shards = self._opened()
        for batch in as_batches(rows, self._schema):
            shards.check_open()
            self._guarded(partial(shards.write, batch))

    def close(self) -> None:
        """Finish the last shard and publish the dataset. Idempotent.

        Raises:
            AlreadyExists: There is a dataset by now; what this run wrote is removed, or kept with
                `resume`.
            ConcurrentWrite: Another run went on with this one's work.
            BlobError: Nothing was published. If the reply to the last request was lost for good,
                the dataset may appear; shards and journal are kept then.
        """
        if self._state in ("published", "aborted"):
            return
        try:
            shards = self._opened()
            shards.end_shard()
            self._publish(shards)
        except BaseException as error:
            self._leave(error)
            raise
        self._tidy()

    def abort(self) -> None:
        """Publish nothing. Finished shards are removed, or kept with `resume`. Idempotent."""
        if self._state in ("published", "aborted") or self._shards is None:
            return
        self._state = "aborted"
        self._shards.abort()
        if self._resume or self._may_be_published or self._progress is None:
            return
        try:
            self._progress.check_own()
        except ConcurrentWrite:  # the finished shards are that run's now
            return
        journal.discard_unfinished(self._blobs, self._root)

    def __enter__(self) -> ShardWriter:
        if self._state != "new":
            message = f"this writer to {self._root} was used before: make another one"
            raise ValueError(message)
        manifest = self._root.join(MANIFEST)
        create = self._condition()
        if not self._overwrite and self._exists(manifest):
            raise _already(manifest)
        run = secrets.token_hex(_RUN_BYTES)
        where = (self._blobs, self._root, run, self._schema, create)
        if self._resume:
            self._progress, written = Progress.resume(*where)
        else:
            self._progress, written = Progress.begin(*where), []
        self._shards = Shards(
            self._blobs,
            self._progress,
            schema=self._schema,
            sizes=self._sizes,
            encoding=self._encoding,
            written=written,
        )
        self._shards.start(*self._first)
        self._state = "open"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._leave(error)

    def _leave(self, error: BaseException) -> None:
        """Abort after an error, which goes on; what this meets is added to it as a note."""
        try:
            self.abort()
        except Exception as failure:  # noqa: BLE001 - told with the error that is under way
            error.add_note(f"afterwards {self.url} met {type(failure).__name__}: {failure}")

    def _opened(self) -> Shards:
        if self._state != "open" or self._shards is None:
            how = "use it in a with statement" if self._state == "new" else f"it is {self._state}"
            message = f"write of a dataset to {self._root}: {how}{self._reason}"
            raise ValueError(message)
        return self._shards

    def _guarded(self, call: Callable[[], T]) -> T:
        """Call; after a failure that may have lost rows, nothing can be published."""
        try:
            return call()
        except BaseException as error:
            self._state, self._reason = "failed", f" ({type(error).__name__}: {error})"
            raise

    def _condition(self) -> WriteMode:
        """Return how entries are made that must not be there yet."""
        if self._blobs.capabilities(self._root).create_only:
            return CreateOnly()
        if self._overwrite:
            return Overwrite()
        message = (
            f"write of a dataset to {self._root}: this store cannot write on condition that "
            "nothing is there; overwrite=True does without, if nobody else writes there"
        )
        raise Unsupported(message, url=self._root, operation="put")

    def _exists(self, url: BlobUrl) -> bool:
        try:
            self._blobs.head(url)
        except NotFound:
            return False
        return True

    def _publish(self, shards: Shards) -> None:
        assert self._progress is not None
        self._progress.check_own()
        manifest = replace(
            self._about,
            shards=tuple(entry.shard for entry in shards.written),
            splits=splits_of(shards.written),
        )
        url = self._root.join(MANIFEST)
        data = dump_manifest(manifest, url)
        mode = Overwrite() if self._overwrite else CreateOnly()
        self._may_be_published = True
        try:
            self._blobs.write(url, data, mode)
        except AlreadyExists as error:
            self._may_be_published = False
            raise _already(url) from error
        except (Conflict, Unsupported) as error:
            self._may_be_published = error.ambiguous
            raise
        self._state = "published"
        self._manifest = manifest

    def _tidy(self) -> None:
        """Remove the journal: what is left of it does no harm to a dataset that is published."""
        assert self._progress is not None
        try:
            self._progress.remove()
        except BlobError as error:
            _log.warning("the journal of %s could not be removed: %s", self._root, error)


def _already(url: BlobUrl) -> AlreadyExists:
    message = (
        f"write of a dataset: {url} is there already; write to another prefix, or pass "
        "overwrite=True to replace it"
    )
    return AlreadyExists(message, url=url, operation="put")


def _checked_split(name: str) -> str:
    if not _SPLIT.fullmatch(name):
        message = f"a split is named by letters, digits, '_' and single dots, not {name!r}"
        raise ValueError(message)
    return name
