"""B9: a table written as sharded Parquet to S3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from benchmarks.datasets.clients import arrow_files, blobio_config
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong
from benchmarks.scale import MIB

__all__ = ["WRITE"]

_BATCH_ROWS = 40_000
_SHARD_ROWS = 400_000
_TOKENS = 64


@cache
def _batch() -> Any:
    """Return the rows that are written again and again; made before the clock runs."""
    import numpy as np
    import pyarrow as pa

    draw = np.random.default_rng(9)
    tokens = pa.array(draw.integers(0, 5000, _BATCH_ROWS * _TOKENS, dtype=np.int32))
    return pa.record_batch(
        {
            "id": pa.array(np.arange(_BATCH_ROWS)),
            "x": pa.array(draw.random(_BATCH_ROWS)),
            "tokens": pa.FixedSizeListArray.from_arrays(tokens, _TOKENS),
        }
    )


def _batches(site: Site) -> Iterator[Any]:
    for _ in range(_count(site)):
        yield _batch()


def _count(site: Site) -> int:
    size: int = _batch().nbytes
    return max(1, site.size.write_bytes // size)


def _outcome(site: Site) -> Outcome:
    return Outcome(_count(site) * _batch().nbytes // MIB)


def _blobio(site: Site) -> Outcome:
    from blobio.dataset import ShardWriter

    writer = ShardWriter(
        site.url("written/blobio/"),
        _batch().schema,
        shard_rows=_SHARD_ROWS,
        row_group_rows=_BATCH_ROWS,
        overwrite=True,
        config=blobio_config(site.place),
    )
    with writer:
        for batch in _batches(site):
            writer.write(batch)
    if writer.manifest.num_rows != _count(site) * _BATCH_ROWS:
        raise Wrong("other rows than were written")
    return _outcome(site)


def _remove(site: Site) -> None:
    from blobio import Context

    with Context(blobio_config(site.place)) as context:
        context.rmtree(site.url("written/blobio/"))


def _pyarrow(site: Site) -> Outcome:
    import pyarrow.dataset as ds

    options = ds.ParquetFileFormat().make_write_options(compression="zstd", write_page_index=True)
    ds.write_dataset(
        _batches(site),
        f"{site.place.bucket}/written/pyarrow",
        schema=_batch().schema,
        filesystem=arrow_files(site.place),
        format="parquet",
        file_options=options,
        max_rows_per_file=_SHARD_ROWS,
        max_rows_per_group=_BATCH_ROWS,
        existing_data_behavior="overwrite_or_ignore",
        create_dir=False,
    )
    return _outcome(site)


def _ready(site: Site) -> None:
    _count(site)


WRITE = Task(
    title="B9 write sharded Parquet",
    unit="MiB of Arrow",
    ways={"blobio": _blobio, "pyarrow": _pyarrow},
    ready=_ready,
    after={"blobio": _remove},
)
