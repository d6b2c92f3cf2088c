"""B10: a dataset of very many small shards, opened: schema known, nothing read of the rows."""

from __future__ import annotations

import io

from benchmarks.datasets.clients import arrow_files, blobio_config, polars_options, s3fs_options
from benchmarks.datasets.data import Size
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["OPEN", "many_shards"]

_PREFIX = "many/"
_MANIFEST = f"{_PREFIX}manifest.json"
_ROWS = 10


def many_shards(size: Size) -> dict[str, bytes]:
    """Return small shards by key."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    for number in range(size.many):
        ids = np.arange(number * _ROWS, (number + 1) * _ROWS)
        file = io.BytesIO()
        pq.write_table(pa.table({"id": ids, "x": ids / 7}), file)
        found[f"{_PREFIX}{number:05}.parquet"] = file.getvalue()
    return found


def _checked(site: Site, names: object) -> Outcome:
    if names != ["id", "x"]:
        message = f"columns {names}"
        raise Wrong(message)
    return Outcome(site.size.many)


def _freeze(site: Site) -> object:
    from blobio.dataset import freeze, open_dataset

    config = blobio_config(site.place)
    rows = open_dataset(site.url(f"{_PREFIX}*.parquet"), config=config)
    freeze(rows.tree.source.manifest, site.url(_MANIFEST), overwrite=True, config=config)  # type: ignore[attr-defined]
    return None


def _blobio(site: Site) -> Outcome:
    from blobio.dataset import open_dataset

    rows = open_dataset(site.url(_MANIFEST), config=blobio_config(site.place))
    if rows.num_rows != site.size.many * _ROWS:
        message = f"{rows.num_rows} rows"
        raise Wrong(message)
    return _checked(site, rows.schema.names)


def _hf(site: Site) -> Outcome:
    import datasets

    rows = datasets.load_dataset(
        "parquet",
        data_files=site.url(f"{_PREFIX}*.parquet"),
        split="train",
        streaming=True,
        storage_options=s3fs_options(site.place),
    )
    return _checked(site, rows.column_names)


def _pyarrow(site: Site) -> Outcome:
    import pyarrow.dataset as ds

    place = site.place
    names = [f"{place.bucket}/{_PREFIX}{number:05}.parquet" for number in range(site.size.many)]
    rows = ds.dataset(names, filesystem=arrow_files(place), format="parquet")
    return _checked(site, rows.schema.names)


def _polars(site: Site) -> Outcome:
    import polars as pl

    frame = pl.scan_parquet(
        site.url(f"{_PREFIX}*.parquet"), storage_options=polars_options(site.place)
    )
    return _checked(site, frame.collect_schema().names())


OPEN = Task(
    title="B10 open very many shards (blobio: from a manifest, rows counted)",
    unit="shards",
    ways={"blobio": _blobio, "datasets": _hf, "pyarrow": _pyarrow, "polars": _polars},
    before={"blobio": _freeze},
)
