"""`Dataset`: rows in an order, described and not read yet, and the verbs that change either.

Rows are a tree (see `tree`), and how they are delivered is a value (see `delivering`). A verb makes
a new dataset of both; only iterating reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from blobio.dataset.delivering import Consumer, Delivery
from blobio.dataset.explaining import Explanation, explain
from blobio.dataset.gathering import ConcatRows, RepeatedRows, ZippedRows, repeated
from blobio.dataset.interleaving import InterleavedRows, Stop
from blobio.dataset.iterating import BatchIterator, RowIterator
from blobio.dataset.parity import Remainder
from blobio.dataset.shuffling import shuffled
from blobio.dataset.source import Source
from blobio.dataset.standing import Standing
from blobio.dataset.state import StateDict
from blobio.dataset.stored import Projecting, StoredRows, sliced
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
from blobio.dataset.view import RowView
from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    from blobio.dataset.torch import TorchDataset

__all__ = ["DEFAULT_WINDOW_BYTES", "Dataset"]

DEFAULT_WINDOW_BYTES: Final = 256 << 20
_STREAM_ROWS: Final = 1 << 16


@final
class Dataset:
    """Rows in an order, delivered in batches: lazy, picklable, and never changed by its verbs.

    Iterating gives `pyarrow.RecordBatch`, each with as many rows as `batch` says (1024 unless it
    said something) and the last with what is left, for which nothing is copied where the rows of a
    batch stand together. `len` is how many batches that are.

    What changes is where it stands: `load_state_dict` and `set_epoch` say where the next iteration
    starts, and `state_dict` follows the iteration that started last.

    Attributes:
        tree: The rows, and what they are made of.
        delivery: In which batches, and to whom.
        standing: Where it stands.
    """

    def __init__(self, source: Source) -> None:
        """Take all rows of a source, in their order. Nothing is read."""
        self.tree: Rows = StoredRows(source)
        self.delivery: Delivery = Delivery()
        self.standing: Standing = Standing(self.tree)

    def _with(self, rows: Rows | None = None, delivery: Delivery | None = None) -> Dataset:
        made = object.__new__(Dataset)
        made.tree = self.tree if rows is None else rows
        made.delivery = self.delivery if delivery is None else delivery
        made.standing = Standing(made.tree)
        return made

    def _repeated(self) -> tuple[Rows, Delivery]:
        rows = repeated(self.tree, self.delivery.epochs)
        return rows, replace(self.delivery, epochs=1)

    # What it is

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch. After `map` without `schema=` the function is called for it.

        Raises:
            InvalidConfig: The function does not take a batch without rows.
        """
        return self.tree.schema

    @property
    def num_rows(self) -> int | None:
        """Rows of one epoch for all ranks; None after a filter, or where there is no end."""
        return None if self.tree.holes else self.tree.num_rows

    @property
    def epoch(self) -> int:
        """The first epoch that the next iteration delivers."""
        return self.delivery.first_epoch

    def __len__(self) -> int:
        """Return how many batches this rank gets, over all epochs.

        Raises:
            TypeError: There is no end.
        """
        delivery = self.delivery
        count = delivery.deal(delivery.cut(self.tree.num_rows).total).count(delivery.rank)
        if count is None or delivery.epochs is None:
            message = "a dataset without an end has no len()"
            raise TypeError(message)
        return count * delivery.epochs

    def __repr__(self) -> str:
        return f"Dataset({self.tree.order}, {self.num_rows} rows, {self.delivery})"

    def __bool__(self) -> bool:
        return True

    # Iterating

    def __iter__(self) -> BatchIterator:
        return self.iterate(Consumer())

    def iterate(self, consumer: Consumer) -> BatchIterator:
        """Iterate over what one of the workers of this rank gets."""
        return BatchIterator(self.standing, self.tree, self.delivery, consumer)

    def batches(self, batch_rows: int) -> BatchIterator:
        """Iterate over batches of so many rows, whatever `batch` said; states count these."""
        delivery = self.batch(batch_rows).delivery
        return BatchIterator(self.standing, self.tree, delivery, Consumer())

    def rows(self) -> RowIterator:
        """Iterate over rows as dicts, with Python's values: the slow way to look at data."""
        return RowIterator(iter(self))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give its batches to any program that speaks Arrow's C stream: polars, duckdb, pandas.

        Batches have 65,536 rows, unless `batch` asked for more or a state was loaded.
        """
        resumed = self.standing.loaded is not None  # which counts batches of one size
        rows = 0 if resumed else _STREAM_ROWS
        batches = self.batches(max(self.delivery.batch_rows, rows))
        reader = pa.RecordBatchReader.from_batches(self.schema, batches)
        return reader.__arrow_c_stream__(requested_schema)

    def random_access(self) -> RowView:
        """Return the rows by position, in the order of the first epoch; `shard` has no say.

        Raises:
            InvalidConfig: Rows were filtered, or have no end.
        """
        return RowView(self._repeated()[0], self.delivery.first_epoch)

    def explain(self, *, workers: int = 1) -> Explanation:
        """Tell what an epoch costs and how well it is mixed; print it, or ask its attributes.

        Reads nothing; takes as long as planning an epoch.

        Args:
            workers: Of each rank.
        """
        return explain(self.tree, self.delivery, workers)

    def to_torch(
        self,
        batch_rows: int | None = None,
        *,
        rank: int | None = None,
        world: int | None = None,
        remainder: Remainder = "drop",
        convert: Callable[[pa.RecordBatch], object] | None = None,
    ) -> TorchDataset:
        """Return a torch `IterableDataset` of whole batches: `DataLoader(..., batch_size=None)`.

        Args:
            batch_rows: Rows of a batch; what `batch` said if None.
            rank: Of this process. If it and `world` are None: what `shard` said, else what
                torch.distributed knows, else `RANK` and `WORLD_SIZE` of the environment.
            world: How many ranks there are.
            remainder: See `shard`; where that was not called before.
            convert: What is made of each batch, in the worker; a dict of tensors if None.
        """
        from blobio.dataset.torch import TorchDataset, placed, tensors

        dataset = self._with() if batch_rows is None else self.batch(batch_rows)
        return TorchDataset(placed(dataset, rank, world, remainder), convert or tensors)

    # How it is delivered: the order of these verbs among the others does not matter

    def batch(self, batch_rows: int, *, drop_last: bool | None = None) -> Dataset:
        """Deliver batches of `batch_rows` rows; with `drop_last` no last one that is not full."""
        drop = self.delivery.drop_last if drop_last is None else drop_last
        return self._with(delivery=replace(self.delivery, batch_rows=batch_rows, drop_last=drop))

    def shard(self, rank: int, world: int, *, remainder: Remainder) -> Dataset:
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

    def stripe(self, lanes: int) -> Dataset:
        """Divide the order into `lanes` runs and cut batches from one after the other.

        A block has rows for many batches, which go to different ranks: without lanes each rank
        reads every block. With as many lanes as there are ranks times workers, or a multiple, each
        reads its own. The number belongs to the order, so choose one for all runs: it costs the
        memory of `lanes / (ranks * workers)` blocks, or windows of a shuffle.
        """
        return self._with(delivery=replace(self.delivery, lanes=lanes))

    def repeat(self, times: int | None = None) -> Dataset:
        """Deliver `times` epochs, or epochs without end, each shuffled anew.

        Each epoch ends with its own last batch and its own remainder.
        """
        rows, delivery = self._repeated()
        if delivery.epochs is None or times is None:
            RepeatedRows(rows, None)  # refuses what has no end or no rows
        return self._with(rows, replace(delivery, epochs=times))

    def with_epoch(self, epoch: int) -> Dataset:
        """Start with an epoch: 0 unless this said something."""
        return self._with(delivery=replace(self.delivery, first_epoch=epoch))

    def set_epoch(self, epoch: int) -> None:
        """Start with an epoch from now on; a state that was loaded stands if it is of this one."""
        self.delivery = replace(self.delivery, first_epoch=epoch)
        self.standing.keep_if(self.delivery)

    # Order

    def shuffle(self, *, seed: int, window_bytes: int = DEFAULT_WINDOW_BYTES) -> Dataset:
        """Shuffle the blocks, and the rows of each window of blocks; anew in each epoch.

        Args:
            seed: Which of all orders. The same seed gives the same order everywhere.
            window_bytes: Memory of a window: as many rows are mixed as fit in, by what the source
                tells of its rows, and at least those of one block. Reading ahead comes on top.
        """
        rows, delivery = self._repeated()
        return self._with(shuffled(rows, seed, window_bytes), delivery)

    def take(self, count: int) -> Dataset:
        """Keep the first `count` rows.

        Raises:
            InvalidConfig: Rows were filtered before: how many pass is not known.
        """
        return self._slice(0, count, "take")

    def skip(self, count: int) -> Dataset:
        """Leave out the first `count` rows.

        Raises:
            InvalidConfig: Rows were filtered before: how many pass is not known.
        """
        return self._slice(count, None, "skip")

    def _slice(self, start: int, stop: int | None, verb: str) -> Dataset:
        rows, delivery = self._repeated()
        return self._with(sliced(rows, start, stop, verb), delivery)

    # Several datasets

    def concat(self, *others: Dataset) -> Dataset:
        """Put the rows of others of the same schema after these."""
        return self._gather(others, ConcatRows)

    def zip(self, *others: Dataset) -> Dataset:
        """Put the columns of others beside these, for as many rows as the shortest has."""
        return self._gather(others, ZippedRows)

    def interleave(
        self, *others: Dataset, weights: Sequence[float] | None = None, stop: Stop = "first"
    ) -> Dataset:
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

    def _gather(
        self, others: tuple[Dataset, ...], make: Callable[[tuple[Rows, ...]], Rows]
    ) -> Dataset:
        if any(other.delivery.world != 1 for other in others):
            message = "shard() what datasets are put together to, not the parts"
            raise InvalidConfig(message)
        rows, delivery = self._repeated()
        return self._with(
            make((rows, *(repeated(other.tree, other.delivery.epochs) for other in others))),
            delivery,
        )

    # What batches are made into: the order stays

    def map(self, function: MapFunction, *, schema: pa.Schema | None = None) -> Dataset:
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

    def filter(self, predicate: Predicate) -> Dataset:
        """Keep the rows that pass.

        Batches are divided before: one is as many rows shorter as did not pass, maybe empty, and
        their number, their places and who gets them stay. So ranks stay in step, and a state stays
        exact. `batch` more rows where few pass.

        Args:
            predicate: A `pyarrow.compute` expression, or a function that takes a batch and returns
                a boolean for each row. Null does not pass.
        """
        return self._changed(Filtered(predicate))

    def rename(self, names: Mapping[str, str]) -> Dataset:
        """Give columns other names: from old to new.

        Raises:
            InvalidConfig: There is no such column, or two would have one name.
        """
        change = Renamed(tuple(names.items()))
        change.schema(self.schema)
        return self._changed(change)

    def select(self, columns: Sequence[str]) -> Dataset:
        """Keep some columns, in this order. The others are not fetched if nothing came before.

        Raises:
            InvalidConfig: There is no such column.
        """
        change, rows = Selected(tuple(columns)), self.tree
        change.schema(self.schema)
        if isinstance(rows, StoredRows) and isinstance(rows.source, Projecting):
            return self._with(StoredRows(rows.source.select(change.columns)))
        return self._changed(change)

    def _changed(self, change: Change) -> Dataset:
        return self._with(ChangedRows(self.tree, change))

    # Where it stands

    def state_dict(self, *, delivered: int | None = None) -> StateDict:
        """Return where the iteration stands that started last, or where the next one starts.

        A dozen scalars as JSON has them, of no rank, worker or thread: any number of ranks goes on
        from the state of any one, if all have delivered the same number of batches. Batches count
        once the iterator returned them, whatever was read ahead. Functions of `map` and `filter`
        are not part of it.

        Args:
            delivered: Return the state after so many batches of this rank, from where the next
                iteration starts: for who counts batches that workers made.

        Raises:
            ValueError: There are not as many.
        """
        standing, delivery = self.standing, self.delivery
        if delivered is None:
            return standing.state(delivery)
        return standing.format(standing.after(delivered, delivery), delivery)

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Start the next iteration where a state says, without reading what comes before.

        Verbs make datasets that start at their beginning: load into the last one. The state must
        be of the same rows in the same order; ranks and workers may be others. An iteration over
        batches of another size raises when it starts.

        Raises:
            StateMismatch: It is of another dataset: the message tells each difference.
        """
        position = self.standing.load(state, self.delivery)
        self.delivery = self.delivery.including(position.epoch)
