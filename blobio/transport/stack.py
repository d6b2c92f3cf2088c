"""Put the transports together: one pool per context, one stack per driver."""

from __future__ import annotations

from blobio.config import Config
from blobio.transport.base import Transport
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer

__all__ = ["connect", "stack"]


def connect(config: Config) -> Transport:
    """Return the pool that all drivers of a context share. No socket is opened yet."""
    raise NotImplementedError


def stack(
    base: Transport,
    config: Config,
    budget: RetryBudget,
    *,
    signer: Signer | None = None,
    judge: Judge | None = None,
) -> Transport:
    """Return one driver's `Retry(Observe(Sign(base)))`. Closing it leaves `base` open."""
    raise NotImplementedError
