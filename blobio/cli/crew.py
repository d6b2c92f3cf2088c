"""Share the work of a command with other processes, once it is enough to pay for them.

One loop keeps one processor busy with about 2,000 small blobs or 1 GB in a second. A command that
has more before it than that begins one process for each other processor, and deals out items as
they are asked for. The processes print nothing: what they report is printed here.

The memory of transfers is divided among all. Each process has its own connections and credentials,
and backs off from a store that has enough by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import replace
from itertools import count
from typing import Final, Generic, TypeVar, cast, final

from blobio.cli.exits import Exit, Stop
from blobio.cli.session import Session
from blobio.cli.trade import END, Order, Report, Task, Trade, framed, receive
from blobio.config import Config
from blobio.core.flow import settle
from blobio.usage import Usage

__all__ = ["Crew", "Deal"]

_logger: Final = logging.getLogger("blobio.cli")

T = TypeVar("T")

_WORTH_ITEMS: Final = 512
_WORTH_BYTES: Final = 512 << 20
_AHEAD_ITEMS: Final = 1024  # found before anybody can take them
_HAND_ITEMS: Final = 256  # what one process has before it: an eighth of a second
_HAND_BYTES: Final = 256 << 20
_MOST: Final = 8
_GRACE_S: Final = 10.0  # for a process to clean up after itself
_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; from blobio.cli.worker import main; main()"
)


@final
class Crew:
    """The processes that may share the work of a command.

    Args:
        args: The command's options.
        config: Its settings.
        is_watched: Progress is drawn.

    Attributes:
        memory_bytes: What all the processes may hold of what the settings grant.
    """

    def __init__(self, args: argparse.Namespace, config: Config, *, is_watched: bool) -> None:
        processes: int = args.processes or _processors()
        share = max(1, config.memory_bytes // processes)
        usage = None if config.usage is None else Usage()
        self._count = processes - 1
        self._is_demanded = args.processes is not None
        self._order = Order(args, replace(config, usage=usage, memory_bytes=share), is_watched)
        self.memory_bytes: int = share * self._count

    @classmethod
    def of(cls, args: argparse.Namespace, config: Config, *, is_watched: bool) -> Crew | None:
        """Return the crew of a command, or None if it is to work alone.

        What counts all items together - a rate, a number of jobs, the first failure, a journal -
        is kept by one process.

        Raises:
            Stop: Several are asked for all the same.
        """
        is_alone = args.jobs or args.limit_rate is not None or args.fail_fast or args.resume
        if is_alone and (args.processes or 1) > 1:
            message = "--processes goes with none of --jobs, --limit-rate, --fail-fast, --resume"
            raise Stop(Exit.USAGE, message)
        is_program = getattr(sys, "frozen", False)  # sys.executable is no Python, but this program
        if is_alone or is_program or args.dry_run or (args.processes or _processors()) == 1:
            return None
        return cls(args, config, is_watched=is_watched)

    def is_worth(self, items: int, size: int) -> bool:
        """Tell whether the processes pay for so many items that wait, of so many bytes."""
        enough = items >= _WORTH_ITEMS or (items > 1 and size >= _WORTH_BYTES)
        return enough or (self._is_demanded and items > 0)

    async def begin(self) -> list[_Hand[T]]:
        """Begin the processes; fewer, or none, if the system has no room for more."""
        hands: list[_Hand[T]] = []
        for _ in range(self._count):
            hand: _Hand[T] = _Hand()
            try:
                await hand.begin(self._order)
            except OSError as error:
                _logger.warning("the work is shared by fewer processes: %s", error)
                break
            hands.append(hand)
        return hands

    @property
    def is_watched(self) -> bool:
        """Bytes are reported as they move."""
        return self._order.is_watched


def _processors() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return min(_MOST, os.cpu_count() or 1)
    return min(_MOST, len(os.sched_getaffinity(0)))


@final
class _Given(Generic[T]):
    """An item that another process has.

    Attributes:
        item: The item.
        size: Its bytes.
        source: What its progress is reported under; empty if nobody looks.
        line: Ends the display of its progress.
    """

    __slots__ = ("item", "line", "size", "source")

    def __init__(self, item: T, size: int) -> None:
        self.item = item
        self.size = size
        self.source = ""
        self.line: contextlib.ExitStack | None = None

    def close(self) -> None:
        """End the display."""
        if self.line is not None:
            self.line.close()


@final
class _Hand(Generic[T]):
    """One process and what it has been given.

    Attributes:
        given: By number.
        size: Bytes of all that.
        has_left: It is not to be given any more.
    """

    def __init__(self) -> None:
        self.given: dict[int, _Given[T]] = {}
        self.size: int = 0
        self.has_left: bool = False
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self, order: Order) -> None:
        """Begin the process and tell it what is to be done."""
        program = [sys.executable, "-I", "-c", _PROGRAM, *sys.path]
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *program,
            stdin=pipe,
            stdout=pipe,
            process_group=0,  # Ctrl-C is for us alone, who then end it
        )
        self.send(order)

    @property
    def room(self) -> int:
        """How many more items it may be given."""
        is_full = self.has_left or self.size >= _HAND_BYTES
        return 0 if is_full else _HAND_ITEMS - len(self.given)

    def send(self, message: object) -> None:
        """Say something to the process."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(framed(message))

    async def report(self) -> Report | None:
        """Return the next report; None once the process has ended without its last one."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            return cast("Report", await receive(self._process.stdout))
        except asyncio.IncompleteReadError:
            return None

    async def end(self) -> int:
        """Let the process end, and return its exit code; it is killed if it takes too long."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_GRACE_S):
                return await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return await process.wait()


