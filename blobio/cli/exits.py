"""Exit codes of the `blobio` command, and which one an account of failures comes to.

The codes are a contract for scripts: 0 is the only one that means that everything was done.
"""

from __future__ import annotations

from enum import IntEnum
from typing import final

from blobio.errors import (
    AlreadyExists,
    BlobError,
    InvalidConfig,
    InvalidUrl,
    NotFound,
    PermissionDenied,
    VersionMismatch,
)

__all__ = ["Account", "Exit", "Stop"]


class Exit(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    SOME_FAILED = 1  # the rest was tried
    USAGE = 2
    NOT_FOUND = 3  # no such source, or nothing matched
    DENIED = 4  # credentials or permission; nothing was done
    REFUSED = 5  # by a guard against losing data; nothing was done
    CONDITION = 6  # an --if-* did not hold
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


@final
class Stop(Exception):
    """End the command here.

    Args:
        code: How it ends.
        message: For stderr; what was asked, why not, and what to do.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


@final
class Account:
    """What became of the items of one command.

    Attributes:
        done: Items that were done, or needed nothing.
        size: Bytes of those.
        failed: Items that were not.
        is_cut_short: Items were left alone because of `--fail-fast`.
    """

    def __init__(self) -> None:
        self.done: int = 0
        self.size: int = 0
        self.failed: int = 0
        self.is_cut_short: bool = False
        self._codes: set[Exit] = set()

    def add(self, size: int) -> None:
        """Count an item that was done."""
        self.done += 1
        self.size += size

    def fail(self, error: BaseException) -> None:
        """Count an item that was not."""
        self.failed += 1
        self._codes.add(code_of(error))

    def include(self, other: Account) -> None:
        """Count what another process has counted."""
        self.done += other.done
        self.size += other.size
        self.failed += other.failed
        self.is_cut_short |= other.is_cut_short
        self._codes |= other._codes

    @property
    def code(self) -> Exit:
        """The exit code: a special one only if it tells the whole story."""
        if not self.failed:
            return Exit.DONE
        if self.is_cut_short:
            return Exit.SOME_FAILED
        if self._codes == {Exit.CONDITION}:
            return Exit.CONDITION
        if self.done or len(self._codes) > 1:
            return Exit.SOME_FAILED
        return next(iter(self._codes))


_CODES: tuple[tuple[type[BlobError], Exit], ...] = (
    (NotFound, Exit.NOT_FOUND),
    (PermissionDenied, Exit.DENIED),
    (AlreadyExists, Exit.CONDITION),
    (VersionMismatch, Exit.CONDITION),
    (InvalidUrl, Exit.USAGE),
    (InvalidConfig, Exit.USAGE),
)


def code_of(error: BaseException) -> Exit:
    """Return the code of a command whose only item failed like this."""
    if isinstance(error, Stop):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.SOME_FAILED)
