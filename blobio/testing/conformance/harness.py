"""The harness: how a case reaches the driver under test, and names blobs in its store."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol, final

from blobio.config import Config
from blobio.drivers.base import Driver
from blobio.drivers.registry import DriverServices, make_driver
from blobio.transport.message import Request
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import connect, stack
from blobio.url import BlobUrl
from blobio.values import Capabilities, PutOptions, SignedUrl

if TYPE_CHECKING:
    from blobio.transport.base import Transport
    from blobio.transport.message import Response

__all__ = ["DriverHarness", "Harness", "Seed", "capabilities_of", "open_harness"]

Seed = Callable[[str, bytes], Awaitable[None]]
"""Puts bytes under a key, beside the driver; for drivers that cannot write."""

_serial: Final = itertools.count(1)


class Harness(Protocol):
    """What a case may use."""

    @property
    def driver(self) -> Driver:
        """The driver under test, open until the case ends."""
        ...

    async def another_driver(self, authority: str | None = None) -> Driver:
        """Make a second driver of the same kind, of another bucket if one is named."""
        ...

    def key(self, name: str) -> str:
        """Return the key of `name` below a prefix that only this case uses."""
        ...

    def url(self, key: str) -> BlobUrl:
        """Return the URL of a key."""
        ...

    async def seed(self, name: str, data: bytes) -> str:
        """Make a blob without the help of the verb under test; return its key."""
        ...

    async def fetch(self, signed: SignedUrl) -> bytes:
        """Read a signed URL as anybody could, without credentials."""
        ...


@final
class DriverHarness:
    """A `Harness` over a driver that the registry makes."""

    def __init__(
        self,
        root: BlobUrl,
        services: DriverServices,
        exits: AsyncExitStack,
        *,
        base: Transport,
        name_to_key: Callable[[str], str],
        seed: Seed | None,
    ) -> None:
        self._root = root
        self._base = base
        self._services = services
        self._exits = exits
        self._name_to_key = name_to_key
        self._seed = seed
        self._driver = self._make(root)

    @property
    def driver(self) -> Driver:
        """See `Harness.driver`."""
        return self._driver

    async def another_driver(self, authority: str | None = None) -> Driver:
        """See `Harness.another_driver`."""
        url = self._root
        if authority is None:
            return self._make(url)
        account, slash, _ = url.authority.rpartition("/")
        return self._make(BlobUrl(url.scheme, f"{account}{slash}{authority}", ""))

    def key(self, name: str) -> str:
        """See `Harness.key`."""
        return self._root.key + self._name_to_key(name)

    def url(self, key: str) -> BlobUrl:
        """See `Harness.url`."""
        return self._root.with_key(key)

    async def seed(self, name: str, data: bytes) -> str:
        """See `Harness.seed`; a driver that can write is asked to."""
        key = self.key(name)
        if self._seed is not None:
            await self._seed(key, data)
        else:
            await self._driver.put(key, data, PutOptions())
        return key

    async def fetch(self, signed: SignedUrl) -> bytes:
        """See `Harness.fetch`."""
        response = await self._base.send(
            Request(method="GET", url=signed.url, headers=dict(signed.headers))
        )
        assert response.status == 200, f"a signed URL was answered with {response.status}"
        return response.body

    def _make(self, url: BlobUrl) -> Driver:
        driver = make_driver(url, self._services)
        self._exits.push_async_callback(driver.aclose)
        return driver


def capabilities_of(root: BlobUrl, config: Config | None = None) -> Capabilities:
    """Return what the driver of `root` says it can do, without sending a request."""

    def no_connection(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        del signer, judge
        return _NoTransport()

    services = DriverServices(config=config or Config(), connect=no_connection)
    return make_driver(root, services).capabilities


@final
class _NoTransport:
    """The transport of a driver that is only asked for its capabilities."""

    async def send(self, request: Request) -> Response:
        message = f"nothing was to be sent, not even {request}"
        raise AssertionError(message)

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def open_harness(
    root: BlobUrl,
    config: Config | None = None,
    *,
    name_to_key: Callable[[str], str] = str,
    seed: Seed | None = None,
) -> AsyncIterator[DriverHarness]:
    """Make the driver of `root` with a connection pool of its own; close both at the end.

    Args:
        root: Where cases may write. To its key a prefix is added that no other harness of this
            process uses.
        config: Settings; None for the defaults.
        name_to_key: Turns the name of a blob into the end of its key, for stores whose keys are
            escaped.
        seed: Puts bytes under a key beside the driver; None to use the driver's `put`.
    """
    config = config or Config()
    async with AsyncExitStack() as exits:
        base = connect(config)
        exits.push_async_callback(base.aclose)
        budget = RetryBudget(config.retry.budget)

        def own_stack(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
            return stack(base, config, budget, signer=signer, judge=judge)

        own = root.with_key(f"{root.key}{next(_serial)}/")
        services = DriverServices(config=config, connect=own_stack)
        yield DriverHarness(own, services, exits, base=base, name_to_key=name_to_key, seed=seed)
