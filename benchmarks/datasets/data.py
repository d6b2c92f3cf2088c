"""The shards that are read: Parquet in zstd, row groups of 40,000 rows, and what is in them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, final

__all__ = ["GROUP_ROWS", "PREFIX", "Size", "shards"]

GROUP_ROWS: Final = 40_000
PREFIX: Final = "rows/"
_TOKENS: Final = 32


@final
@dataclass(frozen=True, slots=True)
class Size:
    """How much is read.

    Attributes:
        shards: Number of files.
        groups: Row groups of each.
    """

    shards: int
    groups: int

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
        columns = {
            "id": ids,
            "x": draw.random(rows),
            "y": draw.random(rows),
            "tokens": pa.FixedSizeListArray.from_arrays(tokens, _TOKENS),
            "text": pa.array([f"text of row {one}" for one in ids]),
        }
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file, row_group_size=GROUP_ROWS, compression="zstd")
        found[f"{PREFIX}{number:05}.parquet"] = file.getvalue()
    return found
