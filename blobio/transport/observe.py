"""One `Event` per attempt: for the log, the user's callback and OpenTelemetry."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast, final

from blobio.errors import redact
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Event", "ObserveTransport", "request_id"]

_logger: Final = logging.getLogger("blobio.transport")

_REQUEST_ID_HEADERS: Final = (
    "x-amz-request-id",
    "x-ms-request-id",
    "x-guploader-uploadid",
    "x-request-id",
)


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
        server_date: The reply's Date header, by the store's clock, or None.
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
    server_date: str | None = None


class _Tracer(Protocol):
    """The one method used of OpenTelemetry's tracer."""

    def start_as_current_span(
        self, name: str, *, attributes: dict[str, str]
    ) -> contextlib.AbstractContextManager[object]: ...


class _TraceModule(Protocol):
    def get_tracer(self, name: str) -> _Tracer: ...


def request_id(response: Response) -> str | None:
    """Return the store's id of the request, for its support desk."""
    for name in _REQUEST_ID_HEADERS:
        if name in response.headers:
            return response.headers[name]
    return None


@final
class ObserveTransport:
    """Reports every attempt that passes through.

    Each gives a debug line of the logger `blobio.transport`, a call of `on_event`, and a span if
    the program has imported OpenTelemetry (blobio never does). What `on_event` raises is logged
    and goes no further. No signed URL is reported, and no header but Date.
    """

    def __init__(
        self,
        inner: Transport,
        *,
        on_event: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inner = inner
        self._on_event = on_event
        self._clock = clock

    async def send(self, request: Request) -> Response:
        """Send `request` and report what came back."""
        started = self._clock()
        with _span(request):
            try:
                response = await self._inner.send(request)
            except BaseException as error:
                self._report(request, started, None, error)
                raise
        self._report(request, started, response, None)
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    def _report(
        self,
        request: Request,
        started: float,
        response: Response | None,
        error: BaseException | None,
    ) -> None:
        if self._on_event is None and not _logger.isEnabledFor(logging.DEBUG):
            return
        streamed = response is None or response.stream is not None
        event = Event(
            operation=request.operation,
            subject=redact(request.subject or request.url),
            method=request.method,
            status=None if response is None else response.status,
            error=None if error is None else type(error).__name__,
            duration_s=self._clock() - started,
            sent_bytes=request.content_bytes,
            received_bytes=None if streamed or response is None else len(response.body),
            request_id=None if response is None else request_id(response),
            server_date=None if response is None else response.headers.get("date"),
        )
        _logger.debug(
            "%s %s (%s): %s in %.0f ms",
            event.method,
            redact(request.url),
            event.operation,
            event.error or event.status,
            event.duration_s * 1000,
        )
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:
                # A broken observer must not break a transfer.
                _logger.exception("config.on_event raised")


def _span(request: Request) -> contextlib.AbstractContextManager[object]:
    # Looked up, not imported: a program that traces has imported it already.
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return contextlib.nullcontext()
    tracer = cast("_TraceModule", module).get_tracer("blobio")
    subject = redact(request.subject or request.url)
    return tracer.start_as_current_span(
        f"blobio {request.operation or request.method}",
        attributes={"http.request.method": request.method, "url.full": subject},
    )
