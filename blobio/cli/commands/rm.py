"""`blobio rm`: remove blobs and trees, in batches, after guards against removing too much."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from blobio.cli.exits import Exit, Stop
from blobio.cli.options import add_selection, positive
from blobio.cli.purging import purge
from blobio.cli.removals import remove, report
from blobio.cli.session import Session
from blobio.cli.sources import Found, Sources
from blobio.url import BlobUrl

__all__ = ["configure", "run"]

_ASK_ABOVE: Final = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Remove exact names, globs, and trees with -r. Globs and trees are counted first: from a "
        "terminal you are asked above 1,000, elsewhere -y or --max-delete is needed."
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="a blob, a glob, a tree with -r")
    parser.add_argument("-r", "--recursive", action="store_true", help="take directories whole")
    parser.add_argument("-f", "--force", action="store_true", help="a missing blob is no failure")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be removed")
    parser.add_argument("-y", "--yes", action="store_true", help="ask nothing")
    parser.add_argument(
        "--max-delete", type=positive, metavar="N", help="remove nothing if it would be more than N"
    )
    parser.add_argument(
        "--versions", action="store_true", help="remove all versions for good, and markers"
    )
    parser.add_argument(
        "--whole-bucket", action="store_true", help="let -r take a bucket or container as a whole"
    )
    add_selection(parser)


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Find everything, pass the guards, and then remove."""
    sources = Sources(session, args, missing_ok=args.force, with_directories=True)
    several = args.recursive or any(map(sources.is_pattern, args.urls))
    _guard_roots(args, sources)
    await _guard_links(args, session)
    if several and not (args.yes or args.max_delete or args.dry_run or _may_ask(session)):
        message = (
            "how many blobs this removes is not known before they are listed; say -y, or "
            "--max-delete N to remove nothing if there are more"
        )
        raise Stop(Exit.REFUSED, message)
    if args.versions:
        asks = several and not (args.yes or args.max_delete or args.dry_run)
        return await purge(args, session, _ask_above if asks else None)
    found = await _find(sources, args.urls, args.max_delete)
    if args.max_delete and len(found) > args.max_delete:
        message = f"more than {args.max_delete} would be removed (--max-delete); nothing was"
        raise Stop(Exit.REFUSED, message)
    if several and not (args.yes or args.max_delete or args.dry_run):
        await _ask_above(len(found))
    if args.dry_run:
        for each in found:
            report(str(each.end.url), "planned", session)
        return session.account.code
    await remove([(each, session) for each in found], session)
    return session.account.code


async def _guard_links(args: argparse.Namespace, session: Session) -> None:
    """Refuse `rm -r` of a link to a directory: what it leads to is not what was named."""
    for word in args.urls if args.recursive else ():
        driver, url = session.context.stores.locate(word)
        path = url.key.rstrip("/")
        if driver.capabilities.local_paths and await asyncio.to_thread(os.path.islink, path):
            message = f"{word} is a symbolic link; without -r and a trailing / the link is removed"
            raise Stop(Exit.REFUSED, message)


def _guard_roots(args: argparse.Namespace, sources: Sources) -> None:
    """Refuse to take a bucket, or a disk, as a whole unless that was said.

    Raises:
        Stop: A word is a root, or matches all that is in it.
    """
    for word in args.urls:
        key = BlobUrl.parse(word).key.strip("/")
        is_whole = key in ("*", "**") if sources.is_pattern(word) else not key
        if args.recursive and is_whole and not args.whole_bucket:
            message = f"{word} is all there is in that place; --whole-bucket says that you mean it"
            raise Stop(Exit.REFUSED, message)


async def _find(sources: Sources, words: Sequence[str], limit: int | None) -> list[Found]:
    """Return what the words mean, as far as one more than the limit."""
    kept: list[Found] = []
    async with contextlib.aclosing(sources.find(words)) as found:
        async for each in found:
            kept.append(each)
            if limit and len(kept) > limit:
                break
    return kept


def _may_ask(session: Session) -> bool:
    return session.may_ask and sys.stdin.isatty()


async def _ask_above(count: int) -> None:
    if count <= _ASK_ABOVE:
        return
    answer = await asyncio.to_thread(input, f"remove {count} blobs? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise Stop(Exit.REFUSED, "nothing was removed")
