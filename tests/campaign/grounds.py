"""Where a campaign takes place: a store, how to reach it, and what it can show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol, final

from blobio.config import Config, HttpConfig, ReadConfig, RetryConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.drivers.s3.copying import CopyLimits
from blobio.drivers.s3.driver import S3Driver
from blobio.testing.strict_s3 import StrictS3, Strike
from blobio.transport.retry import RetryTransport
from blobio.url import BlobUrl
from tests.campaign.faultplan import Switchboard
from tests.campaign.model import Violation

__all__ = [
    "ATTEMPTS",
    "PART_BYTES",
    "Ground",
    "StrictGround",
    "Traits",
    "small",
    "strict_ground",
    "tune_s3",
]

ATTEMPTS: Final = 5
PART_BYTES: Final = 2048
BUCKET: Final = "campaign"
_DRAIN_TURNS: Final = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a store can show.

    Attributes:
        strikes: The faults its front can do.
        conditional_uploads: It decides conditions when an upload is completed.
        conditional_copies: It decides conditions of copies.
        cancels: A request that was given up has no effect later than its operation.
        retries: Faults pass unseen if there are few of them.
    """

    strikes: Collection[Strike] = tuple(Strike)
    conditional_uploads: bool = True
    conditional_copies: bool = True
    cancels: bool = True
    retries: bool = True


class Ground(Protocol):
    """One store."""

    @property
    def traits(self) -> Traits:
        """What it can show."""
        ...

    @property
    def board(self) -> Switchboard:
        """Who decides on faults."""
        ...

    def url(self, key: str) -> str:
        """Return the URL or path of a key."""
        ...

    def key(self, url: str) -> str:
        """Return the key of a URL or path."""
        ...

    def config(self, agent: str) -> Config:
        """Return settings whose requests are known by `agent`."""
        ...

    def tune(self, context: AsyncContext, rng: Random) -> None:
        """Make a context work in small pieces; must run on its loop."""
        ...

    def is_checked(self, key: str) -> bool:
        """Tell whether a whole read of what is stored is checked by a checksum."""
        ...

    async def settle(self, agent: str) -> None:
        """Wait until nothing that `agent` has sent can take effect any more."""
        ...

    def check_clean(self) -> None:
        """Raise `Violation` if something was left behind."""
        ...


def small(config: Config, agent: str, *, stall_timeout_s: float = 1.0) -> Config:
    """Return settings with small parts and short waits."""
    return replace(
        config,
        retry=RetryConfig(attempts=ATTEMPTS, base_s=0.001, max_s=0.01, budget=100_000),
        http=HttpConfig(
            user_agent=agent, stall_timeout_s=stall_timeout_s, min_bytes_per_s=0, idle_s=5.0
        ),
        read=ReadConfig(part_bytes=PART_BYTES, window=3, coalesce_bytes=256),
        write=WriteConfig(part_bytes=PART_BYTES, window=3),
        buffer_bytes=PART_BYTES // 2,
        memory_bytes=8 * PART_BYTES,
        log_callback=lambda _: None,
    )


def tune_s3(context: AsyncContext, rng: Random) -> None:
    """Let the S3 driver of the bucket send tiny parts, and take its jitter from the seed."""
    driver = context.stores.driver(BlobUrl("s3", BUCKET, ""))
    assert isinstance(driver, S3Driver)
    driver._capabilities = replace(driver._capabilities, min_part_bytes=1, list_page_size=7)
    driver._limits = CopyLimits(whole_bytes=3 * PART_BYTES, part_bytes=PART_BYTES, window=3)
    transport = driver._bucket._transport
    assert isinstance(transport, RetryTransport)
    transport._random = rng


@final
class StrictGround:
    """`StrictS3`, with every fault."""

    def __init__(self, server: StrictS3, board: Switchboard) -> None:
        self.traits: Final = Traits()
        self.board: Final = board
        self._server = server
        self._bucket = server.make_bucket(BUCKET)

    def url(self, key: str) -> str:
        return f"s3://{BUCKET}/{key}"

    def key(self, url: str) -> str:
        return BlobUrl.parse(url).key

    def config(self, agent: str) -> Config:
        return small(self._server.config(), agent)

    def tune(self, context: AsyncContext, rng: Random) -> None:
        tune_s3(context, rng)

    def is_checked(self, key: str) -> bool:
        found = self._bucket.objects.get(key)
        return found is not None and found.crc32c is not None

    async def settle(self, agent: str) -> None:
        # A request that was cancelled may still be in the socket: let the server meet it.
        for _ in range(_DRAIN_TURNS):
            await asyncio.sleep(0)
        self._server.land(lambda head: head.headers.get("user-agent") == agent)

    def check_clean(self) -> None:
        orphans = self._server.orphans(BUCKET)
        if orphans:
            found = [(one.upload_id, one.key, sorted(one.parts)) for one in orphans]
            message = f"uploads were left behind (name, key, parts): {found}"
            raise Violation(message)
        if self._server.connections:
            message = f"{len(self._server.connections)} connections were left open"
            raise Violation(message)


@asynccontextmanager
async def strict_ground(seed: int) -> AsyncIterator[StrictGround]:
    """Run the strict server; even seeds repeat completions as S3 does, odd ones as MinIO."""
    board = Switchboard()
    repeats = seed % 2 == 0
    async with StrictS3(hook=board.judge, min_part_bytes=1, repeats_completion=repeats) as server:
        yield StrictGround(server, board)
