"""`blobio stat`: tell what the store says of blobs; 1 HEAD each, 1 LIST where that finds none."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from blobio.cli.exits import Exit
from blobio.cli.output import Value, timestamp
from blobio.cli.session import Session, iterate
from blobio.core.listing import is_directory
from blobio.core.metadata import to_stat
from blobio.errors import IsDirectory, NotFound
from blobio.values import BlobMeta

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = "Print size, time, version, type, metadata and stored checksums."
    parser.add_argument("urls", nargs="+", metavar="URL", help="a blob or a directory")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Describe each name, in the order of the answers."""

    async def describe(word: str) -> None:
        driver, url = session.context.stores.place(word)
        try:
            if not url.key or url.key.endswith("/"):
                message = f"{word}: no such directory"
                raise NotFound(message, url=url, operation="head")
            meta = await driver.head(url.key)
        except (NotFound, IsDirectory):
            if not await is_directory(driver, url):
                raise
            session.output.record("entry", f"name: {word}", "kind: prefix", src=word, kind="prefix")
        else:
            facts = _facts(meta)
            lines = [f"{name}: {value}" for name, value in _flat(facts) if value is not None]
            session.output.record("entry", f"name: {word}", *lines, src=word, **facts)
        session.account.add(0)

    await session.each(describe, iterate(args.urls), lambda word: {"src": word})
    return session.account.code


def _facts(meta: BlobMeta) -> dict[str, Value]:
    hashes = {"md5": meta.md5, "crc32c": None if meta.crc32c is None else f"{meta.crc32c:08x}"}
    known = {name: value for name, value in hashes.items() if value is not None}
    return {
        "kind": "blob",
        "size": meta.size,
        "mtime": timestamp(to_stat(meta).mtime),
        "etag": meta.version,
        "content_type": meta.content_type,
        "hash": known or None,
        "metadata": meta.metadata or None,
    }


def _flat(facts: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """Give each member of a mapping a line of its own: `hash.md5: ...`."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", member) for key, member in value.items())
        else:
            yield name, value
