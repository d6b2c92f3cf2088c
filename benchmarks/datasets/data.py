"""The shards that are read: Parquet in zstd, row groups of some 6 MB, and what is in them."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, final

__all__ = ["GROUP_ROWS", "PREFIX", "Size", "shards", "stored_bytes"]

GROUP_ROWS: Final = 40_000
PREFIX: Final = "rows/"
_TOKENS: Final = 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is.

    Attributes:
        shards: Number of files.
        groups: Row groups of each.
        many: Small files that are opened.
        batches: Of the local Arrow file.
        write_bytes: That are written, as Arrow counts them.
    """

    shards: int
    groups: int
    many: int
    batches: int
    write_bytes: int

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return self.shards * self.groups * GROUP_ROWS


def shards(size: Size) -> dict[str, bytes]:
    """Return the shards by key; column `id` counts the rows of all of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(1)
    rows = size.groups * GROUP_ROWS
    found = {}
    for number in range(size.shards):
        ids = np.arange(number * rows, (number + 1) * rows)
        tokens = pa.array(draw.integers(0, 5000, rows * _TOKENS, dtype=np.int32))
        ends = pa.array(np.arange(0, rows * _TOKENS + 1, _TOKENS, dtype=np.int32))
        columns = {
            "id": ids,
            "x": draw.random(rows),
            "y": draw.random(rows),
            "tokens": pa.ListArray.from_arrays(ends, tokens),
            "text": pa.array([f"text of row {one}" for one in ids]),
        }
        file = io.BytesIO()
        pq.write_table(
            pa.table(columns),
            file,
            row_group_size=GROUP_ROWS,
            compression="zstd",
            write_page_index=True,
        )
        found[f"{PREFIX}{number:05}.parquet"] = file.getvalue()
    return found


def stored_bytes(
    objects: Mapping[str, bytes],
    *,
    columns: Collection[str] | None = None,
    groups: range | None = None,
) -> int:
    """Return the stored size of some columns of some row groups, counted over all shards."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = number = 0
    for key in sorted(key for key in objects if key.startswith(PREFIX)):
        told = pq.read_metadata(pa.BufferReader(objects[key]))
        for group in range(told.num_row_groups):
            chunks = [told.row_group(group).column(one) for one in range(told.num_columns)]
            if groups is None or number in groups:
                total += sum(
                    chunk.total_compressed_size
                    for chunk in chunks
                    if columns is None or chunk.path_in_schema.split(".")[0] in columns
                )
            number += 1
    return total
