"""The command: `python -m benchmarks.datasets`. See docs/benchmarks.md.

Every library does every task once a round, in a process of its own and in mixed order, at the raw
server of the benchmarks, which waits before each answer, may send slowly and fail on purpose, and
counts requests and bytes. The first round does not count. Time is that of the task alone: neither
of the interpreter nor of imports.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from benchmarks import machine
from benchmarks.datasets.client import Step, run
from benchmarks.datasets.counting import begin_faults
from benchmarks.datasets.data import Size, shards
from benchmarks.datasets.local import local_files
from benchmarks.datasets.opening import many_shards
from benchmarks.datasets.table import LIBRARIES, TASKS
from benchmarks.datasets.tasks import Outcome, Site
from benchmarks.meter import Reading
from benchmarks.peers.base import Place
from benchmarks.runner import serve
from benchmarks.scale import MIB, Scale
from benchmarks.server.__main__ import Counts
from benchmarks.server.faults import Conditions

_SCALE: Final = Scale(big_bytes=MIB, small_count=1, key_count=0)
_SMOKE_SOAK_S: Final = 0.5
_SMOKE: Final = Size(shards=2, groups=2, many=30, batches=200, write_bytes=24 * MIB)


@final
@dataclass(frozen=True, slots=True)
class _Found:
    """One run: its costs, what came of it, what the server did, and modules."""

    reading: Reading
    outcome: Outcome
    counts: Counts
    modules: tuple[str, ...]

    def tell(self) -> str:
        """Return the costs for people who wait."""
        wall_s, cpu_s = self.reading.wall_s, self.reading.cpu_s
        return f"{wall_s:.3f} s, CPU {cpu_s:.2f} s, {self.counts.requests} requests"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets",
        description="Measure blobio's datasets beside others on one S3 server.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="repeatable")
    parser.add_argument("--latency-ms", type=float, default=20, help="of a request (default: 20)")
    parser.add_argument(
        "--rate-mib", type=float, default=0, help="a connection's MiB/s (default: 0, no limit)"
    )
    parser.add_argument(
        "--fault-share",
        type=float,
        default=0,
        help="of requests that fail, half by 503, half cut in mid-body (default: 0)",
    )
    parser.add_argument("--soak-s", type=float, default=600, help="of the soak (default: 600)")
    parser.add_argument("--shards", type=int, default=4, help="files (default: 4)")
    parser.add_argument("--groups", type=int, default=3, help="row groups of each (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--smoke", action="store_true", help="one small round, which counts")
    return parser.parse_args()


def _size(wanted: argparse.Namespace) -> Size:
    if wanted.smoke:
        return _SMOKE
    return Size(
        shards=wanted.shards,
        groups=wanted.groups,
        many=1000,
        batches=20_000,
        write_bytes=256 * MIB,
    )


def _conditions(wanted: argparse.Namespace) -> Conditions:
    return Conditions(
        latency_s=wanted.latency_ms / 1000,
        rate_bytes=wanted.rate_mib * MIB,
        fault_share=wanted.fault_share,
        fault_seed=wanted.seed,
    )


def _measure(step: Step, conditions: Conditions) -> _Found:
    share = max(conditions.fault_share, TASKS[step.task].fault_share)
    with tempfile.TemporaryDirectory(prefix="blobio-bench-") as scratch:
        before = begin_faults(step.site.place, share, conditions.fault_seed)
        cost, outcome, modules = json.loads(run(step, scratch))
        after = begin_faults(step.site.place, 0, 0)
    return _Found(Reading(**cost), Outcome(**outcome), after.since(before), tuple(modules))


def _steps(chosen: Mapping[str, list[str]], site: Site) -> dict[str, list[Step]]:
    """Return what is measured, by task, once all that comes before was done."""
    found: dict[str, list[Step]] = {}
    for name, libraries in chosen.items():
        for library in libraries:
            step = Step(task=name, library=library, phase="before", site=site)
            told = None
            if library in TASKS[name].before:
                with tempfile.TemporaryDirectory(prefix="blobio-bench-") as scratch:
                    told = json.loads(run(step, scratch))
            step = replace(step, phase="measured", site=replace(site, told=told))
            found.setdefault(name, []).append(step)
    return found


def _chosen(wanted: argparse.Namespace) -> dict[str, list[str]]:
    """Return what is to be done, by which libraries, and say what cannot be."""
    chosen = {}
    is_short = wanted.smoke and not wanted.task and not wanted.library
    for name, task in TASKS.items():
        by_default = wanted.smoke or not task.is_on_demand
        if name not in (wanted.task or ()) and (wanted.task or not by_default):
            continue
        ways = task.smoke if is_short and task.smoke is not None else task.ways
        libraries = [one for one in LIBRARIES if one in ways and one in (wanted.library or ways)]
        if task.requires and importlib.util.find_spec(task.requires) is None:
            print(f"- `{name}` is left out, as {task.requires} is not installed")
        elif libraries:
            chosen[name] = libraries
    return chosen


def _rows(wanted: argparse.Namespace, chosen: Mapping[str, list[str]]) -> Iterator[str]:
    size, order = _size(wanted), random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    objects = shards(size) | many_shards(size) | local_files(size)
    conditions = _conditions(wanted)
    found: dict[tuple[str, str], list[_Found]] = {}
    with serve(
        "s3", _SCALE, use_nginx=False, keep=True, more=objects, conditions=conditions
    ) as servers:
        url = f"http://127.0.0.1:{servers.others['http']}"
        place = Place(store="s3", endpoint_url=url, ca_file=servers.ca_file)
        soak_s = min(wanted.soak_s, _SMOKE_SOAK_S) if wanted.smoke else wanted.soak_s
        site = Site(place=place, size=size, directory=servers.directory, soak_s=soak_s)
        steps = _steps(chosen, site)
        for number in range(1 if wanted.smoke else wanted.repeat + 1):
            todo = [step for name, each in steps.items() for step in order.sample(each, len(each))
                    if number == 0 or not TASKS[name].is_on_demand]  # fmt: skip
            for step in todo:
                several = found.setdefault((step.task, step.library), [])
                # What the first round has imported late is imported early in the others.
                one = _measure(
                    replace(step, modules=several[0].modules if several else ()), conditions
                )
                several.append(one)
                print(f"{number}/{wanted.repeat} {step.task} {step.library}: {one.tell()}",
                      file=sys.stderr, flush=True)  # fmt: skip
    for name, libraries in chosen.items():
        for library in libraries:
            several = found[name, library]
            yield _row(name, library, several[1:] or several, size, objects)


def _row(
    name: str, library: str, found: list[_Found], size: Size, objects: Mapping[str, bytes]
) -> str:
    task = TASKS[name]
    wall = sorted(one.reading.wall_s for one in found)
    middle = statistics.median(wall)
    fetched = statistics.median(one.counts.bytes for one in found)
    needed = "" if task.needs is None else f"{fetched / task.needs(size, objects):.2f}"
    rate = found[0].outcome.units / middle
    cells = (
        task.title,
        library,
        f"{middle:.3f} ({wall[0]:.3f}-{wall[-1]:.3f})",
        f"{rate:,.0f} {task.unit}",
        f"{statistics.median(one.reading.cpu_s for one in found):.2f}",
        f"{statistics.median(one.reading.peak_bytes for one in found) / MIB:.0f}",
        f"{statistics.median(one.counts.requests for one in found):.0f}",
        f"{fetched / MIB:.1f}",
        needed,
        "; ".join(filter(None, (found[0].outcome.note, _faults(found)))),
    )
    return f"| {' | '.join(cells)} |"


def _faults(found: list[_Found]) -> str:
    refused = sum(one.counts.refused for one in found) / len(found)
    cut = sum(one.counts.cut for one in found) / len(found)
    return f"faults met: {refused:.1f} by 503, {cut:.1f} cut" if refused or cut else ""


def main() -> None:
    """Measure and print the table."""
    wanted = _arguments()
    libraries = [name for name in LIBRARIES if name in (wanted.library or LIBRARIES)]
    packages = dict.fromkeys("+".join([*libraries, "s3fs"]).split("+"))
    peers = [name for name in packages if name != "blobio"]
    title = f"the raw server of benchmarks/server, {_conditions(wanted).describe()}"
    print(machine.describe(machine.versions(peers), title))
    chosen = _chosen(wanted)
    print(
        "\n| Task | Library | Wall s | A second | CPU s | Peak MiB | Requests | MiB | / needed | |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
    for row in _rows(wanted, chosen):
        print(row, flush=True)


if __name__ == "__main__":
    main()
