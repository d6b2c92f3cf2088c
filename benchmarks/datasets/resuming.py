"""B4: a state saved by one process, with which another goes on: what follows has to be equal.

At a tenth, half and nine tenths of the first shard; at half of it in the middle of a batch, by
rows; and with a shuffle, where the whole order counts and not where a shard ends.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from benchmarks.datasets.data import GROUP_ROWS, Size, stored_bytes
from benchmarks.datasets.libraries import BATCH_ROWS, blobio_rows, hf_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["RESUMING"]

_AFTER_ROWS: Final = 100  # that are compared where rows are asked for one by one
_HF_BUFFER_ROWS: Final = 1000


def _digest(batch: Any) -> str:
    """Return the SHA-256 of the rows, in whatever pieces they stand."""
    values = {name: batch.column(name).to_pylist() for name in sorted(batch.schema.names)}
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _digest_rows(rows: list[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of rows that are dicts."""
    values = [[(name, row[name]) for name in sorted(row)] for row in rows]
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _batches(site: Site, tenths: int) -> int:
    """Return how many whole batches are so many tenths of the first shard."""
    return site.size.groups * GROUP_ROWS * tenths // 10 // BATCH_ROWS


def _blobio(site: Site, *, shuffled: bool) -> tuple[Any, Callable[[], Any]]:
    rows = blobio_rows(site, None)
    rows = rows.shuffle(seed=1, window_bytes=_window_bytes(rows)) if shuffled else rows
    return rows, lambda: iter(rows)


def _window_bytes(rows: Any) -> int:
    """Return the bytes of two row groups: a window of the default size would hold all rows."""
    return int(rows.tree.row_bytes * GROUP_ROWS * 2)


def _hf(site: Site, *, shuffled: bool) -> tuple[Any, Callable[[], Any]]:
    rows = hf_rows(site)
    rows = rows.shuffle(seed=1, buffer_size=_HF_BUFFER_ROWS) if shuffled else rows
    rows = rows.with_format("arrow")
    return rows, lambda: rows.iter(batch_size=BATCH_ROWS)


_OPENERS: Final[Mapping[str, Callable[..., tuple[Any, Callable[[], Any]]]]] = {
    "blobio": _blobio,
    "datasets": _hf,
}


def _save(library: str, tenths: int, site: Site, *, shuffled: bool) -> object:
    rows, begin = _OPENERS[library](site, shuffled=shuffled)
    batches = begin()
    for _ in range(_batches(site, tenths)):
        next(batches)
    state = rows.state_dict()
    return {"state": state, "digest": _digest(next(batches))}


def _go_on(library: str, site: Site, *, shuffled: bool) -> Outcome:
    rows, begin = _OPENERS[library](site, shuffled=shuffled)
    assert isinstance(site.told, dict)
    rows.load_state_dict(site.told["state"])
    batch = next(begin())
    if _digest(batch) == site.told["digest"]:
        return Outcome(batch.num_rows, "equal")
    if shuffled and library == "datasets":
        return Outcome(batch.num_rows, "**another batch**: its state leaves the buffer out")
    raise Wrong("the batch after the state is another one")


def _rows_of(library: str, site: Site) -> tuple[Any, Any]:
    """Return what has the state of rows, and the rows, once the state is loaded."""
    rows = blobio_rows(site, None) if library == "blobio" else hf_rows(site)
    if isinstance(site.told, dict):
        rows.load_state_dict(site.told["state"])
    iterator = rows.rows() if library == "blobio" else iter(rows)
    return (iterator if library == "blobio" else rows), iterator


def _save_rows(library: str, site: Site) -> object:
    holder, rows = _rows_of(library, site)
    count = _batches(site, 5) * BATCH_ROWS + BATCH_ROWS // 3
    for _ in itertools.islice(rows, count):
        pass
    state = holder.state_dict()
    return {"state": state, "digest": _digest_rows(list(itertools.islice(rows, _AFTER_ROWS)))}


def _go_on_rows(library: str, site: Site) -> Outcome:
    _, rows = _rows_of(library, site)
    found = list(itertools.islice(rows, _AFTER_ROWS))
    assert isinstance(site.told, dict)
    if _digest_rows(found) != site.told["digest"]:
        raise Wrong("the rows after the state are others")
    return Outcome(len(found), "equal")


def _needs(tenths: int, size: Size, objects: Mapping[str, bytes]) -> int:
    group = size.groups * tenths // 10
    return stored_bytes(objects, groups=range(group, group + 1))


def _at(tenths: int) -> Task:
    return Task(
        title=f"B4 load a state at {tenths * 10}% of a shard, next batch",
        ways={name: partial(_go_on, name, shuffled=False) for name in _OPENERS},
        needs=partial(_needs, tenths),
        before={name: partial(_save, name, tenths, shuffled=False) for name in _OPENERS},
        smoke=None if tenths == 5 else (),
    )


_ROWS: Final = Task(
    title=f"B4 load a state in the middle of a batch, next {_AFTER_ROWS} rows as dicts",
    ways={name: partial(_go_on_rows, name) for name in _OPENERS},
    needs=partial(_needs, 5),
    before={name: partial(_save_rows, name) for name in _OPENERS},
    smoke=(),
)
_SHUFFLED: Final = Task(
    title=f"B4 load a state of a shuffle (blobio: 2 row groups; datasets: {_HF_BUFFER_ROWS} rows)",
    ways={name: partial(_go_on, name, shuffled=True) for name in _OPENERS},
    before={name: partial(_save, name, 5, shuffled=True) for name in _OPENERS},
    smoke=(),
)

RESUMING: Final[Mapping[str, Task]] = {
    "resume-10": _at(1),
    "resume": _at(5),
    "resume-90": _at(9),
    "resume-rows": _ROWS,
    "resume-shuffled": _SHUFFLED,
}
