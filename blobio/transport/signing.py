"""What it takes to sign a request, and a transport that does so for every attempt."""

from __future__ import annotations

from typing import Protocol

from blobio.transport.message import Request

__all__ = ["Signer"]


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
