"""The program behind `http_server`: ranged static files with strong validators.

Run as `python -m blobio.testing.emulators.static ROOT [PEM]`; prints its URL, then serves until it
is killed.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import urllib.parse
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO, Final, final

__all__ = ["main", "parse_range"]

_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)")


def parse_range(value: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open span that a Range header asks for, cut at the end.

    Returns:
        None if the header is absent or of a form that may be ignored (several ranges, nonsense);
        a pair whose start is `size` or more if it cannot be satisfied.
    """
    match = _RANGE.fullmatch(value or "")
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if int(last) else (size, size)
    start = int(first)
    if last and int(last) < start:
        return None
    return start, min(int(last) + 1, size) if last else size


@final
class _Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    root = "/"

    def do_GET(self) -> None:
        file = self._open()
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._serve(file)

    do_HEAD = do_GET  # noqa: N815 - the name that BaseHTTPRequestHandler looks for

    def _open(self) -> BinaryIO | None:
        """Open the file that the path names, if it is a regular one below the root."""
        name = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        try:
            real = os.path.realpath(os.path.join(self.root, name))
        except ValueError:  # NUL in the name
            return None
        if os.path.commonpath([real, self.root]) != self.root or not os.path.isfile(real):
            return None
        try:
            return open(real, "rb")
        except OSError:
            return None

    def _serve(self, file: BinaryIO) -> None:
        facts = os.fstat(file.fileno())
        size = facts.st_size
        etag = f'"{facts.st_mtime_ns:x}-{size:x}-{facts.st_ino:x}"'
        modified = formatdate(facts.st_mtime, usegmt=True)
        common = {"ETag": etag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
        wanted, unwanted = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if wanted not in (None, "*") and etag not in _tags(wanted):
            self._refuse(HTTPStatus.PRECONDITION_FAILED, common)
            return
        if unwanted is not None and (unwanted == "*" or etag in _tags(unwanted)):
            self._refuse(HTTPStatus.NOT_MODIFIED, common)
            return
        span = None
        # RFC 9110 13.1.5: a range holds only while the validator is the current one
        if self.headers.get("If-Range") in (None, etag, modified):
            span = parse_range(self.headers.get("Range"), size)
        if span is not None and span[0] >= size:
            common["Content-Range"] = f"bytes */{size}"
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, common)
            return
        if span is not None:
            common["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
        self._send(file, span or (0, size), common, partial=span is not None)

    def _send(
        self, file: BinaryIO, span: tuple[int, int], headers: dict[str, str], *, partial: bool
    ) -> None:
        start, stop = span
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        self._finish_headers(stop - start, headers)
        if self.command == "HEAD" or start == stop:
            return
        self.wfile.flush()
        self.connection.sendfile(file, start, stop - start)

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self._finish_headers(0, headers or {})

    def _finish_headers(self, length: int, headers: dict[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Stay quiet: one line per request would cost more than the request."""


@final
class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up: tests do little else."""


def _tags(value: str | None) -> set[str]:
    return {tag.strip() for tag in (value or "").split(",")}


def main(root: str, pem: str | None = None) -> None:
    """Serve `root` on a free port of 127.0.0.1, with TLS if given a certificate, until killed."""
    _Handler.root = os.path.realpath(root)
    server = _Server(("127.0.0.1", 0), _Handler)
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        # the handshake happens in the connection's own thread, not in the accepting one
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "http" if pem is None else "https"
    sys.stdout.write(f"{scheme}://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
