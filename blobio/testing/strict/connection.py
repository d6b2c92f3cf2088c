"""One connection to a strict server: HTTP/1.1 in, the faults of each request, HTTP/1.1 out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, final

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import Fault, RequestHead, Strike

__all__ = ["Connection", "Desk", "parse_head"]

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_HEAD_BYTES: Final = 64 << 10
_NOTHING: Final = Fault(Strike.DELAY)
_REPLY_LOST: Final = frozenset(
    {
        Strike.DROP_REPLY,
        Strike.FAIL_AFTER,
        Strike.STALL_REPLY,
        Strike.CUT,
        Strike.SHORTEN,
        Strike.OVERSTATE,
        Strike.UNBOUNDED,
    }
)


class Desk(Protocol):
    """What a connection asks of the server."""

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        """Find out what a request asks for; names of `headers` are in lower case."""
        ...

    def refuse(self, fault: Fault) -> Answer:
        """Return the reply with the fault's status and code."""
        ...

    def judge(self, head: RequestHead) -> Fault | None:
        """Count a request and return the fault that strikes it."""
        ...

    def perform(
        self, head: RequestHead, body: bytes, *, signed: RequestHead | None = None
    ) -> Answer:
        """Do what is asked."""
        ...

    def begun_in_the_dark(self, answer: Answer) -> None:
        """Note that the client will not learn of the upload that `answer` begins."""
        ...

    def opened(self, connection: Connection) -> None:
        """Note a new connection."""
        ...

    def closed(self, connection: Connection) -> None:
        """Note the end of one."""
        ...


@final
@dataclass(slots=True)
class _Arrival:
    head: RequestHead
    fault: Fault
    length: int


@final
class Connection(asyncio.Protocol):
    """Reads requests one after the other and answers each.

    Attributes:
        late: The request that is acted on when the client is gone, or None.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._arrival: _Arrival | None = None
        self._is_busy = False
        self.late: tuple[RequestHead, bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._desk.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        del exc
        self.land()
        self._transport = None
        self._desk.closed(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._buffer += data
        self._advance()

    def land(self) -> None:
        """Act on a request that came late."""
        late, self.late = self.late, None
        if late is not None:
            answer = self._desk.perform(*late)
            self._desk.begun_in_the_dark(answer)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _advance(self) -> None:
        while not self._is_busy and self._transport is not None:
            if self._arrival is None and not self._read_head():
                return
            arrival = self._arrival
            assert arrival is not None
            if arrival.fault.strike is Strike.RESET_UPLOAD:
                if len(self._buffer) >= int(arrival.length * arrival.fault.at):
                    self._reset()
                return
            if len(self._buffer) < arrival.length:
                return
            body = bytes(self._buffer[: arrival.length])
            del self._buffer[: arrival.length]
            self._arrival = None
            self._serve(arrival.head, body, arrival.fault)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                self.close()
            return False
        try:
            head = self._desk.understand(*parse_head(bytes(self._buffer[:end])))
            length = int(head.headers.get("content-length", "0"))
        except ValueError:
            self.close()
            return False
        del self._buffer[: end + 4]
        if head.headers.get("expect", "").lower() == "100-continue":
            self._write(_CONTINUE)
        self._arrival = _Arrival(head, self._desk.judge(head) or _NOTHING, length)
        return True

    def _serve(self, head: RequestHead, body: bytes, fault: Fault) -> None:
        match fault.strike:
            case Strike.RESET:
                self._reset()
            case Strike.STALL:
                self._is_busy = True
            case Strike.LATE:
                self._is_busy = True
                self.late = (head, body)
            case Strike.DELAY if fault.seconds:
                self._is_busy = True
                loop = asyncio.get_running_loop()
                loop.call_later(fault.seconds, self._resume, head, body)
            case Strike.REFUSE:
                answer = self._desk.refuse(fault)
                if fault.retry_after:
                    headers = {**answer.headers, "Retry-After": fault.retry_after}
                    answer = replace(answer, headers=headers)
                self._send(head, answer)
            case Strike.ERROR_IN_200:
                self._send(head, Answer(body=self._desk.refuse(fault).body))
            case _:
                self._act(head, body, fault)

    def _resume(self, head: RequestHead, body: bytes) -> None:
        if self._transport is not None:  # else the client has given up, and so it never came
            self._is_busy = False
            self._send(head, self._desk.perform(head, body))
            self._advance()

    def _act(self, head: RequestHead, body: bytes, fault: Fault) -> None:
        """Let the store act, and spoil the reply."""
        strike = fault.strike
        if strike is Strike.DAMAGE_REQUEST:
            body = _flip(body, fault.at)
        elif strike is Strike.IGNORE_RANGE:
            kept = {name: value for name, value in head.headers.items() if name != "range"}
            self._send(head, self._desk.perform(replace(head, headers=kept), body, signed=head))
            return
        answer = self._desk.perform(head, body)
        if strike is Strike.TWICE:
            self._desk.begun_in_the_dark(answer)
            answer = self._desk.perform(head, body)
        if strike in _REPLY_LOST:
            self._desk.begun_in_the_dark(answer)
        if strike is Strike.DROP_REPLY:
            self._end(fault)
        elif strike is Strike.FAIL_AFTER:
            self._send(head, self._desk.refuse(fault))
        else:
            self._send(head, answer, fault)

    def _send(self, head: RequestHead, answer: Answer, fault: Fault = _NOTHING) -> None:
        """Write a reply, whole or as `fault` has it."""
        length = len(answer.body)
        if head.method == "HEAD":
            self._write(answer.head(length=length, closes=False))
            return
        cut = int(length * fault.at)
        body = answer.body
        match fault.strike:
            case Strike.STALL_REPLY:
                if length:  # a head alone would be a whole reply
                    self._write(answer.head(length=length, closes=False) + body[:cut])
                self._is_busy = True
            case Strike.CUT:
                self._write(answer.head(length=length, closes=False) + body[:cut])
                self._end(fault)
            case Strike.OVERSTATE:
                self._write(answer.head(length=length + 1 + cut, closes=True) + body)
                self._end(replace(fault, orderly=True))
            case Strike.UNBOUNDED:
                self._write(answer.head(length=None, closes=True) + body[:cut])
                self._end(replace(fault, orderly=True))
            case Strike.HANG_UP:
                self._write(answer.head(length=length, closes=False) + body)
                self._end(replace(fault, orderly=True))
            case Strike.SHORTEN:
                self._write(answer.head(length=cut, closes=False) + body[:cut])
            case Strike.DAMAGE:
                self._write(answer.head(length=length, closes=False) + _flip(body, fault.at))
            case _:
                self._write(answer.head(length=length, closes=False) + body)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _end(self, fault: Fault) -> None:
        if fault.orderly and self._transport is not None:
            self._is_busy = True
            self._transport.close()
        else:
            self._reset()

    def _reset(self) -> None:
        """Reset the connection; what was written is sent before, as far as the system takes it."""
        self._is_busy = True
        if self._transport is not None:
            made: socket.socket = self._transport.get_extra_info("socket")
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()


def _flip(body: bytes, at: float) -> bytes:
    """Invert the bits of one byte."""
    if not body:
        return body
    place = int(len(body) * at)
    return body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]


def parse_head(raw: bytes) -> tuple[str, str, dict[str, str]]:
    """Return method, target and headers of a request, whose bytes end before the empty line.

    Raises:
        ValueError: It is not HTTP/1.1.
    """
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if version != "HTTP/1.1":
        message = f"not HTTP/1.1: {version}"
        raise ValueError(message)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers
