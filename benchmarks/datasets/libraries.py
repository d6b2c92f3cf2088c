"""The libraries: each opens the shards its own way and yields the ids of rows, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from benchmarks.datasets.data import PREFIX
from benchmarks.peers.base import ACCESS_KEY, REGION, SECRET_KEY, Place

if TYPE_CHECKING:
    from blobio.dataset import Dataset

__all__ = ["BATCH_ROWS", "LIBRARIES", "Asked", "Counts", "Open"]

BATCH_ROWS: Final = 1024


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be read.

    Attributes:
        columns: Names; None for all.
        as_dicts: Every row has to be made a dict of Python's values.
        start: The first row; a multiple of the rows of a batch.
    """

    columns: list[str] | None = None
    as_dicts: bool = False
    start: int = 0


Counts = Iterator[tuple[int, int]]
"""Of each batch the first id and how many rows it has."""

Open = Callable[[Place, Asked], Counts]
"""Opens and yields; what is to be resumed is made ready before the first `next`."""


def _of(batch: Any, asked: Asked) -> tuple[int, int]:
    if asked.as_dicts:
        rows = batch.to_pylist()
        return rows[0]["id"], len(rows)
    return batch.column("id")[0].as_py(), batch.num_rows


def _blobio_dataset(place: Place, asked: Asked) -> Dataset:
    from blobio.config import Config, S3Config
    from blobio.dataset import open_dataset

    s3 = S3Config(
        endpoint_url=place.endpoint_url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    url = f"s3://{place.bucket}/{PREFIX}"
    return open_dataset(url, columns=asked.columns, config=Config(s3=s3)).batch(BATCH_ROWS)


def _blobio(place: Place, asked: Asked) -> Counts:
    dataset = _blobio_dataset(place, asked)
    if asked.start:
        dataset.load_state_dict(dataset.state_dict(delivered=asked.start // BATCH_ROWS))
    if asked.as_dicts:
        for row in dataset.rows():
            yield row["id"], 1  # type: ignore[misc]  # the column is of int64
        return
    for batch in dataset:
        yield _of(batch, asked)


def _hf(place: Place, asked: Asked) -> Counts:
    import datasets

    options = {
        "key": ACCESS_KEY,
        "secret": SECRET_KEY,
        "endpoint_url": place.endpoint_url,
        "client_kwargs": {"region_name": REGION},
    }
    more = {} if asked.columns is None else {"columns": asked.columns}
    rows = datasets.load_dataset(
        "parquet",
        data_files=f"s3://{place.bucket}/{PREFIX}*.parquet",
        split="train",
        streaming=True,
        storage_options=options,
        **more,
    )
    if asked.start:  # as its own resuming does: it reads the shard from its first byte
        rows = rows.skip(asked.start)
    if asked.as_dicts:
        for row in rows:
            yield row["id"], 1
        return
    for batch in rows.with_format("arrow").iter(batch_size=BATCH_ROWS):
        yield _of(batch, asked)


def _pyarrow(place: Place, asked: Asked) -> Counts:
    import pyarrow.dataset as ds
    import pyarrow.fs as pafs

    scheme, _, host = place.endpoint_url.partition("://")
    files = pafs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        scheme=scheme,
        endpoint_override=host,
    )
    rows = ds.dataset(f"{place.bucket}/{PREFIX}", filesystem=files, format="parquet")
    # The scanner cannot start at a row: what comes before is read and thrown away.
    left = asked.start
    for batch in rows.to_batches(columns=asked.columns, batch_size=BATCH_ROWS):
        left -= batch.num_rows
        if left < 0 and batch.num_rows:
            yield _of(batch.slice(max(0, batch.num_rows + left)), asked)


def _polars(place: Place, asked: Asked) -> Counts:
    import polars as pl

    options = {
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "aws_region": REGION,
        "aws_endpoint_url": place.endpoint_url,
        "aws_allow_http": "true",
    }
    frame = pl.scan_parquet(f"s3://{place.bucket}/{PREFIX}*.parquet", storage_options=options)
    if asked.columns is not None:
        frame = frame.select(asked.columns)
    if asked.start:
        frame = frame.slice(asked.start)
    for batch in frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        if asked.as_dicts:
            rows = batch.to_dicts()
            yield rows[0]["id"], len(rows)
        else:
            yield batch["id"][0], len(batch)


LIBRARIES: Final[Mapping[str, Open]] = {
    "blobio": _blobio,
    "datasets": _hf,
    "pyarrow": _pyarrow,
    "polars": _polars,
}
"""By the name of its package. pyarrow reads by its own S3 client in C++."""
