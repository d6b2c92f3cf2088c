"""The transport contract: one verb.

A `Transport` sends one request and returns one reply of any status. Transports wrap transports;
from the outside in a driver holds `Retry(Observe(Sign(Limit(AiohttpTransport))))`. Retry stands
outside Sign so that each attempt carries a fresh date and token.
"""

from __future__ import annotations

from typing import Protocol

from blobio.transport.message import Request, Response

__all__ = ["Transport"]


class Transport(Protocol):
    """Something that can send an HTTP request."""

    async def send(self, request: Request) -> Response:
        """Send `request` and return the reply, whatever its status.

        No redirect is followed and nothing is decompressed.

        Raises:
            TransportFailed: No complete reply came. The error's `retryable` tells if another try
                may help; its `ambiguous` attribute tells if the store may have acted.
            DeadlineExceeded: A limit on progress ran out.
        """
        ...

    async def aclose(self) -> None:
        """Release the connections this transport owns. Idempotent."""
        ...
