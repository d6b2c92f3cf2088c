"""Remove what was found, in batches as large as each store takes them.

Several `rm` of a file of commands that name blobs exactly are one removal: each blob then belongs
to the session of its own line, which is told what became of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final, TypeAlias

from blobio.cli.session import Session, iterate
from blobio.cli.sources import Found, Sources
from blobio.drivers.base import Driver
from blobio.errors import BlobError, NotFound

__all__ = ["Doomed", "is_exact", "remove", "remove_exact", "report"]

Doomed: TypeAlias = tuple[Found, Session]
"""What is to be removed, and the session that is told of it."""

_FREE: Final = frozenset({"urls", "force", "no_glob"})


def is_exact(args: argparse.Namespace, usual: argparse.Namespace, session: Session) -> bool:
    """Tell whether an `rm` names blobs one by one, so that no guard has a say in it.

    Args:
        args: Of the command.
        usual: Those of an `rm` without options.
        session: Knows the stores.
    """
    mine, theirs = vars(args), vars(usual)
    if any(mine[name] != theirs[name] for name in mine if name not in _FREE):
        return False
    try:
        return all(map(Sources(session, args).is_plain, args.urls))
    except BlobError:  # of a name, which the command will report
        return False


async def remove_exact(
    asked: Sequence[tuple[argparse.Namespace, Session]], session: Session
) -> None:
    """Do several `rm` that `is_exact` at once: 1 HEAD a blob, then batches.

    Args:
        asked: Each command and its session.
        session: Bounds the requests at once.
    """
    doomed: list[Doomed] = []

    async def find(one: tuple[argparse.Namespace, Session]) -> None:
        args, own = one
        sources = Sources(own, args, missing_ok=args.force, with_directories=True)
        try:
            doomed.extend([(found, own) async for found in sources.find(args.urls)])
        except (BlobError, OSError) as error:
            own.fail(error)

    await session.each(find, iterate(asked), lambda _: {})
    await remove(doomed, session)


async def remove(doomed: Sequence[Doomed], session: Session) -> None:
    """Remove blobs in batches, then directories from the deepest up.

    Args:
        doomed: What to remove; failures are those of its sessions.
        session: Bounds the batches at once.
    """
    blobs: dict[int, tuple[Driver, list[Doomed]]] = {}
    directories: list[Doomed] = []
    for each in doomed:
        found, _ = each
        if found.meta.key.endswith("/"):
            directories.append(each)
            continue
        blobs.setdefault(id(found.end.driver), (found.end.driver, []))[1].append(each)
    batches = [
        several[start : start + driver.capabilities.delete_batch]
        for driver, several in blobs.values()
        for start in range(0, len(several), driver.capabilities.delete_batch)
    ]
    await session.each(_remove_batch, iterate(batches), lambda _: {})
    deepest_first = sorted(directories, key=lambda each: each[0].meta.key, reverse=True)
    async for each in session.until_failure(iterate(deepest_first)):
        await _remove_batch([each])


async def _remove_batch(batch: Sequence[Doomed]) -> None:
    """Remove blobs of one driver; 1 request, or what `Driver.delete` says."""
    driver = batch[0][0].end.driver
    try:
        results = await driver.delete([found.end.url.key for found, _ in batch])
    except (BlobError, OSError) as error:
        first = {id(session): (found, session) for found, session in reversed(batch)}
        for found, session in first.values():
            session.fail(error, src=str(found.end.url))
        return
    for (found, session), result in zip(batch, results, strict=True):
        url = str(found.end.url)
        if result.error is None or isinstance(result.error, NotFound):
            report(url, "done", session)
        else:
            session.fail(result.error, src=url)


def report(name: str, status: str, session: Session) -> None:
    """Print that a blob was removed, or would be, and count it."""
    verb = "would rm" if status == "planned" else "rm"
    session.output.record("result", f"{verb} {name}", src=name, status=status)
    session.account.add(0)
