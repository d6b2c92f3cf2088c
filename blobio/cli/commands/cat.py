"""`blobio cat`: write blobs to stdout one after the other, each read in parallel parts."""

from __future__ import annotations

import argparse
import contextlib

from blobio.cli.exits import Exit, Stop
from blobio.cli.options import size_bytes
from blobio.cli.session import Session
from blobio.cli.sources import Sources
from blobio.cli.streams import download
from blobio.errors import BlobError

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "Write bytes as they are stored; nothing is decoded."
    parser.add_argument("urls", nargs="+", metavar="URL", help="a blob or a glob")
    parser.add_argument("--offset", type=size_bytes, default=0, metavar="N", help="skip N bytes")
    parser.add_argument("--count", type=size_bytes, metavar="N", help="write at most N bytes")
    parser.add_argument("--tail", type=size_bytes, metavar="N", help="write the last N bytes")
    parser.add_argument("--version", metavar="V", help="only this version, as stat prints it")
    parser.add_argument("-F", "--no-glob", action="store_true", help="* ? [ { are no wildcards")
    parser.set_defaults(recursive=False, include=[], exclude=[])


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Write the blobs in order; one that cannot be read is named, and the next one comes."""
    if args.tail is not None and (args.offset or args.count is not None):
        raise Stop(Exit.USAGE, "--tail goes with neither --offset nor --count")
    async with contextlib.aclosing(Sources(session, args).find(args.urls)) as found:
        async for source in session.until_failure(found):
            name = str(source.end.url)
            try:
                await _write(name, args, session)
            except BlobError as error:
                session.fail(error, src=name)
    return session.account.code


async def _write(name: str, args: argparse.Namespace, session: Session) -> None:
    reader = await session.context.stores.open_reader(name, version=args.version)
    size = reader.size or 0
    start = max(0, size - args.tail) if args.tail is not None else min(args.offset, size)
    stop = size if args.count is None else min(size, start + args.count)
    await download(reader, start, stop, session.context.config.read)
    session.account.add(stop - start)
