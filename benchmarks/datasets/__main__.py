"""The command: `python -m benchmarks.datasets`. See docs/benchmarks.md.

Every library does every job once a round, in a process of its own and in mixed order, at the raw
server of the benchmarks, which waits before each answer and counts requests and bytes. The first
round does not count. Time is that of the job alone: neither of the interpreter nor of imports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, final

from benchmarks import machine
from benchmarks.datasets.data import Size, shards
from benchmarks.datasets.jobs import JOBS
from benchmarks.datasets.libraries import LIBRARIES
from benchmarks.meter import Reading, measure
from benchmarks.peers.base import Place
from benchmarks.runner import environment, serve
from benchmarks.scale import MIB, Scale
from benchmarks.server.__main__ import COUNTS_PATH

_SCALE: Final = Scale(big_bytes=MIB, small_count=1, key_count=0)
_JOB_S: Final = 600.0
_IMPORTS: Final = {
    "blobio": "blobio.dataset",
    "datasets": "datasets,s3fs",
    "pyarrow": "pyarrow.dataset,pyarrow.fs",
    "polars": "polars",
}


@final
@dataclass(frozen=True, slots=True)
class _Found:
    """One run: its costs, rows, requests and bytes of bodies."""

    reading: Reading
    rows: int
    requests: int
    fetched: int


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets",
        description="Measure blobio's datasets beside others on one S3 server.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--job", action="append", choices=JOBS, help="repeatable")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="repeatable")
    parser.add_argument("--latency-ms", type=float, default=20, help="of a request (default: 20)")
    parser.add_argument("--shards", type=int, default=8, help="files (default: 8)")
    parser.add_argument("--groups", type=int, default=10, help="row groups of each (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--client", metavar="JSON", help=argparse.SUPPRESS)
    return parser.parse_args()


def _be_client(told: str) -> None:
    """Do one job in this process and print what it cost."""
    fields = json.loads(told)
    place, size, job = Place(**fields["place"]), Size(**fields["size"]), JOBS[fields["job"]]
    for name in _IMPORTS[fields["library"]].split(","):
        __import__(name)
    rows: list[int] = []
    open_rows = LIBRARIES[fields["library"]]
    reading = measure(lambda: rows.append(job.run(open_rows(place, job.asks(size)), size)))
    print(json.dumps([asdict(reading), rows[0]]), flush=True)
    os._exit(0)  # pyarrow may abort at exit after it has read through Python (apache/arrow#45214)


def _counts(place: Place) -> tuple[int, int]:
    with urllib.request.urlopen(place.endpoint_url + COUNTS_PATH) as reply:  # noqa: S310 - our own server
        requests, fetched = json.load(reply)
    return requests, fetched


def _measure(library: str, job: str, place: Place, size: Size) -> _Found:
    told = json.dumps({"library": library, "job": job, "place": asdict(place)}
                      | {"size": asdict(size)})  # fmt: skip
    before = _counts(place)
    ran = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "benchmarks.datasets", "--client", told],
        capture_output=True,
        text=True,
        check=False,
        timeout=_JOB_S,
        env=environment() | {"HF_HUB_OFFLINE": "1"},
    )
    if ran.returncode:
        message = f"{library} {job}: {ran.stderr[-2000:]}"
        raise RuntimeError(message)
    after = _counts(place)
    cost, rows = json.loads(ran.stdout.splitlines()[-1])
    return _Found(Reading(**cost), rows, after[0] - before[0], after[1] - before[1])


def _rows(wanted: argparse.Namespace) -> Iterator[str]:
    order = random.Random(wanted.seed)  # noqa: S311 - an order, no secret
    names = [name for name in LIBRARIES if name in (wanted.library or LIBRARIES)]
    jobs = [name for name in JOBS if name in (wanted.job or JOBS)]
    size = Size(wanted.shards, wanted.groups)
    found: dict[tuple[str, str], list[_Found]] = {}
    with serve(
        "s3",
        _SCALE,
        use_nginx=False,
        keep=False,
        more=shards(size),
        latency_s=wanted.latency_ms / 1000,
    ) as servers:
        url = f"http://127.0.0.1:{servers.others['http']}"
        place = Place(store="s3", endpoint_url=url, ca_file=servers.ca_file)
        for number in range(wanted.repeat + 1):
            for job in jobs:
                for library in order.sample(names, len(names)):
                    one = _measure(library, job, place, size)
                    print(f"{number}/{wanted.repeat} {job} {library}: {one}", file=sys.stderr)
                    found.setdefault((job, library), []).append(one)
    for (job, library), several in sorted(found.items(), key=lambda item: jobs.index(item[0][0])):
        yield _row(JOBS[job].title, library, several[1:])


def _row(title: str, library: str, found: list[_Found]) -> str:
    wall = sorted(one.reading.wall_s for one in found)
    middle = statistics.median(wall)
    cells = (
        title,
        library,
        f"{middle * 1000:.0f} ({wall[0] * 1000:.0f}-{wall[-1] * 1000:.0f})",
        f"{found[0].rows / middle / 1000:.0f}",
        f"{statistics.median(one.reading.cpu_s for one in found):.2f}",
        f"{statistics.median(one.reading.peak_bytes for one in found) / MIB:.0f}",
        f"{statistics.median(one.requests for one in found):.0f}",
        f"{statistics.median(one.fetched for one in found) / MIB:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure and print the table."""
    wanted = _arguments()
    if wanted.client:
        _be_client(wanted.client)
    names = [name for name in LIBRARIES if name in (wanted.library or LIBRARIES)]
    versions = machine.versions(names)
    title = f"the raw server of benchmarks/server, {wanted.latency_ms:g} ms a request"
    print(machine.describe(versions, title))
    print("\n| Job | Library | Wall ms | 1,000 rows/s | CPU s | Peak MiB | Requests | MiB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for row in _rows(wanted):
        print(row, flush=True)


if __name__ == "__main__":
    main()
