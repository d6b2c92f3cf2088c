"""Where a dataset stands: the one thing about it that changes, and the only one that is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import final

from blobio.dataset.delivering import Consumer, Delivery, Progress
from blobio.dataset.lost import Lossy, dump_lost, parse_lost
from blobio.dataset.runs import Runs
from blobio.dataset.shuffling import ShuffledRows
from blobio.dataset.state import Position, State, StateDict, StateMismatch, shortened
from blobio.dataset.stored import StoredRows
from blobio.dataset.tree import Rows

__all__ = ["Standing", "fingerprint_of", "leaves", "walk"]


@final
class Standing:
    """Where the next iteration of some rows starts, and how far the one that started last is.

    A loaded position is used once: by the iteration that starts next.

    Attributes:
        loaded: That position, until then.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.loaded: Position | None = None
        self._loaded_rows = 0
        self._progress: Progress | None = None

    def start(self, delivery: Delivery) -> Position:
        """Return where the next iteration starts, if it delivers batches like this.

        Raises:
            StateMismatch: A position was loaded that counts batches of another size.
        """
        if self.loaded is None:
            return Position(delivery.first_epoch)
        counted = replace(delivery, batch_rows=self._loaded_rows)
        self._state(self.loaded, counted).check(self._state(self.loaded, delivery))
        return self.loaded

    def begin(self, progress: Progress) -> None:
        """Know that an iteration started: its progress is the dataset's from now on."""
        self.loaded, self._progress = None, progress

    def state(self, delivery: Delivery) -> StateDict:
        """Return how far the iteration is that started last, or where the next one starts."""
        if self._progress is not None:
            return self.format(self._progress.position(), self._progress.delivery)
        if self.loaded is not None:
            return self.format(self.loaded, replace(delivery, batch_rows=self._loaded_rows))
        return self.format(Position(delivery.first_epoch), delivery)

    def after(self, delivered: int, delivery: Delivery) -> Position:
        """Return how far a rank is that delivered so many batches from where the next one starts.

        Raises:
            ValueError: There are not as many.
        """
        start = self.start(delivery)
        delivery = delivery.including(start.epoch)
        progress = Progress(delivery, self._rows.num_rows, start, Consumer())
        progress.advance(delivered)
        return progress.position()

    def load(self, found: Mapping[str, object], delivery: Delivery) -> Position:
        """Start the next iteration where a state says, which may count batches of any size.

        Raises:
            StateMismatch: See `parse`.
        """
        rows = State.from_dict(found).batch_rows
        self.loaded, self._loaded_rows = self.parse(found, replace(delivery, batch_rows=rows)), rows
        self._progress = None
        self.adopt(found)
        return self.loaded

    def adopt(self, found: Mapping[str, object]) -> None:
        """Know the lost blocks of a state that was parsed."""
        words = State.from_dict(found).lost
        for source, runs in zip(self.sources, self._parse_lost(words), strict=True):
            if runs:
                source.lost.adopt(runs)

    def _parse_lost(self, words: str) -> list[Runs]:
        return parse_lost(words, [len(source.block_rows) for source in self.sources])

    def keep_if(self, delivery: Delivery) -> None:
        """Forget how far an iteration is, and a loaded position if its epoch is not delivered."""
        self._progress = None
        if self.loaded is not None and not delivery.includes(self.loaded.epoch):
            self.loaded = None

    def parse(self, found: Mapping[str, object], delivery: Delivery) -> Position:
        """Return the position in a state.

        Raises:
            StateMismatch: It is of other rows, or of an epoch that is not delivered.
        """
        state = State.from_dict(found)
        position = Position(state.epoch, state.batches, state.rows)
        state.check(self._state(position, delivery))
        self._parse_lost(state.lost)
        if not delivery.including(state.epoch).includes(state.epoch):
            first, count = delivery.first_epoch, delivery.epochs
            last = "without end" if count is None else f"to {first + count - 1}"
            message = f"the state is of epoch {state.epoch}; this dataset has {first} {last}"
            raise StateMismatch(message)
        return position

    def format(self, position: Position, delivery: Delivery) -> StateDict:
        """Return the state at a position."""
        return self._state(position, delivery).to_dict()

    @cached_property
    def sources(self) -> list[Lossy]:
        """The sources that go on without blocks that are lost, each once."""
        lossy = [leaf.source for leaf in leaves(self._rows) if isinstance(leaf.source, Lossy)]
        return list({id(source): source for source in lossy if source.on_error != "raise"}.values())

    @cached_property
    def _on_error(self) -> str:
        """What is done about them: one word, or one for each source."""
        found = [leaf.source for leaf in leaves(self._rows)]
        words = [source.on_error if isinstance(source, Lossy) else "raise" for source in found]
        return words[0] if len(set(words)) == 1 else shortened(" ".join(words))

    @cached_property
    def _identity(self) -> tuple[str, str, int | None]:
        """Fingerprint, order and seed: found once, as a state may be taken after each batch."""
        seeds = [found.seed for found in walk(self._rows) if isinstance(found, ShuffledRows)]
        seed = seeds[0] if seeds else None
        return fingerprint_of(self._rows), shortened(self._rows.order), seed

    def _state(self, position: Position, delivery: Delivery) -> State:
        fingerprint, order, seed = self._identity
        return State(
            fingerprint=fingerprint,
            order=order,
            seed=seed,
            batch_rows=delivery.batch_rows,
            lanes=delivery.lanes,
            drop_last=delivery.drop_last,
            epoch=position.epoch,
            batches=position.batches,
            rows=position.rows,
            on_error=self._on_error,
            lost=dump_lost([source.lost.runs for source in self.sources]),
        )


def fingerprint_of(rows: Rows) -> str:
    """Return the fingerprint of the source, or a digest of those of several."""
    return shortened(" ".join(leaf.source.fingerprint for leaf in leaves(rows)))


def leaves(rows: Rows) -> list[StoredRows]:
    """Return the rows of sources that rows are made of."""
    return [found for found in walk(rows) if isinstance(found, StoredRows)]


def walk(rows: Rows) -> Iterator[Rows]:
    """Yield rows, and all that they are made of."""
    yield rows
    for part in rows.parts:
        yield from walk(part)
