"""`blobio hash`: print checksums as coreutils do, or verify a file of them."""

from __future__ import annotations

import argparse
import contextlib
import re
from typing import Final

from blobio.cli.exits import Exit, Stop
from blobio.cli.session import Session, iterate
from blobio.cli.sources import Found, Sources
from blobio.core.digest import ALGORITHMS, Algorithm, hash_of, stored_hash

__all__ = ["configure", "run"]

_LINE: Final = re.compile(r"([0-9a-fA-F]+) [ *](.+)")
_LENGTHS: Final[dict[int, Algorithm]] = {32: "md5", 8: "crc32c", 64: "sha256"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Print what the store holds, or read the blob where it holds none. With --check, verify "
        "lines of `HEX  NAME` in local files; the length of HEX tells the algorithm."
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="a blob, a glob, a tree with -r")
    parser.add_argument("-a", "--algorithm", choices=ALGORITHMS, default="md5")
    parser.add_argument("-c", "--check", action="store_true", help="URLs are files of checksums")
    parser.add_argument("-r", "--recursive", action="store_true", help="take directories whole")
    parser.add_argument(
        "--read", action="store_true", help="read even what the store has a hash of"
    )
    parser.add_argument("-F", "--no-glob", action="store_true", help="* ? [ { are no wildcards")
    parser.set_defaults(include=[], exclude=[])


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Print or verify; a blob that cannot be read, or differs, does not keep others from it."""
    if args.check:
        return await _check(args, session)

    async def show(found: Found) -> None:
        if found.name.endswith("/"):
            return
        name = str(found.end.url)
        digest = await _digest(name, args.algorithm, session, read=args.read)
        session.output.record(
            "result", f"{digest}  {name}", src=name, hash={args.algorithm: digest}, status="done"
        )
        session.account.add(found.meta.size)

    async with contextlib.aclosing(Sources(session, args).find(args.urls)) as found:
        await session.each(show, found, lambda each: {"src": str(each.end.url)})
    return session.account.code


async def _digest(name: str, algorithm: Algorithm, session: Session, *, read: bool) -> str:
    driver, url = session.context.stores.blob(name, "hash")
    meta = await driver.head(url.key)
    stored = None if read else stored_hash(meta, algorithm)
    if stored is not None:
        return stored
    reader = session.context.stores.reader(name, size=meta.size, version=meta.version)
    return await hash_of(reader, algorithm, session.context.config.read)


async def _check(args: argparse.Namespace, session: Session) -> Exit:
    lines: list[tuple[str, Algorithm, str]] = []
    for word in args.urls:
        text = await session.context.read_text(word)
        for number, line in enumerate(text.splitlines(), 1):
            match = _LINE.fullmatch(line)
            algorithm = _LENGTHS.get(len(match[1])) if match else None
            if match is None or algorithm is None:
                message = f"{word}, line {number}: not a checksum, two spaces and a name"
                raise Stop(Exit.USAGE, message)
            lines.append((match[2], algorithm, match[1].lower()))

    async def verify(line: tuple[str, Algorithm, str]) -> None:
        name, algorithm, wanted = line
        actual = await _digest(name, algorithm, session, read=args.read)
        if actual != wanted:
            message = f"{name}: FAILED, its {algorithm} is {actual} and not {wanted}"
            raise Stop(Exit.SOME_FAILED, message)
        session.output.record("result", f"{name}: OK", src=name, status="done")
        session.account.add(0)

    await session.each(verify, iterate(lines), lambda line: {"src": line[0]})
    return session.account.code
