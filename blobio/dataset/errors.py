"""What a dataset can meet beside the errors of a store: a shard that is not what it should be."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, final

import pyarrow as pa

from blobio.dataset.manifest import Shard
from blobio.errors import BlobError, ChecksumMismatch, NotFound, VersionMismatch, redact

__all__ = ["LOSSES", "BadShard", "NotCached", "OnError", "Skipped", "lacking", "told"]

OnError: TypeAlias = Literal["raise", "skip", "substitute"]
"""What a reading does with a block that is lost: raise, go on without its rows, or with as many
rows of another block."""


class BadShard(BlobError, ValueError):
    """A shard is cut short, damaged, of another format, or of another schema than the others.

    Attributes:
        row: The first row of the shard that cannot be read, or None if none can.
    """

    row: int | None = None
    default_errno: ClassVar[int | None] = errno.EINVAL


@final
class NotCached(NotFound):
    """Offline, and the cache has no copy of what is asked for; whether a store has it is unknown.

    `on_error="skip"` does not skip it: the rows are not lost.
    """


_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, KeyError, EOFError)

LOSSES: Final = (BadShard, NotFound, VersionMismatch, ChecksumMismatch)
"""What no further attempt mends: the rows are not there any more, or never were."""


@final
@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that a reading went on without.

    It is told each time that the reading comes to the block.

    Attributes:
        url: The shard, secrets redacted.
        block: The number of the block in the dataset.
        num_rows: Its rows, before a filter.
        reason: The message of the error.
        substitute: The block of the dataset whose rows were taken instead, None for none.
    """

    url: str
    block: int
    num_rows: int
    reason: str
    substitute: int | None = None


def _place(shard: Shard, block: int) -> str:
    first = sum(shard.block_rows[:block])
    return f"rows {first} to {first + shard.block_rows[block]} of {redact(shard.url)}"


@contextmanager
def told(shard: Shard, block: int) -> Iterator[None]:
    """Make of what is met while a block is read an error that tells which rows are lost.

    Raises:
        BadShard: For what pyarrow says of bytes that are not what they should be.
        BlobError: As it was, with a note.
    """
    try:
        yield
    except BlobError as error:
        error.add_note(f"while reading {_place(shard, block)}")
        raise
    except _DAMAGE as error:
        bad = BadShard(f"read of {_place(shard, block)}: {error}", url=shard.url, operation="read")
        bad.row = sum(shard.block_rows[:block])
        raise bad from error


def lacking(verb: str, package: str, error: ModuleNotFoundError) -> ImportError:
    """Return the error for a program that is not installed."""
    message = f"{verb} needs {package}: pip install '{package}' ({error})"
    return ImportError(message, name=error.name)
