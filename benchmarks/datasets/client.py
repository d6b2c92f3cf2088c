"""One process that does one task by one library: what is told by JSON, and what it answers."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, final

from benchmarks.datasets.data import Size
from benchmarks.datasets.table import TASKS
from benchmarks.datasets.tasks import Outcome, Site, Task
from benchmarks.meter import Reading, measure
from benchmarks.peers.base import Place
from benchmarks.runner import environment

__all__ = ["Step", "run"]

_TASK_S: Final = 600.0
_IMPORTS: Final = {
    "blobio": ("blobio.dataset",),
    "datasets": ("datasets", "s3fs"),
    "pyarrow": ("pyarrow.dataset", "pyarrow.fs", "pyarrow.parquet"),
    "pyarrow+s3fs": ("pyarrow.dataset", "pyarrow.fs", "pyarrow.parquet", "s3fs"),
    "polars": ("polars",),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a process does.

    Attributes:
        task: A name of `TASKS`.
        library: A name of `LIBRARIES`.
        phase: The task itself, or what comes before it.
        site: Where.
        modules: What the task was seen to import, and what is therefore imported before the clock
            runs, beside the library itself.
    """

    task: str
    library: str
    phase: Literal["before", "measured"]
    site: Site
    modules: tuple[str, ...] = ()


def run(step: Step, scratch: str) -> str:
    """Do a step in a process of its own, and return the JSON that it answers.

    Args:
        step: What to do.
        scratch: A directory for what libraries keep, which has to be empty.

    Raises:
        RuntimeError: It failed.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.datasets.client"],
        input=json.dumps(asdict(step)),
        capture_output=True,
        text=True,
        check=False,
        timeout=_TASK_S,
        env=environment()
        | {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": scratch,
            # The raw server takes no trailing checksums, which pyarrow would send.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "WHEN_REQUIRED",
        },
    )
    if ran.returncode:
        message = f"{step.library} {step.task}: {ran.stderr[-3000:]}"
        raise RuntimeError(message)
    return ran.stdout.splitlines()[-1]


def _main() -> None:
    fields = json.load(sys.stdin)
    told = fields["site"]
    site = Site(
        place=Place(**told["place"]),
        size=Size(**told["size"]),
        directory=told["directory"],
        told=told["told"],
        soak_s=told["soak_s"],
    )
    task, library = TASKS[fields["task"]], fields["library"]
    if fields["phase"] == "before":
        print(json.dumps(task.before[library](site)), flush=True)
    else:
        for module in (*_IMPORTS[library], *fields["modules"]):
            with contextlib.suppress(ImportError):  # some are there only for a while
                importlib.import_module(module)
        known = set(sys.modules)
        reading, outcome = _measured(task, library, site)
        found = [name for name in sys.modules if name not in known and name != "__mp_main__"]
        print(json.dumps([asdict(reading), asdict(outcome), found]), flush=True)
    os._exit(0)  # pyarrow may abort at exit after it has read through Python (apache/arrow#45214)


def _measured(task: Task, library: str, site: Site) -> tuple[Reading, Outcome]:
    task.ready(site)
    outcomes: list[Outcome] = []
    before = _cpu_of_children()
    reading = measure(lambda: outcomes.append(task.ways[library](site)))
    reading = replace(reading, cpu_s=reading.cpu_s + _cpu_of_children() - before)
    if library in task.after:
        task.after[library](site)
    return reading, outcomes[0]


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    _main()
