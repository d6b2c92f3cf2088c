from __future__ import annotations

import pytest

from blobio.drivers.ranges import resolve
from blobio.errors import RangeNotSatisfiable
from blobio.values import From, Last, Range, Span


@pytest.mark.parametrize(
    ("wanted", "size", "served"),
    [
        (None, 10, Span(0, 10)),
        (None, 0, Span(0, 0)),
        (Span(2, 5), 10, Span(2, 5)),
        (Span(2, 50), 10, Span(2, 10)),
        (Span(9, 9), 10, Span(9, 9)),
        (From(4), 10, Span(4, 10)),
        (Last(3), 10, Span(7, 10)),
        (Last(30), 10, Span(0, 10)),
        (Last(3), 0, Span(0, 0)),
    ],
)
def test_range_is_cut_at_the_end(wanted: Range | None, size: int, served: Span) -> None:
    assert resolve(wanted, size, "memory://b/k") == served


@pytest.mark.parametrize(
    ("wanted", "size"),
    [(Span(10, 12), 10), (From(10), 10), (From(11), 10), (From(0), 0), (Span(0, 1), 0)],
)
def test_range_that_starts_at_or_past_the_end_is_refused(wanted: Range, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolve(wanted, size, "memory://b/k")
