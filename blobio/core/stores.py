"""`Stores`: what all operations of one context share. The composition root.

One driver for each (scheme, authority), one pool of connections, one retry budget, one byte budget.
It belongs to the event loop it is first used on, and is the only place above the drivers that knows
there is a transport.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, final

from blobio.config import Config
from blobio.core.flow import ByteBudget
from blobio.core.reader import RangeReader
from blobio.core.writer import PartWriter
from blobio.drivers.base import Driver
from blobio.drivers.buckets import Buckets, make_buckets, root_of
from blobio.drivers.registry import DriverServices, make_driver
from blobio.errors import IsDirectory, NotFound
from blobio.url import BlobUrl, PathLike
from blobio.values import PutOptions, Version

if TYPE_CHECKING:
    from blobio.transport.base import Transport
    from blobio.transport.retry import Judge, RetryBudget
    from blobio.transport.signing import Signer
    from blobio.transport.throttle import Throttle

__all__ = ["Stores"]


@final
class Stores:
    """Drivers and budgets of one context.

    Attributes:
        config: The settings.
        budget: Bounds the bytes in flight.
        uploads: The writers that have sent parts and not ended; `aclose` aborts them.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.budget: ByteBudget = ByteBudget(config.memory_bytes)
        self._drivers: dict[tuple[str, str], Driver] = {}
        self._buckets: dict[BlobUrl, Buckets] = {}
        self._shared: Transport | None = None
        self._retry_budget: RetryBudget | None = None
        self._throttle: Throttle | None = None
        self.uploads: set[PartWriter] = set()

    async def aclose(self) -> None:
        """Take back unfinished uploads, then close all drivers and connections. Idempotent.

        A failure is raised when everything else has been closed.
        """
        async with contextlib.AsyncExitStack() as closing:  # closes in reverse
            if self._shared is not None:
                shared, self._shared = self._shared, None
                closing.push_async_callback(shared.aclose)
            drivers, self._drivers = self._drivers, {}
            for driver in drivers.values():
                closing.push_async_callback(driver.aclose)
            lists, self._buckets = self._buckets, {}
            for buckets in lists.values():
                closing.push_async_callback(buckets.aclose)
            for writer in list(self.uploads):
                closing.push_async_callback(writer.abort)

    def driver(self, url: BlobUrl) -> Driver:
        """Return the driver that serves `url`, made on first use."""
        place = (url.scheme, url.authority)
        driver = self._drivers.get(place)
        if driver is None:
            driver = make_driver(url, DriverServices(self.config, self._connect))
            self._drivers[place] = driver
        return driver

    def buckets(self, text: str) -> Buckets | None:
        """Return what lists all buckets that `text` means: `s3://`, `az://account`; made once.

        None if it means anything else.
        """
        root = root_of(text)
        if root is None:
            return None
        found = self._buckets.get(root)
        if found is None:
            found = make_buckets(root, DriverServices(self.config, self._connect))
            self._buckets[root] = found
        return found

    def locate(self, path: PathLike) -> tuple[Driver, BlobUrl]:
        """Parse a path and find its driver."""
        url = BlobUrl.parse(path)
        return self.driver(url), url

    def place(self, path: PathLike) -> tuple[Driver, BlobUrl]:
        """As `locate`, with a local path made absolute, as listings print it.

        An empty path stays empty: it names nothing, and not the working directory.
        """
        driver, url = self.locate(path)
        if driver.capabilities.local_paths and url.key:
            url = url.with_key(os.path.abspath(url.key))
        return driver, url

    def pattern(self, pattern: str) -> tuple[Driver, BlobUrl]:
        """As `place` for a glob pattern, whose wildcards and trailing `/` are left alone."""
        driver, url = self.locate(pattern)
        if driver.capabilities.local_paths and url.key:
            literal = min((i for i in map(url.key.find, "*?[{") if i >= 0), default=len(url.key))
            head, tail = os.path.split(url.key[:literal])
            rest = tail + url.key[literal:]
            url = url.with_key(os.path.join(os.path.abspath(head), rest))
        return driver, url

    def blob(self, path: PathLike, operation: str) -> tuple[Driver, BlobUrl]:
        """As `locate`, refusing what names a directory.

        Raises:
            IsDirectory: The path has no key, or one that ends in `/`.
            NotFound: The path is empty.
        """
        driver, url = self.locate(path)
        if not str(url):
            message = f"{operation} of '': an empty path names nothing"
            raise NotFound(message, url=url, operation=operation)
        if not url.key or url.key.endswith("/"):
            what = "no key" if not url.key else "a key that ends in '/'"
            message = f"{operation} of {url}: {what} names a directory, not a blob"
            raise IsDirectory(message, url=url, operation=operation)
        return driver, url

    def reader(
        self,
        path: PathLike,
        *,
        size: int | None = None,
        version: str | None = None,
        crc32c: int | None = None,
    ) -> RangeReader:
        """Make a reader that pins itself with its first request, to `version` if that is given."""
        driver, url = self.blob(path, "read")
        wanted = None if version is None else Version(version)
        return RangeReader(driver, url, self.config.read, size=size, version=wanted, crc32c=crc32c)

    async def open_reader(self, path: PathLike, *, version: str | None = None) -> RangeReader:
        """Make a reader that knows its size and version; 1 HEAD."""
        driver, url = self.blob(path, "read")
        wanted = None if version is None else Version(version)
        return await RangeReader.open(driver, url, self.config.read, version=wanted)

    def writer(self, path: PathLike, options: PutOptions) -> PartWriter:
        """Make a writer; parts it has sent are taken back if this closes first. No request."""
        driver, url = self.blob(path, "write")
        return PartWriter(
            driver, url, options, self.config.write, self.budget, uploads=self.uploads
        )

    def _connect(self, *, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        from blobio.transport.retry import RetryBudget
        from blobio.transport.stack import connect, stack
        from blobio.transport.throttle import Throttle

        if self._shared is None:
            self._shared = connect(self.config)
        if self._retry_budget is None:
            self._retry_budget = RetryBudget(self.config.retry.budget)
        rate = self.config.http.bytes_per_s
        if self._throttle is None and rate is not None:
            self._throttle = Throttle(rate)
        return stack(
            self._shared,
            self.config,
            self._retry_budget,
            signer=signer,
            judge=judge,
            throttle=self._throttle,
        )
