"""`blobio tree`: draw a directory with what is below it."""

from __future__ import annotations

import argparse
from typing import Final, final

from blobio.cli.exits import Exit
from blobio.cli.options import positive
from blobio.cli.session import Session, iterate
from blobio.core.listing import scan
from blobio.drivers.base import Driver
from blobio.entries import DirEntry
from blobio.errors import BlobError
from blobio.url import BlobUrl

__all__ = ["configure", "run"]

_NEXT: Final = "├── "
_LAST: Final = "└── "
_LINE: Final = "│   "
_BLANK: Final = "    "


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "One LIST a directory; du counts what is too large to look at."
    parser.add_argument("urls", nargs="+", metavar="URL", help="a directory or bucket")
    parser.add_argument("-L", "--levels", type=positive, default=64, metavar="N", help="depth")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Draw each of the directories."""
    async for word in session.until_failure(iterate(args.urls)):
        driver, url = session.context.stores.place(word)
        try:
            entries = await _entries(driver, url)
        except BlobError as error:
            session.fail(error, src=word)
            continue
        session.output.record("entry", word, src=word, kind="prefix")
        await _Drawing(driver, session, args.levels).draw(url.as_directory, entries, "")
        session.account.add(0)
    return session.account.code


async def _entries(driver: Driver, directory: BlobUrl) -> list[DirEntry]:
    entries = [entry async for page in scan(driver, directory) for entry in page]
    return sorted(entries, key=lambda entry: (entry.name, entry.is_file))


@final
class _Drawing:
    def __init__(self, driver: Driver, session: Session, levels: int) -> None:
        self._driver = driver
        self._session = session
        self._levels = levels

    async def draw(self, directory: BlobUrl, entries: list[DirEntry], indent: str) -> None:
        """Draw what lies in a directory; `indent` is what stands left of it."""
        for entry in entries:
            if self._session.is_stopping:
                return
            last = entry is entries[-1]
            self._session.output.record(
                "entry",
                f"{indent}{_LAST if last else _NEXT}{entry.name}{'/' if entry.is_dir else ''}",
                src=entry.path,
                kind="prefix" if entry.is_dir else "blob",
                size=entry.stat.size if entry.stat else None,
            )
            if not entry.is_dir or len(indent) // len(_NEXT) + 1 >= self._levels:
                continue
            below = directory.with_key(f"{directory.key}{entry.name}/")
            try:
                children = await _entries(self._driver, below)
            except BlobError as error:
                self._session.fail(error, src=entry.path)
                continue
            await self.draw(below, children, indent + (_BLANK if last else _LINE))
