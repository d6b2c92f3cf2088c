"""`rm --versions`: find all versions, pass the guards, and remove them for good."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from blobio.cli.exits import Exit, Stop
from blobio.cli.names import Filter
from blobio.cli.session import Session, iterate
from blobio.cli.versions import state_of, versions_of
from blobio.drivers.versions import BlobVersion, Versioned
from blobio.errors import BlobError, NotFound
from blobio.url import BlobUrl

__all__ = ["purge"]


class _Batch(NamedTuple):
    """Versions that one call of a driver deletes."""

    driver: Versioned
    root: BlobUrl
    versions: list[BlobVersion]


async def purge(
    args: argparse.Namespace, session: Session, ask: Callable[[int], Awaitable[None]] | None
) -> Exit:
    """Remove all versions of what the words of `rm` mean.

    Args:
        args: Those of `rm`.
        session: Where results go.
        ask: Asks whether so many are to be removed, if anybody is to be asked.
    """
    batches = await _gather(args, session)
    if ask is not None:
        await ask(sum(len(batch.versions) for batch in batches))

    async def remove(batch: _Batch) -> None:
        if args.dry_run:
            for version in batch.versions:
                _report(batch.root, version, "planned", session)
            return
        results = await batch.driver.delete_versions(batch.versions)
        for version, result in zip(batch.versions, results, strict=True):
            if result.error is None:
                _report(batch.root, version, "done", session)
            else:
                session.fail(result.error, src=str(batch.root.with_key(version.key)))

    await session.each(remove, iterate(batches), lambda batch: {"src": str(batch.root)})
    return session.account.code


async def _gather(args: argparse.Namespace, session: Session) -> list[_Batch]:
    """Return what the words mean.

    Raises:
        Stop: It is more than `--max-delete`.
    """
    batches: list[_Batch] = []
    count = 0
    async for word in session.until_failure(iterate(args.urls)):
        try:
            async with contextlib.aclosing(_batches(word, args, session)) as found:
                async for batch in found:
                    batches.append(batch)
                    count += len(batch.versions)
                    if args.max_delete and count > args.max_delete:
                        message = f"more than {args.max_delete} versions would be removed"
                        raise Stop(Exit.REFUSED, f"{message} (--max-delete); none was")
        except BlobError as error:
            if not (args.force and isinstance(error, NotFound)):
                session.fail(error, src=word)
    return batches


async def _batches(
    word: str, args: argparse.Namespace, session: Session
) -> AsyncGenerator[_Batch, None]:
    """Yield what a word means, as far as the filters take it."""
    names = Filter.of(args)
    size = session.context.stores.locate(word)[0].capabilities.delete_batch
    async with contextlib.aclosing(versions_of(word, session, no_glob=args.no_glob)) as pages:
        async for driver, root, page in pages:
            if root.key in ("", root.as_directory.key) and not args.recursive:
                message = f"{word} is a directory; -r takes what is below it"
                raise Stop(Exit.USAGE, message)
            wanted = [one for one in page if names.takes(one.key[len(root.key) :] or root.name)]
            for start in range(0, len(wanted), size):
                yield _Batch(driver, root, wanted[start : start + size])


def _report(root: BlobUrl, version: BlobVersion, status: str, session: Session) -> None:
    verb = "would rm" if status == "planned" else "rm"
    name = str(root.with_key(version.key))
    text = f"{verb} {name} ({state_of(version)} {version.id or '-'})"
    session.output.record("result", text, src=name, version=version.id, status=status)
    session.account.add(0)
