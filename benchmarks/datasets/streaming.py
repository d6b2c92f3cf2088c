"""B1 to B3: all rows, rows as dicts, one column, and the first batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from benchmarks.datasets.data import stored_bytes
from benchmarks.datasets.libraries import OPENERS, ROW_OPENERS, SMOKE, Opener
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["COLUMN", "DICTS", "FIRST", "STREAM"]

_DICTS: Final = 20_000


def _all(opener: Opener, columns: list[str] | None, site: Site) -> Outcome:
    expected = 0
    for first, rows in opener(site, columns):
        if first != expected:
            message = f"a batch begins with row {first}, not {expected}"
            raise Wrong(message)
        expected += rows
    if expected != site.size.rows:
        message = f"{expected} rows of {site.size.rows}"
        raise Wrong(message)
    return Outcome(expected)


def _first(opener: Opener, site: Site) -> Outcome:
    first, rows = next(opener(site, None))
    if first:
        message = f"the first row is {first}"
        raise Wrong(message)
    return Outcome(rows)


def _dicts(library: str, site: Site) -> Outcome:
    count = min(_DICTS, site.size.rows)
    number = 0
    for number, row in enumerate(itertools.islice(ROW_OPENERS[library](site), count), start=1):
        if row["id"] != number - 1:
            message = f"row {number - 1} is {row['id']}"
            raise Wrong(message)
    if number != count:
        message = f"{number} rows of {count}"
        raise Wrong(message)
    return Outcome(number)


def _ways(columns: list[str] | None) -> Mapping[str, Callable[[Site], Outcome]]:
    return {name: partial(_all, opener, columns) for name, opener in OPENERS.items()}


STREAM = Task(
    title="B1 all rows, Arrow batches",
    ways=_ways(None),
    needs=lambda _, objects: stored_bytes(objects),
)
DICTS = Task(
    title=f"B1 the first {_DICTS:,} rows, as dicts",
    ways={name: partial(_dicts, name) for name in ROW_OPENERS},
    needs=lambda _, objects: stored_bytes(objects, groups=range(1)),
)
COLUMN = Task(
    title="B2 one of 5 columns",
    ways=_ways(["id"]),
    needs=lambda _, objects: stored_bytes(objects, columns=["id"]),
    smoke=SMOKE,
)
FIRST = Task(
    title="B3 open, first batch",
    ways={name: partial(_first, opener) for name, opener in OPENERS.items()},
    needs=lambda _, objects: stored_bytes(objects, groups=range(1)),
    smoke=SMOKE,
)
