"""`blobio sync`: make one tree like another, and never wipe one by accident.

Without `--delete` blobs are copied while the listings run. With it, or with `--plan`, both listings
come to their end first: what is to be done goes to a file, the guards look at the counts, and only
then the first blob changes. Deletes come last.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import IO, cast, final

from blobio.cli.exits import Exit, Stop
from blobio.cli.mirror import Mirror
from blobio.cli.options import add_class, add_processes, add_selection, require_classes
from blobio.cli.output import Value
from blobio.cli.pairs import Pairs, require_there, tree
from blobio.cli.resuming import add_resuming, means_of
from blobio.cli.session import Session
from blobio.cli.trade import Trade
from blobio.core.comparing import Pair
from blobio.core.ends import End
from blobio.core.sameness import have_same_bytes
from blobio.core.syncing import (
    Counts,
    DeleteLimit,
    PlanError,
    Rule,
    State,
    Step,
    decide,
    dump_end,
    dump_head,
    dump_step,
    load_plan,
    refusal,
)
from blobio.core.trees import lies_in

__all__ = ["configure", "run", "trade"]

_logger = logging.getLogger("blobio.cli")

_SPOOL_BYTES = 1 << 20  # of a plan are kept in memory; what is more goes to a temporary file


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Copy from SRC to DST what differs: in size, in a checksum that both stores hold, or else "
        "what is newer at SRC. Contents go to contents; a / at the end means nothing. Nothing is "
        "deleted without --delete."
    )
    parser.add_argument("source", metavar="SRC", help="a tree")
    parser.add_argument("target", metavar="DST", help="the tree to change; need not be there")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be done")
    add_class(parser)
    parser.add_argument(
        "--preserve", action="store_true", help="give copies the time of their source, on disk too"
    )
    add_resuming(parser)
    add_processes(parser)
    compare = parser.add_mutually_exclusive_group()
    compare.add_argument("--size-only", action="store_true", help="the same size is the same")
    compare.add_argument(
        "--checksum", action="store_true", help="compare checksums, read where there are none"
    )
    group = parser.add_argument_group("deleting")
    group.add_argument(
        "--delete", action="store_true", help="delete from DST what SRC does not have"
    )
    group.add_argument(
        "--max-delete",
        type=_limit,
        metavar="N|N%",
        help="change nothing if more were deleted (100, or 25%% of DST if that is more)",
    )
    group.add_argument(
        "--allow-empty-source", action="store_true", help="let an empty SRC empty DST"
    )
    plans = parser.add_argument_group("plans").add_mutually_exclusive_group()
    plans.add_argument("--plan", metavar="FILE", help="write what would be done, do nothing")
    plans.add_argument(
        "--apply", metavar="FILE", help="do what is planned, only where nothing has changed"
    )
    add_selection(parser)


def _limit(text: str) -> DeleteLimit:
    try:
        return DeleteLimit.parse(text)
    except ValueError as error:
        message = f"{text!r} is neither a number nor a percentage"
        raise argparse.ArgumentTypeError(message) from error


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Check the two trees, and do what the options say."""
    source, target = tree(args.source, session), tree(args.target, session)
    if not target.driver.capabilities.writable:
        raise Stop(Exit.USAGE, f"{args.target} can only be read")
    require_classes(target.driver, args)
    for inner, outer in ((source, target), (target, source)):
        if await lies_in(inner, outer):
            message = f"{inner.url} is {outer.url} or lies in it; a tree is not synced with itself"
            raise Stop(Exit.REFUSED, message)
    sync = _Sync(args, session, source, target)
    if args.apply:
        return await sync.apply()
    if args.delete or args.plan:
        return await sync.plan_first()
    return await sync.stream()


def trade(args: argparse.Namespace, session: Session) -> Trade[Pair] | Trade[Step]:
    """Return what is done with each pair, or each step of a plan."""
    sync = _Sync(args, session, tree(args.source, session), tree(args.target, session))
    return sync.steps if args.apply or args.delete else sync.pairs


