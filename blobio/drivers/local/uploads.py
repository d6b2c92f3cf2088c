"""A write in parts: each is written at its offset of a file that nobody sees yet."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, Protocol, final

from blobio.drivers.local.errors import os_errors
from blobio.drivers.local.special import Stopped, is_special
from blobio.drivers.local.staging import StagedFile, stage
from blobio.drivers.local.threads import Threads
from blobio.drivers.local.writing import check_special_mode, put_special
from blobio.drivers.parts import PartTable
from blobio.errors import UploadLost
from blobio.values import Body, PartToken, PutOptions, PutResult, WriteMode

__all__ = ["FileSink", "LocalUpload", "Sink", "open_sink"]

_SLICE_BYTES: Final = 1 << 20


class Sink(Protocol):
    """Where parts go. Methods block and may be called from any thread."""

    def write_at(self, offset: int, data: Body) -> int:
        """Write all of `data` at `offset`; `UploadLost` after `discard` or `publish`."""
        ...

    def publish(self, size: int, stop: threading.Event) -> PutResult:
        """Make the first `size` bytes the blob; `Stopped` if `stop` is set in time."""
        ...

    def discard(self) -> None:
        """Forget all that is not published. Idempotent."""
        ...


def open_sink(key: str, options: PutOptions, *, durable: bool) -> Sink:
    """Start to write `key`. Raises as `stage`, or as `put_special` for a special file."""
    if is_special(key):
        check_special_mode(key, options.mode)
        return _SpecialSink(key, options.mode)
    return FileSink(stage(key, options.mode, durable=durable))


@final
class LocalUpload:
    """Parts on their way into a `Sink`; see `blobio.drivers.base.Upload`.

    Attributes:
        table: Which parts are there.
    """

    def __init__(self, key: str, sink: Sink, threads: Threads) -> None:
        self._sink = sink
        self._threads = threads
        self.table: PartTable = PartTable(key)

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Write one part where it belongs; see `Upload.put_part`."""
        size = await self._threads.run(partial(_write_at, self._sink, offset, body))
        return self.table.add(index, offset, size)

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish; see `Upload.complete`. Once cancelled, the blob is whole or as it was.

        Raises:
            RequestFailed: The parts do not make a blob of `size` bytes; see `PartTable.check`.
        """
        self.table.check(parts, size)
        return await self._threads.run(partial(self._sink.publish, size))

    async def abort(self) -> None:
        """Remove what was written; see `Upload.abort`."""
        try:
            # not on the loop: giving a large file back to the disk takes a while
            await self._threads.run(partial(_discard, self._sink))
        finally:
            self._sink.discard()


def _write_at(sink: Sink, offset: int, body: Body, stop: threading.Event) -> int:
    del stop  # a part is soon written
    return sink.write_at(offset, body)


def _discard(sink: Sink, stop: threading.Event) -> None:
    del stop
    sink.discard()


@final
class FileSink:
    """A `Sink` that is a staged file."""

    def __init__(self, staged: StagedFile) -> None:
        self._staged = staged

    def write_at(self, offset: int, data: Body) -> int:
        """See `Sink`."""
        return self._staged.write_at(offset, data)

    def publish(self, size: int, stop: threading.Event) -> PutResult:
        """See `Sink`."""
        if stop.is_set():
            raise Stopped
        self._staged.truncate(size)  # the last part may have been sent again, and shorter
        return PutResult(version=self._staged.publish())

    def discard(self) -> None:
        """See `Sink`."""
        self._staged.discard()


@final
class _SpecialSink:
    """An anonymous temporary file, from which the special file is written in the end.

    A pipe takes bytes in order only, and shows each at once; parts come in any order.
    """

    def __init__(self, key: str, mode: WriteMode) -> None:
        self._key = key
        self._mode = mode
        self._lock = threading.Lock()
        self._spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open until the end

    def write_at(self, offset: int, data: Body) -> int:
        with self._lock, os_errors("put", self._key), memoryview(data) as view:
            self._require_open()
            self._spool.seek(offset)
            done = 0
            while done < view.nbytes:
                done += self._spool.write(view.cast("B")[done:])
            return done

    def publish(self, size: int, stop: threading.Event) -> PutResult:
        with self._lock:
            self._require_open()
            result = put_special(self._key, self._slices(size), self._mode, stop)
            self._spool.close()
            return result

    def discard(self) -> None:
        with self._lock:
            self._spool.close()

    def _slices(self, size: int) -> Iterator[memoryview]:
        for start in range(0, size, _SLICE_BYTES):
            count = min(_SLICE_BYTES, size - start)
            yield memoryview(os.pread(self._spool.fileno(), count, start))

    def _require_open(self) -> None:
        if self._spool.closed:
            message = f"put of {self._key}: this write is already published or discarded"
            raise UploadLost(message, url=self._key, operation="put")
