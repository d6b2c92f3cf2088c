"""The buckets of a store, as `ls s3://` prints them."""

from __future__ import annotations

import argparse
from typing import Final

from blobio.cli.exits import Exit, Stop
from blobio.cli.output import Output, timestamp
from blobio.cli.session import Session
from blobio.core.listing import Tokens
from blobio.drivers.buckets import BucketEntry, Buckets

__all__ = ["list_buckets"]

_KEYS: Final = {
    "name": lambda entry: entry.name,
    "size": lambda entry: entry.name,  # nobody knows the sizes
    "mtime": lambda entry: -(entry.time or 0.0),
}


async def list_buckets(
    word: str, buckets: Buckets, args: argparse.Namespace, session: Session
) -> None:
    """Print all buckets that `word` means, a page at a time, or sorted as one.

    Raises:
        Stop: All that lies in them was asked for.
        BlobError: The store does not say.
    """
    if args.recursive:
        raise Stop(Exit.USAGE, "-R lists what lies in one bucket; name it")
    kept: list[BucketEntry] = []
    token: str | None = None
    tokens = Tokens(word)
    while True:
        page = await buckets.page(token)
        if args.sort:
            kept += page.entries
        for entry in () if args.sort else page.entries:
            _show(entry, args, session.output)
        session.output.flush()
        token = tokens.follow(page.token)
        if token is None:
            break
    for entry in sorted(kept, key=_KEYS[args.sort or "name"]):
        _show(entry, args, session.output)


def _show(entry: BucketEntry, args: argparse.Namespace, output: Output) -> None:
    name = entry.url if args.absolute else f"{entry.name}/"
    time = None if entry.time is None else timestamp(entry.time)
    text = f"{'':12}  {time or '':20}  {name}" if args.long else name
    output.record("entry", text, src=entry.url, kind="bucket", mtime=time)
