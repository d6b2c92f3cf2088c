"""Put the transports together: one pool per context, one stack per driver."""

from __future__ import annotations

from typing import final

from blobio.config import Config
from blobio.transport.base import Transport
from blobio.transport.counting import CountingTransport
from blobio.transport.limit import LimitTransport
from blobio.transport.message import Request, Response
from blobio.transport.observe import ObserveTransport
from blobio.transport.retry import Judge, RetryBudget, RetryTransport, judge_status
from blobio.transport.signing import Signer, SigningTransport
from blobio.transport.throttle import Throttle, ThrottledTransport

__all__ = ["connect", "stack"]


def connect(config: Config) -> Transport:
    """Return the pool that all drivers of a context share. No socket is opened yet."""
    from blobio.transport.aiohttp import AiohttpTransport

    pool: Transport = AiohttpTransport(config.http)
    if config.usage is not None:
        pool = CountingTransport(pool, config.usage)
    return LimitTransport(pool, config.http.requests_per_host)


def stack(
    base: Transport,
    config: Config,
    budget: RetryBudget,
    *,
    signer: Signer | None = None,
    judge: Judge | None = None,
    throttle: Throttle | None = None,
) -> Transport:
    """Return one driver's `Throttled(Retry(Observe(Sign(base))))`; closing it leaves `base` open.

    Without a throttle it is `Retry(Observe(Sign(base)))`.
    """
    inner: Transport = _Borrowed(base)
    if signer is not None:
        inner = SigningTransport(inner, signer)
    outer = RetryTransport(
        ObserveTransport(inner, on_event=config.on_event),
        config.retry,
        budget,
        judge=judge_status if judge is None else judge,
        signer=signer,
        log_callback=config.log_callback,
        usage=config.usage,
    )
    return outer if throttle is None else ThrottledTransport(outer, throttle)


@final
class _Borrowed:
    """A transport that somebody else closes."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: Request) -> Response:
        """Pass it on."""
        return await self._inner.send(request)

    async def aclose(self) -> None:
        """Leave it open."""
