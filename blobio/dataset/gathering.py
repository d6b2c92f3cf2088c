"""Rows made of several others: one after the other, side by side, again and again.

Each part is read ahead by itself, for the spans that it will have a share in.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol, TypeAlias, final

import pyarrow as pa

from blobio.dataset.tree import Reader, Rows, Span
from blobio.errors import InvalidConfig

__all__ = ["ConcatRows", "Gathering", "RepeatedRows", "ZippedRows", "gather_reader"]

_AHEAD: Final = 256
"""Spans that are divided ahead of the one that is served: where a part has no share in any of them,
reading it pauses."""

Piece: TypeAlias = tuple[int, Span]
"""The number of a part, and what is needed of it."""


class Gathering(Protocol):
    """How a span is made of pieces."""

    @property
    def parts(self) -> tuple[Rows, ...]:
        """What the pieces are of."""
        ...

    def split(self, span: Span) -> list[Piece]:
        """Return the pieces of a span."""
        ...

    def join(self, span: Span, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Make one batch of what the pieces gave."""
        ...


def gather_reader(gathering: Gathering, keep: int) -> Reader:
    """Return a reader that keeps, of each part, what going round `keep` places needs."""
    return _GatherReader(gathering, [part.reader(keep) for part in gathering.parts])


@final
class _GatherReader:
    def __init__(self, gathering: Gathering, readers: Sequence[Reader]) -> None:
        self._gathering, self._readers = gathering, readers

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        shared = _Shared(self._gathering, iter(spans))
        streams: dict[int, Iterator[pa.RecordBatch]] = {}
        try:
            while (entry := shared.next()) is not None:
                span, pieces = entry
                batches = [self._piece(part, shared, streams) for part, _ in pieces]
                yield self._gathering.join(span, batches)
        finally:
            for stream in streams.values():
                if isinstance(stream, Generator):
                    stream.close()

    def _piece(
        self, part: int, shared: _Shared, streams: dict[int, Iterator[pa.RecordBatch]]
    ) -> pa.RecordBatch:
        batch = next(streams[part], None) if part in streams else None
        if batch is None:  # it paused, as nothing was needed of it for long
            streams[part] = self._readers[part].read(shared.feed(part))
            batch = next(streams[part], None)
        if batch is None:
            message = f"part {part} ended before all of its rows came"
            raise RuntimeError(message)
        return batch


@final
class _Shared:
    """The spans, divided once for all parts: whoever looks ahead puts aside what is for others.

    Parts may look ahead on threads of their own.
    """

    def __init__(self, gathering: Gathering, spans: Iterator[Span]) -> None:
        self._gathering, self._spans = gathering, spans
        self._lock = threading.Lock()
        self._divided: deque[tuple[Span, list[Piece]]] = deque()
        self._queues: list[deque[Span]] = [deque() for _ in gathering.parts]

    def next(self) -> tuple[Span, list[Piece]] | None:
        with self._lock:
            if not self._divided and not self._divide():
                return None
            return self._divided.popleft()

    def feed(self, part: int) -> Iterator[Span]:
        queue = self._queues[part]
        while True:
            with self._lock:
                while not queue and len(self._divided) < _AHEAD and self._divide():
                    pass
                if not queue:
                    return
                span = queue.popleft()
            yield span

    def _divide(self) -> bool:
        span = next(self._spans, None)
        if span is None:
            return False
        pieces = self._gathering.split(span)
        for part, piece in pieces:
            self._queues[part].append(piece)
        self._divided.append((span, pieces))
        return True


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _finite(parts: Iterable[Rows], verb: str) -> list[int]:
    counts = [part.num_rows for part in parts]
    if None in counts:
        message = f"rows without an end cannot be followed by others: {verb} before repeat()"
        raise InvalidConfig(message)
    return [count for count in counts if count is not None]


