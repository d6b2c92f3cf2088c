"""Rows of several parts mixed by weights, in a fixed pattern that is as even as can be.

Which part a position belongs to follows from the position and the weights alone: of the first p
rows each part has its share of p, give or take one or so. A draw by lot would come no nearer to the
weights, and would have to be remembered; who wants chance shuffles the parts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, Literal, TypeAlias, final, get_args

import pyarrow as pa
import pyarrow.compute as pc

from blobio.dataset.gathering import Piece, gather_reader, wrapped
from blobio.dataset.tree import Reader, Rows, Span, even_blocks
from blobio.errors import InvalidConfig

__all__ = ["InterleavedRows", "Phase", "Stop", "phases_of"]

Stop: TypeAlias = Literal["first", "all", "rest"]
"""When mixing stops: `first`, before a part would be short of a row; `all`, once every part was
read to its end, the shorter ones again and again; `rest`, when every row came once, parts without
rows left standing aside."""

_WEIGHT_UNITS: Final = 1 << 20
"""Weights are rounded to millionths of their sum, so that shares are counted in whole numbers."""


@final
@dataclass(frozen=True, slots=True)
class Phase:
    """Positions over which the same parts take turns.

    Attributes:
        start: The first position.
        stop: The first one of the next phase, None without end.
        active: The numbers of the parts.
        weights: Of each of them.
        taken: Rows that each of them gave before.
    """

    start: int
    stop: int | None
    active: tuple[int, ...]
    weights: tuple[int, ...]
    taken: tuple[int, ...]

    def counts(self, length: int) -> list[int]:
        """Return how many of the phase's first `length` rows each active part gives."""
        found, rest, weight = [], length, sum(self.weights)
        for own in self.weights:
            count = (2 * rest * own + weight) // (2 * weight)
            found.append(count)
            rest, weight = rest - count, weight - own
        return found


def _longest(phase: Phase, left: Sequence[int | None]) -> int:
    """Return for how many rows no active part gives more than it has left."""

    def fits(length: int) -> bool:
        counts = phase.counts(length)
        return all(have is None or count <= have for count, have in zip(counts, left, strict=True))

    return _last(fits)


def _last(holds: Callable[[int], bool]) -> int:
    """Return the largest number for which `holds`, which holds up to it and not beyond."""
    high = 1
    while holds(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def phases_of(
    counts: Sequence[int | None], weights: Sequence[int], stop: Stop
) -> tuple[Phase, ...]:
    """Return the phases of a mix of parts with `counts` rows, None for one without end."""
    active = tuple(part for part, count in enumerate(counts) if count != 0)
    if stop == "first" and len(active) < len(counts):
        return ()
    taken = [0] * len(counts)
    phases, start = list[Phase](), 0
    while active:
        phase = Phase(
            start, None, active, tuple(weights[i] for i in active), tuple(taken[i] for i in active)
        )
        if all(counts[i] is None for i in active):
            return (*phases, phase)
        if stop == "all":
            # One row short of all parts being done, and one more.
            length = _last(partial(_unfinished, phase, counts)) + 1
        else:
            length = _longest(phase, [_left(counts[i], taken[i]) for i in active])
        end = start + length
        phases.append(Phase(start, end, active, phase.weights, phase.taken))
        if stop != "rest":
            break
        for part, count in zip(active, phase.counts(length), strict=True):
            taken[part] += count
        active, start = tuple(i for i in active if _left(counts[i], taken[i]) != 0), end
    return tuple(phase for phase in phases if phase.stop != phase.start)


def _left(count: int | None, taken: int) -> int | None:
    return None if count is None else count - taken


def _unfinished(phase: Phase, counts: Sequence[int | None], length: int) -> bool:
    given = phase.counts(length)
    return any(count < (counts[part] or 0) for part, count in zip(phase.active, given, strict=True))


@final
@dataclass(frozen=True)
class InterleavedRows:
    """Parts of one schema, mixed.

    Attributes:
        parts: What is mixed.
        weights: Of each part: positive, of any sum.
        stop: When to stop.
    """

    parts: tuple[Rows, ...]
    weights: tuple[float, ...]
    stop: Stop

    def __post_init__(self) -> None:
        if self.stop not in get_args(Stop):
            message = f"stop is one of {get_args(Stop)}, not {self.stop!r}"
            raise InvalidConfig(message)
        if len(self.weights) != len(self.parts) or not all(w > 0 for w in self.weights):
            message = f"interleave needs a positive weight for each part, not {self.weights}"
            raise InvalidConfig(message)
        if self.stop != "first" and any(part.num_rows is None for part in self.parts):
            message = f'parts without an end are never read to their end: stop="{self.stop}"'
            raise InvalidConfig(message)
        if not all(part.schema.equals(self.schema) for part in self.parts):
            schemas = "\n".join(str(part.schema) for part in self.parts)
            message = f"interleave needs one schema: select(), rename() or map() before\n{schemas}"
            raise InvalidConfig(message)

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """Which parts take turns from where on."""
        unit = sum(self.weights) / _WEIGHT_UNITS
        weights = [max(1, round(weight / unit)) for weight in self.weights]
        return phases_of([part.num_rows for part in self.parts], weights, self.stop)

    @property
    def schema(self) -> pa.Schema:
        """That of each part."""
        return self.parts[0].schema

    @property
    def num_rows(self) -> int | None:
        """Until mixing stops."""
        return self.phases[-1].stop if self.phases else 0

    @property
    def block_rows(self) -> Sequence[int]:
        """Runs that have about a block of each part."""
        if self.num_rows is None:
            message = "rows without an end have no blocks to shuffle: shuffle() before repeat()"
            raise InvalidConfig(message)
        blocks = [len(part.block_rows) for part in self.parts]
        return even_blocks(self.num_rows, self.num_rows // max(1, *blocks))

    @property
    def row_bytes(self) -> float:
        """The mean by weight."""
        rows = zip(self.parts, self.weights, strict=True)
        return sum(part.row_bytes * weight for part, weight in rows) / sum(self.weights)

    @property
    def holes(self) -> bool:
        """Whether any part has some."""
        return any(part.holes for part in self.parts)

    @property
    def order(self) -> str:
        """Those of the parts, and how they are mixed."""
        parts = ", ".join(part.order for part in self.parts)
        return f"interleave({parts}, {list(self.weights)}, {self.stop})"

    def split(self, span: Span) -> list[Piece]:
        """Return what each part gives to a span."""
        return [piece for run in self._runs(span) for piece in self._pieces(run, span.epoch)]

    def join(self, span: Span, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Mix what the parts gave; where a filter dropped some, they follow one another."""
        joined = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        if len(batches) == 1 or joined.num_rows != span.stop - span.start:
            return joined
        indices, offset = list[pa.Array](), 0
        for phase, start, stop in self._runs(span):
            indices.append(_pattern(phase, start, stop, offset))
            offset += stop - start
        return joined.take(pa.concat_arrays(indices))

    def reader(self, keep: int) -> Reader:
        """Return a reader of all parts."""
        return gather_reader(self, keep)

    def _runs(self, span: Span) -> Iterator[tuple[Phase, int, int]]:
        """Yield each phase that a span goes through, and from where to where in the phase."""
        number = bisect_right(self.phases, span.start, key=lambda phase: phase.start) - 1
        position = span.start
        while position < span.stop:
            phase = self.phases[number]
            stop = span.stop if phase.stop is None else min(span.stop, phase.stop)
            yield phase, position - phase.start, stop - phase.start
            position, number = stop, number + 1

    def _pieces(self, run: tuple[Phase, int, int], epoch: int) -> Iterator[Piece]:
        phase, start, stop = run
        ranges = zip(
            phase.active, phase.taken, phase.counts(start), phase.counts(stop), strict=True
        )
        for part, taken, first, last in ranges:
            span, num_rows = Span(taken + first, taken + last, epoch), self.parts[part].num_rows
            if last > first:
                yield from [(part, span)] if num_rows is None else wrapped(part, span, num_rows)


def _pattern(phase: Phase, start: int, stop: int, offset: int) -> pa.Array:
    """Return where each row of a run stands in what its parts gave, these one after the other.

    `Phase.counts` for all positions at once. Counted from the run's start, so that products of
    positions and weights stay far below 2**63.
    """
    length = stop - start
    rest = pa.array(range(length + 1), pa.int64())
    found = pa.nulls(length, pa.int64())
    rest_before, weight = start, sum(phase.weights)
    for own in phase.weights:
        before = 2 * rest_before * own + weight
        phase_shift = before % (2 * weight)
        scaled = pc.add(pc.multiply(rest, 2 * own), phase_shift)
        given = pc.divide(scaled, 2 * weight)
        mine = pc.not_equal(given.slice(0, length), given.slice(1))
        # A row that an earlier part took makes no step in `rest`, and so none here.
        found = pc.if_else(mine, pc.add(given.slice(0, length), offset), found)
        offset += given[length].as_py()
        rest = pc.subtract(rest, given)
        rest_before, weight = rest_before - before // (2 * weight), weight - own
    return found
