"""What it takes to sign a request, and a transport that does so for every attempt."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar, final

from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Signer", "SigningTransport", "SingleFlight"]

T = TypeVar("T")

_EARLY_RETRY_S: Final = 10.0


class Signer(Protocol):
    """Adds credentials to requests. Single-flight: concurrent calls share one token fetch."""

    async def sign(self, request: Request) -> Request:
        """Return `request` with fresh credentials and date.

        Raises:
            Unauthenticated: There are no credentials to be had.
        """
        ...

    async def refresh(self, failed: object = None) -> None:
        """Drop cached credentials: the store called them expired or unknown.

        Args:
            failed: `Request.credential` of the request that was refused. If others have been
                fetched since, these stay.
        """
        ...

    def learn_time(self, server_date: str) -> bool:
        """Take an HTTP `Date` as the true time; return whether to sign a refused request again."""
        ...


@final
class SigningTransport:
    """Signs every request on its way to another transport."""

    def __init__(self, inner: Transport, signer: Signer) -> None:
        self._inner = inner
        self._signer = signer

    async def send(self, request: Request) -> Response:
        """Sign `request`, then send it."""
        signed = await self._signer.sign(request)
        response = await self._inner.send(signed)
        response.credential = signed.credential
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


@final
class SingleFlight(Generic[T]):
    """A cached credential, fetched once however many callers ask at the same time.

    It is fetched again `refresh_before_s` before it expires; if that fails while the old one is
    still good, the old one is used and the next try comes ten seconds later. A caller that is
    cancelled leaves the fetch running for the others. Bound to one event loop.

    Args:
        fetch: Returns a credential and the Unix time at which it expires, or None for never.
        refresh_before_s: How long before that time to fetch another.
        clock: Unix seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[tuple[T, float | None]]],
        *,
        refresh_before_s: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._refresh_before_s = refresh_before_s
        self._clock = clock
        self._cached: tuple[T, float | None] | None = None
        self._stale_at: float | None = None
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the credential, fetching it if there is none or it is about to expire.

        Raises:
            Exception: What `fetch` raised, if no credential that is still good is at hand.
        """
        now = self._clock()
        if self._cached is not None and (self._stale_at is None or now < self._stale_at):
            return self._cached[0]
        if self._task is None:
            self._task = asyncio.create_task(self._refill(), name="blobio credential fetch")
            self._task.add_done_callback(self._finished)
        # The shield keeps one caller's cancellation from the fetch that others wait for.
        return await asyncio.shield(self._task)

    def is_current(self, failed: object) -> bool:
        """Tell if `failed` is the credential at hand, or None, which is any."""
        return failed is None or (self._cached is not None and self._cached[0] == failed)

    def invalidate(self, failed: object = None) -> None:
        """Forget the credential, if it is the one that failed; the next `get` fetches another."""
        if self.is_current(failed):
            self._cached = None

    async def aclose(self) -> None:
        """Cancel a fetch that is under way. Idempotent."""
        task = self._task
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _refill(self) -> T:
        old = self._cached
        try:
            value, expires_at = await self._fetch()
        except Exception:
            now = self._clock()
            still_good = old is not None and old is self._cached
            if old is None or not still_good or (old[1] is not None and now >= old[1]):
                raise
            self._stale_at = now + _EARLY_RETRY_S
            return old[0]
        self._cached = (value, expires_at)
        self._stale_at = None if expires_at is None else expires_at - self._refresh_before_s
        return value

    def _finished(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # marks it as seen when every caller has gone
