"""`Dataset`: rows in an order, described and not read yet; where they stand and who gets them.

What makes another dataset of one is in `verbs`; here is what delivers its rows: to a loop, by
position, to Arrow, to torch. Only that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar, final

import pyarrow as pa

from blobio.dataset.counting import Counting, ReadStats
from blobio.dataset.delivering import Consumer, Delivery
from blobio.dataset.errors import Skipped, lacking
from blobio.dataset.explaining import Explanation, explain
from blobio.dataset.iterating import BatchIterator, RowIterator
from blobio.dataset.parity import Remainder
from blobio.dataset.pieces import DEFAULT_TASK_BYTES
from blobio.dataset.source import Source
from blobio.dataset.standing import Standing, leaves
from blobio.dataset.state import StateDict
from blobio.dataset.stored import StoredRows
from blobio.dataset.tasks import map_pieces
from blobio.dataset.tree import Rows
from blobio.dataset.verbs import Verbs
from blobio.dataset.view import RowView
from blobio.dataset.writer import DEFAULT_SHARD_BYTES

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dask.dataframe import DataFrame as DaskFrame
    from ray.data import Dataset as RayDataset

    from blobio.config import Config
    from blobio.dataset.manifest import Manifest
    from blobio.dataset.torch import TorchDataset
    from blobio.url import PathLike

__all__ = ["Dataset"]

T = TypeVar("T")

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
        self.tree: Rows = StoredRows(source)
        self.delivery: Delivery = Delivery()
        self.standing: Standing = Standing(self.tree)

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
        rows = self.num_rows
        count = "an unknown number of rows" if rows is None else f"{rows:,} rows"
        return f"Dataset({self.tree.order}, {count}, {self.delivery})"

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

    def map_shards(
        self,
        function: Callable[[Dataset], T],
        *,
        executor: Executor | None = None,
        task_bytes: int = DEFAULT_TASK_BYTES,
        in_flight: int | None = None,
    ) -> Iterator[T]:
        """Call a function for the rows of each shard, in any executor; yield results in order.

        The function gets a dataset of these rows, to be iterated, converted or written. Small
        shards come together to a call, large ones are divided between two blocks: a call should
        have work for a second. How `batch` said is how the batches of each are cut, but for
        `drop_last` and `stripe`; `shard` with `remainder="uneven"` gives each rank a run of the
        calls. Sent to other processes are the function, settings, and the shards of one call as
        their manifest has them: no connection, and nothing is listed there.

        Nothing begins before the first result is asked for. When the loop is left, calls that have
        not begun are cancelled, and those that run are waited for.

        Args:
            function: Must pickle to go to other processes, and so must what it returns.
            executor: Threads, processes that are spawned, `Client.get_executor(pure=False)` of
                dask, or any other; None calls here, each when its result is asked for.
            task_bytes: Of a call, about, in memory.
            in_flight: Calls at most that were submitted and whose results were not taken; twice the
                number of processors if None. A cluster wants twice the number of its own.

        Raises:
            InvalidConfig: There is no end, or `shard` said another remainder.
            Exception: What a call raised, with a note that names rows and shards.
        """
        return map_pieces(self, function, executor, task_bytes, in_flight)

    def write(
        self,
        url: PathLike,
        *,
        format: Literal["parquet", "arrow"] = "parquet",
        split: str = "train",
        shard_bytes: int = DEFAULT_SHARD_BYTES,
        license: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        overwrite: bool = False,
        executor: Executor | None = None,
        task_bytes: int = 4 * DEFAULT_TASK_BYTES,
        in_flight: int | None = None,
        config: Config | None = None,
    ) -> Manifest:
        """Write all rows as a dataset below a prefix of any store, in their order.

        It is a `ShardWriter` that does it: shards are streamed, in constant memory and with nothing
        on the local disk, and the manifest is written last, on condition that there is none. With
        an executor each task writes `parts/RUN/NUMBER`, a dataset of its own that is the same if
        the executor tries a task again; the manifest at `url` joins them. After a failure what was
        written is removed.

        After `shard` with `remainder="uneven"` each rank writes the run of rows that follows that
        of the rank before. Give each its own `url`, and join what they return, in the order of
        ranks, by `join_manifests`: that keeps the order too.

        Args:
            url: The directory of the new dataset.
            format: As in `ShardWriter`.
            split: The split that the rows are.
            shard_bytes: Stored bytes of a shard, about.
            license: As an SPDX identifier or words.
            tags: Words to find the dataset by.
            description: For people.
            overwrite: Replace the manifest of a dataset that is there.
            executor: Where tasks are run, see `map_shards`; None writes here, in one stream.
            task_bytes: Of a task, about, in memory; each ends with a shard that may be small.
            in_flight: See `map_shards`.
            config: All settings for writing; None for `Config.from_env()`.

        Raises:
            InvalidConfig: There is no end, or `shard` said another remainder.
            AlreadyExists: There is a dataset at `url`.
            BlobError, BadShard: Reading or writing failed: nothing was published.
        """
        from blobio.dataset.writing import Writing, write

        how = Writing(
            format=format,
            split=split,
            shard_bytes=shard_bytes,
            license=license,
            tags=tuple(tags),
            description=description,
            overwrite=overwrite,
            config=config,
        )
        return write(self, url, how, executor=executor, task_bytes=task_bytes, in_flight=in_flight)

    def stats(self) -> ReadStats:
        """Tell what reading the shards has cost so far in this process; see `ReadStats`.

        Datasets made of one another by verbs share it, but for `select`, which opens anew; a worker
        of a DataLoader counts its own.
        """
        sources = {id(one.source): one.source for one in leaves(self.tree)}
        counted = [source.stats for source in sources.values() if isinstance(source, Counting)]
        return sum(counted, ReadStats())

    def to_ray(self, *, task_bytes: int = DEFAULT_TASK_BYTES) -> RayDataset:
        """Return a dataset of Ray Data that reads in Ray's workers; nothing is read before.

        Rows, schema and shards of each task are known to Ray: `count()` and `schema()` read
        nothing, unless rows are filtered. Choose columns and rows by `select` and `filter` before:
        then the others are not fetched. Order and `shard` are as in `map_shards`.

        Args:
            task_bytes: What a read task has, about, in memory.

        Raises:
            ImportError: Ray is not installed.
            InvalidConfig: There is no end, or `shard` said another remainder.
        """
        try:
            from blobio.dataset.ray import to_ray
        except ModuleNotFoundError as error:
            raise lacking("to_ray", "ray[data]", error) from error
        return to_ray(self, task_bytes)

    def to_dask(self, *, task_bytes: int = DEFAULT_TASK_BYTES) -> DaskFrame:
        """Return a frame of dask that reads in dask's workers; nothing is read before.

        Its types are those of the schema, as `pandas.ArrowDtype`, and the index is the position of
        each row, with known divisions unless rows are filtered: `frame.loc[a:b]` reads those
        partitions alone. Columns that dask does not need are not fetched. Order and `shard` are as
        in `map_shards`.

        Args:
            task_bytes: What a partition has, about, in memory.

        Raises:
            ImportError: dask or pandas is not installed.
            InvalidConfig: There is no end, or `shard` said another remainder.
        """
        try:
            from blobio.dataset.dask import to_dask
        except ModuleNotFoundError as error:
            raise lacking("to_dask", "dask[dataframe]", error) from error
        return to_dask(self, task_bytes)

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

        Raises:
            ImportError: PyTorch is not installed.
        """
        try:
            from blobio.dataset.torch import TorchDataset, placed, tensors
        except ModuleNotFoundError as error:
            raise lacking("to_torch", "torch", error) from error

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

    @property
    def skipped(self) -> Sequence[Skipped]:
        """What readings of this process went on without: the last 10,000 blocks of each source."""
        return [found for source in self.standing.sources for found in source.skipped]

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
