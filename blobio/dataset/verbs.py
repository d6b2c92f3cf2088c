"""The verbs of a dataset: what makes another one of it. Nothing is read, none is changed.

Rows are a tree (see `tree`), and how they are delivered is a value (see `delivering`): a verb puts
a new tree or a new value in a dataset of the same class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from blobio.dataset.columns import check_list
from blobio.dataset.delivering import Delivery
from blobio.dataset.gathering import ConcatRows, RepeatedRows, ZippedRows, repeated
from blobio.dataset.interleaving import InterleavedRows, Stop
from blobio.dataset.parity import Remainder
from blobio.dataset.shuffling import shuffled
from blobio.dataset.standing import Standing
from blobio.dataset.stored import Projecting, SlicedRows, StoredRows, sliced
from blobio.dataset.transforms import (
    Change,
    ChangedRows,
    Filtered,
    MapFunction,
    Mapped,
    Predicate,
    Renamed,
    Selected,
)
from blobio.dataset.tree import Rows
from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DEFAULT_WINDOW_BYTES", "Verbs"]

DEFAULT_WINDOW_BYTES: Final = 256 << 20


class Verbs:
    """Rows in an order, and the verbs on them.

    Attributes:
        tree: The rows, and what they are made of.
        delivery: In which batches, and to whom.
        standing: Where it stands.
    """

    tree: Rows
    delivery: Delivery
    standing: Standing

    def _with(self, rows: Rows | None = None, delivery: Delivery | None = None) -> Self:
        made = object.__new__(type(self))
        made.tree = self.tree if rows is None else rows
        made.delivery = self.delivery if delivery is None else delivery
        made.standing = Standing(made.tree)
        return made

    def with_rows(self, rows: Rows, delivery: Delivery) -> Self:
        """Return a dataset of other rows, delivered in another way."""
        return self._with(rows, delivery)

    def _repeated(self) -> tuple[Rows, Delivery]:
        rows = repeated(self.tree, self.delivery.epochs)
        return rows, replace(self.delivery, epochs=1)

    # How it is delivered: the order of these verbs among the others does not matter

    def batch(self, batch_rows: int, *, drop_last: bool | None = None) -> Self:
        """Deliver batches of `batch_rows` rows; with `drop_last` no last one that is not full."""
        drop = self.delivery.drop_last if drop_last is None else drop_last
        return self._with(delivery=replace(self.delivery, batch_rows=batch_rows, drop_last=drop))

    def shard(self, rank: int, world: int, *, remainder: Remainder) -> Self:
        """Deliver the batches of one of `world` ranks: of all batches, b goes to rank b % world.

        Args:
            rank: Of this process.
            world: How many there are.
            remainder: Of batches that the ranks do not divide: `"drop"` leaves the last ones out,
                `"pad"` goes on with the first ones, and either way each rank gets the same number;
                `"uneven"` gives some ranks one more. It holds for each epoch.
        """
        return self._with(
            delivery=replace(self.delivery, rank=rank, world=world, remainder=remainder)
        )

    def stripe(self, lanes: int) -> Self:
        """Divide the order into `lanes` runs and cut batches from one after the other.

        A block has rows for many batches, which go to different ranks: without lanes each rank
        reads every block. With as many lanes as there are ranks times workers, or a multiple, each
        reads its own. The number belongs to the order, so choose one for all runs: it costs the
        memory of `lanes / (ranks * workers)` blocks, or windows of a shuffle.
        """
        return self._with(delivery=replace(self.delivery, lanes=lanes))

    def repeat(self, times: int | None = None) -> Self:
        """Deliver `times` epochs, or epochs without end, each shuffled anew.

        Each epoch ends with its own last batch and its own remainder.
        """
        rows, delivery = self._repeated()
        if delivery.epochs is None or times is None:
            RepeatedRows(rows, None)  # refuses what has no end or no rows
        return self._with(rows, replace(delivery, epochs=times))

    def with_epoch(self, epoch: int) -> Self:
        """Start with an epoch: 0 unless this said something."""
        return self._with(delivery=replace(self.delivery, first_epoch=epoch))

    # Order

    def shuffle(self, *, seed: int, window_bytes: int = DEFAULT_WINDOW_BYTES) -> Self:
        """Shuffle the blocks, and the rows of each window of blocks; anew in each epoch.

        Args:
            seed: Which of all orders. The same seed gives the same order everywhere.
            window_bytes: Memory of a window: as many rows are mixed as fit in, by what the source
                tells of its rows, and at least those of one block. Reading ahead comes on top.
        """
        rows, delivery = self._repeated()
        return self._with(shuffled(rows, seed, window_bytes), delivery)

    def take(self, count: int) -> Self:
        """Keep the first `count` rows.

        Raises:
            InvalidConfig: Rows were filtered before: how many pass is not known.
        """
        return self._slice(0, count, "take")

    def skip(self, count: int) -> Self:
        """Leave out the first `count` rows.

        Raises:
            InvalidConfig: Rows were filtered before: how many pass is not known.
        """
        return self._slice(count, None, "skip")

    def _slice(self, start: int, stop: int | None, verb: str) -> Self:
        rows, delivery = self._repeated()
        return self._with(sliced(rows, start, stop, verb), delivery)

    # Several datasets

    def concat(self, *others: Verbs) -> Self:
        """Put the rows of others of the same schema after these."""
        return self._gather(others, ConcatRows)

    def zip(self, *others: Verbs) -> Self:
        """Put the columns of others beside these, for as many rows as the shortest has."""
        return self._gather(others, ZippedRows)

    def interleave(
        self, *others: Verbs, weights: Sequence[float] | None = None, stop: Stop = "first"
    ) -> Self:
        """Mix the rows of others of the same schema with these, as evenly as can be.

        Args:
            others: What to mix with.
            weights: Of this one and of the others; equal if None.
            stop: `"first"` ends before a part would be short of a row; `"all"` once every part was
                read to its end, the shorter ones again and again; `"rest"` when every row came
                once, the longer parts alone at last.
        """
        shares = tuple(weights) if weights is not None else (1.0,) * (1 + len(others))
        return self._gather(others, lambda parts: InterleavedRows(parts, shares, stop))

    def _gather(self, others: tuple[Verbs, ...], make: Callable[[tuple[Rows, ...]], Rows]) -> Self:
        if any(other.delivery.world != 1 for other in others):
            message = "shard() what datasets are put together to, not the parts"
            raise InvalidConfig(message)
        rows, delivery = self._repeated()
        return self._with(
            make((rows, *(repeated(other.tree, other.delivery.epochs) for other in others))),
            delivery,
        )

    # What batches are made into: the order stays

    def map(self, function: MapFunction, *, schema: pa.Schema | None = None) -> Self:
        """Make another batch of each.

        Args:
            function: Takes a `pyarrow.RecordBatch` and returns one of as many rows, or the columns
                by name. It gets whole batches where `map` comes after what moves rows; else what
                stood together: a block for a later `shuffle`, parts of a batch for a later
                `concat` or `interleave`. It must pickle to go to other processes.
            schema: Of what it returns. If None, it is called for a batch without rows where the
                schema is needed.
        """
        return self._changed(Mapped(function, schema))

    def filter(self, predicate: Predicate) -> Self:
        """Keep the rows that pass.

        Batches are divided before: one is as many rows shorter as did not pass, maybe empty, and
        their number, their places and who gets them stay. So ranks stay in step, and a state stays
        exact. `batch` more rows where few pass.

        Args:
            predicate: A `pyarrow.compute` expression, or a function that takes a batch and returns
                a boolean for each row. Null does not pass.
        """
        return self._changed(Filtered(predicate))

    def rename(self, names: Mapping[str, str]) -> Self:
        """Give columns other names: from old to new.

        Raises:
            InvalidConfig: There is no such column, or two would have one name.
        """
        change = Renamed(tuple(names.items()))
        change.schema(self.tree.schema)
        return self._changed(change)

    def select(self, columns: Sequence[str]) -> Self:
        """Keep some columns, in this order.

        The others are not fetched if nothing came before but `take` and `skip`.

        Raises:
            InvalidConfig: There is no such column.
        """
        check_list(columns, "select")
        change = Selected(tuple(columns))
        change.schema(self.tree.schema)
        return self._with(_selected(self.tree, change))

    def _changed(self, change: Change) -> Self:
        return self._with(ChangedRows(self.tree, change))


def _selected(rows: Rows, change: Selected) -> Rows:
    """Return rows of some columns, chosen where they are fetched if that can be."""
    if isinstance(rows, SlicedRows):
        return replace(rows, rows=_selected(rows.rows, change))
    if isinstance(rows, StoredRows) and isinstance(rows.source, Projecting):
        return StoredRows(rows.source.select(change.columns))
    return ChangedRows(rows, change)
