"""Let no more bytes pass in a second than `HttpConfig.bytes_per_s`, over all transfers together.

It stands outside the retries: what waits here is neither signed yet, which would grow stale, nor
on a connection that could be taken for a stalled one. A body is paid for before it is sent, and
what was received before more is asked for; what retries sent again is paid by who comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import final

from blobio.errors import RequestFailure
from blobio.transport.base import Transport
from blobio.transport.message import ByteStream, Request, Response

__all__ = ["Throttle", "ThrottledTransport"]


@final
class Throttle:
    """Bytes that may pass in a second; first come, first served. Holds nothing for idle times.

    Args:
        bytes_per_s: How many.
        clock: Seconds; None for the clock of the running event loop.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        bytes_per_s: int,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0  # when all that was counted may have passed

    def owe(self, size: int) -> None:
        """Count bytes that have passed already."""
        self._free_at = max(self._free_at, self._now()) + size / self._bytes_per_s

    async def take(self, size: int) -> None:
        """Count bytes, and wait until they may have passed with all that was counted before."""
        self.owe(size)
        delay = self._free_at - self._now()
        if delay > 0:
            await self._sleep(delay)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()


@final
class ThrottledTransport:
    """Makes bodies wait, those of requests and of replies."""

    def __init__(self, inner: Transport, throttle: Throttle) -> None:
        self._inner = inner
        self._throttle = throttle

    async def send(self, request: Request) -> Response:
        """Send once the body may pass."""
        size = request.content_bytes
        if size:
            await self._throttle.take(size)
        try:
            response = await self._inner.send(request)
        except RequestFailure as error:
            self._throttle.owe(size * max(0, error.attempts - 1))
            raise
        self._throttle.owe(size * (response.attempts - 1) + len(response.body))
        if response.stream is not None:
            response.stream = _Paced(response.stream, self._throttle)
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


@final
class _Paced:
    """A body that is read no faster than the throttle lets it pass."""

    __slots__ = ("_chunks", "_stream", "_throttle")

    def __init__(self, stream: ByteStream, throttle: Throttle) -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._throttle = throttle

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._chunks.__anext__()
        await self._throttle.take(len(chunk))
        return chunk

    async def aclose(self) -> None:
        """Close the body."""
        await self._stream.aclose()
