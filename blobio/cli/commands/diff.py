"""`blobio diff`: compare two trees; a line a name says where it is, and whether it differs."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncGenerator
from typing import Final, final

from blobio.cli.exits import Exit, code_of
from blobio.cli.options import add_selection
from blobio.cli.pairs import Pairs, require_there, tree
from blobio.cli.session import Session
from blobio.core.comparing import Pair, is_content
from blobio.core.ends import End
from blobio.core.flow import ordered_map
from blobio.core.sameness import have_same_bytes
from blobio.errors import BlobError
from blobio.values import BlobMeta

__all__ = ["configure", "run"]

_BATCH: Final = 1000
_TROUBLE: Final = Exit.USAGE  # 2, as diff of Unix has it
_WORDS: Final = {"=": "same", "<": "only in A", ">": "only in B", "*": "differs"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Print a line for each name: = the same, < only in A, > only in B, * differs, ! cannot be "
        "told. By size and checksum; what lies on disk is read for it, what a store has no "
        "checksum of only with --download. Exit codes: 0 all the same, 1 something differs, "
        "2 and more trouble."
    )
    parser.add_argument("left", metavar="A", help="a tree")
    parser.add_argument("right", metavar="B", help="another one")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--size-only", action="store_true", help="the same size is the same")
    how.add_argument("--download", action="store_true", help="read both, whatever checksums say")
    parser.add_argument("--changes", action="store_true", help="print no line for what is the same")
    add_selection(parser)


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Compare; what cannot be told does not keep the rest from being compared."""
    left, right = tree(args.left, session), tree(args.right, session)
    for root in (left, right):
        try:
            await require_there(root)
        except BlobError as error:
            session.fail(error, src=str(root.url))
            return _trouble(code_of(error))
    return await _Diff(args, session, left, right).run()


@final
class _Diff:
    def __init__(self, args: argparse.Namespace, session: Session, left: End, right: End) -> None:
        self._args = args
        self._session = session
        self._left = left
        self._right = right
        self._pairs = Pairs(left, right, session, args)
        self._differ = False

    async def run(self) -> Exit:
        """Print the lines in the order of the names."""
        async with contextlib.aclosing(self._batches()) as batches:
            async for batch in self._session.until_failure(batches):
                async with contextlib.aclosing(
                    ordered_map(self._compare, batch, window=self._session.window.size)
                ) as results:
                    async for name, result in self._session.until_failure(results):
                        self._print(name, result)
        if self._pairs.failure is not None:
            return _trouble(code_of(self._pairs.failure))
        if self._session.account.failed:
            return _TROUBLE
        return Exit.SOME_FAILED if self._differ else Exit.DONE

    async def _batches(self) -> AsyncGenerator[list[Pair], None]:
        batch: list[Pair] = []
        async with contextlib.aclosing(self._pairs.iterate()) as pairs:
            async for pair in pairs:
                batch.append(pair)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        yield batch

    async def _compare(self, pair: Pair) -> tuple[str, str | BlobError]:
        """Return the mark of a name, an error if it cannot be told, "" for what is no content."""
        left, right = _content(pair.left), _content(pair.right)
        if left is None or right is None:
            return pair.name, "<" if left else ">" if right else ""
        if self._args.size_only:
            return pair.name, "=" if left.size == right.size else "*"
        one, other = (
            End(root.driver, root.url.with_key(root.url.key + pair.name))
            for root in (self._left, self._right)
        )
        config = self._session.context.config.read
        try:
            same = await have_same_bytes(
                (one, left), (other, right), config, read=self._args.download
            )
        except BlobError as error:
            return pair.name, error
        return pair.name, "=" if same else "*"

    def _print(self, name: str, result: str | BlobError) -> None:
        output = self._session.output
        if isinstance(result, BlobError):
            if not self._args.json:
                output.record("entry", f"! {name}")
            self._session.fail(result, src=name)
            return
        self._differ = self._differ or result in ("<", ">", "*")
        if result and not (self._args.changes and result == "="):
            output.record("entry", f"{result} {name}", src=name, reason=_WORDS[result])


def _content(meta: BlobMeta | None) -> BlobMeta | None:
    return meta if meta is not None and is_content(meta) else None


def _trouble(code: Exit) -> Exit:
    """Return a code that cannot be taken for trees that differ."""
    return _TROUBLE if code is Exit.SOME_FAILED else code
