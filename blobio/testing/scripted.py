"""A small HTTP/1.1 server over real sockets that answers exactly what a test tells it to.

::

    with ScriptedServer(failing(serving(b"content"), times=2)) as server:
        ...  # two 503, then the content, at server.url
    assert len(server.requests) == 3

A handler turns a `Received` request into a `Reply`; the reply also says what goes wrong on the way
back: a body cut short by FIN or RST, a wrong length, a stall, or no reply at all although the
handler ran. Give one handler, or a list of replies for the first, second, ... request.
"""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import BinaryIO, Final, Literal, TypeAlias, final

from blobio.testing.emulators.static import parse_range

__all__ = [
    "End",
    "Handler",
    "Received",
    "Reply",
    "ScriptedServer",
    "failing",
    "ignoring_range",
    "serving",
]

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_POLL_S: Final = 0.01
_BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class End(Enum):
    """What happens to the connection after the reply."""

    KEEP = auto()
    """It stays open for the next request."""
    FIN = auto()
    """It is closed in order."""
    RST = auto()
    """It is reset; bytes still on their way may be lost."""
    STALL = auto()
    """It stays open and silent until the client or the test gives up."""


@final
@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived.

    Attributes:
        method: `"GET"`, `"PUT"`, ...
        target: Path and query, byte for byte.
        headers: Names in lower case; of repeated headers the last.
        body: All of it, without transfer coding.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply and its faults.

    Attributes:
        status: The status.
        headers: Sent as they are, before those of the framing.
        body: The body.
        framing: How the client learns where the body ends: `"length"`, `"chunked"`, or `"close"`.
        announced: Content-Length to send instead of the true one.
        cut: Send only so many bytes of the body; None for all.
        trickle_s: Send the body byte by byte, with so many seconds between; 0 for at once.
        silent: Send nothing at all, not even the status: a lost reply.
        end: What happens to the connection afterwards.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    framing: Literal["length", "chunked", "close"] = "length"
    announced: int | None = None
    cut: int | None = None
    trickle_s: float = 0.0
    silent: bool = False
    end: End = End.KEEP

    def head(self) -> bytes:
        """Return the status line and headers as they go over the wire."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Other"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        length = len(self.body) if self.announced is None else self.announced
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        elif self.framing == "length" and self.status not in _BODILESS:
            lines.append(f"Content-Length: {length}")
        if self.end is not End.KEEP or self.framing == "close":
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def payload(self) -> bytes:
        """Return the body as it goes over the wire, cut where it is to be cut."""
        kept = self.body[: self.cut]
        if self.framing != "chunked":
            return kept
        coded = f"{len(kept):x}\r\n".encode() + kept + b"\r\n" if kept else b""
        return coded if len(kept) < len(self.body) else coded + b"0\r\n\r\n"


Handler: TypeAlias = Callable[[Received], Reply]
"""Runs in the thread of the connection: what it does to shared state is done before any fault."""


@final
class ScriptedServer:
    """The server; listens from entry to exit of its `with` block.

    Args:
        script: A handler, or the replies to the first, second, ... request; a request after the
            last of them gets status 599.

    Attributes:
        requests: What has arrived, in order of arrival.
    """

    def __init__(self, script: Handler | Sequence[Reply]) -> None:
        self._handler = script if callable(script) else _in_turn(script)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.requests: Final[list[Received]] = []
        port: int = self._listener.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return self._url

    def count(self, method: str) -> int:
        """Return how many requests of `method` have arrived."""
        return sum(request.method == method for request in self.requests)

    def __enter__(self) -> ScriptedServer:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        with self._lock:
            for connection in self._connections:
                _shut(connection)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._listener], [], [], _POLL_S)[0]:
                continue
            connection, _ = self._listener.accept()
            with self._lock:
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as reader:
                while not self._closing.is_set():
                    request = _receive(connection, reader)
                    if request is None:
                        break
                    self.requests.append(request)
                    reply = self._handler(request)
                    self._answer(connection, request, reply)
                    if reply.end is not End.KEEP or reply.framing == "close":
                        break
        except OSError:
            pass  # the client hung up, which is its right
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, request: Received, reply: Reply) -> None:
        if not reply.silent:
            payload = b"" if request.method == "HEAD" else reply.payload()
            connection.sendall(reply.head() + (b"" if reply.trickle_s else payload))
            for byte in payload if reply.trickle_s else b"":
                if self._closing.wait(reply.trickle_s):
                    return
                connection.sendall(bytes([byte]))
        if reply.end is End.RST:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        elif reply.end is End.STALL:
            connection.recv(1)  # until the client hangs up, or `__exit__` shuts the socket


def serving(data: bytes, *, headers: Mapping[str, str] | None = None) -> Handler:
    """Return a handler that serves `data` with ranges, a strong ETag and If-Match, as it should."""
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    common = {
        "ETag": etag,
        "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
        "Accept-Ranges": "bytes",
        **(headers or {}),
    }

    def handler(request: Received) -> Reply:
        if request.headers.get("if-match", etag) not in ("*", etag):
            return Reply(status=412)
        unchanged = request.headers.get("if-range", etag) == etag
        span = parse_range(request.headers.get("range"), len(data)) if unchanged else None
        if span is None:
            return Reply(headers=common, body=data)
        start, stop = span
        if start >= len(data):
            return Reply(status=416, headers={**common, "Content-Range": f"bytes */{len(data)}"})
        content_range = f"bytes {start}-{stop - 1}/{len(data)}"
        return Reply(
            status=206, headers={**common, "Content-Range": content_range}, body=data[start:stop]
        )

    def bodiless(request: Received) -> Reply:
        reply = handler(request)
        if request.method == "HEAD":
            return replace(reply, body=b"", announced=len(reply.body))
        return reply

    return bodiless


def ignoring_range(handler: Handler) -> Handler:
    """Return a handler that does not see the Range header."""

    def wrapped(request: Received) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        return handler(replace(request, headers=headers))

    return wrapped


def failing(handler: Handler, *, times: int, reply: Reply | None = None) -> Handler:
    """Return a handler that answers the first `times` requests with `reply`, or 503."""
    lock, left = threading.Lock(), [times]

    def wrapped(request: Received) -> Reply:
        with lock:
            left[0] -= 1
            fails = left[0] >= 0
        return (reply or Reply(status=503)) if fails else handler(request)

    return wrapped


def _in_turn(replies: Sequence[Reply]) -> Handler:
    lock, following = threading.Lock(), iter(replies)

    def handler(request: Received) -> Reply:
        with lock:
            return next(following, Reply(status=599, body=f"no reply to {request}".encode()))

    return handler


def _receive(connection: socket.socket, reader: BinaryIO) -> Received | None:
    """Read one request; None if the client sends no further one, or hangs up within it."""
    line = reader.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (header := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    if headers.pop("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        del headers["transfer-encoding"]
        body = b"".join(_chunks(reader))
    else:
        length = int(headers.get("content-length", "0"))
        body = reader.read(length)
        if len(body) < length:
            return None
    return Received(line[0], line[1], headers, body)


def _chunks(reader: BinaryIO) -> Iterator[bytes]:
    while size := int(reader.readline().split(b";")[0], 16):
        yield reader.read(size)
        reader.readline()
    while reader.readline().strip():
        pass  # trailers


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
