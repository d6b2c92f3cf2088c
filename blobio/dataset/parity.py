"""Who gets which batch: one order of batches, dealt to ranks like cards, and by them to workers.

Whole batches are dealt, so that how many each rank gets is known before anything is read: a rank
that had one more than the others would wait for them forever.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, final, get_args

__all__ = ["Deal", "Remainder", "check_place"]

Remainder: TypeAlias = Literal["drop", "pad", "uneven"]
"""What becomes of the last batches where the ranks do not divide them: `drop` leaves them out,
`pad` goes on with the first of the order, `uneven` gives some ranks one batch more than others."""


def check_place(index: int, count: int, name: str) -> None:
    """Refuse a rank or a worker that is not one of `count`."""
    if not 0 <= index < count:
        message = f"{name} {index} of {count}: it must be in range({count})"
        raise ValueError(message)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """How the batches `start` to `total` of an order are dealt to `world` ranks.

    Batch `start + i` goes to rank `i % world`, and there to worker `i // world % workers`. Where
    nothing was delivered before, `start` is 0 and batch b goes to rank `b % world`. An order that
    is resumed by another number of ranks is dealt anew from where it stopped, so that parity holds
    for what is left of it.

    Attributes:
        total: Batches of the order, None if it never ends.
        world: Ranks.
        remainder: What becomes of the last ones.
        start: Batches of the order that were delivered before.
    """

    total: int | None
    world: int = 1
    remainder: Remainder = "uneven"
    start: int = 0

    def __post_init__(self) -> None:
        if self.world < 1 or self.start < 0 or (self.total is not None and self.total < 0):
            message = f"world >= 1, start >= 0 and total >= 0 are needed, not {self}"
            raise ValueError(message)
        if self.remainder not in get_args(Remainder):
            message = f"remainder is one of {get_args(Remainder)}, not {self.remainder!r}"
            raise ValueError(message)

    @property
    def dealt(self) -> int | None:
        """Batches that all ranks get together, repeated ones included; None if without end."""
        if self.total is None:
            return None
        left = max(0, self.total - self.start)
        if self.remainder == "drop":
            return left - left % self.world
        if self.remainder == "pad":
            return left + -left % self.world
        return left

    def count(self, rank: int, worker: int = 0, workers: int = 1) -> int | None:
        """Return how many batches a worker of a rank gets, None if without end.

        Raises:
            ValueError: The rank or the worker does not exist.
        """
        check_place(rank, self.world, "rank")
        check_place(worker, workers, "worker")
        if self.dealt is None:
            return None
        first, step = rank + worker * self.world, self.world * workers
        return max(0, -(-(self.dealt - first) // step))

    def batches(self, rank: int, worker: int = 0, workers: int = 1) -> Iterator[int]:
        """Yield the number of each batch that a worker of a rank gets, in order.

        Raises:
            ValueError: The rank or the worker does not exist.
        """
        count = self.count(rank, worker, workers)
        first, step = rank + worker * self.world, self.world * workers
        places = itertools.count(first, step)
        return map(self._number, places if count is None else itertools.islice(places, count))

    def delivered(self, count: int) -> int:
        """Return how far the order is done once each rank has delivered `count` batches.

        Never more than its total: padding repeats what was counted before.
        """
        done = self.start + count * self.world
        return done if self.total is None else min(done, self.total)

    def _number(self, place: int) -> int:
        number = self.start + place
        if self.total is None or number < self.total:
            return number
        return (number - self.total) % self.total
