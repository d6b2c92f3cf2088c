"""`blobio cp`: copy blobs and trees, from any store to any other.

Where things go depends on the text of the command alone, so that it can be run again: a destination
that ends in `/` is a directory, anything else is the exact name of one blob.
"""

from __future__ import annotations

import argparse

from blobio.cli.copies import Copier, add_copying
from blobio.cli.exits import Exit
from blobio.cli.session import Session
from blobio.cli.trade import Trade
from blobio.core.placing import Placement, place

__all__ = ["configure", "run", "trade"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Copy to an exact name, or below a directory: a destination that ends in /. "
        "`cp -r d x/` makes x/d/..., `cp -r d/ x/` makes x/... - is stdin or stdout."
    )
    add_copying(parser)


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Copy all sources; what fails is named, and the rest is copied."""
    return await Copier(args, session, place).run()


def trade(args: argparse.Namespace, session: Session) -> Trade[Placement]:
    """Return what is done with each source."""
    return Copier(args, session, place).trade()
