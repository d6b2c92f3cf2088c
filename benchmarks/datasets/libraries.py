"""The libraries: each opens the shards its own way and yields the ids of rows, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from benchmarks.datasets.clients import (
    arrow_files,
    arrow_s3fs_files,
    blobio_config,
    polars_options,
    s3fs_options,
)
from benchmarks.datasets.data import PREFIX
from benchmarks.datasets.tasks import Site

__all__ = ["BATCH_ROWS", "OPENERS", "ROW_OPENERS", "SMOKE", "Counts", "Opener", "arrow_rows",
           "arrow_s3fs_rows", "blobio_rows", "hf_rows", "polars_frame"]  # fmt: skip

BATCH_ROWS: Final = 1024

Counts: TypeAlias = Iterator[tuple[int, int]]
"""Of each batch the first id and how many rows it has."""

Opener: TypeAlias = Callable[[Site, list[str] | None], Counts]
"""Opens some columns of the shards, all if None, and yields."""


def blobio_rows(site: Site, columns: list[str] | None) -> Any:
    """Open the shards by blobio."""
    from blobio.dataset import open_dataset

    return open_dataset(site.url(PREFIX), columns=columns, config=blobio_config(site.place)).batch(
        BATCH_ROWS
    )


def hf_rows(site: Site, **more: object) -> Any:
    """Open the shards by HF datasets."""
    import datasets

    return datasets.load_dataset(
        "parquet",
        data_files=site.url(f"{PREFIX}*.parquet"),
        split="train",
        streaming=True,
        storage_options=s3fs_options(site.place),
        **more,
    )


def arrow_rows(site: Site) -> Any:
    """Open the shards by pyarrow and its own S3 client."""
    return _arrow_rows(site, arrow_files(site.place))


def arrow_s3fs_rows(site: Site) -> Any:
    """Open the shards by pyarrow over s3fs."""
    return _arrow_rows(site, arrow_s3fs_files(site.place))


def _arrow_rows(site: Site, files: Any) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(f"{site.place.bucket}/{PREFIX}", filesystem=files, format="parquet")


def polars_frame(site: Site) -> Any:
    """Open the shards by polars."""
    import polars as pl

    options = polars_options(site.place)
    return pl.scan_parquet(site.url(f"{PREFIX}*.parquet"), storage_options=options)


def _counts(batches: Any) -> Counts:
    for batch in batches:
        if batch.num_rows:
            yield batch.column("id")[0].as_py(), batch.num_rows


def _hf(site: Site, columns: list[str] | None) -> Counts:
    more = {} if columns is None else {"columns": columns}
    rows = hf_rows(site, **more).with_format("arrow")
    return _counts(rows.iter(batch_size=BATCH_ROWS))


def _pyarrow(open_rows: Callable[[Site], Any], site: Site, columns: list[str] | None) -> Counts:
    return _counts(open_rows(site).to_batches(columns=columns, batch_size=BATCH_ROWS))


def _polars(site: Site, columns: list[str] | None) -> Counts:
    frame = polars_frame(site)
    frame = frame if columns is None else frame.select(columns)
    for batch in frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield batch["id"][0], len(batch)


OPENERS: Final[Mapping[str, Opener]] = {
    "blobio": lambda site, columns: _counts(blobio_rows(site, columns)),
    "datasets": _hf,
    "pyarrow": partial(_pyarrow, arrow_rows),
    "pyarrow+s3fs": partial(_pyarrow, arrow_s3fs_rows),
    "polars": _polars,
}
"""By the name of its package. pyarrow alone reads by its own S3 client in C++."""

SMOKE: Final = [name for name in OPENERS if name != "pyarrow+s3fs"]
"""Enough for all but one task of a smoke run: what pyarrow does with files was seen."""

ROW_OPENERS: Final[Mapping[str, Callable[[Site], Iterator[Any]]]] = {
    "blobio": lambda site: blobio_rows(site, None).rows(),
    "datasets": lambda site: iter(hf_rows(site)),
}
"""Those that give rows as dicts of Python's values."""
