"""`blobio run`: many commands in one process, over one pool of connections."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncGenerator, Iterator

from blobio.cli import streams
from blobio.cli.exits import Exit, Stop
from blobio.cli.scripts import Script
from blobio.cli.session import Session

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Run a file of blobio commands, one a line, quoted as in a shell; # begins a comment. "
        "Lines run side by side and in no order, -j at once; only cat runs alone. rm of exact "
        "names that follow each other become batches. Exit 1 if any line failed."
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="a file, a blob, or - (default): stdin"
    )
    parser.add_argument(
        "--in-order", action="store_true", help="begin a line when the one before has ended"
    )


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Run the lines as they are read."""
    async with contextlib.aclosing(_chunks(args.file, session)) as chunks:
        return await Script(args, session).run(chunks)


async def _chunks(word: str, session: Session) -> AsyncGenerator[bytes, None]:
    """Yield a file as it can be read, which of a pipe is as it comes, or a blob as a whole."""
    stores = session.context.stores
    if word == "-":
        async with contextlib.aclosing(streams.chunks(streams.STDIN)) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    driver, url = stores.blob(word, "read")
    if not driver.capabilities.local_paths:
        yield await session.context.read_bytes(word)
        return
    with _unreadable(word), open(url.key, "rb", buffering=0) as file:  # noqa: ASYNC230 - at once
        async with contextlib.aclosing(streams.chunks(file.fileno())) as chunks:
            async for chunk in chunks:
                yield chunk


@contextlib.contextmanager
def _unreadable(word: str) -> Iterator[None]:
    """Name a file that cannot be read."""
    try:
        yield
    except OSError as error:
        raise Stop(Exit.NOT_FOUND, f"{word} cannot be read: {error.strerror}") from error
