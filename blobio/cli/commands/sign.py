"""`blobio sign`: make a URL that works without credentials, for a while."""

from __future__ import annotations

import argparse

from blobio.cli.durations import seconds
from blobio.cli.exits import Exit
from blobio.cli.output import timestamp
from blobio.cli.session import Session

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "Print the URL; whoever has it may use it until it expires."
    parser.add_argument("urls", nargs="+", metavar="URL", help="a blob, there or not")
    parser.add_argument(
        "--expires", type=_seconds, default=3600, metavar="TIME", help="90, 15m, 1h (default), 7d"
    )
    parser.add_argument("--method", choices=("GET", "PUT", "HEAD", "DELETE"), default="GET")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Sign each name; no request, but for those that credentials need."""
    for word in args.urls:
        url, expires_at = await session.context.get_url(
            word, method=args.method, expires_s=args.expires
        )
        until = None if expires_at is None else timestamp(expires_at)
        session.output.record("result", url, src=word, url=url, expires=until, status="done")
        if until is not None:
            session.output.note(f"{word}: until {until}")
    return Exit.DONE


def _seconds(text: str) -> float:
    value = seconds(text)
    if not value:
        message = "a URL lives for a second or longer"
        raise argparse.ArgumentTypeError(message)
    return value
