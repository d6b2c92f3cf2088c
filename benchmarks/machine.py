"""What was measured, and on what."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["describe", "versions"]


def describe(programs: Iterable[str], server: str) -> str:
    """Return a few lines: processor, memory, system, Python, server, versions of the programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[0]
    size = f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GiB of memory"
    return "\n".join(
        [
            f"- {size}, load {load:.1f} at the start",
            f"- {platform.system()} {platform.release()}, Python {platform.python_version()}",
            f"- server: {server}",
            f"- {', '.join(programs)}",
        ]
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def versions(peers: Sequence[str]) -> Iterator[str]:
    """Return the versions of libraries, and of what blobio stands on."""
    for name in (*peers, "aiohttp"):
        yield f"{name} {importlib.metadata.version(name)}"