@final
class Deal(Generic[T]):
    """Deals out some items, to this process and to others.

    Args:
        crew: The others.
        session: Where results go.
        trade: What is done.
    """

    def __init__(self, crew: Crew, session: Session, trade: Trade[T]) -> None:
        self._crew = crew
        self._session = session
        self._trade = trade
        self._numbers = count()
        self._waiting: deque[T] = deque()
        self._waiting_size = 0
        self._own = 0
        self._own_size = 0
        self._hands: list[_Hand[T]] = []
        self._listening: list[asyncio.Task[None]] = []
        self._memory: asyncio.Task[None] | None = None
        self._moved: dict[str, Callable[[int], None]] = {}
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._has_begun = False

    async def own(self, items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """Yield the items that this process is to do; end when the others have done theirs.

        Raises:
            BrokenPipeError: Nobody reads the results any more.
        """
        finding = asyncio.ensure_future(self._find(items))
        try:
            while True:
                self._changed.clear()
                self._raise_failure()
                if self._is_time_to_begin:
                    await self._begin()
                self._give()
                if self._waiting and self._has_place(self._waiting[0]):
                    item = self._take()
                    self._own += 1
                    self._own_size += self._trade.size_of(item)
                    yield item
                    continue
                if finding.done() and not self._waiting:
                    finding.result()
                    break
                await self._changed.wait()
            await self._finish()
        finally:
            await settle([finding, *self._listening, *filter(None, [self._memory])])
            for hand in self._hands:
                await hand.end()

    def ended(self, item: T) -> None:
        """Say that one of this process's own items has ended."""
        self._own -= 1
        self._own_size -= self._trade.size_of(item)
        self._changed.set()

    async def _find(self, items: AsyncIterable[T]) -> None:
        try:
            async for item in items:
                while len(self._waiting) >= _AHEAD_ITEMS:
                    self._taken.clear()
                    await self._taken.wait()
                self._waiting.append(item)
                self._waiting_size += self._trade.size_of(item)
                self._changed.set()
        finally:
            self._changed.set()

    def _take(self) -> T:
        item = self._waiting.popleft()
        self._waiting_size -= self._trade.size_of(item)
        self._taken.set()
        return item

    def _has_place(self, item: T) -> bool:
        """Tell whether this process is to take an item, or to leave it to whoever is free first."""
        if not self._hands or not self._own:
            return True
        return self._own_size + self._trade.size_of(item) <= _HAND_BYTES * 2

    @property
    def _is_time_to_begin(self) -> bool:
        pays = self._crew.is_worth(len(self._waiting), self._waiting_size)
        return pays and not self._has_begun

    async def _begin(self) -> None:
        self._has_begun = True
        self._hands = await self._crew.begin()
        self._listening = [asyncio.ensure_future(self._listen(hand)) for hand in self._hands]
        if self._hands:
            self._memory = asyncio.ensure_future(self._share_memory())

    async def _share_memory(self) -> None:
        """Keep from the transfers of this process what the others may hold."""
        budget = self._session.context.stores.budget
        await budget.acquire(self._crew.memory_bytes)
        try:
            await asyncio.Event().wait()
        finally:
            budget.release(self._crew.memory_bytes)

    def _give(self) -> None:
        """Give each process as much as it has room for, and the last ones evenly."""
        for hand in self._hands:
            fair = max(1, len(self._waiting) // (len(self._hands) + 1))
            tasks: list[Task] = []
            while self._waiting and len(tasks) < fair and hand.room:
                tasks.append(self._hand_over(hand, self._take()))
            if tasks:
                hand.send(tasks)

    def _hand_over(self, hand: _Hand[T], item: T) -> Task:
        number = next(self._numbers)
        given = hand.given[number] = _Given(item, self._trade.size_of(item))
        hand.size += given.size
        if self._crew.is_watched:
            self._watch(given)
        return Task(number, self._trade.pack(item))

    def _watch(self, given: _Given[T]) -> None:
        given.source = str(self._trade.describe(given.item)["src"])
        given.line = contextlib.ExitStack()
        moved = given.line.enter_context(self._session.progress.item(given.source, given.size))
        if moved is not None:
            self._moved[given.source] = moved

    async def _listen(self, hand: _Hand[T]) -> None:
        while (report := await hand.report()) is not None:
            self._heed(hand, report)
            self._give()  # at once: this process may be waiting for its own items
            self._changed.set()
            if report.is_last:
                return
        hand.has_left = True
        code = await hand.end()
        message = f"the process that was at it ended with {code}: it may be done or not; try again"
        for given in hand.given.values():
            ends = self._trade.describe(given.item)
            self._session.fail(Stop(Exit.SOME_FAILED, f"{ends['src']}: {message}"), **ends)
            given.close()
        hand.given.clear()
        self._changed.set()

    def _heed(self, hand: _Hand[T], report: Report) -> None:
        for source, size in report.moved.items():
            if source in self._moved:
                self._moved[source](size)
        for number in report.ended:
            given = hand.given.pop(number)
            hand.size -= given.size
            given.close()
            self._moved.pop(given.source, None)
        session = self._session
        session.account.include(report.account)
        if report.usage is not None and session.context.config.usage is not None:
            session.context.config.usage.include(report.usage)
        session.output.pass_on(report.out, report.err)

    def _raise_failure(self) -> None:
        for task in self._listening:
            if task.done():
                task.result()

    async def _finish(self) -> None:
        """Wait for the last reports."""
        for hand in self._hands:
            if not hand.has_left:
                hand.send(END)
        await asyncio.gather(*self._listening)
