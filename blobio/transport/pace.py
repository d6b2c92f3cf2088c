"""Is a transfer still moving? A pure judge of progress, without a clock of its own."""

from __future__ import annotations

from typing import final

__all__ = ["Pace"]


@final
class Pace:
    """Tells a transfer that has stalled, or is slower than anybody would wait for.

    Time is whatever the caller counts as time: for a body received it runs only while somebody
    waits for bytes, so that a slow reader is never taken for a slow server.

    Args:
        stall_s: Limit without any progress, and the span over which the rate is averaged.
        min_bytes_per_s: Least rate; 0 for none.
        now: Seconds at the start.
    """

    __slots__ = ("_bytes", "_changed_at", "_min_rate", "_stall_s", "_window_at", "_window_bytes")

    def __init__(self, stall_s: float, min_bytes_per_s: int, now: float) -> None:
        self._stall_s = stall_s
        self._min_rate = min_bytes_per_s
        self._bytes = 0
        self._changed_at = now
        self._window_at = now
        self._window_bytes = 0

    @property
    def check_every_s(self) -> float:
        """How often `check` should be asked: late by a quarter at most."""
        return self._stall_s / 4

    def check(self, now: float, total_bytes: int) -> str | None:
        """Return None if all is well at `now` with `total_bytes` moved, else what is wrong."""
        if total_bytes != self._bytes:
            self._bytes = total_bytes
            self._changed_at = now
        elif now - self._changed_at >= self._stall_s:
            return f"not a byte moved for {self._stall_s:g} s"
        elapsed = now - self._window_at
        if elapsed < self._stall_s:
            return None
        moved = total_bytes - self._window_bytes
        if moved < self._min_rate * elapsed:
            return f"{moved} bytes in {elapsed:.1f} s is less than {self._min_rate} bytes/s"
        self._window_at = now
        self._window_bytes = total_bytes
        return None
