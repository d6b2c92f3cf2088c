"""What `cp` and `mv` share: their options, where each source goes, and under which condition."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias, cast, final

from blobio.cli import streams
from blobio.cli.exits import Exit, Stop
from blobio.cli.names import names_directory
from blobio.cli.options import add_class, add_processes, add_selection, require_classes
from blobio.cli.output import Value
from blobio.cli.resuming import add_resuming, means_of
from blobio.cli.session import Session
from blobio.cli.sources import Found, Sources
from blobio.cli.trade import Trade
from blobio.core.ends import End, Means
from blobio.core.metadata import to_stat
from blobio.core.placing import Placement
from blobio.core.sameness import hashes_agree
from blobio.errors import BlobError, NotFound, VersionMismatch, redact
from blobio.url import BlobUrl
from blobio.values import BlobMeta, CreateOnly, PutOptions, ReplaceIf, Version, WriteMode

__all__ = ["Copier", "add_copying"]


def add_copying(parser: argparse.ArgumentParser) -> None:
    """Add the names and options of a command that copies."""
    parser.add_argument("sources", nargs="+", metavar="SRC", help="a blob, a glob, a tree with -r")
    parser.add_argument("target", metavar="DST", help="an exact name, or a directory: x/")
    parser.add_argument("-r", "--recursive", action="store_true", help="take directories whole")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--flatten", action="store_true", help="put all blobs right below DST, without directories"
    )
    parser.add_argument("--content-type", metavar="TYPE", help="instead of that of the source")
    parser.add_argument(
        "--metadata", action="append", default=[], metavar="NAME=VALUE", help="set besides"
    )
    add_class(parser)
    parser.add_argument(
        "--preserve", action="store_true", help="keep the time of the source as well"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare what DST then holds; read it if need be"
    )
    add_resuming(parser)
    add_processes(parser)
    conditions = parser.add_argument_group("conditions").add_mutually_exclusive_group()
    conditions.add_argument(
        "--if-absent", action="store_true", help="only where nothing is; else exit 6"
    )
    conditions.add_argument(
        "--if-match", metavar="VERSION", help="only over this version; else exit 6"
    )
    conditions.add_argument(
        "--if-newer", action="store_true", help="skip what is as new at DST; decided without races"
    )
    conditions.add_argument(
        "--if-changed", action="store_true", help="skip what has the same size and checksum"
    )
    add_selection(parser)


class _Skip(Exception):
    """This source need not be copied; says why."""


_Packed: TypeAlias = "tuple[BlobUrl, int | None, BlobUrl, str, BlobMeta]"
_Transfer: TypeAlias = Callable[[Placement, PutOptions, Means], Awaitable[None]]


@final
class Copier:
    """The copies of one command.

    Args:
        args: What `add_copying` asked for.
        session: Where results go.
        transfer: Does one copy, and what comes with it.

    Raises:
        Stop: The options go together in no way.
    """

    def __init__(self, args: argparse.Namespace, session: Session, transfer: _Transfer) -> None:
        self._args = args
        self._transfer = transfer
        self._session = session
        self._sources = Sources(session, args)
        self._metadata = _metadata(args.metadata)
        means = means_of(args, session)
        self._means = replace(means, keeps_time=args.preserve, verifies=args.verify)
        self._taken: dict[str, str] = {}  # relative name -> source, with --flatten

    async def run(self) -> Exit:
        """Find the sources, and copy each to its place; return the exit code."""
        args = self._args
        pipes = "-" in args.sources or args.target == "-"
        if pipes and (args.preserve or args.verify):
            raise Stop(Exit.USAGE, "a pipe has no time to --preserve, and nothing to --verify")
        if args.resume and "-" in [*args.sources, args.target]:
            raise Stop(Exit.USAGE, "a pipe cannot be gone on with; leave --resume out")
        if "-" in args.sources:
            return await self._upload()
        if args.target == "-":
            if args.storage_class:
                raise Stop(Exit.USAGE, "--class is for what is written to a store, not to a pipe")
            return await self._download()
        target = await self._root()

        found = self._placements(target)
        if args.flatten:
            found = _all_of([placement async for placement in found])  # find collisions first
        async with contextlib.aclosing(found):
            await self._session.share(self.trade(), found)
        return self._session.account.code

    def trade(self) -> Trade[Placement]:
        """Return what is done with each source once it has its place."""
        stores = self._session.context.stores

        def unpack(packed: object) -> Placement:
            source, size, target, name, meta = cast("_Packed", packed)
            return Placement(
                End(stores.driver(source), source, size=size),
                End(stores.driver(target), target),
                name,
                meta,
            )

        return Trade(
            work=self._attempt,
            describe=_ends,
            size_of=lambda placement: placement.meta.size,
            pack=_pack,
            unpack=unpack,
        )

    async def _options(self, placement: Placement) -> PutOptions:
        """Return how to write: the condition is the store's to decide, whatever was looked at.

        Raises:
            _Skip: The destination is as new, or the same.
        """
        return PutOptions(
            mode=await self._mode(placement),
            content_type=self._args.content_type,
            metadata=self._metadata,
        )

    async def _mode(self, placement: Placement) -> WriteMode:
        args = self._args
        if args.if_absent:
            return CreateOnly()
        if args.if_match:
            return ReplaceIf(Version(args.if_match))
        if not (args.if_newer or args.if_changed) or placement.name.endswith("/"):
            return PutOptions().mode
        try:
            there = await placement.target.driver.head(placement.target.url.key)
        except NotFound:
            able = placement.target.driver.capabilities.create_only
            return CreateOnly() if able else PutOptions().mode
        if args.if_newer and not _newer(to_stat(placement.meta).mtime, to_stat(there).mtime):
            raise _Skip("not newer")
        if args.if_changed and await _same(placement, there):
            raise _Skip("not changed")
        able = placement.target.driver.capabilities.replace_if
        return ReplaceIf(there.version) if able and there.version else PutOptions().mode

    async def _root(self) -> tuple[End, bool]:
        """Return the destination, and whether it is a directory.

        Raises:
            Stop: It is written as one blob and several may come, or as what it cannot be.
        """
        args = self._args
        driver, url = self._session.context.stores.locate(args.target)
        if not args.target:
            raise Stop(Exit.USAGE, "an empty destination names nothing")
        require_classes(driver, args)
        is_directory = names_directory(args.target)
        if not is_directory and driver.capabilities.local_paths:
            is_directory = await asyncio.to_thread(os.path.isdir, url.key)
        needs_directory = len(args.sources) > 1 or not self._sources.is_plain(args.sources[0])
        if needs_directory and not is_directory:
            message = (
                f"{args.target} is the name of one blob, and several may be copied to it; "
                f"{args.target}/ is a directory"
            )
            raise Stop(Exit.USAGE, message)
        if is_directory and args.if_match:
            raise Stop(Exit.USAGE, "--if-match needs one source and an exact name to copy it to")
        return End(driver, url.as_directory if is_directory else url), is_directory

    async def _placements(self, root: tuple[End, bool]) -> AsyncGenerator[Placement, None]:
        target, is_directory = root
        async with contextlib.aclosing(self._sources.find(self._args.sources)) as found:
            async for source in found:
                name = source.name
                if self._args.flatten:
                    if name.endswith("/"):
                        continue
                    name = name.rpartition("/")[2]
                    self._claim(name, source)
                place = End(target.driver, target.url.with_key(target.url.key + name))
                placed = Placement(source.end, place if is_directory else target, name, source.meta)
                self._session.progress.found(placed.meta.size)
                yield placed
        self._session.progress.all_found()

    def _claim(self, name: str, source: Found) -> None:
        url = str(source.end.url)
        other = self._taken.setdefault(name, url)
        if other != url:
            message = f"--flatten: {other} and {url} would both become {name}; nothing was copied"
            raise Stop(Exit.USAGE, message)

    async def _attempt(self, placement: Placement) -> None:
        if _is_one_blob(placement):
            message = f"{placement.source.url} is its own destination"
            raise Stop(Exit.USAGE, message)
        start = time.monotonic()
        status, reason = "done", None
        progress = self._session.progress
        try:
            options = await self._options(placement)
            if self._args.dry_run:
                status = "planned"
            else:
                with progress.item(str(placement.source.url), placement.meta.size) as moved:
                    means = replace(self._means, moved=moved) if moved else self._means
                    await _unchanged(placement, self._transfer(placement, options, means))
        except _Skip as skip:
            status, reason = "skipped", str(skip)
        self._session.account.add(placement.meta.size)
        verb = {"done": "", "planned": "would ", "skipped": "skipped "}[status]
        ends = _ends(placement)
        note = f" ({reason})" if reason else ""
        self._session.output.record(
            "result",
            f"{verb}{self._args.command} {ends['src']} {ends['dst']}{note}",
            **ends,
            size=placement.meta.size,
            status=status,
            reason=reason,
            ms=round((time.monotonic() - start) * 1000),
        )
        self._session.output.flush()

    async def _upload(self) -> Exit:
        args = self._args
        if args.sources != ["-"] or args.target == "-" or names_directory(args.target):
            raise Stop(Exit.USAGE, "stdin is one source and needs the exact name of a blob")
        if args.if_newer or args.if_changed:
            raise Stop(Exit.USAGE, "stdin has neither a time nor a size to compare")
        stores = self._session.context.stores
        driver, url = stores.blob(args.target, "write")
        require_classes(driver, args)
        end = End(driver, url)
        meta = BlobMeta(key="", size=0, mtime=time.time(), ctime=time.time())
        options = await self._options(Placement(end, end, url.name, meta))
        if args.dry_run:
            self._session.output.record(
                "result", f"would cp - {url}", dst=str(url), status="planned"
            )
            return Exit.DONE
        size, result = await streams.upload(stores.writer(args.target, options))
        self._session.output.record(
            "result",
            f"cp - {url}",
            dst=str(url),
            size=size,
            etag=result.version,
            status="done",
        )
        return Exit.DONE

    async def _download(self) -> Exit:
        context = self._session.context
        async with contextlib.aclosing(self._sources.find(self._args.sources)) as found:
            async for source in self._session.until_failure(found):
                try:
                    reader = await context.stores.open_reader(str(source.end.url))
                    size = reader.size or 0
                    await streams.download(reader, 0, size, context.config.read)
                except BlobError as error:
                    self._session.fail(error, src=str(source.end.url))
                else:
                    self._session.account.add(size)
        return self._session.account.code


def _pack(placement: Placement) -> _Packed:
    source, target = placement.source, placement.target
    return source.url, source.size, target.url, placement.name, placement.meta


def _is_one_blob(placement: Placement) -> bool:
    """Tell whether both ends are one, also if it is written in two ways on disk."""
    source, target = placement.source, placement.target
    on_disk = (end.driver.capabilities.local_paths for end in (source, target))
    if all(on_disk):
        return os.path.abspath(source.url.key) == os.path.abspath(target.url.key)
    return source.url == target.url


async def _unchanged(placement: Placement, transfer: Awaitable[None]) -> None:
    """Copy, and tell a source that changed meanwhile from a condition that did not hold."""
    try:
        await transfer
    except VersionMismatch as error:
        source = placement.source.url
        if error.operation == "move" or error.url != redact(str(source)):
            raise
        message = f"{source} changed while it was copied, and nothing was written: {error}"
        raise Stop(Exit.SOME_FAILED, message) from error


def _newer(mtime: float, other: float) -> bool:
    """Compare times; of a store that tells whole seconds, in whole seconds."""
    return (int(mtime) if other.is_integer() else mtime) > other


async def _same(placement: Placement, there: BlobMeta) -> bool:
    """Compare sizes, then the checksum that both stores hold; without a common one they differ."""
    if placement.meta.size != there.size:
        return False
    here = await placement.source.driver.head(placement.source.url.key)
    return hashes_agree(here, there) is True


def _metadata(words: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    if wrong := next((word for word, pair in zip(words, pairs, strict=True) if not pair[1]), None):
        message = f"--metadata {wrong}: NAME=VALUE is needed"
        raise Stop(Exit.USAGE, message)
    return {name.lower(): value for name, _, value in pairs}


def _ends(placement: Placement) -> dict[str, Value]:
    return {"src": str(placement.source.url), "dst": str(placement.target.url)}


async def _all_of(placements: list[Placement]) -> AsyncGenerator[Placement, None]:
    for placement in placements:
        yield placement