@final
class _Sync:
    """One sync of two trees."""

    def __init__(
        self, args: argparse.Namespace, session: Session, source: End, target: End
    ) -> None:
        self._args = args
        self._session = session
        self._source = source
        self._target = target
        self._counts = Counts()
        self._rule: Rule = "size" if args.size_only else "checksum" if args.checksum else "default"
        means = means_of(args, session)
        self._mirror = Mirror(
            source,
            target,
            session,
            replace(means, keeps_time=args.preserve),
            dry_run=args.dry_run,
            pinned=bool(args.apply),
        )
        self._pairs = Pairs(source, target, session, args)
        names = [
            str(session.context.stores.place(word)[1].as_directory)
            for word in (args.source, args.target)
        ]
        self._roots = names[0], names[1]  # the same wherever the plan is applied

    @property
    def pairs(self) -> Trade[Pair]:
        """What is done with what the listings found under one name."""
        return Trade(
            work=self._copy_if_needed,
            describe=self._describe,
            size_of=lambda pair: pair.left.size if pair.left else 0,
            pack=lambda pair: pair,
            unpack=lambda packed: cast("Pair", packed),
        )

    @property
    def steps(self) -> Trade[Step]:
        """What is done with the copies of a plan."""
        return Trade(
            work=self._mirror.copy,
            describe=self._mirror.describe,
            size_of=lambda step: step.source.size if step.source else 0,
            pack=lambda step: step,
            unpack=lambda packed: cast("Step", packed),
        )

    async def _copy_if_needed(self, pair: Pair) -> None:
        if await self._needs_copy(pair):
            await self._mirror.copy(_step(pair))

    async def stream(self) -> Exit:
        """Copy while listing; nothing is deleted."""
        await self._session.share(self.pairs, self._candidates())
        if not self._counts.sources and self._pairs.failure is None:
            await self._require_source()
        return self._finish()

    async def plan_first(self) -> Exit:
        """List all, pass the guards, and only then change anything, or write the plan."""
        with tempfile.SpooledTemporaryFile(
            _SPOOL_BYTES, mode="w+", encoding="ascii", newline="\n"
        ) as spool:
            await self._plan(spool)
            if self._args.plan:
                return self._save(spool)
            return await self._carry_out(spool)

    async def _plan(self, spool: IO[str]) -> None:
        spool.write(dump_head(*self._roots) + "\n")

        async def note(pair: Pair) -> None:
            if decide(pair, self._rule) == "delete":
                self._counts.deletes += 1
                spool.write(dump_step(_step(pair)) + "\n")
            elif await self._needs_copy(pair):
                self._counts.copies += 1
                spool.write(dump_step(_step(pair)) + "\n")

        await self._session.each(note, self._candidates(), self._describe)
        spool.write(dump_end(self._counts) + "\n")
        await self._guard()

    async def _guard(self) -> None:
        """Refuse, before the first change, what could wipe the target."""
        args, counts = self._args, self._counts
        if not args.delete:
            if not counts.sources and self._pairs.failure is None:
                await self._require_source()
            return
        if self._pairs.failure is not None:
            raise Stop(Exit.REFUSED, "a listing failed, so nothing was copied and nothing deleted")
        if self._source.driver.capabilities.directories:
            # A directory that goes away while it is listed looks like one that has no more in it.
            await require_there(self._source, Exit.REFUSED)
        limit = args.max_delete or DeleteLimit()
        reason = refusal(counts, limit, empty_ok=args.allow_empty_source)
        if reason is not None:
            raise Stop(Exit.REFUSED, f"{reason}; nothing was changed")

    async def _require_source(self) -> None:
        await require_there(self._source)
        if self._args.include or self._args.exclude:
            raise Stop(Exit.NOT_FOUND, f"{self._source.url}: nothing matches with these filters")

    def _save(self, spool: IO[str]) -> Exit:
        if self._session.account.failed:
            self._session.output.note("no plan was written")
            return self._session.account.code
        with _file_errors(self._args.plan):
            _write_plan(spool, self._args.plan)
        self._session.output.note(
            f"{self._args.plan}: {self._counts.copies} to copy, {self._counts.deletes} to delete"
        )
        return Exit.DONE

    async def apply(self) -> Exit:
        """Do what a plan says, each step only if both its ends are what was listed."""
        args = self._args
        if args.include or args.exclude or args.size_only or args.checksum:
            raise Stop(Exit.USAGE, "what is compared, and how, was said when the plan was made")
        limit: DeleteLimit | None = args.max_delete
        if limit is not None and limit.number is None:
            raise Stop(Exit.USAGE, "a plan does not tell percentages; --max-delete N limits it")
        with self._open_plan() as file:
            # whole and sound, before the first change
            deletes = sum(step.source is None for step in self._steps(file))
            if limit is not None and deletes > limit.most(0):
                message = f"{deletes} deletes are planned, more than {limit.most(0)}"
                raise Stop(Exit.REFUSED, f"{message}; nothing was changed")
            return await self._carry_out(file)

    def _open_plan(self) -> IO[str]:
        with _file_errors(self._args.apply):
            file = open(  # noqa: SIM115 - the caller closes it
                self._args.apply, encoding="ascii", errors="backslashreplace"
            )
            if file.seekable():
                return file
            file.close()
        raise Stop(Exit.USAGE, f"{self._args.apply}: a plan is read more than once, from a file")

    async def _carry_out(self, file: IO[str]) -> Exit:
        async def copies() -> AsyncGenerator[Step, None]:
            for step in self._steps(file):
                if step.source is not None:
                    yield step

        await self._session.share(self.steps, copies())
        deletes = (step for step in self._steps(file) if step.source is None)
        if not self._session.account.failed:
            await self._mirror.delete(deletes)
        elif any(True for _ in deletes):
            self._session.output.note("nothing was deleted, for not everything was copied")
        return self._finish()

    def _steps(self, file: IO[str]) -> Iterator[Step]:
        file.seek(0)
        try:
            yield from load_plan(file, *self._roots)
        except PlanError as error:
            raise Stop(Exit.USAGE, f"{self._args.apply}: {error}; nothing was changed") from error

    async def _candidates(self) -> AsyncGenerator[Pair, None]:
        """Count what is listed, and yield only what something may have to be done about."""
        async with contextlib.aclosing(self._pairs.iterate()) as pairs:
            async for pair in pairs:
                there = [State.of(meta) is not None for meta in (pair.left, pair.right)]
                self._counts.sources += there[0]
                self._counts.targets += there[1]
                verdict = decide(pair, self._rule)
                if any(there):  # else it is a directory
                    _logger.info("%s: %s", pair.name, verdict)
                if verdict == "delete" and not self._args.delete:
                    continue
                if verdict != "skip":
                    yield pair

    async def _needs_copy(self, pair: Pair) -> bool:
        if decide(pair, self._rule) == "copy":
            return True
        assert pair.left is not None
        assert pair.right is not None
        config = self._session.context.config.read
        ends = [
            End(root.driver, root.url.with_key(root.url.key + pair.name))
            for root in (self._source, self._target)
        ]
        return not await have_same_bytes((ends[0], pair.left), (ends[1], pair.right), config)

    def _describe(self, pair: Pair) -> dict[str, Value]:
        return {"src": str(self._source.url) + pair.name, "dst": str(self._target.url) + pair.name}

    def _finish(self) -> Exit:
        mirror = self._mirror
        would = "would be " if self._args.dry_run else ""
        text = f"{mirror.copied} {would}copied, {mirror.deleted} {would}deleted"
        self._session.output.record("summary", reason=text, bytes=mirror.size)
        if not self._args.json:
            self._session.output.note(text)
        return self._session.account.code


def _step(pair: Pair) -> Step:
    return Step(pair.name, State.of(pair.left), State.of(pair.right))


@contextlib.contextmanager
def _file_errors(name: str) -> Iterator[None]:
    """Say of which file it was that the disk refused something."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(Exit.SOME_FAILED, f"{name}: {error}") from error


def _write_plan(spool: IO[str], name: str) -> None:
    """Write a plan to its name, whole or not at all."""
    spool.seek(0)
    directory = os.path.dirname(os.path.abspath(name))
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".plan-")
    try:
        with open(handle, "w", encoding="ascii", newline="\n") as file:
            shutil.copyfileobj(spool, file)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise
