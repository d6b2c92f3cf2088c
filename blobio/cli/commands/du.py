"""`blobio du`: count the blobs below a directory and their bytes, in flat memory."""

from __future__ import annotations

import argparse
from collections import Counter

from blobio.cli.exits import Exit
from blobio.cli.options import positive
from blobio.cli.output import human_size
from blobio.cli.session import Session, iterate
from blobio.core.keyranges import scattered_pages
from blobio.core.listing import is_file
from blobio.errors import BlobError, NotFound

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "Print bytes, number of blobs, and name."
    parser.add_argument("urls", nargs="+", metavar="URL", help="a directory or bucket")
    parser.add_argument("-H", "--human", action="store_true", help="sizes as 1.5 MiB")
    parser.add_argument(
        "-d", "--depth", type=positive, metavar="N", help="also of directories N levels down"
    )


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Count each of the names."""
    async for word in session.until_failure(iterate(args.urls)):
        try:
            await _count(word, args, session)
        except BlobError as error:
            session.fail(error, src=word)
    return session.account.code


async def _count(word: str, args: argparse.Namespace, session: Session) -> None:
    driver, url = session.context.stores.place(word)
    if url.key and not await session.context.isdir(word):
        if not await is_file(driver, url):
            message = f"{word}: no such blob or directory"
            raise NotFound(message, url=url, operation="list")
        _show(word, (await driver.head(url.key)).size, 1, args, session)
        return
    root = url.as_directory
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    async for page in scattered_pages(driver, root.key):
        blobs = [meta for meta in page.blobs if not meta.key.endswith("/")]
        sizes[""] += sum(meta.size for meta in blobs)
        counts[""] += len(blobs)
        if args.depth:
            for meta in blobs:
                parents = meta.key[len(root.key) :].split("/")[:-1][: args.depth]
                for depth in range(1, len(parents) + 1):
                    sizes["/".join(parents[:depth]) + "/"] += meta.size
                    counts["/".join(parents[:depth]) + "/"] += 1
    for name in sorted(sizes, reverse=True):
        shown = f"{str(root).rstrip('/')}/{name}" if name else word
        _show(shown, sizes[name], counts[name], args, session)


def _show(name: str, size: int, count: int, args: argparse.Namespace, session: Session) -> None:
    text = human_size(size) if args.human else str(size)
    session.output.record(
        "entry", f"{text:>12}  {count:>9}  {name}", src=name, size=size, count=count
    )
    session.account.add(size)
