"""Files of commands: how a line is read, and how many of them run at once over one context.

Lines run side by side, in no order, as long as none of them needs stdout to itself. What a line
prints is told apart by its number in errors and records.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import shlex
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, final

from blobio.cli import options
from blobio.cli.app import COMMANDS, load, parser_of
from blobio.cli.exits import Exit, Stop
from blobio.cli.removals import is_exact, remove_exact
from blobio.cli.session import Session
from blobio.core.flow import unordered_map
from blobio.errors import BlobError

__all__ = ["Script", "numbered", "words_of"]

_BATCH: Final = 1000  # lines of `rm` that are one removal
_ALONE: Final = frozenset({"cat"})  # their bytes must not be mixed with others'
_REFUSED: Final = frozenset({"run", "edit", "completion"})  # they are for somebody at a terminal


def words_of(line: str) -> list[str]:
    """Cut a line into words as a POSIX shell would, expanding nothing.

    A `#` begins a comment where a word would begin, and is part of a word elsewhere: keys may have
    one in them.

    Raises:
        ValueError: A quote is not closed.
    """
    stream = io.StringIO(line)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    while not line[stream.tell() :].lstrip().startswith("#"):
        word = lexer.get_token()
        if word is None:
            break
        words.append(word)
    return words


async def numbered(chunks: AsyncIterable[bytes]) -> AsyncGenerator[list[tuple[int, str]], None]:
    """Cut bytes into lines with their numbers, from 1; those that come together stay together."""
    rest = b""
    number = 0
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if whole:
            yield [(number + n, os.fsdecode(line)) for n, line in enumerate(whole, 1)]
        number += len(whole)
    if rest:
        yield [(number + 1, os.fsdecode(rest))]


@final
class _Parser(argparse.ArgumentParser):
    """Raises what argparse prints before it ends the process."""

    def error(self, message: str) -> NoReturn:
        """Raise a usage error."""
        if message.startswith("unrecognized"):
            message += " (the options of all commands are given to run itself)"
        raise Stop(Exit.USAGE, message)

    def print_help(self, file: object = None) -> None:
        """Refuse: `--help` in a line is a mistake."""
        del file
        raise Stop(Exit.USAGE, "help is not given within a file of commands")


@final
@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    args: argparse.Namespace


@final
class Script:
    """The run of one file of commands.

    Args:
        args: `jobs` lines run at once, one after the other with `in_order`; with `fail_fast` none
            is begun after one has failed. The options of all commands hold for every line.
        session: Its context serves all lines.
    """

    def __init__(self, args: argparse.Namespace, session: Session) -> None:
        self._args = args
        self._session = session
        self._common = _common(args)
        self._parsers: dict[str, argparse.ArgumentParser] = {}
        self._lines = self._failed = self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, chunks: AsyncIterable[bytes]) -> Exit:
        """Run all lines; a line that fails does not keep others from it."""
        async with (
            contextlib.aclosing(self._units(chunks)) as units,
            contextlib.aclosing(self._scheduled(units)) as scheduled,
        ):
            async for _ in unordered_map(self._perform, scheduled, window=self._session.window):
                pass
        if self._failed:
            self._session.output.note(f"{self._failed} of {self._lines} lines failed")
            return Exit.SOME_FAILED
        return Exit.DONE

    @property
    def _is_over(self) -> bool:
        return bool(self._failed and self._args.fail_fast)

    async def _units(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[list[_Line], None]:
        """Yield what is run as one: a line, or lines of `rm` that follow each other."""
        async with contextlib.aclosing(numbered(chunks)) as several:
            async for texts in several:
                batch: list[_Line] = []
                for number, text in texts:
                    line = self._parse(number, text)
                    if self._is_over:
                        return
                    if line is None:
                        continue
                    joins = self._joins(line)
                    if batch and not (joins and len(batch) < _BATCH):
                        yield batch
                        batch = []
                    if joins:
                        batch.append(line)
                    else:
                        yield [line]
                if batch:  # the next line may be long in coming
                    yield batch

    async def _scheduled(self, units: AsyncIterator[list[_Line]]) -> AsyncGenerator[list[_Line]]:
        """Yield each as soon as it may begin."""
        async for unit in units:
            is_alone = self._args.in_order or unit[0].name in _ALONE
            if is_alone:
                await self._idle.wait()
            self._running += 1
            self._idle.clear()
            yield unit
            if is_alone:
                await self._idle.wait()

    def _joins(self, line: _Line) -> bool:
        if line.name != "rm" or self._args.in_order:
            return False
        return is_exact(line.args, self._parsed("rm", ["rm", ""]), self._session)

    def _parse(self, number: int, text: str) -> _Line | None:
        """Return what a line asks for; None if that is nothing, or wrong, which is reported."""
        name = "run"
        try:
            words = words_of(text)
            if words[:1] == ["blobio"]:
                words = words[1:]
            if not words:
                return None
            self._lines += 1
            name = _name(words[0])
            args = self._parsed(name, words)
            if "-" in (*getattr(args, "sources", ()), getattr(args, "target", None)):
                raise Stop(Exit.USAGE, "stdin and stdout are not for a line of a file of commands")
        except (Stop, ValueError) as error:
            self._fail(self._session.for_line(number, name), error)
            return None
        return _Line(number, name, args)

    def _parsed(self, name: str, words: Sequence[str]) -> argparse.Namespace:
        parser = self._parsers.get(name)
        if parser is None:
            parser = self._parsers[name] = parser_of(name, _Parser, with_common=False)
        return parser.parse_args(words, argparse.Namespace(**self._common))

    async def _perform(self, unit: list[_Line]) -> None:
        try:
            if not self._is_over:
                await (self._run(unit[0]) if len(unit) == 1 else self._remove(unit))
                self._session.output.flush()
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _run(self, line: _Line) -> None:
        session = self._session.for_line(line.number, line.name)
        try:
            code = await load(line.name).run(line.args, session)
        except (BlobError, Stop, OSError) as error:
            if isinstance(error, BrokenPipeError) and not isinstance(error, BlobError):
                raise  # nobody reads the results any more
            self._fail(session, error)
        else:
            self._failed += code is not Exit.DONE

    async def _remove(self, lines: list[_Line]) -> None:
        asked = [(line.args, self._session.for_line(line.number, line.name)) for line in lines]
        await remove_exact(asked, self._session)
        self._failed += sum(session.account.code is not Exit.DONE for _, session in asked)

    def _fail(self, session: Session, error: BaseException) -> None:
        session.fail(error)
        self._failed += 1


def _name(word: str) -> str:
    if word in _REFUSED:
        raise Stop(Exit.USAGE, f"{word} is not for a line of a file of commands")
    if word not in COMMANDS:
        raise Stop(Exit.USAGE, f"no such command: {word}")
    return word


def _common(args: argparse.Namespace) -> dict[str, object]:
    """Return the options of all commands, which each line has from `run`."""
    parser = argparse.ArgumentParser()
    options.add_common(parser)
    return {name: getattr(args, name) for name in vars(parser.parse_args([]))}
