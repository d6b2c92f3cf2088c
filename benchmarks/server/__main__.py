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
from dataclasses import dataclass
from typing import final

from benchmarks.scale import BUCKET
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.objects import Objects

__all__ = ["Settings"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server is told.

    Attributes:
        directory: Files that are served.
        certificate: PEM file of the certificate chain and key for TLS.
        key_count: Keys of the listing.
        keep: Keep the bodies of uploads.
        crc32c: Checksums of the files by key; empty to serve none.
    """

    directory: str
    certificate: str
    key_count: int
    keep: bool
    crc32c: dict[str, str]


@final
class _Server:
    def __init__(self, settings: Settings) -> None:
        self._objects = Objects(settings.directory, keep=settings.keep, crc32c=settings.crc32c)
        self._listing = Listing(settings.key_count)
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
            connection = Connection(sock)
            while (request := connection.request()) is not None:
                connection.answer(request, self._reply(connection, request))

    def _reply(self, connection: Connection, request: Request) -> Reply:
        _, bucket, key = [*request.path.split("/", 2), ""][:3]
        is_upload = request.method == "PUT"
        body = connection.body(request, keep=self._objects.keep or not is_upload)
        if bucket != BUCKET:
            return Reply(404)
        if request.method in ("GET", "HEAD"):
            return self._objects.get(key, request) if key else self._listing.page(request.query)
        if is_upload:
            return self._objects.put(key, request, body)
        if request.method == "POST":
            return self._objects.post(key, request, body or b"")
        return self._objects.delete(key, request)


def _main() -> None:
    server = _Server(Settings(**json.loads(sys.stdin.readline())))
    ports = {"http": server.listen(tls=False), "https": server.listen(tls=True)}
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads hold nothing that has to be put in order


if __name__ == "__main__":
    _main()
