"""What a dataset can meet beside the errors of a store: a shard that is not what it should be."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, final

from blobio.errors import BlobError, ChecksumMismatch, NotFound, VersionMismatch

__all__ = ["LOSSES", "BadShard", "OnError", "Skipped"]

OnError: TypeAlias = 'Literal["raise", "skip"]'
"""What a reading does with a block that is lost: raise, or go on without its rows."""


class BadShard(BlobError, ValueError):
    """A shard is cut short, damaged, of another format, or of another schema than the others.

    Attributes:
        row: The first row of the shard that cannot be read, or None if none can.
    """

    row: int | None = None
    default_errno: ClassVar[int | None] = errno.EINVAL


LOSSES: Final = (BadShard, NotFound, VersionMismatch, ChecksumMismatch)
"""What no further attempt mends: the rows are not there any more, or never were."""


@final
@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that a reading went on without.

    Attributes:
        url: The shard.
        block: The number of the block in the dataset.
        num_rows: Its rows, before a filter.
        reason: The message of the error.
    """

    url: str
    block: int
    num_rows: int
    reason: str
