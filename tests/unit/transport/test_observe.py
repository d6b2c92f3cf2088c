from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from blobio.errors import TransportFailed
from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, reply
from blobio.transport.observe import Event, ObserveTransport

PUT = Request(
    method="PUT",
    url="https://h/k?X-Amz-Signature=CANARY",
    headers={"authorization": "CANARY"},
    body=b"12345",
    operation="put",
)


def observed(step: object, events: list[Event]) -> ObserveTransport:
    ticks = iter([1.0, 1.5])
    inner = MockTransport([step])  # type: ignore[list-item]  # a reply or an exception
    return ObserveTransport(inner, on_event=events.append, clock=lambda: next(ticks))


async def test_the_date_of_a_reply_is_reported() -> None:
    events: list[Event] = []
    date = "Sat, 28 Nov 2026 01:02:03 GMT"

    await observed(reply(200, b"", {"date": date}), events).send(PUT)
    await observed(reply(200, b""), events).send(PUT)

    assert [event.server_date for event in events] == [date, None]


async def test_reply_is_reported() -> None:
    events: list[Event] = []

    await observed(reply(200, b"abc", {"x-amz-request-id": "R1"}), events).send(PUT)

    assert events == [
        Event(
            operation="put",
            subject="https://h/k?X-Amz-Signature=REDACTED",
            method="PUT",
            status=200,
            error=None,
            duration_s=0.5,
            sent_bytes=5,
            received_bytes=3,
            request_id="R1",
        )
    ]


async def test_fault_is_reported_and_raised() -> None:
    events: list[Event] = []

    with pytest.raises(TransportFailed):
        await observed(TransportFailed("reset"), events).send(PUT)

    assert (events[0].status, events[0].error) == (None, "TransportFailed")


async def test_cancellation_is_reported_and_raised() -> None:
    events: list[Event] = []

    with pytest.raises(asyncio.CancelledError):
        await observed(asyncio.CancelledError(), events).send(PUT)

    assert events[0].error == "CancelledError"


async def test_streamed_body_has_no_length_yet() -> None:
    events: list[Event] = []

    await observed(reply(200, b"abc"), events).send(
        Request(method="GET", url="https://h/k", stream=True)
    )

    assert events[0].received_bytes is None


async def test_broken_callback_does_not_break_the_transfer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Event) -> None:
        raise ZeroDivisionError

    transport = ObserveTransport(MockTransport([reply()]), on_event=broken)

    assert (await transport.send(PUT)).status == 200
    assert "config.on_event raised" in caplog.text


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await ObserveTransport(MockTransport([reply()])).send(PUT)

    assert "PUT https://h/k?X-Amz-Signature=REDACTED (put): 200" in caplog.text
    assert "CANARY" not in caplog.text


async def test_span_is_made_if_the_program_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[object] = []

    class Tracer:
        @contextlib.contextmanager
        def start_as_current_span(self, name: str, *, attributes: dict[str, str]) -> Iterator[None]:
            spans.append((name, attributes))
            yield

    module = ModuleType("opentelemetry.trace")
    monkeypatch.setattr(module, "get_tracer", lambda _name: Tracer(), raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)

    await ObserveTransport(MockTransport([reply()])).send(PUT)

    attributes = {
        "http.request.method": "PUT",
        "url.full": "https://h/k?X-Amz-Signature=REDACTED",
    }
    assert spans == [("blobio put", attributes)]


async def test_close_closes_the_inner_transport() -> None:
    inner = MockTransport([])

    await ObserveTransport(inner).aclose()

    assert inner.closed
