"""A dataset for Ray Data: read tasks that know their rows, so that counting them reads nothing.

Imported by `Dataset.to_ray` only, as Ray is large and optional. What a task is sent is a piece of
the dataset, which is settings and its own shards as their manifest has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from blobio.dataset.pieces import Piece, batches_of, divide
from blobio.errors import redact

if TYPE_CHECKING:
    from blobio.dataset.dataset import Dataset

    class _Base:
        """What `Datasource` is to a type checker, which may have no Ray."""

else:
    _Base = Datasource

__all__ = ["to_ray"]

_NAME: Final = "blobio"


def to_ray(dataset: Dataset, task_bytes: int) -> Any:  # noqa: ANN401 - types are checked without Ray
    """Return a dataset of Ray Data: see `Dataset.to_ray`."""
    pieces = divide(dataset, task_bytes, "to_ray")
    if not pieces:
        return ray.data.from_arrow(dataset.schema.empty_table())
    # as many as there are tasks, or Ray divides what each has read
    return ray.data.read_datasource(_Source(pieces), override_num_blocks=len(pieces))


@final
class _Source(_Base):
    """Pieces as Ray asks for them."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._pieces = pieces

    def get_name(self) -> str:
        """Return what progress and statistics call it."""
        return _NAME

    def estimate_inmemory_data_size(self) -> int:
        """Return what all rows take in memory, about."""
        return sum(piece.nbytes for piece in self._pieces)

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002 - how many there are, `task_bytes` has said
        per_task_row_limit: int | None = None,
        data_context: object = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        """Return a task for each piece, with all that is known before it is read."""
        return [
            ReadTask(
                _Read(piece.dataset),
                BlockMetadata(
                    num_rows=piece.dataset.num_rows,
                    size_bytes=piece.nbytes,
                    exec_stats=None,
                    input_files=tuple(redact(url) for url in piece.shards),
                ),
                schema=piece.dataset.schema,
                per_task_row_limit=per_task_row_limit,
            )
            for piece in self._pieces
        ]


@final
@dataclass(frozen=True, slots=True)
class _Read:
    dataset: Dataset

    def __call__(self) -> Iterator[pa.Table]:
        for batch in batches_of(self.dataset):
            yield pa.Table.from_batches([batch])
