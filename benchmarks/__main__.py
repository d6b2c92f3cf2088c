"""The command: `python -m benchmarks`. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import math
from contextlib import AbstractContextManager
from dataclasses import asdict

from benchmarks import emulators, machine
from benchmarks.jobs import JOBS
from benchmarks.report import summarise, table
from benchmarks.runner import Readings, Rounds, Servers, emulate, measure_all, serve
from benchmarks.scale import FULL, SMOKE
from benchmarks.stores import PEERS, STORES
from benchmarks.targets import verdicts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure blobio beside its peers on one server of this machine.",
    )
    parser.add_argument(
        "--store", action="append", choices=STORES, help="only this one; repeatable"
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument(
        "--slow-s",
        type=float,
        default=math.inf,
        help="a library that takes longer for a job does it only 3 times, and the table says so",
    )
    parser.add_argument("--job", action="append", choices=JOBS, help="only this one; repeatable")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; repeatable")
    parser.add_argument("--raw", action="store_true", help="do without nginx")
    parser.add_argument(
        "--no-checksums",
        action="store_true",
        help="serve objects without a checksum (default: with the one that blobio writes)",
    )
    parser.add_argument(
        "--emulator",
        action="store_true",
        help="on fake-gcs-server and Azurite, the emulators of the tests; no listings",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--json", metavar="FILE", help="write every reading there")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="small sizes, one round, every byte checked: does it still run? No figure counts",
    )
    wanted = parser.parse_args()
    known = tuple(emulators.NAMES if wanted.emulator else STORES)
    wanted.store = wanted.store or known
    if not set(wanted.store) <= set(known):
        parser.error(f"--emulator goes with {' and '.join(known)}")
    return wanted


def _rows(store: str, readings: Readings) -> list[dict[str, object]]:
    return [
        {"store": store, "job": job, "peer": peer, **asdict(reading)}
        for (job, peer), found in readings.items()
        for reading in found
    ]


def _servers(store: str, wanted: argparse.Namespace) -> AbstractContextManager[Servers]:
    scale = SMOKE if wanted.smoke else FULL
    if wanted.emulator:
        return emulate(store, scale)
    return serve(
        store,
        scale,
        use_nginx=not wanted.raw,
        keep=wanted.smoke,
        checksums=not wanted.no_checksums,
    )


def _report(store: str, wanted: argparse.Namespace) -> list[dict[str, object]]:
    """Measure at one store and print the tables; return all readings."""
    peers = [peer for peer in STORES[store].peers if peer in (wanted.peer or PEERS)]
    scale = SMOKE if wanted.smoke else FULL
    # The first round is thrown away: it makes the machine find its memory and the server its files.
    rounds = 1 if wanted.smoke else wanted.repeat + 1
    with _servers(store, wanted) as servers:
        about = machine.describe(machine.versions(peers), servers.title)
        readings = measure_all(
            servers,
            scale,
            wanted.job or list(JOBS),
            peers,
            rounds=Rounds(count=rounds, slow_s=wanted.slow_s),
            seed=wanted.seed,
            check=wanted.smoke,
        )
    if not wanted.smoke:
        readings = {pair: found[1:] for pair, found in readings.items()}
    summaries = summarise(readings)
    ordered = {(job, peer): summaries[job, peer] for job in JOBS for peer in peers
               if (job, peer) in summaries}  # fmt: skip
    figures = table(ordered, {name: job.title for name, job in JOBS.items()})
    print(f"## {STORES[store].title}", about, figures, sep="\n\n", end="\n\n")
    if not wanted.smoke:
        print(verdicts(store, ordered), end="\n\n")
    return _rows(store, readings)


def main() -> None:
    """Measure and print."""
    wanted = _arguments()
    rows = [row for store in wanted.store for row in _report(store, wanted)]
    if wanted.json:
        with open(wanted.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
