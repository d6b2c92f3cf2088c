"""The raw server: a thread a connection, bodies straight from the page cache to the socket.

The first line of its standard input is JSON with the fields of `Settings`. It prints one line of
JSON with its ports once they are open, and serves until its standard input is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, final

from benchmarks.server.azure import Azure
from benchmarks.server.gcs import Gcs
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.s3 import S3
from benchmarks.server.shelf import Shelf

__all__ = ["COUNTS_PATH", "Settings"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server is told.

    Attributes:
        store: Whose API it speaks, a name of `STORES`.
        directory: Files that are served.
        certificate: PEM file of the certificate chain and key for TLS.
        key_count: Keys of the listing.
        keep: Keep the bodies of uploads.
        crc32c: Checksums of the files by key; empty to serve none.
        md5: As `crc32c`.
        latency_s: How long an answer waits before it is sent.
    """

    store: str
    directory: str
    certificate: str
    key_count: int
    keep: bool
    crc32c: dict[str, str]
    md5: dict[str, str]
    latency_s: float = 0.0


COUNTS_PATH: Final = "/-counts"
"""Answers with the requests and bytes of bodies so far, as JSON; is not counted itself."""


class _Api(Protocol):
    @property
    def always(self) -> Mapping[str, str]: ...

    def reply(self, request: Request, connection: Connection) -> Reply: ...


_APIS: Final[Mapping[str, Callable[[Shelf, Listing], _Api]]] = {
    "s3": S3,
    "gcs": Gcs,
    "azure": Azure,
}


@final
class _Server:
    def __init__(self, settings: Settings) -> None:
        shelf = Shelf(
            settings.directory, keep=settings.keep, crc32c=settings.crc32c, md5=settings.md5
        )
        self._api = _APIS[settings.store](shelf, Listing(settings.key_count, shelf))
        self._latency_s = settings.latency_s
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(settings.certificate)

    def listen(self, *, tls: bool) -> int:
        """Serve a free port; return its number."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self._accept, args=(listener, tls), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def _accept(self, listener: socket.socket, tls: bool) -> None:  # noqa: FBT001 - a thread's target
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock, tls), daemon=True).start()

    def _serve(self, sock: socket.socket, tls: bool) -> None:  # noqa: FBT001 - a thread's target
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            if tls:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            connection = Connection(sock, self._api.always)
            while (request := connection.request()) is not None:
                if request.path == COUNTS_PATH:
                    connection.answer(request, self._counts())
                    continue
                reply = self._api.reply(request, connection)
                with self._lock:
                    self._requests += 1
                    self._bytes += len(reply.body) if request.method != "HEAD" else 0
                if self._latency_s:
                    time.sleep(self._latency_s)
                connection.answer(request, reply)

    def _counts(self) -> Reply:
        with self._lock:
            return Reply(200, json.dumps([self._requests, self._bytes]).encode())


def _main() -> None:
    server = _Server(Settings(**json.loads(sys.stdin.readline())))
    ports = {"http": server.listen(tls=False), "https": server.listen(tls=True)}
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads hold nothing that has to be put in order


if __name__ == "__main__":
    _main()
