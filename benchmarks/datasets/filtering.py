"""B2: a filter on `id` that one row group in ten passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.datasets.clients import blobio_config
from benchmarks.datasets.data import GROUP_ROWS, PREFIX, Size, stored_bytes
from benchmarks.datasets.libraries import (
    BATCH_ROWS,
    SMOKE,
    arrow_rows,
    arrow_s3fs_rows,
    hf_rows,
    polars_frame,
)
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["FILTER"]


def _groups(size: Size) -> range:
    """Return the row groups that pass, counted over all shards: a tenth, from four tenths on."""
    count = size.shards * size.groups
    start = count * 4 // 10
    return range(start, start + max(1, count // 10))


def _bounds(site: Site) -> tuple[int, int]:
    """Return from and to which id rows pass."""
    groups = _groups(site.size)
    return groups.start * GROUP_ROWS, groups.stop * GROUP_ROWS


def _checked(site: Site, rows: int) -> Outcome:
    start, stop = _bounds(site)
    if rows != stop - start:
        message = f"{rows} rows of {stop - start}"
        raise Wrong(message)
    return Outcome(rows)


def _blobio(site: Site) -> Outcome:
    from blobio.dataset import field, open_dataset

    start, stop = _bounds(site)
    wanted = (field("id") >= start) & (field("id") < stop)
    url, config = site.url(PREFIX), blobio_config(site.place)
    rows = open_dataset(url, filter=wanted, config=config)
    return _checked(site, sum(batch.num_rows for batch in rows))


def _hf(site: Site) -> Outcome:
    start, stop = _bounds(site)
    rows = hf_rows(site, filters=[("id", ">=", start), ("id", "<", stop)])
    batches = rows.with_format("arrow").iter(batch_size=BATCH_ROWS)
    return _checked(site, sum(batch.num_rows for batch in batches))


def _pyarrow(open_rows: Callable[[Site], Any], site: Site) -> Outcome:
    import pyarrow.dataset as ds

    start, stop = _bounds(site)
    wanted = (ds.field("id") >= start) & (ds.field("id") < stop)
    batches = open_rows(site).to_batches(filter=wanted)
    return _checked(site, sum(batch.num_rows for batch in batches))


def _polars(site: Site) -> Outcome:
    import polars as pl

    start, stop = _bounds(site)
    wanted = (pl.col("id") >= start) & (pl.col("id") < stop)
    return _checked(site, len(polars_frame(site).filter(wanted).collect()))


FILTER = Task(
    title="B2 a filter that 1 row group in 10 passes, or in 12",
    ways={
        "blobio": _blobio,
        "datasets": _hf,
        "pyarrow": partial(_pyarrow, arrow_rows),
        "pyarrow+s3fs": partial(_pyarrow, arrow_s3fs_rows),
        "polars": _polars,
    },
    needs=lambda size, objects: stored_bytes(objects, groups=_groups(size)),
    smoke=SMOKE,
)
