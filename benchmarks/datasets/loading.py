"""B6: torch's DataLoader in two ranks of several workers: every row once, as many batches each.

Ranks are forks of the process that is measured, once it has imported all that they need, and the
workers are forks of the ranks. What they use of processor and memory is counted with theirs.
"""

from __future__ import annotations

import multiprocessing
import resource
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

from benchmarks.datasets.counting import read_counts
from benchmarks.datasets.libraries import blobio_rows, hf_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong
from benchmarks.scale import MIB

__all__ = ["LOADERS"]

_RANKS: Final = 2
_BATCH_ROWS: Final = 1000  # divides a row group, so that ranks can have as many batches each
_COLUMNS: Final = ["id", "x", "y", "text"]
_LANES: Final = 8  # 2 ranks of 4 workers: each reads row groups of its own
_WAIT_S: Final = 120.0


def _ids(batch: Any) -> Any:
    """Return a copy of the ids of a batch: workers hand that over, and keep the rest."""
    return batch.column("id").to_numpy().copy()


def _blobio(site: Site, rank: int, workers: int) -> Any:
    rows = blobio_rows(site, _COLUMNS).batch(_BATCH_ROWS).stripe(_LANES)
    return _loader(rows.to_torch(rank=rank, world=_RANKS, convert=_ids), workers)


def _hf(site: Site, rank: int, workers: int) -> Any:
    from datasets.distributed import split_dataset_by_node

    rows = split_dataset_by_node(hf_rows(site, columns=_COLUMNS), rank=rank, world_size=_RANKS)
    # Of some ways to batches this is by far the fastest: tables of one row, of lists.
    return _loader(rows.with_format("arrow").batch(_BATCH_ROWS), workers, _ids_of_lists)


def _ids_of_lists(batch: Any) -> Any:
    return batch.column("id").combine_chunks().flatten().to_numpy().copy()


def _loader(batches: Any, workers: int, convert: Callable[[Any], Any] | None = None) -> Any:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        collate_fn=convert,
        multiprocessing_context="fork",
        timeout=_WAIT_S,
    )
    return iter(loader)


_OPENERS: Final[Mapping[str, Callable[[Site, int, int], Any]]] = {
    "blobio": _blobio,
    "datasets": _hf,
}


def _deliver(into: Connection, library: str, site: Site, rank: int, workers: int) -> None:
    """Do what one rank does: send the ids, batch by batch, then an empty message."""
    import numpy as np

    warnings.simplefilter("ignore")  # torch: more workers than processors
    for ids in _OPENERS[library](site, rank, workers):
        into.send_bytes(np.asarray(ids, "int64").tobytes())  # of a tensor too
    into.send_bytes(b"")


def _load(library: str, workers: int, site: Site) -> Outcome:
    import numpy as np

    before = read_counts(site.place)
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe(duplex=False) for _ in range(_RANKS)]
    ranks = [
        fork.Process(target=_deliver, args=(into, library, site, rank, workers))
        for rank, (_, into) in enumerate(pipes)
    ]
    for process in ranks:
        process.start()
    for _, into in pipes:
        into.close()
    found: list[list[Any]] = [[] for _ in ranks]
    open_ranks = dict(enumerate(out for out, _ in pipes))
    while open_ranks:
        ready = multiprocessing.connection.wait(list(open_ranks.values()), _WAIT_S)
        if not ready:
            raise Wrong("no rank has delivered anything for two minutes")
        for rank in [rank for rank, out in open_ranks.items() if out in ready]:
            if message := open_ranks[rank].recv_bytes():
                found[rank].append(np.frombuffer(message, dtype="int64"))
            else:
                del open_ranks[rank]
    for process in ranks:
        process.join()
    return _outcome(site, found, workers, read_counts(site.place).since(before).lists)


def _outcome(site: Site, found: list[list[Any]], workers: int, lists: int) -> Outcome:
    import numpy as np

    ids = np.concatenate([batch for batches in found for batch in batches])
    twice = len(ids) - len(np.unique(ids))
    missing = site.size.rows - len(np.unique(ids))
    counts = [len(batches) for batches in found]
    if twice or missing or len(set(counts)) > 1:
        message = f"{twice} rows twice, {missing} missing, batches of each rank: {counts}"
        raise Wrong(message)
    each = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB
    note = (
        f"{lists / (_RANKS * workers):g} listings a worker, {counts} batches, none missing or"
        f" twice; largest process {each:.0f} MiB"
    )
    return Outcome(len(ids), note)


def _ready(_: Site) -> None:
    import torch.utils.data  # noqa: F401 - for the forks


def _task(workers: int) -> Task:
    return Task(
        title=f"B6 DataLoader of {workers} worker{'s' * (workers > 1)} in {_RANKS} ranks",
        ways={library: partial(_load, library, workers) for library in _OPENERS},
        ready=_ready,
        requires="torch",
        smoke=None if workers == 2 else (),
    )


LOADERS: Final[Mapping[str, Task]] = {f"loader-{workers}": _task(workers) for workers in (1, 2, 4)}
