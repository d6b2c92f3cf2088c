"""The command: `python -m benchmarks.adapters`. See docs/benchmarks.md.

Every file system does every job once a round, in a process of its own and in mixed order, at the
raw server of the benchmarks, behind a port that counts requests. The first round does not count.
Time is that of the job alone: neither of the interpreter nor of imports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Final

from benchmarks import machine
from benchmarks.adapters.counter import Counter, counted
from benchmarks.adapters.filesystems import FILESYSTEMS
from benchmarks.adapters.jobs import JOBS, prepared
from benchmarks.meter import Reading, measure
from benchmarks.peers.base import Place
from benchmarks.runner import serve
from benchmarks.scale import MIB, Scale

_SCALE: Final = Scale(big_bytes=MIB, small_count=1000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters",
        description="Measure blobio's fsspec file systems beside others on one server.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--job", action="append", choices=JOBS, help="repeatable")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--client", metavar="JSON", help=argparse.SUPPRESS)
    return parser.parse_args()


def _be_client(told: str) -> None:
    """Do one job in this process and print what it cost."""
    fields = json.loads(told)
    place = Place(**fields["place"])
    job = JOBS[fields["job"]]
    make = partial(FILESYSTEMS[fields["files"]], place, asynchronous=False)
    make()  # imports are not what is measured
    for library in ("pyarrow.parquet", "zarr"):
        __import__(library)
    reading = measure(lambda: job.run(make, _SCALE))
    print(json.dumps(asdict(reading)), flush=True)
    os._exit(0)  # pyarrow may abort at exit after it has read through Python (apache/arrow#45214)


def _measure(files: str, job: str, place: Place, counter: Counter) -> tuple[Reading, int]:
    told = json.dumps({"files": files, "job": job, "place": asdict(place)})
    before = counter.requests
    ran = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "benchmarks.adapters", "--client", told],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        message = f"{files} {job}: {ran.stderr[-2000:]}"
        raise RuntimeError(message)
    return Reading(**json.loads(ran.stdout.splitlines()[-1])), counter.requests - before


def _rows(wanted: argparse.Namespace) -> Iterator[str]:
    order = random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    found: dict[tuple[str, str], list[tuple[Reading, int]]] = {}
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(
            serve("s3", _SCALE, use_nginx=False, keep=False, more=prepared())
        )
        counter = stack.enter_context(counted(servers.others["http"]))
        url = f"http://127.0.0.1:{counter.port}"
        place = Place(store="s3", endpoint_url=url, ca_file=servers.ca_file)
        for number in range(wanted.repeat + 1):
            for job in wanted.job or JOBS:
                names = tuple(FILESYSTEMS)
                for files in order.sample(names, len(names)):
                    reading, requests = _measure(files, job, place, counter)
                    print(
                        f"{number}/{wanted.repeat} {job} {files}: CPU "
                        f"{reading.cpu_s:.2f} s, {requests} requests",
                        file=sys.stderr,
                        flush=True,
                    )
                    found.setdefault((job, files), []).append((reading, requests))
    for job in wanted.job or JOBS:
        for files in FILESYSTEMS:
            yield _row(job, files, found[job, files][1:])


def _row(job: str, files: str, found: list[tuple[Reading, int]]) -> str:
    cpu = sorted(reading.cpu_s for reading, _ in found)
    wall = sorted(reading.wall_s for reading, _ in found)
    requests = statistics.median(count for _, count in found)
    return (
        f"| {JOBS[job].title} | {files} | {statistics.median(cpu):.2f} "
        f"({cpu[0]:.2f}-{cpu[-1]:.2f}) | {statistics.median(wall):.2f} | {requests:.0f} |"
    )


def main() -> None:
    """Measure and print the table."""
    wanted = _arguments()
    if wanted.client:
        _be_client(wanted.client)
    print(machine.describe([], "the raw server of benchmarks/server"))
    print("\n| Job | File system | CPU s | Wall s | Requests |")
    print("| --- | --- | ---: | ---: | ---: |", flush=True)
    for row in _rows(wanted):
        print(row, flush=True)


if __name__ == "__main__":
    main()
