"""`python -m tests.campaign --seed N --operations N [--store strict|azure|moto|local]`."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import logging
import sys

from tests.campaign.actor import Journal
from tests.campaign.campaign import GROUNDS, run
from tests.campaign.model import Violation


def main() -> int:
    """Run one campaign and report; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--store", choices=sorted(GROUNDS), default="strict")
    parser.add_argument("--every", type=int, default=0, help="tell how far it is so often")
    chosen = parser.parse_args()

    def tell(journal: Journal) -> None:
        if chosen.every and journal.operations % chosen.every == 0:
            print(f"{journal.operations} operations", file=sys.stderr, flush=True)  # noqa: T201

    logging.disable()
    faulthandler.enable()
    try:
        report = asyncio.run(run(chosen.store, chosen.seed, chosen.operations, Journal(tell)))
    except Violation as violation:
        print(violation)  # noqa: T201 - this is a command
        return 1
    print("\n".join(report.lines()), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
