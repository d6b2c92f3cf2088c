"""Cases of `CreateOnly` and `ReplaceIf` in `put`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from blobio.errors import AlreadyExists, BlobError, ConcurrentWrite, VersionMismatch
from blobio.testing.conformance.case import Feature, case
from blobio.testing.conformance.checks import content, put, raises, read, version_of
from blobio.testing.conformance.harness import Harness
from blobio.values import CreateOnly, PutOptions, ReplaceIf, WriteMode

_RACERS = 12


async def _race(harness: Harness, bodies: Sequence[bytes], mode: WriteMode) -> list[object]:
    """Put all `bodies` to one key at once; return what each call returned or raised."""
    return await asyncio.gather(
        *(put(harness, "blob", data, PutOptions(mode=mode)) for data in bodies),
        return_exceptions=True,
    )


@case(needs="writable create_only")
async def create_only_writes_where_nothing_is(harness: Harness) -> None:
    key = await put(harness, "blob", b"first", PutOptions(mode=CreateOnly()))

    assert await read(harness.driver, key) == b"first"


@case(Feature.CONDITIONS, needs="writable create_only")
async def create_only_leaves_what_is_there(harness: Harness) -> None:
    key = await put(harness, "blob", b"first")

    with raises(AlreadyExists) as raised:
        await put(harness, "blob", b"second", PutOptions(mode=CreateOnly()))

    assert isinstance(raised[0], FileExistsError)
    assert await read(harness.driver, key) == b"first"


@case(Feature.CONDITIONS, needs="writable create_only")
async def create_only_refuses_over_an_empty_blob(harness: Harness) -> None:
    await put(harness, "blob", b"")

    with raises(AlreadyExists):
        await put(harness, "blob", b"second", PutOptions(mode=CreateOnly()))


@case(needs="writable create_only")
async def create_only_writes_again_after_delete(harness: Harness) -> None:
    key = await put(harness, "blob", b"first")
    await harness.driver.delete([key])

    await put(harness, "blob", b"second", PutOptions(mode=CreateOnly()))

    assert await read(harness.driver, key) == b"second"


@case(Feature.CONDITIONS, needs="writable create_only")
async def create_only_has_one_winner(harness: Harness) -> None:
    bodies = [content(10_000 + number, number) for number in range(_RACERS)]

    outcomes = await _race(harness, bodies, CreateOnly())

    losses: list[type[BlobError]] = [AlreadyExists, ConcurrentWrite]
    winners = [data for data, got in zip(bodies, outcomes, strict=True) if isinstance(got, str)]
    assert len(winners) == 1
    assert all(isinstance(got, (str, *losses)) for got in outcomes), outcomes
    assert await read(harness.driver, harness.key("blob")) == winners[0]


@case(needs="writable replace_if")
async def replace_if_writes_over_the_version_named(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    version = await version_of(harness, key)

    result = await harness.driver.put(key, b"new", PutOptions(mode=ReplaceIf(version)))

    assert await read(harness.driver, key) == b"new"
    assert result.version in (None, await version_of(harness, key))


@case(needs="writable replace_if")
async def replace_if_takes_the_version_that_put_returned(harness: Harness) -> None:
    key = harness.key("blob")
    version = (await harness.driver.put(key, b"old", PutOptions())).version

    if version is not None:
        await harness.driver.put(key, b"new", PutOptions(mode=ReplaceIf(version)))
        assert await read(harness.driver, key) == b"new"


@case(Feature.CONDITIONS, needs="writable replace_if")
async def replace_if_leaves_another_version(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    stale = await version_of(harness, key)
    await put(harness, "blob", b"newer")

    with raises(VersionMismatch):
        await harness.driver.put(key, b"mine", PutOptions(mode=ReplaceIf(stale)))

    assert await read(harness.driver, key) == b"newer"


@case(Feature.CONDITIONS, needs="writable replace_if")
async def replace_if_makes_nothing_where_nothing_is(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    version = await version_of(harness, key)
    await harness.driver.delete([key])

    with raises(VersionMismatch):
        await harness.driver.put(key, b"mine", PutOptions(mode=ReplaceIf(version)))

    listed = await _exists(harness, key)
    assert not listed


async def _exists(harness: Harness, key: str) -> bool:
    try:
        await harness.driver.head(key)
    except FileNotFoundError:
        return False
    return True


@case(Feature.CONDITIONS, needs="writable replace_if")
async def replace_if_has_one_winner(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    version = await version_of(harness, key)
    bodies = [content(10_000 + number, number) for number in range(_RACERS)]

    outcomes = await _race(harness, bodies, ReplaceIf(version))

    winners = [data for data, got in zip(bodies, outcomes, strict=True) if isinstance(got, str)]
    assert len(winners) == 1
    assert all(isinstance(got, (str, VersionMismatch, ConcurrentWrite)) for got in outcomes)
    assert await read(harness.driver, key) == winners[0]
