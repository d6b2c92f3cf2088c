"""What a command works with: the context, the output, and the account of what became of things."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from typing import TYPE_CHECKING, TypeVar, final

from blobio.aio import AsyncContext
from blobio.cli.exits import Account, Stop
from blobio.cli.options import JOBS, MOST_JOBS
from blobio.cli.output import Output, Value
from blobio.cli.progress import Followed
from blobio.core.flow import Window, unordered_map
from blobio.errors import BlobError

if TYPE_CHECKING:
    from blobio.cli.crew import Crew
    from blobio.cli.trade import Trade

__all__ = ["Session"]

T = TypeVar("T")


@final
class Session:
    """One run of one command.

    Attributes:
        context: Reaches all stores.
        output: Prints.
        account: Makes the exit code.
        window: How many items at once.
        fail_fast: Begin no item after the first failure.
        progress: Draws how far transfers are, if anybody looks.
        crew: The processes that may share the work, or None.
        may_ask: Somebody at a terminal may be asked, and nobody else is.
    """

    def __init__(
        self,
        context: AsyncContext,
        output: Output,
        progress: Followed,
        *,
        jobs: int | None = None,
        fail_fast: bool = False,
    ) -> None:
        self.context = context
        self.progress = progress
        self.output = output
        self.account: Account = Account()
        self.window: Window = Window(jobs or JOBS, jobs or MOST_JOBS)
        self.fail_fast = fail_fast
        self.crew: Crew | None = None
        self.may_ask: bool = True

    def for_line(self, line: int, operation: str) -> Session:
        """Return one for the command in a line of a file of them, with an account of its own."""
        own = copy.copy(self)
        own.output = self.output.for_line(line, operation)
        own.account = Account()
        own.crew = None  # the lines are done side by side, and each is small
        own.may_ask = False
        return own

    def fail(self, error: BaseException, **fields: Value) -> None:
        """Report an item that failed; the command goes on."""
        self.account.fail(error)
        self.output.error(error, **fields)

    @property
    def is_stopping(self) -> bool:
        """Nothing new is to be begun."""
        return self.fail_fast and self.account.failed > 0

    async def until_failure(self, items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """Yield what is to be begun: all items, with `fail_fast` those before the first failure."""
        async for item in items:
            if self.is_stopping:
                self.account.is_cut_short = True
                return
            yield item

    async def each(
        self,
        work: Callable[[T], Awaitable[None]],
        items: AsyncIterable[T],
        describe: Callable[[T], dict[str, Value]],
    ) -> None:
        """Do `work` on all items, `jobs` at once; one that fails does not keep the others from it.

        Unless it is to: with `fail_fast` what has begun is ended, and no other item is begun.

        Args:
            work: Raises `BlobError`, `OSError` or `Stop` for an item that failed.
            items: Asked for the next one while others are worked on.
            describe: The fields of an error's record.
        """

        async def attempt(item: T) -> None:
            try:
                await work(item)
                self.output.flush()
            except (BlobError, OSError, Stop) as error:
                if isinstance(error, BrokenPipeError) and not isinstance(error, BlobError):
                    raise  # it is ours: nobody reads the results any more
                self.fail(error, **describe(item))

        async for _ in unordered_map(attempt, self.until_failure(items), window=self.window):
            pass

    async def share(self, trade: Trade[T], items: AsyncIterable[T]) -> None:
        """Do as `each` does, with the help of other processes if there are enough items."""
        if self.crew is None:
            await self.each(trade.work, items, trade.describe)
            return
        from blobio.cli.crew import Deal

        deal = Deal(self.crew, self, trade)

        async def work(item: T) -> None:
            try:
                await trade.work(item)
            finally:
                deal.ended(item)

        async with contextlib.aclosing(deal.own(items)) as own:
            await self.each(work, own, trade.describe)


async def iterate(items: Iterable[T]) -> AsyncIterator[T]:
    """Make of any items what `Session.each` takes."""
    for item in items:
        yield item
