"""B8: how well a shuffle mixes, for the memory it takes: neighbours of the delivered order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.datasets.data import GROUP_ROWS
from benchmarks.datasets.libraries import BATCH_ROWS, blobio_rows, hf_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["MIX"]

_BUFFER_ROWS = 1000


def _outcome(site: Site, parts: Iterable[Any], more: str) -> Outcome:
    """Tell the mean distance of neighbours as a part of that of a uniform order, N/3."""
    import numpy as np

    ids = np.concatenate([np.asarray(part) for part in parts])
    if len(ids) != site.size.rows or len(np.unique(ids)) != len(ids):
        raise Wrong("rows are missing or come twice")
    distance = float(np.abs(np.diff(ids)).mean()) / (len(ids) / 3)
    # Where in its shard a row stands should not tell when it comes.
    places = ids % (site.size.groups * GROUP_ROWS)
    correlation = float(np.corrcoef(places, np.arange(len(ids)))[0, 1])
    note = f"neighbours {distance:.3f} of uniform, correlation of places {correlation:.3f}{more}"
    return Outcome(len(ids), note)


def _blobio(site: Site) -> Outcome:
    rows = blobio_rows(site, ["id"]).shuffle(seed=1)
    told = rows.explain()
    more = (
        f"; explain(): {told.windows} windows, mixing {told.mixing:.3f} of {told.best_mixing:.3f}"
    )
    return _outcome(site, (batch.column("id") for batch in rows), more)


def _hf(site: Site) -> Outcome:
    rows = hf_rows(site, columns=["id"])
    rows = rows.shuffle(seed=1, buffer_size=_BUFFER_ROWS).with_format("arrow")
    batches = rows.iter(batch_size=BATCH_ROWS)
    return _outcome(site, (batch.column("id") for batch in batches), "")


MIX = Task(
    title=f"B8 `id` shuffled (blobio: defaults; datasets: buffer of {_BUFFER_ROWS:,})",
    ways={"blobio": _blobio, "datasets": _hf},
)
