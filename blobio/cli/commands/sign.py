"""`blobio sign`: make a URL that works without credentials, for a while."""

from __future__ import annotations

import argparse
import re
from typing import Final

from blobio.cli.exits import Exit
from blobio.cli.output import timestamp
from blobio.cli.session import Session

__all__ = ["configure", "run"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


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
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    if match is None or not int(match[1]):
        message = f"{text!r} is not a time such as 90, 15m, 1h or 7d"
        raise argparse.ArgumentTypeError(message)
    return float(int(match[1]) * _UNITS[match[2]])
