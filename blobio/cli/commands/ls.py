"""`blobio ls`: list one level of a bucket or directory, or with `-R` all that is below it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import NamedTuple

from blobio.cli.buckets import list_buckets
from blobio.cli.exits import Exit, Stop
from blobio.cli.names import has_wildcards
from blobio.cli.output import Value, human_size, timestamp
from blobio.cli.session import Session, iterate
from blobio.cli.versions import list_versions
from blobio.core.globbing import scan_glob
from blobio.core.listing import is_file, pages, scan
from blobio.core.metadata import to_stat
from blobio.drivers.base import Driver
from blobio.entries import DirEntry, Stat
from blobio.errors import BlobError, NotFound
from blobio.url import BlobUrl

__all__ = ["configure", "run"]


class _Line(NamedTuple):
    name: str
    url: str
    stat: Stat | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "List names relative to what was asked for; directories end in /."
    parser.add_argument(
        "urls",
        nargs="+",
        metavar="URL",
        help="a directory, bucket, blob or glob; s3:// for buckets",
    )
    parser.add_argument("-l", "--long", action="store_true", help="size, time and name")
    parser.add_argument("-R", "--recursive", action="store_true", help="all that is below")
    parser.add_argument("-H", "--human", action="store_true", help="sizes as 1.5 MiB, with -l")
    parser.add_argument(
        "--versions", action="store_true", help="all versions of a blob, or of all below"
    )
    parser.add_argument("--absolute", action="store_true", help="print full URLs and paths")
    parser.add_argument(
        "--sort", choices=("name", "size", "mtime"), help="sort; holds the whole listing in memory"
    )
    parser.add_argument("-F", "--no-glob", action="store_true", help="* ? [ { are no wildcards")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """List what was asked for; a name that is not there does not keep others from being listed."""
    if args.versions:
        return await list_versions(args, session)
    async for word in session.until_failure(iterate(args.urls)):
        try:
            await _list(word, args, session)
        except (BlobError, Stop) as error:
            session.fail(error, src=word)
    return session.account.code


async def _list(word: str, args: argparse.Namespace, session: Session) -> None:
    buckets = session.context.stores.buckets(word)
    if buckets is not None:
        await list_buckets(word, buckets, args, session)
        session.account.add(0)
        return
    kept: list[_Line] = []
    text = partial(_text, args=args)
    async for lines in _lines(word, args, session):
        if args.sort:
            kept += lines
            continue
        session.output.entries(lines, text, _fields)
        session.output.flush()  # a page at a time, for who reads along
    if args.sort:
        session.output.entries(sorted(kept, key=_KEYS[args.sort]), text, _fields)
    session.account.add(0)


_KEYS = {
    "name": lambda line: line.name,
    "size": lambda line: -line.stat.size if line.stat else 1,
    "mtime": lambda line: -line.stat.mtime if line.stat else 1,
}


async def _lines(
    word: str, args: argparse.Namespace, session: Session
) -> AsyncGenerator[list[_Line], None]:
    """Yield what a word means, a page at a time."""
    driver, url = session.context.stores.place(word)
    if not args.no_glob and has_wildcards(word, driver.capabilities):
        async for lines in _matches(word, session):
            yield lines
        return
    blob = await is_file(driver, url)
    if blob:
        yield [_Line(word, str(url), to_stat(await driver.head(url.key)))]
    if driver.capabilities.directories and blob:
        return
    if not args.recursive:
        with contextlib.suppress(*((NotFound,) if blob else ())):
            async for entries in scan(driver, url):
                yield [_of_entry(entry, entry.name) for entry in entries]
        return
    if not blob:
        await _require(session, word)
    async for lines in _below(driver, url.as_directory):
        yield lines


async def _matches(word: str, session: Session) -> AsyncGenerator[list[_Line], None]:
    driver, url = session.context.stores.pattern(word)
    found = False
    async for entries in scan_glob(driver, url, parallel=False):
        found = True
        yield [_of_entry(entry, entry.path) for entry in entries]
    if not found:
        message = f"{word}: nothing matches"
        raise NotFound(message, url=url, operation="list")


async def _below(driver: Driver, root: BlobUrl) -> AsyncGenerator[list[_Line], None]:
    async for page in pages(driver, root.key):
        yield [
            _Line(meta.key[len(root.key) :], str(root.with_key(meta.key)), to_stat(meta))
            for meta in page.blobs
            if meta.key != root.key
        ]


async def _require(session: Session, word: str) -> None:
    if not await session.context.isdir(word):
        url = BlobUrl.parse(word)
        message = f"{word}: no such blob or directory"
        raise NotFound(message, url=url, operation="list")


def _of_entry(entry: DirEntry, name: str) -> _Line:
    slash = "/" if entry.is_dir else ""
    return _Line(name + slash, entry.path + slash, entry.stat)


def _text(line: _Line, args: argparse.Namespace) -> str:
    name = line.url if args.absolute else line.name
    if not args.long:
        return name
    stat = line.stat
    size = ("" if stat is None else human_size(stat.size)) if args.human else _digits(stat)
    time = "" if stat is None else timestamp(stat.mtime)
    return f"{size:>12}  {time:20}  {name}"


def _fields(line: _Line) -> dict[str, Value]:
    stat = line.stat
    if stat is None:
        return {"src": line.url}
    return {
        "src": line.url,
        "size": stat.size,
        "mtime": timestamp(stat.mtime),
        "etag": stat.version,
        "hash": {"md5": stat.md5} if stat.md5 else None,
    }


def _digits(stat: Stat | None) -> str:
    return "" if stat is None else str(stat.size)
