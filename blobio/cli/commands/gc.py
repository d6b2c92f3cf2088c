"""`blobio gc`: show what unfinished writes left behind, and remove it if asked to.

No listing of blobs shows these things, and some stores bill them for ever: uploads in parts that
were neither completed nor taken back, temporary files of killed processes, and the journals of
`--resume` that nobody went on with.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import final

from blobio.cli.durations import seconds
from blobio.cli.exits import Exit, Stop
from blobio.cli.output import Value, timestamp
from blobio.cli.resuming import journals_of
from blobio.cli.session import Session
from blobio.core.ends import End
from blobio.core.journal import Journal, Slot
from blobio.core.resuming import take_back
from blobio.drivers.unfinished import Leftover, Tidy
from blobio.errors import BlobError, InvalidUrl
from blobio.url import BlobUrl

__all__ = ["configure", "run"]

_JOURNAL = "journal"


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "List what unfinished writes left below a URL: uploads in parts, temporary files, and "
        "journals of --resume. What is younger may still be written to. Nothing is removed without "
        "--abort."
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="a bucket, a directory or a blob")
    parser.add_argument(
        "--older-than",
        type=seconds,
        default=86_400,
        metavar="TIME",
        help="what was begun, or last written to, so long ago: 90, 15m, 1h, 1d (default)",
    )
    parser.add_argument("--abort", action="store_true", help="remove what is listed")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """List, or remove, what is unfinished below each URL."""
    for word in args.urls:
        sweep = _Sweep(args, session, word)
        try:
            await session.each(sweep.settle, sweep.found(), sweep.describe)
        except BlobError as error:
            session.fail(error, dst=word)
    return session.account.code


@final
@dataclass(frozen=True, slots=True)
class _Found:
    """One thing that is unfinished, and how it is removed."""

    url: str
    leftover: Leftover
    remove: Callable[[], Awaitable[None]]


@final
class _Sweep:
    """What is unfinished below one URL.

    Raises:
        Stop: Nobody can tell what is unfinished there.
    """

    def __init__(self, args: argparse.Namespace, session: Session, word: str) -> None:
        self._args = args
        self._session = session
        driver, url = session.context.stores.place(word)
        if not word or not isinstance(driver, Tidy):
            raise Stop(Exit.USAGE, f"{word or 'an empty name'}: nothing unfinished can be there")
        if driver.capabilities.local_paths:
            url = url.as_directory
        self._end = End(driver, url)
        self._tidy: Tidy = driver
        self._latest = time.time() - args.older_than

    async def found(self) -> AsyncGenerator[_Found, None]:
        """Find all that is old enough; the uploads of transfers under way are not."""
        url = self._end.url
        old, recent = await asyncio.to_thread(self._journals)
        in_use = {text for journal in recent for text in journal.state.values()}
        token: str | None = None
        while True:
            page = await self._tidy.list_leftovers(url.key, token)
            for one in page.leftovers:
                is_old = one.since is None or one.since <= self._latest
                is_idle = not one.is_in_use and one.name not in in_use
                if is_old and is_idle and self._is_below(one.key):
                    place = str(url.with_key(one.key))
                    yield _Found(place, one, partial(self._tidy.drop_leftover, one))
            token = page.token
            if token is None:
                break
        for slot, journal in old:
            found = self._of_journal(slot, journal)
            if found is not None:
                yield found

    async def settle(self, found: _Found) -> None:
        """Report one, and remove it if that is asked for."""
        leftover = found.leftover
        since = None if leftover.since is None else timestamp(leftover.since)
        what = f"{leftover.kind} {found.url}"
        if not self._args.abort:
            status, line = None, f"{since or '-':20}  {what}"
        elif leftover.stays:
            status, line = "skipped", f"skipped {what} ({leftover.stays})"
        else:
            await found.remove()
            status, line = "done", f"removed {what}"
        self._session.account.add(leftover.size or 0)
        self._session.output.record(
            "result" if self._args.abort else "entry",
            line,
            dst=found.url,
            size=leftover.size,
            mtime=since,
            id=leftover.name or None,
            status=status,
            reason=f"{leftover.kind}: {leftover.stays}" if leftover.stays else leftover.kind,
        )

    def describe(self, found: _Found) -> dict[str, Value]:
        """Return the fields that name a thing in an error."""
        return {"dst": found.url}

    def _journals(self) -> tuple[list[tuple[Slot, Journal]], list[Journal]]:
        """Return the old journals, and those of transfers that are recent or under way."""
        old: list[tuple[Slot, Journal]] = []
        recent: list[Journal] = []
        for slot in journals_of(self._session.context.config).slots():
            journal = slot.load()
            if journal is None:
                continue
            if slot.written_at() > self._latest or slot.is_held():
                recent.append(journal)
            else:
                old.append((slot, journal))
        return old, recent

    def _is_below(self, key: str) -> bool:
        """Tell whether a key is the one asked for, or lies in it."""
        url = self._end.url
        return key == url.key or key.startswith(url.as_directory.key)

    def _of_journal(self, slot: Slot, journal: Journal) -> _Found | None:
        """Return a journal as a thing that is unfinished, if what it is about lies below."""
        try:
            url = BlobUrl.parse(journal.target)
        except InvalidUrl:  # nobody but us writes journals, and then not like this
            return None
        here = self._end.url
        if (url.scheme, url.authority) != (here.scheme, here.authority):
            return None
        if not self._is_below(url.key):
            return None
        one = Leftover(key=url.key, kind=_JOURNAL, name=slot.name, since=slot.written_at())
        remove = partial(take_back, slot, self._end.driver, url)
        return _Found(journal.target, one, remove)
