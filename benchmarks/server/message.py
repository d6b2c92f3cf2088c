"""HTTP/1.1 over a blocking socket: what stores' clients send, with little work."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final
from urllib.parse import parse_qsl, unquote

from blobio.checksum import Crc32c

__all__ = ["Connection", "Cut", "Reply", "Request"]

_HEAD_BYTES: Final = 64 << 10
_BODY_BYTES: Final = 1 << 20
_ONE_SEND_BYTES: Final = 64 << 10
_PHRASES: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    308: "Resume Incomplete", 400: "Bad Request", 404: "Not Found", 412: "Precondition Failed",
    416: "Range Not Satisfiable", 501: "Not Implemented", 503: "Service Unavailable",
}  # fmt: skip
_PACES_A_SECOND: Final = 100
_RESET: Final = struct.pack("ii", 1, 0)  # l_onoff and l_linger of close(): drop all, send RST


class Cut(ConnectionError):
    """The server has reset the connection on purpose."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request.

    Attributes:
        method: In capitals.
        path: Unescaped, without the query.
        query: A name without a value has an empty one.
        headers: Names in lower case.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def body_bytes(self) -> int:
        """Length of the body that follows."""
        return int(self.headers.get("content-length", "0"))


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: HTTP status.
        body: Sent unless the request was a HEAD.
        headers: All but Content-Length, or with it to announce another length for a HEAD.
    """

    status: int
    body: memoryview | bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@final
class Connection:
    """One client's socket, read and written by one thread.

    Args:
        sock: The socket.
        always: Headers of every reply.
        rate_bytes: Of bodies sent in a second, at most; 0 for no limit.
    """

    def __init__(
        self, sock: socket.socket, always: Mapping[str, str], rate_bytes: float = 0.0
    ) -> None:
        self._sock = sock
        self._always = always
        self._rate_bytes = rate_bytes
        self._waiting = bytearray()
        self._scratch = bytearray(_BODY_BYTES)

    def request(self) -> Request | None:
        """Read the head of the next request; None once the client has gone."""
        while (end := self._waiting.find(b"\r\n\r\n")) < 0:
            received = self._sock.recv(_HEAD_BYTES)
            if not received:
                return None
            self._waiting += received
        first, *lines = self._waiting[:end].decode("latin-1").split("\r\n")
        del self._waiting[: end + 4]
        method, target, _ = first.split(" ", 2)
        path, _, query = target.partition("?")
        pairs = (line.partition(":") for line in lines)
        return Request(
            method,
            unquote(path),
            dict(parse_qsl(query, keep_blank_values=True)) if query else {},
            {name.lower(): value.strip() for name, _, value in pairs},
        )

    def body(
        self, request: Request, *, keep: bool, crc32c: Crc32c | None = None
    ) -> bytearray | None:
        """Take the body off the socket; return it if it is to be kept.

        Args:
            request: Whose body.
            keep: Return it.
            crc32c: Is told of all bytes.
        """
        size = request.body_bytes
        if size and request.headers.get("expect") == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        kept = bytearray(size) if keep else None
        target = memoryview(self._scratch if kept is None else kept)
        done = 0
        while done < size:
            start = done if keep else 0
            room = target[start : start + min(size - done, _BODY_BYTES)]
            count = self._receive(room)
            if crc32c is not None:
                crc32c.update(room[:count])
            done += count
        return kept

    def _receive(self, target: memoryview) -> int:
        """Fill the front of `target` with what has come, at least one byte; return how many."""
        count = min(len(target), len(self._waiting))
        if count:
            target[:count] = self._waiting[:count]
            del self._waiting[:count]
            return count
        count = self._sock.recv_into(target)
        if not count:
            message = "the client left in the middle of a body"
            raise ConnectionError(message)
        return count

    def answer(self, request: Request, reply: Reply, *, cut: bool = False) -> None:
        """Send a reply.

        Args:
            request: What is replied to.
            reply: Head and body.
            cut: Send half of the body, then reset the connection.

        Raises:
            Cut: That was done.
        """
        headers = {"content-length": str(len(reply.body)), **self._always, **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES[reply.status]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if request.method == "HEAD":
            self._sock.sendall(head)
        elif cut:
            self._sock.sendall(head)
            self._send(memoryview(reply.body)[: len(reply.body) // 2])
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raise Cut
        elif len(reply.body) <= _ONE_SEND_BYTES and not self._rate_bytes:
            self._sock.sendall(head + bytes(reply.body))
        else:
            self._sock.sendall(head)
            self._send(memoryview(reply.body))

    def _send(self, body: memoryview) -> None:
        """Send a body no faster than the connection may."""
        if not self._rate_bytes:
            self._sock.sendall(body)
            return
        due, step = time.perf_counter(), max(1, int(self._rate_bytes / _PACES_A_SECOND))
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            due += len(piece) / self._rate_bytes
            time.sleep(max(0.0, due - time.perf_counter()))
            self._sock.sendall(piece)
