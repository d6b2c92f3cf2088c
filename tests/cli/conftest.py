"""A shell: runs command lines in this process, on one store after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pytest

from blobio.cli import main
from blobio.testing.emulators import AzureServer, GcsServer, S3Server
from blobio.testing.faultproxy import FaultProxy

STORES: Final = ("local", "moto", "rclone", "gcs", "azurite")
BUCKET: Final = "cli-bucket"


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout, in order of their text: transfers end in any order."""
        return sorted(self.out.splitlines())

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def environment(moto: S3Server, rclone: S3Server, gcs: GcsServer, azurite: AzureServer) -> Servers:
    """Start all servers, each with a bucket."""
    for server in (moto, rclone, gcs):
        server.make_bucket(BUCKET)
    azurite.make_container(BUCKET)
    return Servers(moto, rclone, gcs, azurite)


@final
@dataclass(frozen=True, slots=True)
class Servers:
    """The servers, and how a command is told of them."""

    moto: S3Server
    rclone: S3Server
    gcs: GcsServer
    azurite: AzureServer

    def variables(self, store: str) -> dict[str, str]:
        """Return the environment in which all stores are reached, with one of the S3 servers."""
        s3 = self.rclone if store == "rclone" else self.moto
        return {
            "AWS_ENDPOINT_URL_S3": s3.url,
            "AWS_REGION": s3.region,
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "STORAGE_EMULATOR_HOST": self.gcs.url,
            "AZURE_STORAGE_CONNECTION_STRING": _connection_string(self.azurite),
            "COLUMNS": "100",
        }

    @contextmanager
    def proxied(self, store: str, patch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
        """Lead commands to a store through a proxy while the body runs."""
        urls = {"rclone": self.rclone.url, "gcs": self.gcs.url, "azurite": self.azurite.url}
        upstream = urls.get(store, self.moto.url)
        with FaultProxy(upstream) as proxy:
            for name, value in self.variables(store).items():
                patch.setenv(name, value.replace(upstream, proxy.url))
            yield proxy


@pytest.fixture
def root(store: str, tmp_path: Path, environment: Servers, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a directory of its own on the store, ending in `/`; work in an empty directory."""
    for name, value in environment.variables(store).items():
        monkeypatch.setenv(name, value)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "there").mkdir()
    name = f"{tmp_path.name}/"
    return {
        "local": f"{tmp_path}/there/",
        "moto": f"s3://{BUCKET}/{name}",
        "rclone": f"s3://{BUCKET}/{name}",
        "gcs": f"gs://{BUCKET}/{name}",
        "azurite": f"az://devstoreaccount1/{BUCKET}/{name}",
    }[store]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command line, without the program's name."""

    def command(*words: str) -> Ran:
        capfd.readouterr()
        code = main(words)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return command


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Return what starts a command line as a process, with pipes."""

    def command(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "blobio", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )

    return command


def _connection_string(server: AzureServer) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={server.account};AccountKey={server.key};"
        f"BlobEndpoint={server.url}/{server.account};"
    )


def make_tree() -> None:
    """Make the directory `d` with files on two levels in the working directory."""
    Path("d/sub").mkdir(parents=True)
    Path("d/a.txt").write_text("a\n")
    Path("d/b.csv").write_text("bb\n")
    Path("d/sub/c.txt").write_text("ccc\n")
