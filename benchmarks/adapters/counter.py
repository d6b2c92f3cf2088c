"""A port in front of the server that counts the requests which pass."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final, final

__all__ = ["Counter", "counted"]

_MARK: Final = b" HTTP/1.1\r\n"
_BLOCK_BYTES: Final = 1 << 20


@final
class Counter:
    """Passes connections on.

    Attributes:
        port: Where it listens.
        requests: How many requests have passed.
    """

    def __init__(self, upstream: int) -> None:
        self.requests: int = 0
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for target in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=target, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:  # noqa: FBT001 - a thread's target
        tail = b""
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK_BYTES):
                if counts:
                    found = (tail + block).count(_MARK)
                    tail = (tail + block)[1 - len(_MARK) :]
                    with self._lock:
                        self.requests += found
                sink.sendall(block)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def counted(upstream: int) -> Iterator[Counter]:
    """Count what goes to a port of this machine while the block runs."""
    counter = Counter(upstream)
    try:
        yield counter
    finally:
        counter.close()
