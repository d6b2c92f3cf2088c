"""A dataset for torch's DataLoader: whole batches as tensors, dealt to workers, resumed exactly.

Imported by `Dataset.to_torch` only, as torch is large and optional. Batches are made by workers in
processes of their own, so that what the parent says between two epochs, which epoch it is and where
to go on, is kept in memory that all of them share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import IterableDataset, get_worker_info

from blobio.dataset.dataset import Dataset
from blobio.dataset.delivering import Consumer
from blobio.dataset.iterating import BatchIterator
from blobio.dataset.parity import Remainder
from blobio.dataset.state import Position, StateDict
from blobio.dataset.torchlosses import SharedLosses
from blobio.errors import InvalidConfig

if TYPE_CHECKING:

    class _Base:
        """What `IterableDataset` is to a type checker, which may have no torch."""

else:
    _Base = IterableDataset[object]

__all__ = ["TorchDataset", "TorchIterator", "placed", "tensors"]

_WORKERS: Final = 1024  # of a loader, at most
_EPOCH, _LOADS, _LOADED, _AT_EPOCH, _AT_BATCHES, _AT_ROWS, _IN_WORKERS, _SEEN = range(8)


@final
class TorchIterator(Iterator[object]):
    """Batches of one worker, converted; with the state of this worker to go on from."""

    def __init__(
        self,
        batches: BatchIterator,
        convert: Callable[[pa.RecordBatch], object],
        tell: Callable[[], None] | None = None,
    ) -> None:
        self._batches, self._convert, self._tell = batches, convert, tell

    def __next__(self) -> object:
        try:
            batch = next(self._batches)
        finally:
            if self._tell is not None:
                self._tell()
        return self._convert(batch)

    def state_dict(self) -> StateDict:
        """Return the state after the batches that this worker made."""
        return self._batches.state_dict()

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from a state that a worker of this number, among as many, has returned.

        Raises:
            StateMismatch: It is of another dataset.
        """
        self._batches.load_state_dict(state)


