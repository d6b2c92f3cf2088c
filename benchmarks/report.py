"""Medians, spreads and ratios, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, final

from benchmarks.meter import Reading
from benchmarks.runner import Readings
from benchmarks.scale import MIB
from benchmarks.stores import OURS

__all__ = ["Figure", "Summary", "summarise", "table"]

_HEAD: Final = (
    "Job",
    "Library",
    "Wall s",
    "CPU s",
    "of it system",
    "Peak MiB",
    "Wall / best peer",
    "CPU / best peer",
    "Memory / best peer",
)


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its spread."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Summarise `values`, one a round."""
        return cls(median(values), min(values), max(values))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One library at one job.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Seconds of the client's processor.
        system_s: Of these, in the kernel.
        peak_mib: Highest growth of its resident memory, in MiB.
        rounds: How many these are the medians of.
    """

    wall_s: Figure
    cpu_s: Figure
    system_s: Figure
    peak_mib: Figure
    rounds: int


def summarise(readings: Readings) -> dict[tuple[str, str], Summary]:
    """Return the medians, by job and library."""
    return {pair: _summary(found) for pair, found in readings.items()}


def _summary(readings: Sequence[Reading]) -> Summary:
    return Summary(
        wall_s=Figure.of([reading.wall_s for reading in readings]),
        cpu_s=Figure.of([reading.cpu_s for reading in readings]),
        system_s=Figure.of([reading.system_s for reading in readings]),
        peak_mib=Figure.of([reading.peak_bytes / MIB for reading in readings]),
        rounds=len(readings),
    )


def table(summaries: dict[tuple[str, str], Summary], titles: Mapping[str, str]) -> str:
    """Return all figures, one row for each job and library; `titles` of the jobs by name.

    The ratios are to the best of the others, for each figure by itself: below 1 is better than all
    of them.
    """
    rows = [_HEAD, tuple("---" if n < 2 else "---:" for n in range(len(_HEAD)))]  # two of text
    for job in titles:
        mine = {peer: one for (name, peer), one in summaries.items() if name == job}
        rows += _rows(titles[job], mine)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows(title: str, mine: dict[str, Summary]) -> Iterator[tuple[str, ...]]:
    most = max((one.rounds for one in mine.values()), default=0)
    for index, (peer, one) in enumerate(mine.items()):
        name = f"**{peer}**" if peer == OURS else peer
        yield (
            "" if index else title,
            name if one.rounds == most else f"{name} ({one.rounds} rounds)",
            _seconds(one.wall_s),
            _seconds(one.cpu_s),
            f"{one.system_s.middle:.2f}",
            f"{one.peak_mib.middle:.0f} ({one.peak_mib.low:.0f}-{one.peak_mib.high:.0f})",
            _ratio(mine, peer, lambda summary: summary.wall_s.middle),
            _ratio(mine, peer, lambda summary: summary.cpu_s.middle),
            _ratio(mine, peer, lambda summary: summary.peak_mib.middle),
        )


def _seconds(figure: Figure) -> str:
    return f"{figure.middle:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def _ratio(mine: dict[str, Summary], peer: str, value: Callable[[Summary], float]) -> str:
    others = [value(one) for name, one in mine.items() if name != OURS]
    best = min(others, default=0.0)
    return f"{value(mine[peer]) / best:.2f}" if best else "-"
