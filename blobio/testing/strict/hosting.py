"""Runs a strict server: on the running event loop, or on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Final, TypeVar, final

from blobio.testing.strict.connection import Connection, Desk
from blobio.testing.strict.faults import RequestHead

__all__ = ["Listener", "on_a_thread"]

_Server = TypeVar("_Server", bound="AbstractAsyncContextManager[object]")


@final
class Listener:
    """A loopback socket and the connections to it.

    Attributes:
        connections: Those that are open.
        port: Its port, while it is open.
    """

    def __init__(self) -> None:
        self.connections: Final[set[Connection]] = set()
        self.port: int = 0
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    async def open(self, desk: Desk) -> None:
        """Listen on a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up on everybody, and wait until they have gone."""
        assert self._server is not None
        self._server.close()
        if not self.connections:
            self._empty.set()
        for connection in list(self.connections):
            connection.close()
        await self._server.wait_closed()
        await self._empty.wait()

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self.connections.add(connection)
        self._empty.clear()

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def land(self, concerns: Callable[[RequestHead], bool]) -> None:
        """Act now on those requests struck by `Strike.LATE` that `concerns` is true of."""
        for connection in list(self.connections):
            if connection.late is not None and concerns(connection.late[0]):
                connection.land()


@contextmanager
def on_a_thread(server: _Server, name: str) -> Iterator[_Server]:
    """Run `server` on an event loop and thread of its own until the `with` block ends."""
    ready = threading.Event()
    handle: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        done = asyncio.Event()
        async with server:
            handle.append((asyncio.get_running_loop(), done))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name=name, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop, done = handle[0]
        loop.call_soon_threadsafe(done.set)
        thread.join()
