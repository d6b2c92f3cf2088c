"""A real socket that answers as a test says, byte for byte."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Writer = asyncio.StreamWriter
Answer = Callable[[Received, Writer], Awaitable[None]]


@dataclass
class Server:
    """What a running server has seen.

    A connection is closed when `answer` has closed its writer or set `close_after`.
    """

    answer: Answer
    port: int = 0
    scheme: str = "http"
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    read_bodies: bool = True

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                received = await self._receive(reader, number)
                self.requests.append(received)
                await self.answer(received, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.tasks.discard(task)

    async def _receive(self, reader: asyncio.StreamReader, number: int) -> Received:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {}
        for each in fields:
            name, _, value = each.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0")) if self.read_bodies else 0
        return Received(method, target, headers, await reader.readexactly(length), number)


@asynccontextmanager
async def running(
    answer: Answer, *, tls: ssl.SSLContext | None = None, read_bodies: bool = True
) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback interface."""
    server = Server(answer, scheme="https" if tls else "http", read_bodies=read_bodies)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await listener.wait_closed()


def ok(body: bytes = b"", status: int = 200, headers: str = "") -> bytes:
    """Spell a whole reply."""
    head = f"HTTP/1.1 {status} Reason\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST, as a crashing peer does."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
