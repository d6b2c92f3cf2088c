"""pyarrow's file systems over real stores, each with a directory of its own and a count."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, final

import pyarrow as pa
import pytest

from blobio import Config, Context
from blobio.pyarrow import filesystem
from blobio.testing.emulators import AzureServer
from blobio.transport.observe import Event

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

BUCKET: Final = "pyarrow"
STORES: Final = ("memory", "local", "moto", "rclone", "gcs", "azurite")
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A file system and an empty directory in it.

    Attributes:
        store: Its name.
        fs: The file system.
        context: blobio's own view of the same store.
        root: The directory, as a URL or path.
        events: One for each request that the file system sent.
    """

    store: str
    fs: FileSystem
    context: Context
    root: str
    events: list[Event] = field(default_factory=list)

    def at(self, name: str) -> str:
        """Return the path of a name in the directory."""
        return f"{self.root}/{name}"

    def methods(self) -> list[str]:
        """Return the HTTP methods sent since the last call, oldest first."""
        methods = [event.method for event in self.events]
        self.events.clear()
        return methods


Make = Callable[[str], Place]


@pytest.fixture(scope="session")
def urls(request: pytest.FixtureRequest) -> Callable[[str], tuple[Config, str]]:
    """Return the settings and the URL of a bucket of a store; servers start once."""
    known: dict[str, tuple[Config, str]] = {}

    def find(store: str) -> tuple[Config, str]:
        if store not in known:
            server: Any = request.getfixturevalue(store)
            if isinstance(server, AzureServer):
                server.make_container(BUCKET)
                url = f"az://{server.account}/{BUCKET}"
            else:
                server.make_bucket(BUCKET)
                url = f"gs://{BUCKET}" if store == "gcs" else f"s3://{BUCKET}"
            known[store] = (server.config(), url)
        return known[store]

    return find


@pytest.fixture
def make_place(
    urls: Callable[[str], tuple[Config, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Make]:
    contexts: list[Context] = []

    def make(store: str) -> Place:
        events: list[Event] = []
        if store == "local":
            config, root = Config(), str(tmp_path_factory.mktemp(BUCKET))
        elif store == "memory":
            config, root = Config(), f"memory://{BUCKET}/{next(_numbers)}"
        else:
            found, url = urls(store)
            config, root = replace(found, on_event=events.append), f"{url}/{next(_numbers)}"
        contexts.append(Context(replace(config, on_event=None)))
        return Place(store, filesystem(config), contexts[-1], root, events)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, make_place: Make) -> Place:
    """An empty directory in each of the stores."""
    return make_place(request.param)


@pytest.fixture(params=[store for store in STORES if store not in ("memory", "local")])
def remote(request: pytest.FixtureRequest, make_place: Make) -> Place:
    """An empty directory in each of the stores that are asked over HTTP."""
    return make_place(request.param)


def table(rows: int = 1000) -> pa.Table:
    """Return a table of three columns."""
    return pa.table(
        {
            "part": [f"p{i % 3}" for i in range(rows)],
            "number": list(range(rows)),
            "text": [f"row {i}" for i in range(rows)],
        }
    )
