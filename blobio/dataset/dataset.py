"""`Dataset`: rows in an order, described and not read yet; where they stand and who gets them.

What makes another dataset of one is in `verbs`; here is what delivers its rows: to a loop, by
position, to Arrow, to torch. Only that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from blobio.dataset.counting import Counting, ReadStats
from blobio.dataset.delivering import Consumer, Delivery
from blobio.dataset.explaining import Explanation, explain
from blobio.dataset.iterating import BatchIterator, RowIterator
from blobio.dataset.parity import Remainder
from blobio.dataset.source import Source
from blobio.dataset.standing import Standing, leaves
from blobio.dataset.state import StateDict
from blobio.dataset.stored import StoredRows
from blobio.dataset.verbs import Verbs
from blobio.dataset.view import RowView

if TYPE_CHECKING:
    from blobio.dataset.torch import TorchDataset

__all__ = ["Dataset"]

_STREAM_ROWS: Final = 1 << 16


@final
class Dataset(Verbs):
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
        self.tree = StoredRows(source)
        self.delivery = Delivery()
        self.standing = Standing(self.tree)

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

    def stats(self) -> ReadStats:
        """Tell what reading the shards has cost so far in this process; see `ReadStats`.

        Datasets made of one another by verbs share it, but for `select`, which opens anew; a worker
        of a DataLoader counts its own.
        """
        sources = {id(one.source): one.source for one in leaves(self.tree)}
        counted = [source.stats for source in sources.values() if isinstance(source, Counting)]
        return sum(counted, ReadStats())

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

    def set_epoch(self, epoch: int) -> None:
        """Start with an epoch from now on; a state that was loaded stands if it is of this one."""
        self.delivery = replace(self.delivery, first_epoch=epoch)
        self.standing.keep_if(self.delivery)

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
