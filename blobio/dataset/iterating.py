"""The iterators of a dataset: batches or rows, with the state to go on from."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import final

import pyarrow as pa

from blobio.dataset.delivering import Consumer, Delivery, Progress
from blobio.dataset.standing import Standing
from blobio.dataset.state import Position, StateDict
from blobio.dataset.tree import Rows

__all__ = ["BatchIterator", "RowIterator"]


@final
class BatchIterator(Iterator[pa.RecordBatch]):
    """Batches of a dataset, in order. For one thread at a time.

    It starts when its first batch is asked for: a state that the dataset or this iterator loads
    before is where. `close()`, its end or its garbage collection stop what is read ahead. After an
    error, the next call tries the same batch again.
    """

    def __init__(
        self, standing: Standing, rows: Rows, delivery: Delivery, consumer: Consumer
    ) -> None:
        self._standing, self._rows = standing, rows
        self._delivery, self._consumer = delivery, consumer
        self._start: Position | None = None
        self._skip = 0
        self._stream: Iterator[pa.RecordBatch] = iter(())
        self._progress: Progress | None = None
        self._closed = False

    def __next__(self) -> pa.RecordBatch:
        if self._closed:
            raise StopIteration
        progress = self.progress
        try:
            batch = next(self._stream, None)
        except BaseException:
            # The streams below are at their end now, and this is not: it starts again from here.
            self._stop()
            self._start, self._progress = progress.position(), None
            raise
        if batch is None:
            progress.finish()
            self.close()
            raise StopIteration
        progress.advance()
        if self._skip:
            batch, self._skip, progress.partial = batch.slice(self._skip), 0, None
        return batch

    @property
    def progress(self) -> Progress:
        """How far it is; asking starts it."""
        if self._progress is None:
            start, rows, consumer = self._next_start(), self._rows, self._consumer
            delivery = self._delivery.including(start.epoch)
            self._progress = Progress(delivery, rows.num_rows, start, consumer)
            self._start, self._skip = start, start.rows
            self._progress.partial = start if start.rows else None
            self._standing.begin(self._progress)
            reader = rows.reader(delivery.keep(consumer.workers))
            self._stream = reader.read(self._progress.spans())
        return self._progress

    def _next_start(self) -> Position:
        return self._standing.start(self._delivery) if self._start is None else self._start

    @property
    def skipped(self) -> int:
        """Rows that the next batch is short of, as they were delivered before."""
        return self._skip

    def state_dict(self) -> StateDict:
        """Return the state after the batches delivered so far: see `Dataset.state_dict`."""
        started = self._progress
        position = self._next_start() if started is None else started.position()
        return self._standing.format(position, self._delivery)

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from a state, whatever was delivered: see `Dataset.load_state_dict`.

        Raises:
            StateMismatch: It is of another dataset; nothing changed.
        """
        position = self._standing.parse(state, self._delivery)
        self._standing.adopt(state)
        self._stop()
        self._start, self._progress, self._closed = position, None, False

    def close(self) -> None:
        """Stop reading. Idempotent; no batch comes any more, unless a state is loaded."""
        self._stop()
        self._closed = True

    def _stop(self) -> None:
        stream, self._stream = self._stream, iter(())
        if isinstance(stream, Generator):
            stream.close()


@final
class RowIterator(Iterator[dict[str, object]]):
    """Rows of a dataset as dicts, in order. For one thread at a time.

    Its state is exact to the row where all ranks are at the same row.
    """

    def __init__(self, batches: BatchIterator) -> None:
        self._batches = batches
        self._rows = self._generate()

    def __next__(self) -> dict[str, object]:
        try:
            return next(self._rows)
        except StopIteration:
            raise
        except BaseException:
            self._rows = self._generate()
            raise

    def state_dict(self) -> StateDict:
        """Return the state after the rows delivered so far: see `Dataset.state_dict`."""
        return self._batches.state_dict()

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from a state, whatever was delivered: see `Dataset.load_state_dict`.

        Raises:
            StateMismatch: It is of another dataset; nothing changed.
        """
        self._batches.load_state_dict(state)
        self._rows = self._generate()

    def close(self) -> None:
        """Stop reading. Idempotent; no row comes any more, unless a state is loaded."""
        self._rows.close()
        self._batches.close()

    def _generate(self) -> Generator[dict[str, object]]:
        while True:
            progress = self._batches.progress
            before, taken = progress.position(), self._batches.skipped
            batch = next(self._batches, None)
            if batch is None:
                return
            names = batch.schema.names
            columns = [column.to_pylist() for column in batch.columns]
            last = taken + batch.num_rows
            for values in zip(*columns, strict=True):
                taken += 1
                progress.partial = None if taken == last else before._replace(rows=taken)
                yield dict(zip(names, values, strict=True))
