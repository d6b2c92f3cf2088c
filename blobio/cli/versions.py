"""All versions that words mean, for `ls --versions` and `rm --versions`.

A word is the exact name of a blob, or a directory: then it means what lies below it on all levels.
Patterns mean nothing here: what is not there any more has no names to be matched with.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncGenerator

from blobio.cli.exits import Exit, Stop
from blobio.cli.names import has_wildcards
from blobio.cli.output import human_size, timestamp
from blobio.cli.session import Session, iterate
from blobio.drivers.versions import BlobVersion, Versioned
from blobio.errors import BlobError, NotFound
from blobio.url import BlobUrl

__all__ = ["list_versions", "state_of", "versions_of"]


def state_of(version: BlobVersion) -> str:
    """Say in a word what a version is."""
    if version.is_marker:
        return "deleted"
    return "current" if version.is_current else "old"


async def versions_of(
    word: str, session: Session, *, no_glob: bool
) -> AsyncGenerator[tuple[Versioned, BlobUrl, list[BlobVersion]], None]:
    """Yield the versions that a word means, a page at a time, with their driver and place.

    Raises:
        Stop: The store has no versions, or the word is a pattern.
        NotFound: There is no version of such a blob, nor of one below such a directory.
    """
    driver, url = session.context.stores.place(word)
    if not isinstance(driver, Versioned):
        raise Stop(Exit.USAGE, f"{word}: where that lies no versions are kept")
    if not no_glob and has_wildcards(word, driver.capabilities):
        message = f"{word}: --versions takes names and directories, no patterns; -F takes it as is"
        raise Stop(Exit.USAGE, message)
    found = False
    if url.key and not url.key.endswith("/"):
        async with contextlib.aclosing(_pages(driver, url.key)) as pages:
            async for page in pages:
                # the exact name comes first of all that start with it
                exact = [one for one in page if one.key == url.key]
                found = found or bool(exact)
                if exact:
                    yield driver, url, exact
                if len(exact) < len(page):
                    break
    if not found:
        root = url.as_directory
        async with contextlib.aclosing(_pages(driver, root.key)) as pages:
            async for page in pages:
                found = found or bool(page)
                yield driver, root, page
    if not found:
        message = f"{word}: no version of such a blob, nor of one in such a directory"
        raise NotFound(message, url=url, operation="list")


async def _pages(driver: Versioned, prefix: str) -> AsyncGenerator[list[BlobVersion], None]:
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = await driver.list_versions(prefix, token)
        yield [one for one in page.versions if one.key.startswith(prefix)]
        token = page.token
        if token is None:
            return
        if token in seen:
            message = f"the versions below {prefix!r} come round again: the listing has no end"
            raise Stop(Exit.SOME_FAILED, message)
        seen.add(token)


async def list_versions(args: argparse.Namespace, session: Session) -> Exit:
    """Print a line for each version: its id, what it is, and the name of the blob."""
    if args.sort:
        raise Stop(Exit.USAGE, "--versions come in the order of the store; --sort is not for them")
    async for word in session.until_failure(iterate(args.urls)):
        try:
            async with contextlib.aclosing(
                versions_of(word, session, no_glob=args.no_glob)
            ) as pages:
                async for _, root, page in pages:
                    for version in page:
                        _show(word, root, version, args, session)
                    session.output.flush()
        except (BlobError, Stop) as error:
            session.fail(error, src=word)
        else:
            session.account.add(0)
    return session.account.code


def _show(
    word: str, root: BlobUrl, version: BlobVersion, args: argparse.Namespace, session: Session
) -> None:
    url = str(root.with_key(version.key))
    is_exact = version.key == root.key and not root.key.endswith("/")
    name = url if args.absolute else word if is_exact else version.key[len(root.key) :]
    text = f"{version.id or '-'}  {state_of(version):7}  {name}"
    if args.long:
        size = human_size(version.size) if args.human else str(version.size)
        shown = "" if version.is_marker else size
        text = f"{shown:>12}  {timestamp(version.mtime)}  {text}"
    session.output.record(
        "entry",
        text,
        src=url,
        size=None if version.is_marker else version.size,
        mtime=timestamp(version.mtime),
        version=version.id,
        kind=state_of(version),
    )
