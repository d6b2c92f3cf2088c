"""`blobio mv`: copy as `cp` does, and remove each source once its copy is there and verified."""

from __future__ import annotations

import argparse

from blobio.cli.copies import Copier, add_copying
from blobio.cli.exits import Exit, Stop
from blobio.cli.session import Session
from blobio.cli.trade import Trade
from blobio.core.ends import Means
from blobio.core.moving import move
from blobio.core.placing import Placement, place, require_usable
from blobio.values import PutOptions

__all__ = ["configure", "run", "trade"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "Move to an exact name, or below a directory: see `blobio cp --help`."
    add_copying(parser)


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Move all sources; what fails is named and stays where it is, and the rest is moved."""
    if "-" in [*args.sources, args.target]:
        raise Stop(Exit.USAGE, "mv cannot move from or to a pipe; use cp")
    return await Copier(args, session, _move).run()


def trade(args: argparse.Namespace, session: Session) -> Trade[Placement]:
    """Return what is done with each source."""
    return Copier(args, session, _move).trade()


async def _move(placement: Placement, options: PutOptions, means: Means) -> None:
    if placement.meta.key.endswith("/"):
        await place(placement, options, means)
        (result,) = await placement.source.driver.delete([placement.meta.key])
        if result.error is not None:
            raise result.error
        return
    require_usable(placement.name, placement.target)
    await move(placement.source, placement.target, options, means)
