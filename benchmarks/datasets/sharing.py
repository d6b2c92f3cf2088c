"""One of the ranks of B7, in a process of its own, which is killed: a batch for each line it reads.

The first line says what to read, as JSON of `Share`; then comes an empty line when all is imported,
and for each further line one of JSON: a `Turn`, or null at the end.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final, final

from benchmarks.datasets.clients import blobio_config
from benchmarks.datasets.data import PREFIX
from benchmarks.peers.base import Place

__all__ = ["BATCH_ROWS", "RANKS", "Share", "Turn"]

RANKS: Final = 2
BATCH_ROWS: Final = 1000  # divides a row group, so that ranks can have as many batches each


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a rank reads, and through which cache.

    Attributes:
        place: The server.
        rank: Which one it is.
        directory: The cache.
        limit_bytes: Of the cache.
        delivered: Batches of this rank that were delivered before.
    """

    place: Place
    rank: int
    directory: str
    limit_bytes: int
    delivered: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A batch, and what the rank has read so far.

    Attributes:
        first: Id of the first row.
        rows: How many rows there are.
        corrupt: Rows that are not what is stored.
        hits: Ranges that came from the cache.
        misses: Ranges that the cache had not.
    """

    first: int
    rows: int
    corrupt: int
    hits: int
    misses: int


def _main() -> None:
    fields = json.loads(sys.stdin.readline())
    share = Share(**fields | {"place": Place(**fields["place"])})
    import blobio.dataset as bd

    print(flush=True)
    sys.stdin.readline()
    config = blobio_config(share.place)
    cache = bd.Cache(share.directory, max_bytes=share.limit_bytes, config=config)
    url = f"s3://{share.place.bucket}/{PREFIX}"
    rows = bd.open_dataset(url, cache=cache, config=config).batch(BATCH_ROWS)
    rows = rows.shard(share.rank, RANKS, remainder="drop")
    rows.load_state_dict(rows.state_dict(delivered=share.delivered))
    for batch in rows:
        read = rows.stats()
        first, corrupt = batch.column("id")[0].as_py(), _corrupt(batch)
        turn = Turn(
            first=first,
            rows=batch.num_rows,
            corrupt=corrupt,
            hits=read.cache_hits,
            misses=read.cache_misses,
        )
        print(json.dumps(asdict(turn)), flush=True)
        sys.stdin.readline()
    print("null", flush=True)


def _corrupt(batch: Any) -> int:
    """Count the rows whose id does not follow that of the row before, or whose text is another."""
    import numpy as np

    ids = batch.column("id").to_numpy()
    texts = [f"text of row {one}" for one in ids] == np.array(batch.column("text").to_pylist())
    return int(np.count_nonzero(~texts | (ids != ids[0] + np.arange(len(ids)))))


if __name__ == "__main__":
    _main()
