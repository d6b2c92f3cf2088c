"""Cases of ranged `get`."""

from __future__ import annotations

from typing import Final

from blobio.errors import RangeNotSatisfiable
from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import content, raises, read
from blobio.testing.conformance.harness import Harness
from blobio.values import From, GetOptions, Last, Range, Span

_SIZE: Final = 100_000

_SERVED: Final[dict[str, tuple[Range, Span]]] = {
    "first-byte": (Span(0, 1), Span(0, 1)),
    "inner": (Span(3, 70_000), Span(3, 70_000)),
    "last-byte": (Span(_SIZE - 1, _SIZE), Span(_SIZE - 1, _SIZE)),
    "everything": (Span(0, _SIZE), Span(0, _SIZE)),
    "beyond-the-end": (Span(5, _SIZE + 100), Span(5, _SIZE)),
    "far-beyond-the-end": (Span(0, 1 << 60), Span(0, _SIZE)),
    "from-0": (From(0), Span(0, _SIZE)),
    "from-inside": (From(5), Span(5, _SIZE)),
    "from-last-byte": (From(_SIZE - 1), Span(_SIZE - 1, _SIZE)),
    "last-1": (Last(1), Span(_SIZE - 1, _SIZE)),
    "last-some": (Last(777), Span(_SIZE - 777, _SIZE)),
    "last-all": (Last(_SIZE), Span(0, _SIZE)),
    "empty": (Span(5, 5), Span(5, 5)),
    "empty-at-0": (Span(0, 0), Span(0, 0)),
}

_PAST: Final[dict[str, Range]] = {
    "from-the-end": From(_SIZE),
    "from-past-the-end": From(_SIZE + 1),
    "span-at-the-end": Span(_SIZE, _SIZE + 1),
    "span-past-the-end": Span(_SIZE + 5, _SIZE + 9),
}
_IN_EMPTY: Final[dict[str, Range]] = {"from-0": From(0), "from-1": From(1), "span": Span(0, 1)}


@case_for_each(_SERVED)
async def range_yields_exactly_its_bytes(harness: Harness, asked: tuple[Range, Span]) -> None:
    wanted, served = asked
    data = content(_SIZE)
    key = await harness.seed("blob", data)

    async with await harness.driver.get(key, GetOptions(range=wanted)) as result:
        got = b"".join([chunk async for chunk in result.chunks()])

    assert result.span == served
    assert got == data[served.start : served.stop]
    assert result.meta.size == _SIZE, "meta.size is that of the whole blob"


@case(Feature.LONG_SUFFIXES)
async def last_of_more_than_there_is_yields_everything(harness: Harness) -> None:
    data = content(_SIZE)
    key = await harness.seed("blob", data)

    async with await harness.driver.get(key, GetOptions(range=Last(_SIZE + 5))) as result:
        got = b"".join([chunk async for chunk in result.chunks()])

    assert (result.span, got) == (Span(0, _SIZE), data)


@case_for_each(_PAST)
async def range_that_starts_past_the_end_is_refused(harness: Harness, wanted: Range) -> None:
    key = await harness.seed("blob", content(_SIZE))

    with raises(RangeNotSatisfiable):
        await harness.driver.get(key, GetOptions(range=wanted))


@case()
async def the_end_of_an_empty_blob_is_empty(harness: Harness) -> None:
    key = await harness.seed("blob", b"")

    assert await read(harness.driver, key, Last(5)) == b""


@case_for_each(_IN_EMPTY)
async def an_empty_blob_has_no_first_byte(harness: Harness, wanted: Range) -> None:
    key = await harness.seed("blob", b"")

    with raises(RangeNotSatisfiable):
        await harness.driver.get(key, GetOptions(range=wanted))
