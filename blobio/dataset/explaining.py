"""What an epoch of a dataset will cost and how well it is mixed, told before anything is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from blobio.dataset.delivering import Delivery
from blobio.dataset.manifest import Manifest
from blobio.dataset.parity import Deal
from blobio.dataset.shuffling import ShuffledRows
from blobio.dataset.standing import walk
from blobio.dataset.stored import Pinned, StoredRows
from blobio.dataset.tree import Rows

__all__ = ["Explanation", "Requesting", "Requests", "explain"]


@final
@dataclass(frozen=True, slots=True)
class Requests:
    """What reading all blocks of a source once sends.

    Attributes:
        count: Requests.
        fetched: Bytes that come.
        needed: Bytes of them that are decoded.
    """

    count: int
    fetched: int
    needed: int


@runtime_checkable
class Requesting(Protocol):
    """A source that tells what reading all of it costs. A plan of its own: nothing is sent."""

    def requests(self) -> Requests:
        """Return what reading all blocks once sends."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an epoch costs and delivers; `str` tells it in words. None is what nobody knows.

    Attributes:
        rows: Of an epoch, before a filter.
        blocks: In which they are stored.
        shards: In which the blocks are.
        stored_bytes: Of the blocks, with all of their columns.
        requests: That read each block once.
        fetched_bytes: That these bring.
        over_read: Of what is fetched, the part that is not decoded: 0.05 is a twentieth.
        batches: Of an epoch, for all ranks.
        per_rank: What each rank gets of them.
        left_out: Batches that are dropped for parity.
        repeated: Batches that come again for parity.
        reads: How often each block is read, by all ranks and their `workers`: 1.0 is best.
        windows: Of the outermost shuffle, None without one.
        window_rows: Rows that are mixed, on average.
        window_bytes: Memory of a window, about.
        mixing: How probably two rows of a batch come from different blocks.
        best_mixing: The same if all rows were mixed with all.
    """

    rows: int | None
    blocks: int
    shards: int | None
    stored_bytes: int | None
    requests: int | None
    fetched_bytes: int | None
    over_read: float | None
    batches: int | None
    per_rank: tuple[int, ...] | None
    left_out: int
    repeated: int
    reads: float
    windows: int | None
    window_rows: int | None
    window_bytes: int | None
    mixing: float | None
    best_mixing: float | None

    def __str__(self) -> str:
        lines = [
            f"rows: {_count(self.rows)} in {_count(self.blocks)} blocks"
            + ("" if self.shards is None else f" of {_count(self.shards)} shards"),
        ]
        if self.stored_bytes is not None:
            lines.append(f"stored: {_size(self.stored_bytes)}")
        if self.requests is not None:
            lines.append(
                f"requests: {_count(self.requests)} for {_size(self.fetched_bytes or 0)}, "
                f"{self.over_read or 0:.1%} of it for nothing"
            )
        lines.append(f"batches: {_count(self.batches)}{self._parity()}")
        lines.append(f"reads: each block {self.reads:.2f} times, over all ranks and workers")
        if self.windows is not None:
            lines.append(
                f"shuffle: {_count(self.windows)} windows of {_count(self.window_rows)} rows, "
                f"{_size(self.window_bytes or 0)} each"
            )
            lines.append(
                f"mixing: two rows of a batch are of different blocks with {self.mixing:.1%}; "
                f"with {self.best_mixing:.1%} if all rows were mixed with all"
            )
        return "\n".join(lines)

    def _parity(self) -> str:
        if self.per_rank is None or len(self.per_rank) == 1:
            return ""
        least, most = min(self.per_rank), max(self.per_rank)
        each = _count(least) if least == most else f"{_count(least)} to {_count(most)}"
        words = f", {each} for each of {len(self.per_rank)} ranks"
        if self.left_out:
            words += f", {self.left_out} left out"
        if self.repeated:
            words += f", {self.repeated} repeated"
        return words


def explain(rows: Rows, delivery: Delivery, workers: int) -> Explanation:
    """Return what an epoch of rows costs if each rank has `workers`. Reads nothing."""
    leaves = [found.source for found in walk(rows) if isinstance(found, StoredRows)]
    block_rows = [count for leaf in leaves for count in leaf.block_rows]
    manifests = [leaf.manifest for leaf in leaves if isinstance(leaf, Pinned)]
    sent = [leaf.requests() for leaf in leaves if isinstance(leaf, Requesting)]
    all_told = len(sent) == len(leaves)
    fetched, needed = sum(one.fetched for one in sent), sum(one.needed for one in sent)
    deal = delivery.deal(delivery.cut(rows.num_rows).total)
    change = 0 if deal.total is None or deal.dealt is None else deal.dealt - deal.total
    shuffle = next((found for found in walk(rows) if isinstance(found, ShuffledRows)), None)
    windows = None if shuffle is None else _windows(shuffle)
    units = block_rows if windows is None else [sum(window) for window in windows]
    pinned = len(manifests) == len(leaves)
    return Explanation(
        rows=rows.num_rows,
        blocks=len(block_rows),
        shards=sum(len(m.shards) for m in manifests) if pinned else None,
        stored_bytes=_stored_bytes(manifests) if pinned else None,
        requests=sum(one.count for one in sent) if all_told else None,
        fetched_bytes=fetched if all_told else None,
        over_read=(fetched - needed) / max(1, fetched) if all_told else None,
        batches=deal.total,
        per_rank=_per_rank(deal),
        left_out=max(0, -change),
        repeated=max(0, change),
        reads=_reads(units, delivery, workers),
        windows=None if windows is None else len(windows),
        window_rows=None if windows is None else round(sum(units) / max(1, len(units))),
        window_bytes=None
        if windows is None
        else round(rows.row_bytes * sum(units) / max(1, len(units))),
        mixing=None if windows is None else _mean(windows),
        best_mixing=None if windows is None else _mixing([n for w in windows for n in w]),
    )


def _stored_bytes(manifests: Iterable[Manifest]) -> int:
    blocks = (block for m in manifests for shard in m.shards for block in shard.blocks)
    return sum(block.stop - block.start for block in blocks)


def _per_rank(deal: Deal) -> tuple[int, ...] | None:
    counts = [deal.count(rank) for rank in range(deal.world)]
    known = tuple(count for count in counts if count is not None)
    return known if len(known) == len(counts) else None


def _reads(units: Sequence[int], delivery: Delivery, workers: int) -> float:
    """Return by how many consumers a row's block or window is read, on average over all rows.

    The batches of a lane go to `consumers / gcd(lanes, consumers)` consumers in turn.
    """
    consumers = delivery.world * workers
    in_turn = consumers // math.gcd(delivery.lanes, consumers)
    readers = [n * min(in_turn, max(1, -(-n // delivery.batch_rows))) for n in units]
    return sum(readers) / max(1, sum(units))


def _windows(shuffle: ShuffledRows) -> list[list[int]]:
    """Return the rows of each block of each window of the first epoch."""
    order = shuffle.epoch_order(0)
    found = (order.window(number).starts for number in range(order.num_windows))
    return [[b - a for a, b in itertools.pairwise(starts)] for starts in found]


def _mixing(block_rows: Sequence[int]) -> float:
    """Return how probably two rows of some blocks, drawn by chance, are of different blocks."""
    total = sum(block_rows)
    pairs = total * (total - 1)
    return 1 - sum(n * (n - 1) for n in block_rows) / pairs if pairs else 0.0


def _mean(windows: Sequence[Sequence[int]]) -> float:
    total = sum(map(sum, windows))
    return sum(_mixing(window) * sum(window) for window in windows) / max(1, total)


def _count(number: int | None) -> str:
    return "without end" if number is None else f"{number:,}"


def _size(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
