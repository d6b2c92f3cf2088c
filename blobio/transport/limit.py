"""Requests in flight per host: a window that shrinks while the host throttles."""

from __future__ import annotations

from typing import final

from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["LimitTransport"]


@final
class LimitTransport:
    """Holds requests back so that each host has at most its window in flight."""

    def __init__(self, inner: Transport, per_host: int) -> None:
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """Wait for a place, then send; a streamed reply keeps its place until it is closed."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner transport."""
        raise NotImplementedError
