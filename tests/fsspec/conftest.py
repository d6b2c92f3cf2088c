"""File systems over real stores, and a directory in each for the test at hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import pytest

from blobio.fsspec import (
    AzureFileSystem,
    BlobFileSystem,
    GcsFileSystem,
    LocalFileSystem,
    MemoryFileSystem,
    S3FileSystem,
)
from blobio.testing.emulators import AzureServer, GcsServer, S3Server

BUCKET: Final = "fsspec"
STORES: Final = ("memory", "local", "moto", "rclone", "gcs", "azurite")
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A file system and an empty directory in it.

    Attributes:
        fs: The file system, for blocking calls.
        path: The directory, as fsspec names it.
        options: Make another file system of the same store.
    """

    fs: BlobFileSystem
    path: str
    options: dict[str, Any]

    def at(self, name: str) -> str:
        """Return the path of a name in the directory."""
        return f"{self.path}/{name}"


def options_of(server: S3Server) -> dict[str, Any]:
    """Return storage options that reach a server, under the names s3fs has for them."""
    config = server.config().s3
    return {
        "key": config.access_key_id,
        "secret": config.secret_access_key,
        "client_kwargs": {"endpoint_url": config.endpoint_url, "region_name": config.region},
    }


@pytest.fixture(scope="session")
def make_place(
    moto: S3Server, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], Place]:
    servers: dict[str, Any] = {"moto": moto}
    moto.make_bucket(BUCKET)

    def make(store: str) -> Place:
        number = next(_numbers)
        if store == "local":
            return Place(LocalFileSystem(), str(tmp_path_factory.mktemp("fsspec")), {})
        if store == "memory":
            return Place(MemoryFileSystem(), f"{BUCKET}/{number}", {})
        if store not in servers:
            servers[store] = request.getfixturevalue(store)
            _make_bucket(servers[store])
        server = servers[store]
        options: dict[str, Any]
        if isinstance(server, GcsServer):
            options = {"token": "anon", "endpoint_url": server.config().gcs.endpoint_url}
            return Place(GcsFileSystem(**options), f"{BUCKET}/{number}", options)
        if isinstance(server, AzureServer):
            azure = server.config().azure
            options = {
                "account_name": server.account,
                "account_key": azure.account_key,
                "endpoint_url": azure.endpoint_url,
            }
            return Place(AzureFileSystem(**options), f"{BUCKET}/{number}", options)
        options = options_of(server)
        return Place(S3FileSystem(**options), f"{BUCKET}/{number}", options)

    return make


def _make_bucket(server: GcsServer | AzureServer | S3Server) -> None:
    if isinstance(server, AzureServer):
        server.make_container(BUCKET)
    else:
        server.make_bucket(BUCKET)


@pytest.fixture(params=["memory", "local", "moto", "gcs", "azurite"])
def place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Iterator[Place]:
    """An empty directory in each of the stores."""
    made = make_place(request.param)
    yield made
    if made.fs.exists(made.path):
        made.fs.rm(made.path, recursive=True)
