"""Directories in real stores for shards, and a count of the requests that reading them sends."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobio import Config, Context
from blobio.dataset.reading import ShardSource
from blobio.dataset.source import RowRange, Source
from blobio.testing.emulators import AzureServer
from blobio.transport.observe import Event

BUCKET: Final = "dataset"
STORES: Final = ("memory", "local", "moto", "rclone", "gcs", "azurite")
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """An empty directory of a store.

    Attributes:
        store: Its name.
        config: Settings under which each request adds to `events`.
        context: blobio's own view of the store, uncounted.
        root: The directory, as a URL or path.
        events: One for each request.
        server: Its server, if it has one.
    """

    store: str
    config: Config
    context: Context
    root: str
    events: list[Event] = field(default_factory=list)
    server: Any = None

    def at(self, name: str) -> str:
        """Return the path of a name in the directory."""
        return f"{self.root}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Store bytes; return where."""
        self.context.write_bytes(self.at(name), data)
        return self.at(name)

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
            found, url, server = urls(store)
            # exact counts of requests: a machine that is busy makes reads slow
            dataset = replace(found.dataset, hedge_share=0)
            config = replace(found, dataset=dataset, on_event=events.append)
            root = f"{url}/{next(_numbers)}"
        contexts.append(Context(replace(config, on_event=None)))
        return Place(store, config, contexts[-1], root, events, server)

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


@pytest.fixture
def memory(make_place: Make) -> Place:
    """An empty directory in memory."""
    return make_place("memory")


def table(rows: int = 100, first: int = 0) -> pa.Table:
    """Return a table of three columns, one of them nested, all of them with nulls."""
    numbers = range(first, first + rows)
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "text": pa.array([None if i % 7 == 0 else f"row {i}" for i in numbers], pa.string()),
            "tags": pa.array(
                [None if i % 5 == 0 else [{"name": f"t{i}", "weight": i / 2}] for i in numbers],
                pa.list_(pa.struct({"name": pa.string(), "weight": pa.float64()})),
            ),
        }
    )


def parquet(content: pa.Table, *, group: int = 10, **options: Any) -> bytes:
    """Return a table as a Parquet file of row groups of `group` rows."""
    out = io.BytesIO()
    pq.write_table(content, out, row_group_size=group, **options)
    return out.getvalue()


def whole(source: Source) -> list[RowRange]:
    """Return one range for each block, all of its rows."""
    return [RowRange(block, 0, rows) for block, rows in enumerate(source.block_rows)]


def read_all(source: ShardSource, ranges: Iterable[RowRange] | None = None) -> pa.Table:
    """Read ranges, or everything, as one table."""
    batches = list(source.read(whole(source) if ranges is None else ranges))
    return pa.Table.from_batches(batches, schema=source.schema)
