"""The stores that `blobio sync` is run over: a directory, and four servers with their variables."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import pytest

from blobio.aio import AsyncContext

__all__ = ["STORES", "Shell", "Store", "content", "fill", "servers", "shell"]

DEAD: Final = "http://127.0.0.1:1"  # nobody listens on port 1
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Store:
    """One kind of store.

    Attributes:
        server: Fixture of its server; "" for the disk.
        bucket: URL of a bucket or container.
        make: Method of the server that makes it.
    """

    server: str = ""
    bucket: str = ""
    make: str = "make_bucket"

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables that lead the command to a server at `url`."""
        if self.server in ("moto", "rclone"):
            return {
                "AWS_ENDPOINT_URL_S3": url,
                "AWS_REGION": "us-east-1",
            }
        if self.server == "gcs":
            return {"STORAGE_EMULATOR_HOST": url}
        return {}


STORES: Final = {
    "local": Store(),
    "moto": Store("moto", "s3://cli-sync"),
    "rclone": Store("rclone", "s3://cli-sync"),
    "gcs": Store("gcs", "gs://cli-sync"),
    "azurite": Store("azurite", "az://devstoreaccount1/cli-sync", "make_container"),
}


@final
class Shell:
    """Runs the command against one store.

    Args:
        name: The store.
        server: Its server, or None.
        directory: For what lies on disk.
        patch: Sets variables.
    """

    def __init__(self, name: str, server: Any, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.store = STORES[name]
        self.directory = directory
        self.environment: dict[str, str] = {}
        self._server = server
        self._patch = patch
        self.is_local = not self.store.server
        self.connect(server.url if server else "")

    def connect(self, url: str) -> None:
        """Lead the command to a server at `url`."""
        new = self.store.environment(url)
        if self.store.server in ("moto", "rclone"):
            new["AWS_ACCESS_KEY_ID"] = self._server.access_key
            new["AWS_SECRET_ACCESS_KEY"] = self._server.secret_key
        if self.store.server == "azurite":
            server = self._server
            new["AZURE_STORAGE_CONNECTION_STRING"] = (
                f"DefaultEndpointsProtocol=http;AccountName={server.account};"
                f"AccountKey={server.key};BlobEndpoint={url}/{server.account};"
            )
        for name, value in new.items():
            self._patch.setenv(name, value)
        self.environment |= new

    def new_tree(self) -> str:
        """Return the name of a tree that nothing is in; on disk its directory is not there."""
        if self.is_local:
            return str(self.directory / f"tree{next(_numbers)}")
        return f"{self.store.bucket}/tree{next(_numbers)}"

    def missing_bucket(self) -> str:
        """Return a tree in a bucket that is not there; on disk, below no directory."""
        if self.is_local:
            return str(self.directory / "no" / "such" / "tree")
        return f"{self.store.bucket}-is-not-there/tree"


def fill(root: str, blobs: Mapping[str, bytes]) -> None:
    """Write blobs below a root."""

    async def work() -> None:
        async with AsyncContext() as context:
            for name, data in blobs.items():
                await context.write_bytes(f"{root}/{name}", data)

    asyncio.run(work())


def content(root: str) -> dict[str, bytes]:
    """Return the blobs below a root by their relative names."""

    async def work() -> dict[str, bytes]:
        async with AsyncContext() as context:
            found: dict[str, bytes] = {}
            async for top, _, files in context.walk(root):
                for name in files:
                    path = f"{top.rstrip('/')}/{name}"
                    found[path.removeprefix(root).lstrip("/")] = await context.read_bytes(path)
            return found

    return asyncio.run(work())


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Start all servers, each with its bucket, before a test looks at what is open."""
    started: dict[str, Any] = {}
    for name, store in STORES.items():
        if store.server:
            started[name] = request.getfixturevalue(store.server)
            _make_bucket(store, started[name])
    return started


@cache
def _make_bucket(store: Store, server: Any) -> None:
    """Make a bucket once, though each module that imports the fixture has its own."""
    getattr(server, store.make)(store.bucket.rpartition("/")[2])


@pytest.fixture(params=sorted(STORES))
def shell(
    request: pytest.FixtureRequest,
    servers: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    """Lead the command to each of the stores."""
    return Shell(request.param, servers.get(request.param), tmp_path, monkeypatch)
