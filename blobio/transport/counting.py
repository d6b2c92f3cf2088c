"""Count requests and bytes into a `blobio.usage.Usage`, if somebody asked for one.

It stands inside the limit, so that a request that waits for its place is not yet under way.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Final, final

from blobio.transport.base import Transport
from blobio.transport.message import ByteStream, Request, Response
from blobio.usage import StoreUsage, Usage

__all__ = ["CountingTransport", "kind_of", "store_of"]

# What is asked for in the course of something else is counted as what it is itself.
_PLAIN_METHODS: Final = frozenset({"GET", "HEAD", "DELETE"})
_ASKED_WITH_GET: Final = frozenset({"list", "head"})


def kind_of(request: Request) -> str:
    """Return the word under which a request is counted, see `StoreUsage.requests`."""
    if request.kind:
        return request.kind
    if request.method in _PLAIN_METHODS and request.operation not in _ASKED_WITH_GET:
        return request.method
    return request.operation.upper() or request.method


def store_of(request: Request) -> str:
    """Return the scheme of what a request is about."""
    return (request.subject or request.url).partition("://")[0]


@final
class CountingTransport:
    """Counts what passes through, each attempt for itself.

    Args:
        inner: Sends the requests.
        usage: Where they are counted.
        clock: Seconds.
    """

    def __init__(
        self, inner: Transport, usage: Usage, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._inner = inner
        self._usage = usage
        self._clock = clock

    async def send(self, request: Request) -> Response:
        """Send and count; a streamed reply is under way until it is closed."""
        store = self._usage.of(store_of(request))
        kind = kind_of(request)
        store.requests[kind] = store.requests.get(kind, 0) + 1
        store.sent_bytes += request.content_bytes
        flight = _Flight(self._usage, self._clock)
        try:
            response = await self._inner.send(request)
        except BaseException:
            flight.end()
            raise
        if response.stream is not None:
            response.stream = _Counted(response.stream, store, flight)
        else:
            store.received_bytes += len(response.body)
            flight.end()
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


@final
class _Flight:
    """One request under way."""

    __slots__ = ("_clock", "_started", "_usage")

    def __init__(self, usage: Usage, clock: Callable[[], float]) -> None:
        usage.began()
        self._usage = usage
        self._clock = clock
        self._started = clock()

    def end(self) -> None:
        self._usage.ended(self._clock() - self._started)


@final
class _Counted:
    """A body whose bytes are counted as they come."""

    __slots__ = ("_chunks", "_flight", "_store", "_stream")

    def __init__(self, stream: ByteStream, store: StoreUsage, flight: _Flight) -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._store = store
        self._flight: _Flight | None = flight

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._chunks.__anext__()
        self._store.received_bytes += len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the body; the request is done."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.end()
        await self._stream.aclose()
