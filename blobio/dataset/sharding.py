"""Batches become shards in a store, one after the other, each noted when it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from blobio.dataset.manifest import Shard
from blobio.dataset.progress import Progress, Written
from blobio.dataset.rowblocks import Gathering, Sizes, shard_is_full
from blobio.dataset.shardfile import Encoding, make_encoder
from blobio.errors import ConcurrentWrite
from blobio.url import BlobUrl
from blobio.values import Version

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.blocking.file import BlobWriter
    from blobio.dataset.blobs import Blobs
    from blobio.dataset.shardfile import Encoder

__all__ = ["Shards"]


@final
class _OpenShard:
    """The shard that is being written."""

    def __init__(self, file: BlobWriter, encoder: Encoder, url: BlobUrl) -> None:
        self.file = file
        self.encoder = encoder
        self.url = url
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        self.encoder.write(table)
        self.send()
        self.rows += table.num_rows

    def send(self) -> None:
        """Hand on what was encoded."""
        for piece in self.encoder.take():
            self.file.write(piece)


@final
class Shards:
    """The shards of a run, in their order.

    Attributes:
        written: Those that are finished.

    Args:
        blobs: Reaches the store.
        progress: The journal.
        schema: Of every batch.
        sizes: Of shards and blocks.
        encoding: Of shards.
        written: The shards that earlier runs finished.
    """

    def __init__(
        self,
        blobs: Blobs,
        progress: Progress,
        *,
        schema: pa.Schema,
        sizes: Sizes,
        encoding: Encoding,
        written: Sequence[Written],
    ) -> None:
        self.written: list[Written] = list(written)
        self._blobs = blobs
        self._progress = progress
        self._schema = schema
        self._sizes = sizes
        self._encoding = encoding
        self._gathering = Gathering(schema, sizes)
        self._open: _OpenShard | None = None
        self._split = ""
        self._total: int | None = None
        self._started: set[str] = set()
        self._is_new = False  # the current split has got no rows since it was started

    @property
    def safe_rows(self) -> int:
        """Rows of the current split that are in finished shards."""
        return sum(entry.shard.num_rows for entry in self.written if entry.split == self._split)

    def check_new(self, split: str) -> None:
        """Raise `ValueError` if a split was ended before in this run, or has rows and goes on."""
        if split not in self._started or (split == self._split and self._is_new):
            return
        message = f"split {split!r} was ended when the one after it was started"
        if split == self._split:
            message = f"split {split!r} has rows already, and goes on"
        raise ValueError(message)

    def start(self, split: str, num_rows: int | None) -> int:
        """End the current shard and go over to a split; return `safe_rows` of it."""
        self.end_shard()
        self._started.add(split)
        self._split, self._total, self._is_new = split, num_rows, True
        return self.safe_rows

    def check_open(self) -> None:
        """Raise `ValueError` if the split was ended: there are shards of another one behind it."""
        if self.safe_rows and self.written[-1].split != self._split:
            message = (
                f"split {self._split!r} was finished before the interruption with "
                f"{self.safe_rows} rows: leave out as many"
            )
            raise ValueError(message)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows; wait while the parts in flight are too many."""
        while batch.num_rows:
            self._is_new = False
            batch = batch.slice(self._gathering.add(batch, self._room()))
            if self._gathering.is_full or self._room() == 0:
                self._end_block()

    def end_shard(self) -> None:
        """Finish the shard that is being written, if there is one, and note it."""
        if self._gathering.rows:
            self._encode()
        shard, self._open = self._open, None
        if shard is None:
            return
        try:
            footer = shard.encoder.finish()
            shard.send()
            size = shard.file.tell()
            shard.file.close()
        except BaseException:
            self._open = shard  # for `abort`
            raise
        written = self._describe(shard, size, footer)
        try:
            self._progress.record(Written(self._split, written))
        except ConcurrentWrite:
            self._blobs.remove([shard.url])  # nobody knows of it
            raise
        self.written.append(Written(self._split, written))

    def abort(self) -> None:
        """Drop what is not in a finished shard."""
        self._gathering.clear()
        shard, self._open = self._open, None
        if shard is not None:
            shard.file.abort()

    def _describe(self, shard: _OpenShard, size: int, footer: bytes) -> Shard:
        version = shard.file.version
        if version is None:  # a store that does not say what it has written
            version = self._blobs.head(shard.url).version
        return Shard(
            url=str(shard.url),
            size=size,
            version=None if version is None else Version(version),
            format=self._encoding.format,
            blocks=tuple(shard.encoder.blocks),
            footer=footer,
        )

    def _room(self) -> int | None:
        """Rows that the shard still takes, with those being gathered; None for no such limit."""
        if self._sizes.shard_rows is None:
            return None
        rows = 0 if self._open is None else self._open.rows
        return self._sizes.shard_rows - rows - self._gathering.rows

    def _end_block(self) -> None:
        shard = self._encode()
        left = None if self._total is None else self._total - self.safe_rows
        if shard_is_full(
            self._sizes,
            rows=shard.rows,
            stored_bytes=shard.file.tell(),
            blocks=len(shard.encoder.blocks),
            rows_left=left,
        ):
            self.end_shard()

    def _encode(self) -> _OpenShard:
        if self._open is None:
            number = sum(entry.split == self._split for entry in self.written)
            url = self._progress.data_url(self._split, number, self._encoding.extension)
            encoder = make_encoder(self._schema, self._encoding)
            self._open = _OpenShard(self._blobs.writer(url), encoder, url)
        self._open.write(self._gathering.take())
        return self._open
