"""One `Event` per attempt: for the log, the counters, the user's callback and OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Counters", "Event", "ObserveTransport"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What became of one attempt of one request.

    Attributes:
        operation: The driver verb.
        subject: The blob's URL, secrets redacted.
        method: HTTP method.
        status: HTTP status, or None if no reply came.
        error: Class name of the exception, or None if a reply came.
        duration_s: Seconds until the reply (its headers, for a streamed body).
        sent_bytes: Length of the request's body.
        received_bytes: Length of the buffered body; None for a streamed one.
        request_id: The store's id of the request, or None.
    """

    operation: str
    subject: str
    method: str
    status: int | None
    error: str | None
    duration_s: float
    sent_bytes: int
    received_bytes: int | None = None
    request_id: str | None = None


@final
@dataclass(slots=True)
class Counters:
    """Sums over the attempts of a context."""

    requests: int = 0
    failures: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


@final
class ObserveTransport:
    """Reports every attempt that passes through."""

    def __init__(
        self,
        inner: Transport,
        *,
        on_event: Callable[[Event], None] | None = None,
        counters: Counters | None = None,
    ) -> None:
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """Send `request` and report what came back."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner transport."""
        raise NotImplementedError
