"""Decoded blocks that stay in memory: of datasets small enough to be read only once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import final

from blobio.dataset.rows import Rows

__all__ = ["Remembered"]


@final
class Remembered:
    """Blocks by their number, all of a dataset or none of it. May be used from any thread.

    Args:
        max_bytes: What they may hold together; 0 for none.
        estimate: Tells about how many bytes all blocks of the dataset take; asked once, and only
            when there is something to keep.
    """

    def __init__(self, max_bytes: int, estimate: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._estimate = estimate
        self._lock = threading.Lock()
        self._rows: dict[int, Rows] = {}
        self._held = 0
        self._fits: bool | None = None if max_bytes else False

    def get(self, block: int) -> Rows | None:
        """Return a block, None if it is not here."""
        return self._rows.get(block)

    def add(self, block: int, rows: Rows) -> None:
        """Keep a block if the dataset is small enough.

        An estimate may be wrong: what goes beyond the limit is not kept, so that it holds.
        """
        if self._fits is None:
            self._fits = self._estimate() <= self._max_bytes
        if not self._fits:
            return
        with self._lock:
            if block not in self._rows and self._held + rows.nbytes <= self._max_bytes:
                self._rows[block] = rows
                self._held += rows.nbytes