@final
class TorchDataset(_Base):
    """Batches of a dataset for a `DataLoader(…, batch_size=None)` of any number of workers.

    `set_epoch` and `load_state_dict` hold for the iteration that the loader starts next, in workers
    that persist too. They are called where the loader is; workers iterate.
    """

    def __init__(self, dataset: Dataset, convert: Callable[[pa.RecordBatch], object]) -> None:
        self._dataset, self._convert = dataset, convert
        self._current: Dataset | None = None
        self._mine: Position | None = None  # loaded by a loader into one worker
        self._shared = torch.zeros(_SEEN + _WORKERS, dtype=torch.int64).share_memory_()
        self._shared[_EPOCH] = dataset.epoch
        sources = dataset.standing.sources
        self._losses = SharedLosses(sources, _WORKERS) if sources else None

    def __len__(self) -> int:
        """Return how many batches all workers of this rank deliver together."""
        return len(self._dataset)

    def __iter__(self) -> TorchIterator:
        info = get_worker_info()
        consumer = Consumer() if info is None else Consumer(info.id, info.num_workers)
        dataset = self._dataset.with_epoch(int(self._shared[_EPOCH]))
        start, self._mine = self._mine, None
        seen = _SEEN + consumer.worker
        if self._shared[_LOADED] != self._shared[seen]:
            if self._shared[_LOADED] and start is None:
                start = Position(*map(int, self._shared[_AT_EPOCH : _AT_ROWS + 1]))
            self._shared[seen] = self._shared[_LOADED]
        self._shared[_IN_WORKERS] = 0 if info is None else 1
        batches = dataset.iterate(consumer)
        if start is not None:
            batches.load_state_dict(dataset.standing.format(start, dataset.delivery))
        self._current = dataset
        if self._losses is None:
            return TorchIterator(batches, self._convert)
        self._losses.learn()
        place = -1 if info is None else info.id
        return TorchIterator(batches, self._convert, partial(self._losses.tell, place))

    def set_epoch(self, epoch: int) -> None:
        """Deliver an epoch from the next iteration on; see `Dataset.set_epoch`."""
        self._dataset.set_epoch(epoch)
        self._shared[_EPOCH] = epoch
        if self._dataset.standing.loaded is None:
            self._shared[_LOADED] = 0
        self._current = None

    def state_dict(self, *, delivered: int | None = None) -> StateDict:
        """Return where the latest iteration stands; see `Dataset.state_dict`.

        It has the lost blocks that any worker of this loader met, also those met ahead of what was
        delivered: up to 64 runs of blocks from each worker.

        Args:
            delivered: How many batches the loader has given since the state or the epoch that it
                started with. Needed where workers make them, ahead of what was delivered; a
                `StatefulDataLoader` keeps count itself.

        Raises:
            InvalidConfig: Workers iterate, and how many batches were delivered is not given.
        """
        if self._losses is not None:
            self._losses.learn()
        if delivered is not None:
            return self._dataset.state_dict(delivered=delivered)
        if self._current is not None:
            return self._current.state_dict()
        if self._shared[_IN_WORKERS]:
            message = (
                "workers make batches ahead of what is delivered: give state_dict() the number "
                "delivered= since the iteration started, or use torchdata's StatefulDataLoader"
            )
            raise InvalidConfig(message)
        return self._dataset.state_dict()

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Start the next iteration where a state says; see `Dataset.load_state_dict`.

        Raises:
            StateMismatch: It is of another dataset.
        """
        self._dataset.standing.parse(state, self._dataset.delivery)  # of batches of this size too
        self._dataset.load_state_dict(state)
        if self._losses is not None and get_worker_info() is None:
            self._losses.tell()
        self._current = None
        if get_worker_info() is not None:  # a loader restores each worker by itself
            self._mine = self._dataset.standing.loaded
            return
        self._shared[_EPOCH] = self._dataset.epoch
        self._shared[_IN_WORKERS] = 0
        self._share(self._dataset.standing.loaded)

    def _share(self, position: Position | None) -> None:
        """Have each worker start once at a position."""
        if position is not None:
            self._shared[_LOADS] += 1
            self._shared[_AT_EPOCH : _AT_ROWS + 1] = torch.tensor(position)
        self._shared[_LOADED] = 0 if position is None else self._shared[_LOADS]


def tensors(batch: pa.RecordBatch) -> dict[str, object]:
    """Return the columns of a batch by name: numbers as tensors, anything else as lists.

    Tensors are of the column's type and of shape `(rows,)`, or `(rows, size)` for lists of a fixed
    size. They are copies: what Arrow holds is shared by other batches and must not be written to.

    Raises:
        InvalidConfig: A column of numbers has nulls, which no tensor can hold.
    """
    return {name: _tensor(name, batch.column(name)) for name in batch.schema.names}


def _tensor(name: str, column: pa.Array) -> object:
    kind, values, shape = column.type, column, [len(column)]
    if pa.types.is_fixed_size_list(kind):
        kind, values, shape = kind.value_type, column.flatten(), [len(column), kind.list_size]
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return column.to_pylist()
    if column.null_count or values.null_count:
        message = f"column {name!r} has nulls: fill or drop them by map() or filter()"
        raise InvalidConfig(message)
    if pa.types.is_boolean(kind):
        return torch.from_dlpack(pc.cast(values, pa.uint8())).to(torch.bool).reshape(shape)
    return torch.from_dlpack(values).clone().reshape(shape)


def placed(dataset: Dataset, rank: int | None, world: int | None, remainder: Remainder) -> Dataset:
    """Return a dataset for the rank that is given, or that this process has.

    A dataset that was sharded before stays so, unless a rank is given.
    """
    if rank is None and world is None:
        if dataset.delivery.world != 1:
            return dataset
        rank, world = _own_place()
    if rank is None or world is None:
        message = f"rank and world belong together, not {rank} and {world}"
        raise InvalidConfig(message)
    return dataset if world == 1 else dataset.shard(rank, world, remainder=remainder)


def _own_place() -> tuple[int | None, int | None]:
    """Return the rank of this process and how many there are, as torch or its launcher knows."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    # Not in Config: torchrun sets them for each process it starts, whatever the settings of blobio.
    rank, world = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None and world is None:
        return 0, 1
    return (int(rank) if rank else None), (int(world) if world else None)
