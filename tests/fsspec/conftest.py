"""File systems over real stores, and a directory in each for the test at hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import pytest

from blobio.fsspec import BlobFileSystem, LocalFileSystem, MemoryFileSystem, S3FileSystem
from blobio.testing.emulators import S3Server

BUCKET: Final = "fsspec"
STORES: Final = ("memory", "local", "moto", "rclone")
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
    servers = {"moto": moto}
    moto.make_bucket(BUCKET)

    def make(store: str) -> Place:
        number = next(_numbers)
        if store == "local":
            return Place(LocalFileSystem(), str(tmp_path_factory.mktemp("fsspec")), {})
        if store == "memory":
            return Place(MemoryFileSystem(), f"{BUCKET}/{number}", {})
        if store not in servers:
            servers[store] = request.getfixturevalue(store)
            servers[store].make_bucket(BUCKET)
        options = options_of(servers[store])
        return Place(S3FileSystem(**options), f"{BUCKET}/{number}", options)

    return make


@pytest.fixture(params=["memory", "local", "moto"])
def place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Iterator[Place]:
    """An empty directory in each of the stores."""
    made = make_place(request.param)
    yield made
    if made.fs.exists(made.path):
        made.fs.rm(made.path, recursive=True)
