"""What is written to the places of `tests.dataset.conftest`, and what a reader finds there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobio.testing.strict_s3 import StrictS3, strict_s3

if TYPE_CHECKING:
    from blobio.dataset import Manifest
    from tests.dataset.conftest import Place

SCHEMA: Final = pa.schema([("id", pa.int64()), ("text", pa.string())])


@pytest.fixture(scope="session")
def strict() -> Iterator[StrictS3]:
    """An S3 server that tells which uploads were left open."""
    with strict_s3() as server:
        yield server


def table(start: int, stop: int) -> pa.Table:
    """Return rows `start` to `stop` of a dataset whose every row tells its number."""
    return pa.table(
        {"id": range(start, stop), "text": [f"row {i}" for i in range(start, stop)]}, schema=SCHEMA
    )


def rows_of(place: Place, manifest: Manifest) -> list[int]:
    """Read all shards of a manifest, in order, and return the number of each row."""
    found: list[int] = []
    for shard in manifest.shards:
        data = pa.BufferReader(place.context.read_bytes(shard.url, version=shard.version))
        if shard.format == "parquet":
            file = pq.ParquetFile(data)
            read = [file.read_row_group(number) for number in range(file.num_row_groups)]
        else:
            reader = pa.ipc.open_file(data)
            read = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        assert [part.num_rows for part in read] == [block.num_rows for block in shard.blocks]
        for part in read:
            assert part["text"].to_pylist() == [f"row {i}" for i in part["id"].to_pylist()]
            found += part["id"].to_pylist()
    return found
