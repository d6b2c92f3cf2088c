"""Memory of parts that were sent, for parts to come: to make it anew costs more than to fill it.

The pages of a fresh part are zeroed by the kernel, one fault for each 4 KiB, and again by whoever
fills it. Copies that run at a time share what they have; with the last of them it is given back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import final

from blobio.values import Body

__all__ = ["Buffers"]


@final
class Buffers:
    """Buffers of parts, in use or free; no more than were in use at one time."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []
        self._users = 0

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Keep what is given back until the last of such blocks ends."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._free.clear()

    def take(self, size: int) -> memoryview:
        """Return `size` bytes of memory with anything in them."""
        if self._free and size <= len(self._free[-1]) <= 2 * size:
            return memoryview(self._free.pop())[:size]
        if self._free and len(self._free[-1]) < size:
            self._free.clear()  # parts have grown: these are of no use any more
        return memoryview(bytearray(size))

    def give_back(self, body: Body) -> None:
        """Take back what nobody looks at any more; what is none of these buffers is left alone."""
        if self._users and isinstance(body, memoryview) and isinstance(body.obj, bytearray):
            self._free.append(body.obj)
