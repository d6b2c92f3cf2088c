"""What it takes to sign a request, and a transport that does so for every attempt."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, final

from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Signer", "SigningTransport", "SingleFlight"]

T = TypeVar("T")


class Signer(Protocol):
    """Adds credentials to requests. Single-flight: concurrent calls share one token fetch."""

    async def sign(self, request: Request) -> Request:
        """Return `request` with fresh credentials and date.

        Raises:
            Unauthenticated: There are no credentials to be had.
        """
        ...

    async def refresh(self) -> None:
        """Drop cached credentials: the store called them expired or unknown."""
        ...

    def learn_time(self, server_date: str) -> bool:
        """Take an HTTP `Date` as the true time; return whether that changes anything."""
        ...


@final
class SigningTransport:
    """Signs every request on its way to another transport."""

    def __init__(self, inner: Transport, signer: Signer) -> None:
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """Sign `request`, then send it."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner transport."""
        raise NotImplementedError


@final
class SingleFlight(Generic[T]):
    """A cached credential, fetched once however many callers ask at the same time."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[tuple[T, float | None]]],
        *,
        refresh_before_s: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        raise NotImplementedError

    async def get(self) -> T:
        """Return the credential, fetching it if there is none or it is about to expire."""
        raise NotImplementedError

    def invalidate(self) -> None:
        """Forget the credential; the next `get` fetches another."""
        raise NotImplementedError
