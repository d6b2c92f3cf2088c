"""B5: rows at random places, all at once and one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from benchmarks.datasets.libraries import arrow_rows, blobio_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["SINGLES", "TAKE"]

_TOGETHER = 1000
_SINGLES = 20


def _picks(site: Site, count: int) -> list[int]:
    draw = random.Random(5)  # noqa: S311 - places, no secret
    return [draw.randrange(site.size.rows) for _ in range(count)]


def _checked(picks: Sequence[int], ids: Sequence[object]) -> Outcome:
    if list(ids) != list(picks):
        raise Wrong("other rows than were asked for")
    return Outcome(len(picks))


def _view(site: Site) -> Any:
    return blobio_rows(site, None).random_access()


def _take_blobio(site: Site) -> Outcome:
    picks = _picks(site, _TOGETHER)
    return _checked(picks, _view(site).take(picks).column("id").to_pylist())


def _take_arrow(site: Site) -> Outcome:
    picks = _picks(site, _TOGETHER)
    return _checked(picks, arrow_rows(site).take(picks).column("id").to_pylist())


def _singles_blobio(site: Site) -> Outcome:
    picks, view = _picks(site, _SINGLES), _view(site)
    return _checked(picks, [view[pick]["id"] for pick in picks])


def _singles_arrow(site: Site) -> Outcome:
    picks, rows = _picks(site, _SINGLES), arrow_rows(site)
    return _checked(picks, [rows.take([pick]).to_pylist()[0]["id"] for pick in picks])


TAKE = Task(
    title=f"B5 {_TOGETHER:,} random rows, asked together",
    ways={"blobio": _take_blobio, "pyarrow": _take_arrow},
)
SINGLES = Task(
    title=f"B5 {_SINGLES} random rows, one by one",
    ways={"blobio": _singles_blobio, "pyarrow": _singles_arrow},
)
