"""HTTP/1.1 over a blocking socket: what stores' clients send, with little work."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final
from urllib.parse import parse_qsl, unquote

from blobio.checksum import Crc32c

__all__ = ["Connection", "Reply", "Request"]

_HEAD_BYTES: Final = 64 << 10
_BODY_BYTES: Final = 1 << 20
_ONE_SEND_BYTES: Final = 64 << 10
_PHRASES: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
    308: "Resume Incomplete", 400: "Bad Request", 404: "Not Found", 412: "Precondition Failed",
    416: "Range Not Satisfiable", 501: "Not Implemented",
}  # fmt: skip


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
    """

    def __init__(self, sock: socket.socket, always: Mapping[str, str]) -> None:
        self._sock = sock
        self._always = always
        self._waiting = bytearray()
        self._scratch: bytearray | None = None

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

    def body(self, request: Request, *, keep: bool, crc32c: Crc32c | None = None) -> bytes | None:
        """Take the body off the socket; return it if it is to be kept.

        Args:
            request: Whose body.
            keep: Return it.
            crc32c: Is told of all bytes.
        """
        left = request.body_bytes
        if left and request.headers.get("expect") == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        kept = bytearray(self._waiting[:left])
        del self._waiting[:left]
        left -= len(kept)
        if crc32c is not None:
            crc32c.update(bytes(kept))
        if self._scratch is None and left:
            self._scratch = bytearray(_BODY_BYTES)
        while left:
            assert self._scratch is not None
            count = self._sock.recv_into(self._scratch, min(left, _BODY_BYTES))
            if not count:
                message = "the client left in the middle of a body"
                raise ConnectionError(message)
            if keep:
                kept += self._scratch[:count]
            if crc32c is not None:
                crc32c.update(memoryview(self._scratch)[:count])
            left -= count
        return bytes(kept) if keep else None

    def answer(self, request: Request, reply: Reply) -> None:
        """Send a reply."""
        headers = {"content-length": str(len(reply.body)), **self._always, **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES[reply.status]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if request.method == "HEAD":
            self._sock.sendall(head)
        elif len(reply.body) <= _ONE_SEND_BYTES:
            self._sock.sendall(head + bytes(reply.body))
        else:
            self._sock.sendall(head)
            self._sock.sendall(reply.body)
