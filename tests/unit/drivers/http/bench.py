"""A driver over a script of replies, or over a real pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from blobio.config import Config, HttpConfig, RetryConfig
from blobio.drivers.base import GetResult
from blobio.drivers.http.driver import HttpDriver
from blobio.drivers.registry import DriverServices
from blobio.transport.base import Transport
from blobio.transport.mock import MockTransport, Step
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import connect, stack

# Names and addresses of documentation and of Google's public resolver; nothing is ever asked.
ADDRESSES: Mapping[str, str] = {
    "h.example": "8.8.8.8",
    "cdn.example": "8.8.4.4",
    "inside.example": "10.0.0.7",
    "8.8.4.4": "8.8.4.4",
}


async def resolve(host: str) -> list[str]:
    return [ADDRESSES.get(host, host)] if host != "nowhere.example" else []


def driver_over(base: Transport, http: HttpConfig, scheme: str, authority: str) -> HttpDriver:
    config = Config(http=http, retry=RetryConfig(attempts=4, base_s=1e-4, log_threshold=9))

    def lend(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(base, config, RetryBudget(100), signer=signer, judge=judge)

    services = DriverServices(config=config, connect=lend)
    return HttpDriver(scheme, authority, services, resolve=resolve)


def scripted(
    steps: Iterable[Step],
    http: HttpConfig | None = None,
    *,
    scheme: str = "https",
    authority: str = "h.example",
) -> tuple[HttpDriver, MockTransport]:
    mock = MockTransport(steps)
    return driver_over(mock, http or HttpConfig(), scheme, authority), mock


@asynccontextmanager
async def real(base_url: str, http: HttpConfig | None = None) -> AsyncIterator[HttpDriver]:
    config = http or HttpConfig()
    scheme, _, authority = base_url.partition("://")
    pool = connect(Config(http=config))
    driver = driver_over(pool, config, scheme, authority)
    yield driver
    await driver.aclose()
    await pool.aclose()


async def read(result: GetResult) -> bytes:
    async with result:
        return b"".join([chunk async for chunk in result.chunks()])
