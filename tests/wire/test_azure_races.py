"""Two writers on one blob of Azurite, 200 times: one winner per condition, never mixed bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from blobio.drivers.base import Driver
from blobio.errors import AlreadyExists, ConcurrentWrite, UploadLost, VersionMismatch
from blobio.testing.conformance import open_harness
from blobio.testing.emulators import AzureServer
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    GetOptions,
    Overwrite,
    PutOptions,
    PutResult,
    ReplaceIf,
    WriteMode,
)

ROUNDS = 200
LOSSES = (AlreadyExists, VersionMismatch, ConcurrentWrite, UploadLost)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def put(driver: Driver, key: str, data: bytes, mode: WriteMode) -> PutResult:
    return await driver.put(key, data, PutOptions(mode=mode))


async def upload(driver: Driver, key: str, data: bytes, mode: WriteMode) -> PutResult:
    half = len(data) // 2
    one = await driver.begin_upload(key, PutOptions(mode=mode))
    parts = await asyncio.gather(
        one.put_part(0, 0, data[:half]), one.put_part(1, half, data[half:])
    )
    return await one.complete(parts, size=len(data))


async def read(driver: Driver, key: str) -> bytes:
    async with await driver.get(key, GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


async def race(drivers: Sequence[Driver], key: str, mode: WriteMode, number: int) -> list[bytes]:
    """Let both write at once; return what those who were told they won wrote."""
    ways = [put if number & bit else upload for bit in (1, 2)]
    bodies = [bytes([65 + n]) * 3000 + str(number).encode() for n in range(2)]
    outcomes = await asyncio.gather(
        *(
            way(driver, key, body, mode)
            for way, driver, body in zip(ways, drivers, bodies, strict=True)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(one, (PutResult, *LOSSES)) for one in outcomes), outcomes
    winners = [b for b, one in zip(bodies, outcomes, strict=True) if isinstance(one, PutResult)]
    assert await read(drivers[0], key) in winners
    return winners


@pytest.mark.parametrize("kind", ["create", "replace", "overwrite"])
async def test_two_writers_race_200_times(azurite: AzureServer, kind: str) -> None:
    azurite.make_container("races")
    root = BlobUrl("az", f"{azurite.account}/races", "")
    async with open_harness(root, azurite.config()) as harness:
        drivers = [harness.driver, await harness.another_driver()]
        for number in range(ROUNDS):
            key = harness.key(str(number))
            mode: WriteMode = Overwrite() if kind == "overwrite" else CreateOnly()
            if kind == "replace":
                old = await harness.driver.put(key, b"old", PutOptions())
                assert old.version is not None
                mode = ReplaceIf(old.version)

            winners = await race(drivers, key, mode, number)

            assert len(winners) == 1 or kind == "overwrite"
