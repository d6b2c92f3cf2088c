"""The command: `python -m benchmarks`. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from benchmarks import machine
from benchmarks.jobs import JOBS, PEERS
from benchmarks.report import summarise, table
from benchmarks.runner import Readings, measure_all, serve
from benchmarks.scale import FULL, SMOKE
from benchmarks.targets import verdicts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure blobio beside its peers on one server of this machine.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--job", action="append", choices=JOBS, help="only this one; repeatable")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one; repeatable")
    parser.add_argument("--raw", action="store_true", help="do without nginx")
    parser.add_argument(
        "--no-checksums",
        action="store_true",
        help="serve objects without a checksum (default: CRC32C, which blobio writes)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    parser.add_argument("--json", metavar="FILE", help="write every reading there")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="small sizes, one round, every byte checked: does it still run? No figure counts",
    )
    return parser.parse_args()


def _write(path: str, readings: Readings) -> None:
    rows = [
        {"job": job, "peer": peer, **asdict(reading)}
        for (job, peer), found in readings.items()
        for reading in found
    ]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


def main() -> None:
    """Measure and print."""
    wanted = _arguments()
    jobs, peers = wanted.job or list(JOBS), wanted.peer or list(PEERS)
    scale = SMOKE if wanted.smoke else FULL
    # The first round is thrown away: it makes the machine find its memory and the server its files.
    rounds = 1 if wanted.smoke else wanted.repeat + 1
    with serve(
        scale, use_nginx=not wanted.raw, keep=wanted.smoke, checksums=not wanted.no_checksums
    ) as servers:
        about = machine.describe(peers, servers.title)
        readings = measure_all(
            servers, scale, jobs, peers, rounds=rounds, seed=wanted.seed, check=wanted.smoke
        )
    if not wanted.smoke:
        readings = {pair: found[1:] for pair, found in readings.items()}
    if wanted.json:
        _write(wanted.json, readings)
    summaries = summarise(readings)
    ordered = {(job, peer): summaries[job, peer] for job in jobs for peer in PEERS
               if (job, peer) in summaries}  # fmt: skip
    print(about, table(ordered), sep="\n\n")
    if not wanted.smoke:
        print("", verdicts(ordered), sep="\n")


if __name__ == "__main__":
    main()
