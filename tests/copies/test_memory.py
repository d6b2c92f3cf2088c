"""How much memory a process takes to copy far more than its budget, whatever it copies between.

Each copy runs in an interpreter of its own, whose largest resident size the system tells.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from blobio.testing.emulators import HttpServer

MIB: Final = 1 << 20
SIZE: Final = 256 * MIB
BUDGET: Final = 16 * MIB  # two parts, where the windows alone would let sixteen in
# the buffers of sockets and chunks on their way between them, and what the interpreter rounds up
SLACK: Final = 32 * MIB

SCRIPT: Final = """
import resource, sys
from blobio import Config, Context

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

source, small, target, budget = sys.argv[1:]
config = Config(memory_bytes=int(budget))
with Context(config) as context:
    context.copy(small, target + "-small")  # loads what is loaded late
    before = peak()
    context.copy(source, target)
print(peak() - before)
"""


def growth(source: str, small: str, target: Path) -> int:
    """Return the bytes by which the largest size of a process grows while it copies."""
    arguments = [source, small, str(target), str(BUDGET)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def sparse(path: Path, size: int = SIZE) -> None:
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_a_streamed_copy_of_256_mib_stays_within_its_budget(
    site: HttpServer, tmp_path: Path
) -> None:
    sparse(site.root / "large")
    (site.root / "small").write_bytes(b"small")

    grown = growth(f"{site.url}/large", f"{site.url}/small", tmp_path / "copy")

    assert (tmp_path / "copy").stat().st_size == SIZE
    assert grown < BUDGET + SLACK


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_a_local_copy_of_256_mib_takes_no_memory(tmp_path: Path) -> None:
    sparse(tmp_path / "large")
    (tmp_path / "small").write_bytes(b"small")

    grown = growth(str(tmp_path / "large"), str(tmp_path / "small"), tmp_path / "copy")

    assert (tmp_path / "copy").stat().st_size == SIZE
    assert grown < SLACK