@final
@dataclass(frozen=True, slots=True)
class ConcatRows:
    """Parts one after the other, all of one schema."""

    parts: tuple[Rows, ...]

    def __post_init__(self) -> None:
        _finite(self.parts, "concat")
        for number, part in enumerate(self.parts):
            if not part.schema.equals(self.schema):
                message = (
                    f"concat needs one schema: part {number} has\n{part.schema}\n"
                    f"and the first has\n{self.schema}\nselect(), rename() or map() it before"
                )
                raise InvalidConfig(message)

    @property
    def schema(self) -> pa.Schema:
        """That of each part."""
        return self.parts[0].schema

    @property
    def num_rows(self) -> int:
        """Of all parts."""
        return sum(_finite(self.parts, "concat"))

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of all parts."""
        return [count for part in self.parts for count in part.block_rows]

    @property
    def row_bytes(self) -> float:
        """The mean over all rows."""
        total = sum(part.row_bytes * (part.num_rows or 0) for part in self.parts)
        return max(1.0, total / max(1, self.num_rows))

    @property
    def holes(self) -> bool:
        """Whether any part has some."""
        return any(part.holes for part in self.parts)

    @property
    def order(self) -> str:
        """Those of the parts."""
        return f"concat({', '.join(part.order for part in self.parts)})"

    def reader(self, keep: int) -> Reader:
        """Return a reader of all parts."""
        return gather_reader(_Concat(self), keep)


@final
class _Concat:
    def __init__(self, rows: ConcatRows) -> None:
        self.parts = rows.parts
        self._starts = list(accumulate(_finite(rows.parts, "concat"), initial=0))

    def split(self, span: Span) -> list[Piece]:
        pieces, position = list[Piece](), span.start
        part = bisect_right(self._starts, position) - 1
        while position < span.stop:
            base = self._starts[part]
            stop = min(span.stop, self._starts[part + 1])
            if stop > position:
                pieces.append((part, Span(position - base, stop - base, span.epoch)))
            position, part = stop, part + 1
        return pieces

    def join(self, _: Span, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        return _joined(batches)


@final
@dataclass(frozen=True, slots=True)
class ZippedRows:
    """Parts side by side, as many rows as the shortest has."""

    parts: tuple[Rows, ...]

    def __post_init__(self) -> None:
        names = [name for part in self.parts for name in part.schema.names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = (
                f"zip needs columns of distinct names, not twice {twice}: rename() them before"
            )
            raise InvalidConfig(message)
        if self.holes:
            message = (
                "zip after a filter: which rows would stand side by side is not known before they "
                "are read; zip first, then filter"
            )
            raise InvalidConfig(message)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all parts."""
        return pa.schema([field for part in self.parts for field in part.schema])

    @property
    def num_rows(self) -> int | None:
        """Those of the shortest part."""
        return min((c for part in self.parts if (c := part.num_rows) is not None), default=None)

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of the first part that has as many rows as all together."""
        part = next(part for part in self.parts if part.num_rows == self.num_rows)
        return part.block_rows

    @property
    def row_bytes(self) -> float:
        """Of all columns."""
        return sum(part.row_bytes for part in self.parts)

    @property
    def holes(self) -> bool:
        """No part has some."""
        return any(part.holes for part in self.parts)

    @property
    def order(self) -> str:
        """Those of the parts."""
        return f"zip({', '.join(part.order for part in self.parts)})"

    def split(self, span: Span) -> list[Piece]:
        """Return the same span of each part."""
        return [(part, span) for part in range(len(self.parts))]

    def join(self, _: Span, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Put the columns side by side."""
        columns = [column for batch in batches for column in batch.columns]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def reader(self, keep: int) -> Reader:
        """Return a reader of all parts."""
        return gather_reader(self, keep)


@final
@dataclass(frozen=True, slots=True)
class RepeatedRows:
    """Rows again and again, each time in the order of the next epoch.

    Attributes:
        rows: What is repeated.
        times: How often, None for ever.
    """

    rows: Rows
    times: int | None

    def __post_init__(self) -> None:
        if not _finite([self.rows], "repeat")[0] and self.times is None:
            message = "repeat() of no rows would look for the first one for ever"
            raise InvalidConfig(message)

    @property
    def schema(self) -> pa.Schema:
        """That of the rows."""
        return self.rows.schema

    @property
    def num_rows(self) -> int | None:
        """Of all passes."""
        return None if self.times is None else self.times * (self.rows.num_rows or 0)

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of all passes."""
        if self.times is None:
            message = "rows without an end have no blocks to shuffle: shuffle() before repeat()"
            raise InvalidConfig(message)
        return list(self.rows.block_rows) * self.times

    @property
    def row_bytes(self) -> float:
        """That of the rows."""
        return self.rows.row_bytes

    @property
    def holes(self) -> bool:
        """Whether the rows have some."""
        return self.rows.holes

    @property
    def parts(self) -> tuple[Rows, ...]:
        """The rows."""
        return (self.rows,)

    @property
    def order(self) -> str:
        """Of which rows, how often."""
        return f"{self.rows.order}.repeat({'' if self.times is None else self.times})"

    def split(self, span: Span) -> list[Piece]:
        """Return a piece of each pass that the span goes through."""
        return list(wrapped(0, span, self.rows.num_rows or 0))

    def join(self, _: Span, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Put the passes one after the other."""
        return _joined(batches)

    def reader(self, keep: int) -> Reader:
        """Return a reader of the rows."""
        return gather_reader(self, keep)


def repeated(rows: Rows, times: int | None) -> Rows:
    """Return rows that repeat themselves: for verbs that count the positions of all epochs."""
    return rows if times == 1 else RepeatedRows(rows, times)


def wrapped(part: int, span: Span, num_rows: int) -> Iterator[Piece]:
    """Yield a span of rows that start anew after their last one, in the order of the next epoch."""
    position = span.start
    while position < span.stop:
        turn, start = divmod(position, num_rows)
        stop = min(num_rows, start + span.stop - position)
        yield part, Span(start, stop, span.epoch + turn)
        position += stop - start
