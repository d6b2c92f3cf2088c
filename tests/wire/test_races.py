"""Two writers on one blob of S3, and of an emulated Google store, 200 times: one winner each time.

The strict Google store and both kinds of Azure have races of their own beside this file.
"""

from __future__ import annotations

import asyncio

import pytest

from blobio.config import Config
from blobio.drivers.base import Driver
from blobio.errors import AlreadyExists, Conflict, VersionMismatch
from blobio.testing.conformance import open_harness
from blobio.testing.emulators import GcsServer, S3Server
from blobio.testing.strict_s3 import strict_s3
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
BODIES = (b"A" * 3000, b"B" * 3000)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def read(driver: Driver, key: str) -> bytes:
    async with await driver.get(key, GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


async def race(root: BlobUrl, config: Config, kind: str) -> None:
    async with open_harness(root, config) as harness:
        drivers = [harness.driver, await harness.another_driver()]
        for number in range(ROUNDS):
            key = harness.key(str(number % 7))
            mode: WriteMode = Overwrite() if kind == "overwrite" else CreateOnly()
            if kind == "replace":
                old = await harness.driver.put(key, b"old", PutOptions())
                assert old.version is not None
                mode = ReplaceIf(old.version)
            elif kind == "create":
                await harness.driver.delete([key])

            outcomes = await asyncio.gather(
                *(
                    driver.put(key, body, PutOptions(mode=mode))
                    for driver, body in zip(drivers, BODIES, strict=True)
                ),
                return_exceptions=True,
            )

            losses = (AlreadyExists, VersionMismatch, Conflict)
            assert all(isinstance(one, (PutResult, *losses)) for one in outcomes), outcomes
            pairs = zip(BODIES, outcomes, strict=True)
            winners = [body for body, one in pairs if isinstance(one, PutResult)]
            assert len(winners) == 1 or kind == "overwrite"
            assert await read(drivers[0], key) in winners


KINDS = pytest.mark.parametrize("kind", ["create", "replace", "overwrite"])


@KINDS
async def test_two_writers_race_200_times_on_s3(kind: str) -> None:
    with strict_s3() as server:
        server.make_bucket("races")
        await race(BlobUrl("s3", "races", ""), server.config(), kind)
        assert not server.orphans("races")


@KINDS
async def test_two_writers_race_200_times_on_moto(moto: S3Server, kind: str) -> None:
    moto.make_bucket("races")
    await race(BlobUrl("s3", "races", ""), moto.config(), kind)


@KINDS
async def test_two_writers_race_200_times_on_fake_gcs(gcs: GcsServer, kind: str) -> None:
    gcs.make_bucket(f"races-{kind}")
    await race(BlobUrl("gs", f"races-{kind}", ""), gcs.config(), kind)
