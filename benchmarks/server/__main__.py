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
from dataclasses import asdict, dataclass
from typing import Final, Protocol, final

from benchmarks.server.azure import Azure
from benchmarks.server.faults import CALM, SLOW_DOWN, Conditions, Fate, Faults
from benchmarks.server.gcs import Gcs
from benchmarks.server.listing import Listing
from benchmarks.server.message import Connection, Reply, Request
from benchmarks.server.s3 import S3
from benchmarks.server.shelf import Shelf

__all__ = ["COUNTS_PATH", "FAULTS_PATH", "Counts", "Settings"]


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
        conditions: How far away and how troubled it is.
    """

    store: str
    directory: str
    certificate: str
    key_count: int
    keep: bool
    crc32c: dict[str, str]
    md5: dict[str, str]
    conditions: Conditions = CALM


@final
@dataclass(slots=True)
class Counts:
    """What the server has done so far.

    Attributes:
        requests: Requests that came.
        bytes: Of bodies that were sent.
        lists: Requests for a page of a listing, at S3.
        refused: Requests answered 503 on purpose.
        cut: Connections reset on purpose.
    """

    requests: int = 0
    bytes: int = 0
    lists: int = 0
    refused: int = 0
    cut: int = 0

    def since(self, before: Counts) -> Counts:
        """Return what was done after `before`."""
        mine, others = asdict(self), asdict(before)
        return Counts(**{name: mine[name] - others[name] for name in mine})


COUNTS_PATH: Final = "/-counts"
"""Answers with the `Counts` as JSON; neither counted itself nor ever refused."""

FAULTS_PATH: Final = "/-faults"
"""With `?share=` and `&seed=`, begins another draw of faults, and answers as `COUNTS_PATH`."""


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
        self._conditions = settings.conditions
        self._faults = Faults(settings.conditions.fault_share, settings.conditions.fault_seed)
        self._lock = threading.Lock()
        self._counts = Counts()
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
            connection = Connection(sock, self._api.always, self._conditions.rate_bytes)
            while (request := connection.request()) is not None:
                if request.path in (COUNTS_PATH, FAULTS_PATH):
                    connection.answer(request, self._told(request))
                else:
                    self._answer(connection, request)

    def _told(self, request: Request) -> Reply:
        if request.path == FAULTS_PATH:
            self._faults = Faults(float(request.query["share"]), int(request.query["seed"]))
        with self._lock:
            return Reply(200, json.dumps(asdict(self._counts)).encode())

    def _answer(self, connection: Connection, request: Request) -> None:
        fate = self._faults.fate()
        if fate == "refused":
            connection.body(request, keep=False)
            reply = SLOW_DOWN
        else:
            reply = self._api.reply(request, connection)
        size = len(reply.body) if request.method != "HEAD" else 0
        if fate == "cut" and (request.method != "GET" or size < 2):
            fate = ""  # what was written stays written, and is told
        self._count(request, size, fate)
        if self._conditions.latency_s:
            time.sleep(self._conditions.latency_s)
        connection.answer(request, reply, cut=fate == "cut")

    def _count(self, request: Request, size: int, fate: Fate) -> None:
        with self._lock:
            counts = self._counts
            counts.requests += 1
            counts.bytes += size // 2 if fate == "cut" else size
            counts.lists += "list-type" in request.query
            counts.refused += fate == "refused"
            counts.cut += fate == "cut"


def _main() -> None:
    fields = json.loads(sys.stdin.readline())
    fields["conditions"] = Conditions(**fields["conditions"])
    server = _Server(Settings(**fields))
    ports = {"http": server.listen(tls=False), "https": server.listen(tls=True)}
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads hold nothing that has to be put in order


if __name__ == "__main__":
    _main()
