"""What a dataset can meet beside the errors of a store: a shard that is not what it should be."""

from __future__ import annotations

import errno
from typing import ClassVar

from blobio.errors import BlobError

__all__ = ["BadShard"]


class BadShard(BlobError, ValueError):
    """A shard is cut short, damaged, of another format, or of another schema than the others.

    Attributes:
        row: The first row of the shard that cannot be read, or None if none can.
    """

    row: int | None = None
    default_errno: ClassVar[int | None] = errno.EINVAL
