"""Places to write datasets to: an empty directory in each store, and what a reader finds there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobio import Config, Context
from blobio.dataset import Manifest
from blobio.testing.emulators import AzureServer
from blobio.testing.strict_s3 import StrictS3, strict_s3
from blobio.transport.observe import Event

BUCKET: Final = "shards"
STORES: Final = ("memory", "local", "moto", "rclone", "gcs", "azurite")
SCHEMA: Final = pa.schema([("id", pa.int64()), ("text", pa.string())])
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """An empty directory of a store.

    Attributes:
        config: Reaches it.
        root: The directory, as a URL or path.
        context: blobio's view of it, which is not counted.
        events: One for each request sent with `config`.
        server: Its server, if it has one.
    """

    config: Config
    root: str
    context: Context
    events: list[Event] = field(default_factory=list)
    server: Any = None

    def at(self, name: str) -> str:
        """Return the path of a name in the directory."""
        return f"{self.root}/{name}"

    def names(self) -> list[str]:
        """Return the names of all blobs below the directory."""
        found = self.context.glob(f"{self.root}/**")
        return sorted(path[len(self.root) + 1 :] for path in found if not self.context.isdir(path))

    def methods(self) -> list[str]:
        """Return the HTTP methods sent since the last call, oldest first."""
        methods = [event.method for event in self.events]
        self.events.clear()
        return methods


Make = Callable[[str], Place]


@pytest.fixture(scope="session")
def strict() -> Iterator[StrictS3]:
    """An S3 server that tells which uploads were left open."""
    with strict_s3() as server:
        yield server


@pytest.fixture(scope="session")
def urls(request: pytest.FixtureRequest) -> Callable[[str], tuple[Config, str, Any]]:
    """Return the settings and the URL of a bucket of a store; servers start once."""
    known: dict[str, tuple[Config, str, Any]] = {}

    def find(store: str) -> tuple[Config, str, Any]:
        if store not in known:
            server: Any = request.getfixturevalue(store)
            if isinstance(server, AzureServer):
                server.make_container(BUCKET)
                url = f"az://{server.account}/{BUCKET}"
            else:
                server.make_bucket(BUCKET)
                url = f"gs://{BUCKET}" if store == "gcs" else f"s3://{BUCKET}"
            known[store] = (server.config(), url, server)
        return known[store]

    return find


@pytest.fixture
def make_place(
    urls: Callable[[str], tuple[Config, str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Make]:
    contexts: list[Context] = []

    def make(store: str) -> Place:
        events: list[Event] = []
        server: Any = None
        if store == "local":
            config, root = Config(), str(tmp_path_factory.mktemp(BUCKET))
        elif store == "memory":
            config, root = Config(), f"memory://{BUCKET}/{next(_numbers)}"
        else:
            config, url, server = urls(store)
            root = f"{url}/{next(_numbers)}"
        contexts.append(Context(config))
        counted = replace(config, on_event=events.append)
        return Place(counted, root, contexts[-1], events, server)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, make_place: Make) -> Place:
    """An empty directory in each of the stores."""
    return make_place(request.param)


@pytest.fixture
def memory(make_place: Make) -> Place:
    """An empty directory in memory."""
    return make_place("memory")


def table(start: int, stop: int) -> pa.Table:
    """Return rows `start` to `stop` of a dataset whose every row tells its number."""
    return pa.table(
        {"id": range(start, stop), "text": [f"row {i}" for i in range(start, stop)]}, schema=SCHEMA
    )


def rows_of(place: Place, manifest: Manifest) -> list[int]:
    """Read all shards of a manifest, in order, and return the number of each row."""
    found: list[int] = []
    for shard in manifest.shards:
        data = pa.BufferReader(place.context.read_bytes(shard.url, version=shard.version))
        if shard.format == "parquet":
            file = pq.ParquetFile(data)
            read = [file.read_row_group(number) for number in range(file.num_row_groups)]
        else:
            reader = pa.ipc.open_file(data)
            read = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        assert [part.num_rows for part in read] == [block.num_rows for block in shard.blocks]
        for part in read:
            assert part["text"].to_pylist() == [f"row {i}" for i in part["id"].to_pylist()]
            found += part["id"].to_pylist()
    return found
