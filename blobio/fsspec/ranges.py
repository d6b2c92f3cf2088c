"""Slices of blobs, as fsspec asks for them: open ends, negative bounds, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blobio.core.context import AsyncContext
from blobio.core.flow import each
from blobio.core.reader import RangeReader
from blobio.errors import RangeNotSatisfiable, TransportFailed
from blobio.values import GetOptions, Last

__all__ = ["read_many", "read_one"]

_Bounds = Sequence[int | None] | int | None


async def read_one(context: AsyncContext, url: str, start: int | None, end: int | None) -> bytes:
    """Read `url[start:end]`; 1 GET for a small slice, 1 HEAD more where the size must be known."""
    if (start is None or start == 0) and end is None:
        return await context.read_bytes(url)
    if start is not None and start < 0 and end is None:
        return await _tail(context, url, -start)
    if (start or 0) >= 0 and end is not None and end >= 0:
        return await context.stores.reader(url).read(start or 0, end)
    reader = await context.stores.open_reader(url)
    first, last, _ = slice(start, end).indices(reader.size or 0)
    return await reader.read(first, last)


async def _tail(context: AsyncContext, url: str, length: int) -> bytes:
    driver, place = context.stores.blob(url, "read")
    try:
        async with await driver.get(place.key, GetOptions(range=Last(length))) as result:
            return b"".join([chunk async for chunk in result.chunks()])
    except RangeNotSatisfiable:  # there is nothing in it
        return b""
    except TransportFailed as error:  # the body broke off: a reader that knows the size resumes
        if not error.retryable:
            raise
    reader = await context.stores.open_reader(url)
    size = reader.size or 0
    return await reader.read(max(0, size - length), size)


async def read_many(
    context: AsyncContext,
    urls: Sequence[str],
    starts: _Bounds,
    ends: _Bounds,
    *,
    max_gap: int | None,
    window: int,
) -> list[bytes | BaseException]:
    """Read `urls[i][starts[i]:ends[i]]` for each i; an exception stands in place of its bytes.

    The slices of one blob are of one version, and those close together share a request.

    Raises:
        ValueError: The lists differ in length.
    """
    firsts, lasts = _spread(starts, len(urls)), _spread(ends, len(urls))
    results: list[bytes | BaseException] = [b""] * len(urls)
    plain: dict[str, list[int]] = {}
    single: list[int] = []
    for index, (url, start, end) in enumerate(zip(urls, firsts, lasts, strict=True)):
        if end is None or end < 0 or (start or 0) < 0:
            single.append(index)
        else:
            plain.setdefault(url, []).append(index)
    config = context.config.read
    if max_gap is not None:
        config = replace(config, coalesce_bytes=max_gap)

    async def group(url: str) -> None:
        members = plain[url]
        ranges = [(firsts[i] or 0, max(firsts[i] or 0, lasts[i] or 0)) for i in members]
        try:
            driver, place = context.stores.blob(url, "read")
            found = await RangeReader(driver, place, config).read_ranges(ranges)
        except Exception as error:  # noqa: BLE001 - handed to the caller in place of the bytes
            found = [error] * len(members)  # type: ignore[list-item]
        for index, data in zip(members, found, strict=True):
            results[index] = data

    async def one(index: int) -> None:
        try:
            results[index] = await read_one(context, urls[index], firsts[index], lasts[index])
        except Exception as error:  # noqa: BLE001 - as above
            results[index] = error

    await each(group, plain, window=window)
    await each(one, single, window=window)
    return results


def _spread(bounds: _Bounds, count: int) -> Sequence[int | None]:
    return [bounds] * count if bounds is None or isinstance(bounds, int) else bounds
