"""The command: `python -m benchmarks.commands`. See docs/benchmarks.md.

Every tool does every job once a round, as a process of its own and in mixed order. The first round
does not count. Time is that of the process from start to end; processor time and the peak of memory
are what the kernel tells of it when it has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from benchmarks import machine
from benchmarks.commands.jobs import JOBS, Room, Wrong
from benchmarks.commands.tools import TOOLS, Tool
from benchmarks.meter import Reading
from benchmarks.report import summarise, table
from benchmarks.runner import Readings, Servers, serve
from benchmarks.scale import MIB, Scale

_FULL: Final = Scale(big_bytes=MIB, small_count=10_000, large_count=8)
_SMOKE: Final = Scale(
    big_bytes=MIB, small_count=200, key_count=5500, large_count=2, large_bytes=24 * MIB
)
_KIB: Final = 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commands",
        description="Measure the blobio command beside its peers on one server of this machine.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--job", action="append", choices=JOBS, help="only this one; repeatable")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="only this one; repeatable")
    parser.add_argument("--raw", action="store_true", help="do without nginx")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--json", metavar="FILE", help="write every reading there")
    parser.add_argument("--smoke", action="store_true", help="small sizes, one round")
    return parser.parse_args()


@contextlib.contextmanager
def _room(scale: Scale, *, use_nginx: bool) -> Iterator[tuple[Servers, Room]]:
    with (
        serve("s3", scale, use_nginx=use_nginx, keep=False) as servers,
        tempfile.TemporaryDirectory(prefix="blobio-bench-", dir=servers.directory) as empty,
    ):
        place = f"http://127.0.0.1:{servers.others['http']}"
        yield servers, Room(scale, os.path.join(servers.directory, "bench"), empty, place)


def _measure(tool: Tool, job: str, servers: Servers, room: Room) -> Reading:
    """Run one tool once.

    Raises:
        Wrong: It failed, or did something else.
    """
    ports = servers.reads if JOBS[job].reads else servers.others
    environment = Tool.environment(f"http://127.0.0.1:{ports['http']}", room.empty)
    command = [*tool.program, *tool.words[job](JOBS[job].ask(room))]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)  # noqa: S603 - the tools of the benchmark
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = sum(1 for _ in out)
        if process.returncode:
            err.seek(0)
            message = f"{command[:4]} ended with {process.returncode}: {err.read(2000)!r}"
            raise Wrong(message)
    JOBS[job].judge(room, lines)
    return Reading(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        system_s=usage.ru_stime,
        peak_bytes=usage.ru_maxrss * _KIB,
    )


def _rounds(wanted: argparse.Namespace, servers: Servers, room: Room) -> Readings:
    readings: Readings = {}
    order = random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    count = 1 if wanted.smoke else wanted.repeat + 1
    for number in range(count):
        for job in wanted.job or JOBS:
            tools = [name for name in wanted.tool or TOOLS if job in TOOLS[name].words]
            for name in order.sample(tools, len(tools)):
                room.clear()
                JOBS[job].ready(room)
                reading = _measure(TOOLS[name], job, servers, room)
                readings.setdefault((job, name), []).append(reading)
                print(
                    f"{number + 1}/{count} {job} {name}: {reading.wall_s:.3f} s, "
                    f"CPU {reading.cpu_s:.3f} s, {reading.peak_bytes // MIB} MiB",
                    file=sys.stderr,
                    flush=True,
                )
    return readings


def _version(tool: Tool) -> str:
    shown = subprocess.run(  # noqa: S603 - the tools of the benchmark
        [*tool.program, *tool.version], capture_output=True, text=True, check=True
    )
    return shown.stdout.splitlines()[0]


def main() -> None:
    """Measure and print the table."""
    wanted = _arguments()
    scale = _SMOKE if wanted.smoke else _FULL
    with _room(scale, use_nginx=not wanted.raw) as (servers, room):
        versions = [_version(TOOLS[name]) for name in wanted.tool or TOOLS]
        about = machine.describe(versions, servers.title)
        readings = _rounds(wanted, servers, room)
    if wanted.json:
        with open(wanted.json, "w", encoding="utf-8") as file:
            rows = [
                {"job": job, "tool": tool, **asdict(reading)}
                for (job, tool), found in readings.items()
                for reading in found
            ]
            json.dump(rows, file, indent=1)
    counted = readings if wanted.smoke else {pair: found[1:] for pair, found in readings.items()}
    tables = table(summarise(counted), {name: job.title for name, job in JOBS.items()})
    print(about, tables, sep="\n\n")


if __name__ == "__main__":
    main()
