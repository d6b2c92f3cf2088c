"""A Google Cloud Storage driver on a strict server, with retries that take no time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.config import GcsConfig, RetryConfig
from blobio.drivers.base import Driver
from blobio.testing.conformance import open_harness
from blobio.testing.strict_gcs import Fault, RequestHead, StrictGcs
from blobio.testing.strict_gcs.store import Bucket
from blobio.url import BlobUrl

__all__ = ["COMPONENTS", "FAST", "Site", "open_site", "striking"]

COMPONENTS: Final = ".blobio-components/"
FAST: Final = RetryConfig(attempts=8, base_s=0.0001, max_s=0.0001)


@final
@dataclass(frozen=True, slots=True)
class Site:
    """A driver, its bucket, and the server behind both."""

    driver: Driver
    bucket: Bucket
    server: StrictGcs

    @property
    def components(self) -> list[str]:
        """The components of uploads that are there."""
        return [key for key in self.bucket.objects if key.startswith(COMPONENTS)]


@asynccontextmanager
async def open_site(
    *,
    parallel_uploads: bool = True,
    rewrite_bytes: int = 1 << 62,
    tune: Callable[[GcsConfig], GcsConfig] = lambda config: config,
) -> AsyncIterator[Site]:
    """Start a server with one bucket, and a driver for it."""
    async with StrictGcs(rewrite_bytes=rewrite_bytes) as server:
        bucket = server.make_bucket("bucket")
        config = server.config()
        settings = tune(replace(config.gcs, parallel_uploads=parallel_uploads))
        config = replace(config, gcs=settings, retry=FAST)
        async with open_harness(BlobUrl("gs", "bucket", ""), config) as harness:
            yield Site(harness.driver, bucket, server)


def striking(server: StrictGcs, operation: str, faults: Iterable[Fault | None]) -> None:
    """Let the next requests of an operation be struck by `faults`, one each."""
    waiting = iter(faults)

    def hook(head: RequestHead) -> Fault | None:
        return next(waiting, None) if head.operation == operation else None

    server.hook = hook
