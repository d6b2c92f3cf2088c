"""The command: `python -m benchmarks.adapters`. See docs/benchmarks.md.

At each store every file system does all jobs once a round, in a process of its own and in mixed
order, at the raw server of the benchmarks, behind a port that counts requests. Each job gets a new
file system, so its first connection is counted. The process has made and used another one before:
the interpreter, imports and threads that stay are not. A job that takes longer than the limit is
ended, reported as such and not repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from benchmarks import machine
from benchmarks.adapters.counter import Counter, counted
from benchmarks.adapters.filesystems import FILESYSTEMS
from benchmarks.adapters.jobs import JOBS, prepared
from benchmarks.data import WARM_KEY
from benchmarks.meter import Reading, measure
from benchmarks.peers.base import Place
from benchmarks.runner import environment, serve
from benchmarks.scale import BUCKET, MIB, Scale
from benchmarks.stores import STORES

_SLOW_ROUNDS: Final = 3
_SLOW_S: Final = 5.0
_LIMIT_S: Final = 60.0

Found = dict[tuple[str, str], list[tuple[Reading | None, int]]]
"""By job and file system: cost, None for longer than the limit, and requests of each round."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters",
        description="Measure blobio's fsspec file systems beside others on one server.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--store", action="append", choices=FILESYSTEMS, help="repeatable")
    parser.add_argument("--job", action="append", choices=JOBS, help="repeatable")
    parser.add_argument("--only", action="append", metavar="NAME", help="a file system; repeatable")
    parser.add_argument("--keys", type=int, default=100_000, help="of find (default: 100,000)")
    parser.add_argument(
        "--limit",
        type=float,
        default=_LIMIT_S,
        metavar="SECONDS",
        help="end a job that takes longer (default: 60)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--client", metavar="JSON", help=argparse.SUPPRESS)
    return parser.parse_args()


def _scale(keys: int) -> Scale:
    return Scale(big_bytes=MIB, small_count=1000, key_count=keys)


def _be_client(told: str) -> None:
    """Do the jobs in this process; print what each cost, and start when a line tells to."""
    fields = json.loads(told)
    place = Place(**fields["place"])
    make = partial(FILESYSTEMS[place.store][fields["files"]], place, asynchronous=False)
    for library in ("pyarrow.parquet", "zarr"):
        __import__(library)
    make().cat_file(f"{BUCKET}/{WARM_KEY}")  # what is only imported when used
    for name in fields["jobs"]:
        print(flush=True)
        sys.stdin.readline()
        reading = measure(partial(JOBS[name].run, make, _scale(fields["keys"])))
        print(json.dumps(asdict(reading)), flush=True)
    os._exit(0)  # pyarrow may abort at exit after it has read through Python (apache/arrow#45214)


def _measure(
    files: str, jobs: Sequence[str], place: Place, counter: Counter, wanted: argparse.Namespace
) -> Iterator[tuple[str, Reading | None, int]]:
    """Do jobs with one file system; yield job, cost or None for too long, and requests.

    All are done in one process, but what follows a job that had to be ended gets a new one.
    """
    left = list(jobs)
    while left:
        for job, reading, requests in _one_process(files, tuple(left), place, counter, wanted):
            left.remove(job)
            yield job, reading, requests


def _one_process(
    files: str, jobs: Sequence[str], place: Place, counter: Counter, wanted: argparse.Namespace
) -> Iterator[tuple[str, Reading | None, int]]:
    """Do jobs in one process, until they are done or one takes too long."""
    told = json.dumps({"files": files, "jobs": jobs, "place": asdict(place), "keys": wanted.keys})
    with subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "benchmarks.adapters", "--client", told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for job in jobs:
            process.stdout.readline()  # it is ready
            before = counter.requests
            watch = threading.Timer(wanted.limit, process.kill)
            watch.start()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write("\n")
                process.stdin.flush()
            line = process.stdout.readline()
            watch.cancel()
            if line:
                yield job, Reading(**json.loads(line)), counter.requests - before
            elif process.wait() == -signal.SIGKILL:
                yield job, None, counter.requests - before
                return
            else:
                message = f"{files} failed at {job}; see above"
                raise RuntimeError(message)


def _rounds(wanted: argparse.Namespace, store: str) -> Found:
    order = random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    found: Found = {}
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(
            serve(store, _scale(wanted.keys), use_nginx=False, keep=False, more=prepared())
        )
        counter = stack.enter_context(counted(servers.others["http"]))
        url = f"http://127.0.0.1:{counter.port}"
        place = Place(store=store, endpoint_url=url, ca_file=servers.ca_file)
        names = [name for name in FILESYSTEMS[store] if name in (wanted.only or FILESYSTEMS[store])]
        for number in range(wanted.repeat):
            for files in order.sample(names, len(names)):
                jobs = [
                    job
                    for job in wanted.job or JOBS
                    if number == 0 or _goes_on(found[job, files][0][0], number)
                ]
                for job, reading, requests in _measure(files, jobs, place, counter, wanted):
                    cost = "too long" if reading is None else f"CPU {reading.cpu_s:.2f} s"
                    print(
                        f"{number + 1}/{wanted.repeat} {store} {job} {files}: {cost}, "
                        f"{requests} requests",
                        file=sys.stderr,
                        flush=True,
                    )
                    found.setdefault((job, files), []).append((reading, requests))
    return found


def _goes_on(first: Reading | None, number: int) -> bool:
    """Tell if a job is worth a round after the first."""
    return first is not None and (number < _SLOW_ROUNDS or first.wall_s <= _SLOW_S)


def _row(title: str, files: str, found: list[tuple[Reading | None, int]], limit_s: float) -> str:
    requests = statistics.median(count for _, count in found)
    readings = [reading for reading, _ in found if reading is not None]
    if len(readings) < len(found):
        costs = f"not done | more than {limit_s:.0f}"
    else:
        cpu = sorted(reading.cpu_s for reading in readings)
        wall_s = statistics.median(reading.wall_s for reading in readings)
        costs = f"{statistics.median(cpu):.2f} ({cpu[0]:.2f}-{cpu[-1]:.2f}) | {wall_s:.2f}"
    return f"| {title} | {files} | {costs} | {requests:.0f} |"


def main() -> None:
    """Measure and print the tables."""
    wanted = _arguments()
    if wanted.client:
        _be_client(wanted.client)
    print(machine.describe([], "the raw server of benchmarks/server"))
    for store in wanted.store or FILESYSTEMS:
        found = _rounds(wanted, store)
        print(f"\n{STORES[store].title}\n")
        print("| Job | File system | CPU s | Wall s | Requests |")
        print("| --- | --- | ---: | ---: | ---: |")
        for job in wanted.job or JOBS:
            title = JOBS[job].title.format(keys=wanted.keys)
            for files in FILESYSTEMS[store]:
                if (job, files) in found:
                    print(_row(title, files, found[job, files], wanted.limit), flush=True)


if __name__ == "__main__":
    main()
