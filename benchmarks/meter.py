"""What a job costs this process: time, processor time of all threads, memory at its highest."""

from __future__ import annotations

import gc
import mmap
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

__all__ = ["Reading", "measure", "resident_bytes"]

_KIB: Final = 1024
_RESET_PEAK: Final = "5"
_AT_HAND: Final = 512 << 20


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The costs of one run of one job.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: Seconds of processor, user and system, all threads.
        system_s: The part of it that the kernel took.
        peak_bytes: Resident memory at its highest, above that at the start.
    """

    wall_s: float
    cpu_s: float
    system_s: float
    peak_bytes: int


def measure(job: Callable[[], None]) -> Reading:
    """Run `job` and tell what it cost.

    Memory was touched before, so that the kernel has pages at hand: where a host takes back what
    its guest does not use, a first touch may take ten times as long, and it is chance who pays.

    Raises:
        OSError: This is not Linux, where alone the peak can be reset.
    """
    gc.collect()
    _touch()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write(_RESET_PEAK)
    resident = resident_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    job()
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    system_s = after.ru_stime - before.ru_stime
    return Reading(
        wall_s=wall_s,
        cpu_s=after.ru_utime - before.ru_utime + system_s,
        system_s=system_s,
        peak_bytes=max(0, _memory("VmHWM") - resident),
    )


def _touch() -> None:
    with mmap.mmap(-1, _AT_HAND, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
        room.madvise(mmap.MADV_HUGEPAGE)
        for start in range(0, _AT_HAND, mmap.PAGESIZE):
            room[start] = 1


def resident_bytes() -> int:
    """Return how much memory of this process is resident now.

    Raises:
        OSError: This is not Linux.
    """
    return _memory("VmRSS")


def _memory(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * _KIB
    raise OSError(f"/proc/self/status does not tell {name}")
