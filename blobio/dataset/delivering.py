"""What one consumer of a dataset gets, batch by batch, and how far it has come.

Pure: spans of positions go out, a count comes in. A consumer is a rank, or a worker of one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.dataset.parity import Deal, Remainder, check_place
from blobio.dataset.plan import Cut
from blobio.dataset.state import Position
from blobio.dataset.tree import Span
from blobio.errors import InvalidConfig

__all__ = ["DEFAULT_BATCH_ROWS", "Consumer", "Delivery", "Progress"]

DEFAULT_BATCH_ROWS: Final = 1024


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How rows are delivered: in which batches, to whom, for how many epochs.

    Attributes:
        batch_rows: Rows of a batch.
        drop_last: Leave out a last batch that is not full.
        lanes: Runs of the order that are read side by side.
        rank: Of this process.
        world: Ranks.
        remainder: What becomes of batches that the ranks do not divide.
        first_epoch: The epoch to start with.
        epochs: How many follow one another, None for no end.
    """

    batch_rows: int = DEFAULT_BATCH_ROWS
    drop_last: bool = False
    lanes: int = 1
    rank: int = 0
    world: int = 1
    remainder: Remainder = "uneven"
    first_epoch: int = 0
    epochs: int | None = 1

    def __post_init__(self) -> None:
        if self.first_epoch < 0 or (self.epochs is not None and self.epochs < 0):
            message = f"epochs and their number count from 0: {self.first_epoch}, {self.epochs}"
            raise InvalidConfig(message)
        try:
            self.cut(0)
            self.deal(0)
            check_place(self.rank, self.world, "rank")
        except ValueError as error:
            raise InvalidConfig(str(error)) from error

    def __str__(self) -> str:
        """Name what is not as it is by default, and the rows of a batch."""
        words = [f"batches of {self.batch_rows}"]
        if self.drop_last:
            words.append("full ones only")
        if self.lanes > 1:
            words.append(f"{self.lanes} lanes")
        if self.world > 1:
            words.append(f"rank {self.rank} of {self.world} ({self.remainder})")
        if self.first_epoch:
            words.append(f"from epoch {self.first_epoch}")
        if self.epochs != 1:
            words.append("without end" if self.epochs is None else f"{self.epochs} epochs")
        return ", ".join(words)

    def cut(self, num_rows: int | None) -> Cut:
        """Return how rows are cut into batches."""
        return Cut(
            num_rows=num_rows,
            batch_rows=self.batch_rows,
            lanes=self.lanes,
            drop_last=self.drop_last,
        )

    def keep(self, workers: int) -> int:
        """Return how many lanes a consumer goes round, if each rank has `workers`.

        Batch b is of lane `b % lanes` and of consumer `b % consumers`.
        """
        return self.lanes // math.gcd(self.lanes, self.world * workers)

    def deal(self, total: int | None, start: int = 0) -> Deal:
        """Return how batches are dealt from `start` on."""
        return Deal(total=total, world=self.world, remainder=self.remainder, start=start)

    def includes(self, epoch: int) -> bool:
        """Tell whether an epoch is one of those that are delivered."""
        if self.epochs is None:
            return epoch >= self.first_epoch
        return self.first_epoch <= epoch < self.first_epoch + self.epochs

    def including(self, epoch: int) -> Delivery:
        """Return a delivery that includes an epoch: if it is of one epoch, of that one."""
        return replace(self, first_epoch=epoch) if self.epochs == 1 else self


@final
@dataclass(frozen=True, slots=True)
class Consumer:
    """One of `workers` of a rank."""

    worker: int = 0
    workers: int = 1


@final
class Progress:
    """The batches of a consumer from a position on, and a count of those it has delivered.

    Attributes:
        delivery: How batches are cut and dealt.
        partial: Where the consumer stands inside a batch, None between two of them.
    """

    def __init__(
        self, delivery: Delivery, num_rows: int | None, start: Position, consumer: Consumer
    ) -> None:
        self.delivery = delivery
        self._cut = delivery.cut(num_rows)
        self._consumer = consumer
        self._start = start
        self._finished = False
        self.partial: Position | None = None
        if delivery.epochs is None and self._count(delivery.deal(self._cut.total)) == 0:
            message = (
                f"repeat() without end, and no batch for rank {delivery.rank} of "
                f"{delivery.world}: there are {self._cut.total} batches"
            )
            raise InvalidConfig(message)
        self._enter(start.epoch, start.batches)

    def _enter(self, epoch: int, begin: int) -> None:
        self._epoch, self._done = epoch, 0
        self._deal = self.delivery.deal(self._cut.total, begin)
        self._have = self._count(self._deal)

    def spans(self) -> Iterator[Span]:
        """Yield the positions of each batch to come."""
        delivery, begin = self.delivery, self._start.batches
        for epoch in itertools.count(self._start.epoch):
            if not delivery.includes(epoch):
                return
            deal = delivery.deal(self._cut.total, begin)
            begin = 0
            who = (delivery.rank, self._consumer.worker, self._consumer.workers)
            for batch in deal.batches(*who):
                yield Span(*self._cut.span(batch), epoch)

    def advance(self, batches: int = 1) -> None:
        """Count some batches more.

        Raises:
            ValueError: There are not as many.
        """
        while self._have is not None and self._done + batches > self._have:
            if not self.delivery.includes(self._epoch + 1):
                message = f"{batches} batches more than there are"
                raise ValueError(message)
            batches -= self._have - self._done
            self._enter(self._epoch + 1, 0)
        self._done += batches

    def finish(self) -> None:
        """Know that no batch comes any more."""
        while self.delivery.includes(self._epoch + 1):
            self._enter(self._epoch + 1, 0)
        self._finished = True

    def position(self) -> Position:
        """Return how far all consumers are, if they are as far as this one."""
        if self.partial is not None:
            return self.partial
        if self._finished:
            return Position(self._epoch, self._cut.total or 0)
        done = self._done * self._consumer.workers
        return Position(self._epoch, self._deal.delivered(done))

    def _count(self, deal: Deal) -> int | None:
        consumer = self._consumer
        return deal.count(self.delivery.rank, consumer.worker, consumer.workers)
