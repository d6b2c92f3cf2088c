"""Work on pieces of a dataset in any executor: in order, bounded, and with a name when it fails."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, final

from blobio.dataset.pieces import Piece, divide
from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    from blobio.dataset.dataset import Dataset

__all__ = ["Task", "map_pieces", "results"]

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """A call on a piece of a dataset. It is what is sent to another process, so it pickles.

    Attributes:
        piece: What it is about, for errors.
        call: What is to be done; takes nothing, returns what is sent back.
    """

    piece: Piece
    call: Callable[[], T]


@final
@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    function: Callable[[Dataset], T]
    dataset: Dataset

    def __call__(self) -> T:
        return self.function(self.dataset)


def map_pieces(
    dataset: Dataset,
    function: Callable[[Dataset], T],
    executor: Executor | None,
    task_bytes: int,
    in_flight: int | None,
) -> Iterator[T]:
    """Return what a function makes of each piece: see `Dataset.map_shards`."""
    pieces = divide(dataset, task_bytes, "map_shards")
    tasks = [Task(piece, _Call(function, piece.dataset)) for piece in pieces]
    return results(tasks, executor, in_flight, "map_shards")


def results(
    tasks: Sequence[Task[T]], executor: Executor | None, in_flight: int | None, verb: str
) -> Iterator[T]:
    """Return an iterator over what tasks return, in their order; it starts when it is asked.

    Args:
        tasks: What to do.
        executor: Where; None for here, one when its result is asked for.
        in_flight: Tasks at most that were submitted and whose result was not taken; None for twice
            the number of this machine's processors.
        verb: Who asks, for the note of an error.
    """
    most = 2 * (os.cpu_count() or 1) if in_flight is None else in_flight
    if most < 1:
        message = f"{verb}: at least one task is in flight, not {in_flight}"
        raise InvalidConfig(message)
    return _here(tasks, verb) if executor is None else _there(tasks, executor, most, verb)


def _here(tasks: Sequence[Task[T]], verb: str) -> Iterator[T]:
    for task in tasks:
        with _named(task, verb):
            result = task.call()
        yield result


def _there(tasks: Sequence[Task[T]], executor: Executor, most: int, verb: str) -> Iterator[T]:
    waiting: deque[tuple[Task[T], Future[T]]] = deque()
    coming = iter(tasks)
    try:
        while True:
            while len(waiting) < most and (task := next(coming, None)) is not None:
                waiting.append((task, executor.submit(task.call)))
            if not waiting:
                return
            task, future = waiting[0]
            with _named(task, verb):
                result = future.result()
            waiting.popleft()
            yield result
    finally:
        # What runs is waited for, so that nothing is still at work when the loop is left.
        wait([future for _, future in waiting if not future.cancel()])


@contextmanager
def _named(task: Task[T], verb: str) -> Iterator[None]:
    """Tell with an error of a task which rows it was about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{verb}: at {task.piece}")
        raise
