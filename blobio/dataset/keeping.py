"""Read spans through units that are loaded whole, and kept while the spans go through them.

A unit is a block of a source, or the window of a shuffle. Batches are small and units are large:
each is loaded once for all the batches that follow one another in it, and what the next batches
need is asked for while the consumer is busy with this one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar, final

import pyarrow as pa

from blobio.dataset.tree import Span

__all__ = ["KeptReader", "Part", "Units"]

_AHEAD: Final = 4096
"""Spans in a row that need nothing new, after which asking ahead pauses: a repeated dataset of one
block would never need anything new."""

UnitT = TypeVar("UnitT", bound=Hashable)
RequestT = TypeVar("RequestT")


@final
@dataclass(frozen=True, slots=True)
class Part(Generic[UnitT]):
    """Positions `start` to `stop` of a unit, counted from its first."""

    unit: UnitT
    start: int
    stop: int


class Units(Protocol[UnitT, RequestT]):
    """What is loaded, and how."""

    @property
    def schema(self) -> pa.Schema:
        """Of what is loaded."""
        ...

    def parts(self, span: Span) -> Iterable[Part[UnitT]]:
        """Return the parts of units that a span consists of, in order."""
        ...

    def requests(self, unit: UnitT) -> list[RequestT]:
        """Return what to fetch for a unit."""
        ...

    def fetch(self, requests: Iterable[RequestT]) -> Iterator[pa.RecordBatch]:
        """Yield one batch for each request, in order; consume `requests` ahead."""
        ...

    def load(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Make one batch of what was fetched for a unit."""
        ...

    def pick(self, loaded: pa.RecordBatch, part: Part[UnitT]) -> pa.RecordBatch:
        """Return the rows of a part of a unit."""
        ...


@final
@dataclass(frozen=True, slots=True)
class _Step(Generic[UnitT]):
    """One part of a span, and what becomes of the units that are kept before it is picked."""

    part: Part[UnitT]
    drop: tuple[UnitT, ...]
    fetches: int
    ends_span: bool


@final
class KeptReader(Generic[UnitT, RequestT]):
    """Reads through units, of which it keeps the `keep` used last."""

    def __init__(self, units: Units[UnitT, RequestT], keep: int) -> None:
        self._units = units
        self._keep = max(1, keep)
        self._kept: OrderedDict[UnitT, pa.RecordBatch] = OrderedDict()

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each span as one batch."""
        spans = iter(spans)
        ahead = _Ahead(self._units, self._keep, spans)
        while not ahead.done:
            ahead.live = OrderedDict.fromkeys(self._kept)
            fetched = self._units.fetch(ahead.requests())
            try:
                yield from self._serve(ahead.steps, fetched)
            finally:
                if isinstance(fetched, Generator):
                    fetched.close()

    def _serve(
        self, steps: deque[_Step[UnitT]], fetched: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        pieces: list[pa.RecordBatch] = []
        early: list[pa.RecordBatch] = []  # what came with the first look for steps
        while True:
            if not steps:
                # Only whoever fetches makes new steps: by looking for what to fetch next.
                early.extend(batch for batch in [next(fetched, None)] if batch is not None)
                if not steps:
                    return
            step = steps.popleft()
            pieces.append(self._pick(step, early, fetched))
            if step.ends_span:
                # Not held while the consumer has the batch: it may be the last of its unit.
                batch, pieces = _one(pieces), []
                yield batch
                del batch

    def _pick(
        self, step: _Step[UnitT], early: list[pa.RecordBatch], fetched: Iterator[pa.RecordBatch]
    ) -> pa.RecordBatch:
        unit = step.part.unit
        for old in step.drop:
            del self._kept[old]
        if step.fetches:
            batches = []
            for _ in range(step.fetches):
                batch = early.pop() if early else next(fetched, None)
                if batch is None:
                    message = f"the source ended before the rows of {unit!r} came"
                    raise RuntimeError(message)
                batches.append(batch)
            self._kept[unit] = self._units.load(batches)
        self._kept.move_to_end(unit)
        return self._units.pick(self._kept[unit], step.part)


class _Ahead(Generic[UnitT, RequestT]):
    """What to fetch for the spans to come, and the steps to serve them with.

    Both sides of a reader follow the same steps, one ahead of the other: what this one believes to
    be kept is what the other keeps when it comes to that step.
    """

    def __init__(self, units: Units[UnitT, RequestT], keep: int, spans: Iterator[Span]) -> None:
        self.steps: deque[_Step[UnitT]] = deque()
        self.live: OrderedDict[UnitT, None] = OrderedDict()
        self.done = False
        self._units, self._keep, self._spans = units, keep, spans

    def requests(self) -> Iterator[RequestT]:
        """Yield what to fetch, until there are no spans or it was long for nothing."""
        idle = 0
        while idle < _AHEAD:
            span = next(self._spans, None)
            if span is None:
                self.done = True
                return
            idle += 1
            *others, last = self._units.parts(span)
            for part in (*others, last):
                requests = self._enter(part, ends_span=part is last)
                if requests:
                    idle = 0
                    yield from requests

    def _enter(self, part: Part[UnitT], *, ends_span: bool) -> list[RequestT]:
        requests: list[RequestT] = []
        drop: list[UnitT] = []
        if part.unit not in self.live:
            requests = self._units.requests(part.unit)
            while len(self.live) >= self._keep:
                drop.append(self.live.popitem(last=False)[0])
        self.live[part.unit] = None
        self.live.move_to_end(part.unit)
        self.steps.append(_Step(part, tuple(drop), len(requests), ends_span))
        return requests


def _one(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
