"""`blobio cp`: copy blobs and trees, from any store to any other.

Where things go depends on the text of the command alone, so that it can be run again: a destination
that ends in `/` is a directory, anything else is the exact name of one blob.
"""

from __future__ import annotations

import argparse

from blobio.cli.copies import Copier, add_copying
from blobio.cli.exits import Exit
from blobio.cli.session import Session
from blobio.core.ends import Means
from blobio.core.placing import Placement, place

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Copy to an exact name, or below a directory: a destination that ends in /. "
        "`cp -r d x/` makes x/d/..., `cp -r d/ x/` makes x/... - is stdin or stdout."
    )
    add_copying(parser)


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Copy all sources; what fails is named, and the rest is copied."""
    copier = Copier(args, session)

    async def copy(placement: Placement, means: Means) -> None:
        await place(placement, await copier.options(placement), means)

    return await copier.run(copy)
