"""A driver of a strict Hub with one dataset, and a driver over scripted replies."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.config import Config, HttpConfig, HubConfig, RetryConfig
from blobio.drivers.hub.driver import HubDriver
from blobio.drivers.registry import DriverServices
from blobio.testing.conformance import DriverHarness, open_harness
from blobio.testing.strict_hub import HubRepo, StrictHub
from blobio.transport.base import Transport
from blobio.transport.mock import MockTransport, Step
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import stack
from blobio.url import BlobUrl
from blobio.values import BlobMeta, GetOptions, Range, Version

__all__ = ["DATA", "NAME", "SHA256", "Site", "read", "scripted", "site"]

NAME: Final = "org/name"
DATA: Final = bytes(range(256)) * 40
SHA256: Final = hashlib.sha256(DATA).hexdigest()
FAST: Final = RetryConfig(attempts=3, base_s=1e-4, max_s=1e-4)

# Names and addresses of documentation and of Google's public resolver; nothing is ever asked.
ADDRESSES: Final = {
    "hub.example": "8.8.8.8",
    "cdn.example": "8.8.4.4",
    "inside.example": "10.0.0.7",
}


@final
@dataclass(frozen=True, slots=True)
class Site:
    """A Hub whose dataset has `small` (git) and `data/large.parquet` (delivered elsewhere)."""

    server: StrictHub
    repo: HubRepo
    harness: DriverHarness
    commit: str

    @property
    def driver(self) -> HubDriver:
        """The driver under test."""
        found = self.harness.driver
        assert isinstance(found, HubDriver)
        return found

    def clear(self) -> None:
        """Forget the requests that have come."""
        self.server.requests.clear()
        self.server.seen.clear()


@asynccontextmanager
async def site(
    revision: str = "",
    *,
    token: str | None = None,
    offline: bool = False,
    hub: HubConfig | None = None,
) -> AsyncIterator[Site]:
    """Run a Hub and a driver of its dataset at `revision`; `"{sha}"` is its first commit."""
    async with StrictHub() as server:
        repo = server.make_dataset(NAME)
        commit = repo.commit({"small": b"small content", "data/large.parquet": DATA})
        config = replace(server.config(token), retry=FAST)
        if hub is not None:
            hub = replace(hub, endpoint_url=server.url, viewer_url=server.url)
            config = replace(config, hub=hub)
        config = replace(config, hub=replace(config.hub, offline=offline))
        at = f"@{revision.format(sha=commit)}" if revision else ""
        async with open_harness(BlobUrl("hf", f"datasets/{NAME}{at}", ""), config) as harness:
            yield Site(server, repo, harness, commit)


async def read(
    driver: HubDriver, key: str, wanted: Range | None = None, version: Version | None = None
) -> tuple[BlobMeta, bytes]:
    """Read a file or a range of it."""
    async with await driver.get(key, GetOptions(range=wanted, version=version)) as result:
        return result.meta, b"".join([chunk async for chunk in result.chunks()])


async def _resolve(host: str) -> list[str]:
    return [ADDRESSES.get(host, host)]


def scripted(
    steps: Iterable[Step], hub: HubConfig | None = None, http: HttpConfig | None = None
) -> tuple[HubDriver, MockTransport]:
    """Return the driver of a dataset at https://hub.example and what sees all its requests."""
    hub = hub or HubConfig(endpoint_url="https://hub.example", token="hf_secret")
    config = Config(hub=hub, http=http or HttpConfig(), retry=FAST)
    mock = MockTransport(steps)

    def connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(mock, config, RetryBudget(100), signer=signer, judge=judge)

    services = DriverServices(config, connect)
    return HubDriver(f"datasets/{NAME}", services, resolve=_resolve), mock
