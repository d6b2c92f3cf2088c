"""A static file server whose replies a careful client can pin: `http_server`."""

from __future__ import annotations

import importlib.util
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from typing import final

from blobio.config import Config, HttpConfig
from blobio.testing.emulators.process import server_process

__all__ = ["HttpServer", "certificate", "http_server"]

_MODULE = "blobio.testing.emulators.static"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A running file server.

    Attributes:
        url: `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`, without a trailing `/`.
        root: The directory it serves. Files may be added and changed while it runs.
        ca_file: PEM file of the authority that signed its certificate; None without TLS.
    """

    url: str
    root: Path
    ca_file: str | None = None

    def config(self) -> Config:
        """Return a `Config` that trusts this server."""
        return Config(http=HttpConfig(ca_file=self.ca_file))


@contextmanager
def http_server(root: Path, *, tls: bool = False) -> Iterator[HttpServer]:
    """Serve the files below `root` until the `with` block ends.

    Answers GET and HEAD with a strong ETag and Last-Modified; honours single ranges, If-Range,
    If-Match and If-None-Match; 416 where the range starts past the end.

    Args:
        root: Directory to serve; symbolic links out of it are not followed.
        tls: Serve HTTPS with a certificate of an authority made for this server.

    Raises:
        RuntimeError: It did not start, or `tls` and `trustme` is missing (`pip install trustme`).
    """
    scheme = "https" if tls else "http"
    authority: list[Path] = []

    def command(directory: Path) -> list[str]:
        arguments = [sys.executable, "-m", _MODULE, str(root.resolve())]
        if tls:
            issued, ca_file = certificate(directory)
            authority.append(ca_file)
            arguments.append(str(issued))
        return arguments

    def answers(port: int) -> bool:
        context = create_default_context(cafile=authority[0]) if tls else None
        try:
            with urllib.request.urlopen(  # noqa: S310 - http(s), loopback
                f"{scheme}://127.0.0.1:{port}/", timeout=5, context=context
            ):
                return True
        except urllib.error.HTTPError as reply:
            reply.close()
            return True
        except OSError:
            return False

    with server_process("static", command, answers) as (_, port):
        yield HttpServer(
            url=f"{scheme}://127.0.0.1:{port}",
            root=root,
            ca_file=str(authority[0]) if tls else None,
        )


def certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate with its key, and the authority that signed it; return both paths."""
    if importlib.util.find_spec("trustme") is None:
        message = "the package trustme is missing: run  pip install trustme"
        raise RuntimeError(message)
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    certificate, ca_file = directory / "server.pem", directory / "ca.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(ca_file))
    return certificate, ca_file
