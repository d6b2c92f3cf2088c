"""B12: a local Arrow IPC file of very many batches, opened, and rows of it at random places."""

from __future__ import annotations

import io
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

from benchmarks.datasets.data import Size
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong

__all__ = ["LOCAL", "local_files"]

_BATCH_ROWS = 16
_PICKS = 5000
_FILE = "local/batches.arrow"
_STREAM = "local/batches.stream.arrow"  # what HF reads: it wants a stream


def local_files(size: Size) -> dict[str, bytes]:
    """Return a file and a stream of the same batches, by key."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import ipc

    rows = size.batches * _BATCH_ROWS
    table = pa.table({"id": np.arange(rows), "x": np.random.default_rng(2).random(rows)})
    found = {}
    for key, make in ((_FILE, ipc.new_file), (_STREAM, ipc.new_stream)):
        target = io.BytesIO()
        with make(target, table.schema) as writer:
            writer.write_table(table, max_chunksize=_BATCH_ROWS)
        found[key] = target.getvalue()
    return found


def _timed(site: Site, open_rows: Callable[[], Callable[[int], object]]) -> Outcome:
    """Open, then ask for rows one by one, and tell what each took."""
    draw = random.Random(12)  # noqa: S311 - places, no secret
    picks = [draw.randrange(site.size.batches * _BATCH_ROWS) for _ in range(_PICKS)]
    started = time.perf_counter()
    row_at = open_rows()
    opened = time.perf_counter()
    ids = [row_at(pick) for pick in picks]
    done = time.perf_counter()
    _check(picks, ids)
    each = (done - opened) / _PICKS * 1e6
    return Outcome(_PICKS, f"open {(opened - started) * 1000:.1f} ms, {each:.0f} us a row")


def _check(picks: Sequence[int], ids: Sequence[object]) -> None:
    if list(ids) != list(picks):
        raise Wrong("other rows than were asked for")


def _blobio(site: Site) -> Outcome:
    from blobio.dataset import open_dataset

    def open_rows() -> Callable[[int], object]:
        view = open_dataset(site.path(_FILE)).random_access()
        return lambda index: view[index]["id"]

    return _timed(site, open_rows)


def _pyarrow(site: Site) -> Outcome:
    import pyarrow as pa
    from pyarrow import ipc

    def open_rows() -> Callable[[int], object]:
        file = ipc.open_file(pa.memory_map(site.path(_FILE)))
        # Rows of each batch have to be counted before a row can be found.
        stops = []
        rows = 0
        for number in range(file.num_record_batches):
            rows += file.get_batch(number).num_rows
            stops.append(rows)

        def row_at(index: int) -> object:
            number = bisect_right(stops, index)
            start = stops[number - 1] if number else 0
            row = file.get_batch(number).slice(index - start, 1).to_pylist()[0]
            return row["id"]

        return row_at

    return _timed(site, open_rows)


def _hf(site: Site) -> Outcome:
    import datasets

    def open_rows() -> Callable[[int], object]:
        rows = datasets.Dataset.from_file(site.path(_STREAM))
        return lambda index: rows[index]["id"]

    return _timed(site, open_rows)


LOCAL = Task(
    title=f"B12 local Arrow file of many batches: open, {_PICKS:,} rows one by one",
    ways={"blobio": _blobio, "pyarrow": _pyarrow, "datasets": _hf},
)
