"""Requests in flight per host: a window that shrinks while the host throttles.

Additive increase, multiplicative decrease, as in TCP: a reply of 429 or 503 halves the window, a
window's worth of other replies widens it by one. Replies to requests that were on their way before
the last halving do not halve again, since one overload refuses many of them at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, final

from blobio.transport.base import Transport
from blobio.transport.message import ByteStream, Request, Response

__all__ = ["LimitTransport"]

_THROTTLED: Final = frozenset({429, 503})


@final
class _Window:
    """The places of one host."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size: float = float(most)
        self.in_flight: int = 0
        self.halvings: int = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_untouched(self) -> bool:
        """Nothing would be lost by forgetting this window."""
        return self.in_flight == 0 and not self._waiting and self.size >= self._most

    async def enter(self) -> None:
        """Take a place, waiting in line for one."""
        if self.in_flight < int(self.size) and not self._waiting:
            self.in_flight += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # the place came together with the cancellation: pass it on
            else:
                with contextlib.suppress(ValueError):  # not there if `_admit` has passed over it
                    self._waiting.remove(place)
            raise

    def leave(self) -> None:
        """Free a place and hand places to those who wait."""
        self.in_flight -= 1
        self._admit()

    def learn(self, status: int, halvings_at_start: int) -> None:
        """Adjust the size to a reply."""
        if status not in _THROTTLED:
            self.size = min(float(self._most), self.size + 1.0 / self.size)
            self._admit()
        elif halvings_at_start == self.halvings:
            self.size = max(1.0, self.size / 2)
            self.halvings += 1

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.size):
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


@final
class _Held:
    """A streamed body that keeps its place until it is closed."""

    __slots__ = ("_limiter", "_origin", "_stream", "_window")

    def __init__(
        self, stream: ByteStream, limiter: LimitTransport, origin: str, window: _Window
    ) -> None:
        self._stream = stream
        self._limiter = limiter
        self._origin = origin
        self._window: _Window | None = window

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        """Close the body and free its place."""
        window, self._window = self._window, None
        try:
            await self._stream.aclose()
        finally:
            if window is not None:
                self._limiter.release(self._origin, window)


@final
class LimitTransport:
    """Holds requests back so that each host has at most its window in flight.

    Whoever holds a streamed reply open must not wait for another request to the same host: with a
    window of one, that request waits for the stream to be closed.

    Args:
        inner: Sends the requests.
        per_host: The widest window, in requests.
    """

    def __init__(self, inner: Transport, per_host: int) -> None:
        self._inner = inner
        self._per_host = per_host
        self._windows: dict[str, _Window] = {}

    async def send(self, request: Request) -> Response:
        """Wait for a place, then send; a streamed reply keeps its place until it is closed."""
        origin = request.url.split("/", 3)[2]
        window = self._windows.get(origin)
        if window is None:
            window = self._windows[origin] = _Window(self._per_host)
        await window.enter()
        halvings = window.halvings
        held = False
        try:
            response = await self._inner.send(request)
            window.learn(response.status, halvings)
            if response.stream is not None:
                response.stream = _Held(response.stream, self, origin, window)
                held = True
        finally:
            if not held:
                self.release(origin, window)
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    def release(self, origin: str, window: _Window) -> None:
        """Free one place; forget windows that hold no information, so that none pile up."""
        window.leave()
        if window.is_untouched and self._windows.get(origin) is window:
            del self._windows[origin]

    def window(self, host: str) -> int:
        """Return how many requests `host` may have in flight now."""
        window = self._windows.get(host)
        return self._per_host if window is None else int(window.size)
