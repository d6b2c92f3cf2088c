"""How many bytes a cache holds, without looking at each copy: a number in the file of its lock.

It is read and written by whoever holds the lock, and never less than the truth: what is added is
added beforehand, what is taken off afterwards. A process that is killed in between leaves it too
high, which a look at everything puts right once there seems to be no room.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final, final

from blobio.dataset.cachelocks import exclusive

__all__ = ["LEDGER_BYTES", "Ledger", "opened_ledger"]

LEDGER_BYTES: Final = 20
"""Its own size, which counts as well."""


@final
class Ledger:
    """The number, for as long as the lock is held.

    Attributes:
        total: Bytes at most; None if nobody has counted them yet.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        text = os.pread(descriptor, LEDGER_BYTES + 1, 0)
        is_whole = len(text) == LEDGER_BYTES and text.isdigit()
        self.total: int | None = int(text) if is_whole else None

    def set(self, total: int) -> None:
        """Write down what was counted."""
        self.total = max(0, total)
        # one call, which no kill cuts in two
        os.pwrite(self._descriptor, b"%0*d" % (LEDGER_BYTES, self.total), 0)

    def add(self, change: int) -> None:
        """Add bytes, or take them off."""
        if self.total is not None:
            self.set(self.total + change)

    def has_room(self, wanted: int, limit: int | None) -> bool:
        """Tell whether there is room for sure."""
        return limit is None or (self.total is not None and self.total + wanted <= limit)


@contextlib.contextmanager
def opened_ledger(path: str) -> Iterator[Ledger]:
    """Hold the lock of a cache, and its number."""
    with exclusive(path) as descriptor:
        yield Ledger(descriptor)
