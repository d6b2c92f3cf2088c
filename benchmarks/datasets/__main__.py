"""The command: `python -m benchmarks.datasets`. See docs/benchmarks.md.

Every library does every task once a round, in a process of its own and in mixed order, at the raw
server of the benchmarks, which waits before each answer and counts requests and bytes. The first
round does not count. Time is that of the task alone: neither of the interpreter nor of imports.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from benchmarks import machine
from benchmarks.datasets.client import Step, run
from benchmarks.datasets.data import Size, shards
from benchmarks.datasets.local import local_files
from benchmarks.datasets.opening import many_shards
from benchmarks.datasets.table import LIBRARIES, TASKS
from benchmarks.datasets.tasks import Outcome, Site
from benchmarks.meter import Reading
from benchmarks.peers.base import Place
from benchmarks.runner import serve
from benchmarks.scale import MIB, Scale
from benchmarks.server.__main__ import COUNTS_PATH

_SCALE: Final = Scale(big_bytes=MIB, small_count=1, key_count=0)
_SMOKE: Final = Size(shards=2, groups=2, many=30, batches=200, write_bytes=24 * MIB)


@final
@dataclass(frozen=True, slots=True)
class _Found:
    """One run: its costs, what came of it, requests, bytes that came, and modules."""

    reading: Reading
    outcome: Outcome
    requests: int
    fetched: int
    modules: tuple[str, ...]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets",
        description="Measure blobio's datasets beside others on one S3 server.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="repeatable")
    parser.add_argument("--latency-ms", type=float, default=20, help="of a request (default: 20)")
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


def _counts(site: Site) -> tuple[int, int]:
    url = site.place.endpoint_url + COUNTS_PATH
    with urllib.request.urlopen(url) as reply:  # noqa: S310 - our own server
        requests, fetched = json.load(reply)
    return requests, fetched


def _measure(step: Step) -> _Found:
    with tempfile.TemporaryDirectory(prefix="blobio-bench-") as scratch:
        before = _counts(step.site)
        cost, outcome, modules = json.loads(run(step, scratch))
        after = _counts(step.site)
    return _Found(
        Reading(**cost),
        Outcome(**outcome),
        after[0] - before[0],
        after[1] - before[1],
        tuple(modules),
    )


def _steps(names: list[str], libraries: list[str], site: Site) -> dict[str, list[Step]]:
    """Return what is measured, by task, once all that comes before was done."""
    found: dict[str, list[Step]] = {}
    for name in names:
        for library in [library for library in libraries if library in TASKS[name].ways]:
            step = Step(task=name, library=library, phase="before", site=site)
            told = None
            if library in TASKS[name].before:
                with tempfile.TemporaryDirectory(prefix="blobio-bench-") as scratch:
                    told = json.loads(run(step, scratch))
            step = replace(step, phase="measured", site=replace(site, told=told))
            found.setdefault(name, []).append(step)
    return found


def _rows(wanted: argparse.Namespace, libraries: list[str]) -> Iterator[str]:
    size, order = _size(wanted), random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    names = [name for name in TASKS if name in (wanted.task or TASKS)]
    objects = shards(size) | many_shards(size) | local_files(size)
    latency_s = wanted.latency_ms / 1000
    found: dict[tuple[str, str], list[_Found]] = {}
    with serve(
        "s3", _SCALE, use_nginx=False, keep=True, more=objects, latency_s=latency_s
    ) as servers:
        url = f"http://127.0.0.1:{servers.others['http']}"
        place = Place(store="s3", endpoint_url=url, ca_file=servers.ca_file)
        site = Site(place=place, size=size, directory=servers.directory)
        steps = _steps(names, libraries, site)
        for number in range(1 if wanted.smoke else wanted.repeat + 1):
            for step in [one for each in steps.values() for one in order.sample(each, len(each))]:
                several = found.setdefault((step.task, step.library), [])
                # What the first round has imported late is imported early in the others.
                one = _measure(replace(step, modules=several[0].modules if several else ()))
                several.append(one)
                told = f"{one.reading.wall_s:.3f} s, CPU {one.reading.cpu_s:.2f} s, {one.requests}"
                print(f"{number}/{wanted.repeat} {step.task} {step.library}: {told} requests",
                      file=sys.stderr, flush=True)  # fmt: skip
    for name in names:
        for library in libraries:
            if (name, library) in found:
                several = found[name, library]
                yield _row(name, library, several[0 if wanted.smoke else 1 :], size, objects)


def _row(
    name: str, library: str, found: list[_Found], size: Size, objects: Mapping[str, bytes]
) -> str:
    task = TASKS[name]
    wall = sorted(one.reading.wall_s for one in found)
    middle = statistics.median(wall)
    fetched = statistics.median(one.fetched for one in found)
    needed = "" if task.needs is None else f"{fetched / task.needs(size, objects):.2f}"
    rate = found[0].outcome.units / middle
    cells = (
        task.title,
        library,
        f"{middle:.3f} ({wall[0]:.3f}-{wall[-1]:.3f})",
        f"{rate:,.0f} {task.unit}",
        f"{statistics.median(one.reading.cpu_s for one in found):.2f}",
        f"{statistics.median(one.reading.peak_bytes for one in found) / MIB:.0f}",
        f"{statistics.median(one.requests for one in found):.0f}",
        f"{fetched / MIB:.1f}",
        needed,
        found[0].outcome.note,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure and print the table."""
    wanted = _arguments()
    libraries = [name for name in LIBRARIES if name in (wanted.library or LIBRARIES)]
    peers = [name for name in (*libraries, "s3fs") if name != "blobio"]
    title = f"the raw server of benchmarks/server, {wanted.latency_ms:g} ms a request"
    print(machine.describe(machine.versions(peers), title))
    print(
        "\n| Task | Library | Wall s | A second | CPU s | Peak MiB | Requests | MiB | / needed | |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
    for row in _rows(wanted, libraries):
        print(row, flush=True)


if __name__ == "__main__":
    main()
