"""B4: a state saved by one process, with which another goes on; the next batch has to be equal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from benchmarks.datasets.data import GROUP_ROWS, Size, stored_bytes
from benchmarks.datasets.libraries import BATCH_ROWS, blobio_rows, hf_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["RESUME"]


def _digest(batch: Any) -> str:
    """Return the SHA-256 of the rows, in whatever pieces they stand."""
    values = {name: batch.column(name).to_pylist() for name in sorted(batch.schema.names)}
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _half(site: Site) -> int:
    """Return how many batches are half of the first shard."""
    return site.size.groups * GROUP_ROWS // 2 // BATCH_ROWS


def _save(site: Site, rows: Any, batches: Any) -> dict[str, object]:
    for _ in range(_half(site)):
        next(batches)
    state = rows.state_dict()
    return {"state": state, "digest": _digest(next(batches))}


def _save_blobio(site: Site) -> object:
    rows = blobio_rows(site, None)
    return _save(site, rows, iter(rows))


def _save_hf(site: Site) -> object:
    rows = hf_rows(site).with_format("arrow")
    return _save(site, rows, rows.iter(batch_size=BATCH_ROWS))


def _needs(size: Size, objects: Mapping[str, bytes]) -> int:
    half = size.groups // 2
    return stored_bytes(objects, groups=range(half, half + 1))


def _go_on(site: Site, rows: Any) -> Any:
    assert isinstance(site.told, dict)
    rows.load_state_dict(site.told["state"])
    return rows


def _checked(site: Site, batch: Any) -> Outcome:
    assert isinstance(site.told, dict)
    if _digest(batch) != site.told["digest"]:
        raise Wrong("the batch after the state is another one")
    return Outcome(batch.num_rows, "equal")


def _load_blobio(site: Site) -> Outcome:
    return _checked(site, next(iter(_go_on(site, blobio_rows(site, None)))))


def _load_hf(site: Site) -> Outcome:
    rows = _go_on(site, hf_rows(site).with_format("arrow"))
    return _checked(site, next(rows.iter(batch_size=BATCH_ROWS)))


RESUME = Task(
    title="B4 load a state at 50% of a shard, next batch",
    ways={"blobio": _load_blobio, "datasets": _load_hf},
    needs=_needs,
    before={"blobio": _save_blobio, "datasets": _save_hf},
)
