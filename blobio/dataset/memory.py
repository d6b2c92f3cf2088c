"""Memory of the dataset layer: one bound a process, and blocks that look as large as their shard.

The bound counts what iterations hold ahead of their consumers, in bytes: what is being fetched and
what is decoded. It never blocks. Who finds no room fetches nothing ahead, and what a consumer waits
for is always let through: so no two iterations can wait for one another.
"""

from __future__ import annotations

import bisect
import mmap
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Final, final

import pyarrow as pa

__all__ = ["Mapped", "MemoryLimit", "Packed", "Sparse", "memory_limit", "set_memory_bytes"]

DEFAULT_BYTES: Final = 256 << 20
_ALIGNMENT: Final = 64
_HUGE_BYTES: Final = 4 << 20  # has a whole page of 2 MiB in it
_PAGE: Final = mmap.PAGESIZE
# Without it Linux counts address space as if all of it were used, and refuses a large shard. Python
# 3.11 has no name for it; the value is that of asm-generic/mman.h, which these machines go by.
_GENERIC: Final = ("x86_64", "aarch64", "riscv64", "s390x")
_NORESERVE: Final[int] = getattr(
    mmap,
    "MAP_NORESERVE",
    0x4000 if sys.platform == "linux" and os.uname().machine in _GENERIC else 0,
)


@final
class MemoryLimit:
    """A bound on bytes that many threads count in; see above.

    Attributes:
        limit: Bytes that may be held.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes held now; more than `limit` where something was let through."""
        return self._held

    def take(self, size: int, *, force: bool) -> bool:
        """Count `size` bytes if there is room for them, or in any case; tell whether it did."""
        with self._lock:
            if not force and self._held + size > self.limit:
                return False
            self._held += size
            return True

    def change(self, by: int) -> None:
        """Count `by` bytes more, or fewer."""
        with self._lock:
            self._held += by


_limit = MemoryLimit(DEFAULT_BYTES)


def memory_limit() -> MemoryLimit:
    """Return the bound of this process."""
    return _limit


def set_memory_bytes(limit: int) -> None:
    """Set how many bytes all iterations of this process may hold ahead of their consumers.

    One block of rows for each iteration is always let through, however large. The default is
    256 MiB; a forked child has its parent's setting and starts at nothing.

    What the consumer has is not counted: a batch, and of a shuffle its window, twice while its
    blocks become one. However much is read, the memory of the process rises by little more than all
    of that; the tests allow three times as much, for what allocators keep.

    Raises:
        ValueError: `limit` is less than 1.
    """
    if limit < 1:
        message = f"the memory of datasets needs at least 1 byte, not {limit}"
        raise ValueError(message)
    _limit.limit = limit


def _start_anew() -> None:
    """Count from nothing in a child: what its parent holds is the parent's."""
    global _limit  # noqa: PLW0603 - one bound a process
    _limit = MemoryLimit(_limit.limit)


os.register_at_fork(after_in_child=_start_anew)


@final
class Sparse:
    """Memory with the offsets of a shard, of which only what is written takes any.

    Readers of columnar files look for bytes at their offsets in the file. Here they find them
    there, and zeros in between, with no file object of Python's between reader and bytes. (Zeros
    cost address space, not memory; a page that is first written costs a fault, 15% of what Parquet
    takes to decode.)

    Args:
        size: Bytes of the whole.
    """

    def __init__(self, size: int) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        self._map = mmap.mmap(-1, max(1, size), flags=flags)

    def view(self, start: int, stop: int) -> memoryview:
        """Return a part to be filled."""
        return memoryview(self._map)[start:stop]

    def fill(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Write pieces at their offsets."""
        for start, data in pieces:
            self._map[start : start + len(data)] = data

    def expect(self, start: int, stop: int) -> None:
        """Prepare for a long run of bytes that will be filled from end to end."""
        start, stop = -(-start // _PAGE) * _PAGE, stop // _PAGE * _PAGE
        advice = getattr(mmap, "MADV_HUGEPAGE", None)
        if advice is not None and stop - start >= _HUGE_BYTES:
            # A fault for 2 MiB instead of 4 KiB. Not all kernels have it, and it is only advice.
            try:
                self._map.madvise(advice, start, stop - start)
            except OSError:
                return

    def slice(self, start: int, stop: int) -> pa.Buffer:
        """Return bytes `start` to `stop` of the shard. The memory is given back with the last."""
        return pa.py_buffer(self._map).slice(start, stop - start)


@final
class Packed:
    """Memory for some parts of a shard, one behind the other, in a buffer of pyarrow's own.

    For formats whose decoded columns are slices of it: what they hold is then none of Python's, and
    may be let go by any thread, even while the process ends.

    Args:
        parts: Half-open ranges of bytes, in order and apart.
    """

    def __init__(self, parts: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in parts]
        self._parts = list(parts)
        self._offsets: list[int] = []
        size = 0
        for start, stop in parts:
            size += (start - size) % _ALIGNMENT  # as aligned as it is in the shard
            self._offsets.append(size)
            size += stop - start
        self._buffer: pa.Buffer = pa.allocate_buffer(size)

    def view(self, start: int, stop: int) -> memoryview:
        """Return a part of one of the ranges to be filled."""
        at = self._find(start, stop)
        return memoryview(self._buffer).cast("B")[at : at + stop - start]

    def slice(self, start: int, stop: int) -> pa.Buffer:
        """Return bytes `start` to `stop` of the shard, which lie in parts that adjoin."""
        return self._buffer.slice(self._find(start, stop), stop - start)

    def _find(self, start: int, stop: int) -> int:
        index = bisect.bisect_right(self._starts, start) - 1
        assert index >= 0, "before all parts"
        assert stop <= self._parts[-1][1], "behind all parts"
        return self._offsets[index] + start - self._starts[index]


@final
class Mapped:
    """A local file, mapped: bytes come from the page cache without a copy.

    Attributes:
        path: Where it is.
        keep: What has to live as long, such as the lock of a copy in a cache.
    """

    def __init__(self, path: str) -> None:
        with pa.memory_map(path) as file:
            self._buffer: pa.Buffer = file.read_buffer()
        self.path = path
        self.keep: object = None

    @property
    def size(self) -> int:
        """Bytes of the file when it was mapped."""
        return int(self._buffer.size)

    def slice(self, start: int, stop: int) -> pa.Buffer:
        """Return bytes `start` to `stop` of the file."""
        return self._buffer.slice(start, stop - start)
