"""B11: epoch after epoch while requests fail: are rows lost or repeated, and does memory grow?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, final

from benchmarks.datasets.libraries import BATCH_ROWS, blobio_rows, hf_rows
from benchmarks.datasets.tasks import Outcome, Site, Task, Wrong
from benchmarks.meter import resident_bytes
from benchmarks.scale import MIB

__all__ = ["SOAK"]

_FAULT_SHARE: Final = 0.02
_SAMPLE_S: Final = 0.25
_WARM: Final = 4  # the part of the time after which memory is looked at
_ENOUGH: Final = 10


def _blobio(site: Site) -> Callable[[int], Iterator[Any]]:
    rows = blobio_rows(site, None)

    def epoch(number: int) -> Iterator[Any]:
        rows.set_epoch(number)
        return iter(rows)

    return epoch


def _hf(site: Site) -> Callable[[int], Iterator[Any]]:
    rows = hf_rows(site).with_format("arrow")

    def epoch(number: int) -> Iterator[Any]:
        rows.set_epoch(number)
        found: Iterator[Any] = rows.iter(batch_size=BATCH_ROWS)
        return found

    return epoch


@final
class _Memory:
    """Looks at the memory of this process now and then."""

    def __init__(self, soak_s: float) -> None:
        self._started = time.monotonic()
        self._next_s = soak_s / _WARM
        self._seen: list[tuple[float, int]] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def look(self) -> None:
        """Look, if it is time."""
        elapsed_s = self.elapsed_s
        if elapsed_s >= self._next_s:
            self._next_s = elapsed_s + _SAMPLE_S
            self._seen.append((elapsed_s, resident_bytes()))

    def describe(self) -> str:
        """Return how it grows, by least squares over all that was seen."""
        import numpy as np

        if len(self._seen) < _ENOUGH:
            return "too short to tell of memory"
        seconds, sizes = np.array(self._seen).T
        slope, _ = np.polyfit(seconds / 60, sizes / MIB, 1)
        low, high = sizes.min() / MIB, sizes.max() / MIB
        return f"{slope:+.1f} MiB/min, {low:.0f} to {high:.0f} MiB, {len(sizes)} samples"


def _soak(open_epochs: Callable[[Site], Callable[[int], Iterator[Any]]], site: Site) -> Outcome:
    memory = _Memory(site.soak_s)
    rows = epochs = 0
    epoch = open_epochs(site)
    while memory.elapsed_s < site.soak_s:
        rows += _whole(site, epoch(epochs), memory)
        epochs += 1
    return Outcome(rows, f"{epochs} epochs, no row lost or twice; {memory.describe()}")


def _whole(site: Site, batches: Iterator[Any], memory: _Memory) -> int:
    """Read an epoch, each row of which has to come once."""
    import numpy as np

    times = np.zeros(site.size.rows, dtype=np.int64)
    for batch in batches:
        np.add.at(times, batch.column("id").to_numpy(), 1)
        memory.look()
    if not (times == 1).all():
        message = f"{(times == 0).sum()} rows are lost, {(times > 1).sum()} come again"
        raise Wrong(message)
    return len(times)


def _soak_hf(site: Site) -> Outcome:
    """Soak, and tell if it has not survived: that is what it is, and nothing wrong with the run."""
    started = time.monotonic()
    try:
        return _soak(_hf, site)
    except Wrong:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is that ends it
        lived_s = time.monotonic() - started
        return Outcome(0, f"ended after {lived_s:.0f} s by {type(error).__name__}")


_WAYS: Final[Mapping[str, Callable[[Site], Outcome]]] = {
    "blobio": partial(_soak, _blobio),
    "datasets": _soak_hf,
}

SOAK = Task(
    title=f"B11 epoch after epoch, {_FAULT_SHARE:.0%} of the requests fail",
    ways=_WAYS,
    fault_share=_FAULT_SHARE,
    is_on_demand=True,
    smoke=["blobio"],
)
