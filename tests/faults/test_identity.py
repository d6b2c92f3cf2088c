"""Rows 24 and 35: tokens that expire and clocks that are wrong, in the middle of the work."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate

import botocore.session
import pytest
from botocore.credentials import Credentials

from blobio import Context
from blobio.aio import AsyncContext
from blobio.config import Config
from blobio.errors import Unauthenticated
from blobio.testing.faultproxy import FaultProxy, Forward
from blobio.testing.scripted import Received, Reply
from blobio.testing.strict_s3 import StrictS3
from tests.faults.sites import DATA, Store

_TOKEN = re.compile("TOKEN-([0-9]+)")


class Vault:
    """Hands out credentials; each one's token is worth a number of requests to a bucket."""

    def __init__(self, worth: int) -> None:
        self.worth = worth
        self.given = 0
        self.used: dict[str, int] = {}

    def give(self) -> Credentials:
        self.given += 1
        return Credentials("blobio-test", "blobio-test-secret", f"TOKEN-{self.given}")

    def check(self, request: Received, forward: Forward) -> Reply:
        """Answer as S3 does to a token that is over."""
        token = request.headers["x-amz-security-token"]
        self.used[token] = self.used.get(token, 0) + 1
        if self.used[token] <= self.worth:
            return forward(request)
        if request.method == "HEAD":
            return Reply(status=400)
        return Reply(status=400, body=b"<Error><Code>ExpiredToken</Code></Error>")


@pytest.fixture
def vault(s3: Store, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Stands in for botocore's chain; the store looks at each token."""
    vault = Vault(worth=4)
    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda _session: vault.give())
    s3.breaks(vault.check, times=None)
    return vault


def chained(store: Store) -> Config:
    """Return settings that leave the credentials to the chain."""
    s3 = replace(store.config.s3, access_key_id=None, secret_access_key=None)
    return replace(store.config, s3=s3, write=replace(store.config.write, window=1))


def test_row_24_token_that_expires_mid_upload_is_renewed(s3: Store, vault: Vault) -> None:
    """The request that was refused is signed anew and sent again; nothing else is."""
    with Context(chained(s3)) as context, context.BlobFile(s3.url(), "wb") as file:
        file.write(DATA)

    assert s3.stored() == DATA
    assert vault.given == 2
    assert s3.count("PUT") == 5 + 1
    assert s3.count("POST") == 2


def test_row_24_token_that_expires_mid_read_is_renewed(s3: Store, vault: Vault) -> None:
    s3.put(DATA)
    config = chained(s3)

    with Context(replace(config, read=replace(config.read, window=1))) as context:
        assert context.read_bytes(s3.url()) == DATA
        assert context.stat(s3.url()).size == len(DATA)

    assert vault.given == 2


def test_row_24_token_that_stays_expired_is_an_error(s3: Store, vault: Vault) -> None:
    vault.worth = 0

    with Context(chained(s3)) as context, pytest.raises(Unauthenticated) as caught:
        context.write_bytes(s3.url(), DATA)

    assert not _TOKEN.search(f"{caught.value!r} {caught.value}")
    assert vault.given == 2
    assert s3.stored() is None


@dataclass
class Ahead:
    """A store whose clock is so many seconds ahead of ours, or behind."""

    seconds: float
    refused: int = 0

    def now(self) -> float:
        return time.time() + self.seconds

    def dated(self, request: Received, forward: Forward) -> Reply:
        """Send the time along, as stores do."""
        reply = forward(request)
        self.refused += reply.status == 403
        date = formatdate(self.now(), usegmt=True)
        return replace(reply, headers={**reply.headers, "Date": date})


@asynccontextmanager
async def _store(clock: Ahead) -> AsyncIterator[Store]:
    async with StrictS3(clock=clock.now, min_part_bytes=1) as server:
        with FaultProxy(server.url) as proxy:
            store = Store.make(server, proxy)
            store.breaks(clock.dated, times=None)
            yield store


SKEWS = pytest.mark.parametrize("seconds", [-1200, 1200])


@SKEWS
@pytest.mark.usefixtures("small_parts")
async def test_row_35_wrong_clock_is_learnt_from_the_store(seconds: int) -> None:
    clock = Ahead(seconds)
    async with _store(clock) as store, AsyncContext(store.config) as context:
        await context.write_bytes(store.url(), DATA)
        assert clock.refused == 1
        assert await context.read_bytes(store.url()) == DATA

        assert store.stored() == DATA
        assert clock.refused == 1


@SKEWS
async def test_row_35_requests_in_flight_all_learn_the_time(seconds: int) -> None:
    clock = Ahead(seconds)
    async with _store(clock) as store, AsyncContext(store.config) as context:
        store.put(DATA)
        reads = [context.read_bytes(store.url()) for _ in range(8)]

        assert await asyncio.gather(*reads) == [DATA] * 8


@SKEWS
async def test_row_35_wrong_clock_is_learnt_from_a_head(seconds: int) -> None:
    """Which has no body that could tell what is wrong: only its date does."""
    clock = Ahead(seconds)
    async with _store(clock) as store, AsyncContext(store.config) as context:
        store.put(DATA)
        async with context.open(store.url()) as file:
            assert await file.read() == DATA
        assert clock.refused == 1
