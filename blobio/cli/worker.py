"""A process that shares the work of a command: it gets items, and reports what came of them.

It ends with the process that began it: when its input ends, whatever is under way is cancelled and
cleans up after itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final, NamedTuple, Protocol, cast, final

from blobio.aio import AsyncContext
from blobio.cli.app import load
from blobio.cli.exits import Account
from blobio.cli.logs import logged
from blobio.cli.output import Output, wants_color
from blobio.cli.session import Session
from blobio.cli.trade import Order, Report, Task, Trade, framed, receive

__all__ = ["main"]

_REPORT_S: Final = 0.02  # what ends within it is reported together


class _Trader(Protocol):
    """A command whose work can be shared."""

    def trade(self, args: argparse.Namespace, session: Session) -> Trade[object]:
        """Return what is done with each item."""


class _Numbered(NamedTuple):
    number: int
    item: object


def main() -> None:
    """Serve the process at the other end of stdin and stdout until it says that this is all."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed is no report
    with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError):
        asyncio.run(_serve(output))


async def _serve(output: int) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    reader = asyncio.StreamReader()
    with os.fdopen(0, "rb", buffering=0) as pipe:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        order = cast("Order", await receive(reader))
        reporter = _Reporter(output, task, is_watched=order.is_watched)
        await _work(order, reader, reporter)


async def _work(order: Order, reader: asyncio.StreamReader, reporter: _Reporter) -> None:
    args = order.args
    said = Output(args.command, as_json=args.json, quiet=args.quiet, color=wants_color(args.color))
    with logged(args, said), reporter:
        async with AsyncContext(order.config) as context:
            session = Session(context, said, reporter)
            reporter.session = session
            trade = cast("_Trader", load(args.command)).trade(args, session)

            async def work(numbered: _Numbered) -> None:
                try:
                    await trade.work(numbered.item)
                finally:
                    reporter.ended(numbered.number)

            await session.each(
                work, _tasks(reader, trade), lambda numbered: trade.describe(numbered.item)
            )
        reporter.end(order)


async def _tasks(
    reader: asyncio.StreamReader, trade: Trade[object]
) -> AsyncGenerator[_Numbered, None]:
    while tasks := cast("list[Task]", await receive(reader)):
        for task in tasks:
            yield _Numbered(task.number, trade.unpack(task.packed))


@final
class _Reporter:
    """Collects what is printed and what ended, and reports it; `session.Followed` besides.

    Args:
        output: A pipe.
        task: Cancelled when nobody reads it any more.
        is_watched: Bytes are reported as they move.
    """

    session: Session

    def __init__(self, output: int, task: asyncio.Task[None], *, is_watched: bool) -> None:
        self._output = output
        self._task = task
        self._is_watched = is_watched
        self._report = Report()
        self._timer: asyncio.TimerHandle | None = None
        self._printed = io.StringIO(), io.StringIO()

    def __enter__(self) -> None:
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._printed

    def __exit__(self, *exc_info: object) -> None:
        sys.stdout, sys.stderr = self._streams

    def ended(self, number: int) -> None:
        """Report soon that an item has ended."""
        self._report.ended.append(number)
        self._soon()

    def end(self, order: Order) -> None:
        """Report what is left."""
        self._report.usage = order.config.usage
        self._report.is_last = True
        self._send()

    def found(self, size: int) -> None:
        """Do nothing: the other process finds."""

    def all_found(self) -> None:
        """Do nothing, as `found`."""

    @contextlib.contextmanager
    def item(self, name: str, size: int) -> Iterator[Callable[[int], None] | None]:
        """Follow one item: what this yields is told of its bytes, as they come."""
        del size
        if not self._is_watched:
            yield None
            return

        def moved(count: int) -> None:
            self._report.moved[name] = self._report.moved.get(name, 0) + count
            self._soon()

        yield moved

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_REPORT_S, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        report, self._report = self._report, Report()
        report.out, report.err = (_taken(stream) for stream in self._printed)
        report.account, self.session.account = self.session.account, Account()
        data = memoryview(framed(report))
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except BrokenPipeError:
            self._task.cancel()


def _taken(stream: io.StringIO) -> str:
    """Return what was printed to a stream, and empty it."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text
