"""Stores for the programs, under fsspec's names, with a count of the requests they cost.

The tests here need the dependency groups `clients` and `torch`: where a program is not installed,
its tests are not collected.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from typing import Any, Final, final

import fsspec
import pytest

from blobio import Context
from blobio.testing.emulators import GcsServer, S3Server
from blobio.transport.observe import Event

_NEEDS: Final = {
    "test_arrays.py": "zarr",
    "test_arrow_streams.py": "polars",
    "test_beside.py": "s3fs",
    "test_datasets.py": "datasets",
    "test_hub.py": "datasets",
    "test_grain.py": "grain",
    "test_tables.py": "dask",
    "test_torch.py": "torch",
    "test_torch_datasets.py": "torchdata",
    "test_torch_losses.py": "torchdata",
}
collect_ignore = [file for file, name in _NEEDS.items() if importlib.util.find_spec(name) is None]

BUCKET: Final = "clients"
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Store:
    """An empty directory of a store.

    Attributes:
        name: `"s3"` or `"gs"`.
        root: The directory, as a URL that fsspec sends to blobio.
        given: fsspec's storage options.
        context: blobio's own view of the store.
        events: One for each request that went out by `options`.
    """

    name: str
    root: str
    given: dict[str, Any]
    context: Context
    events: list[Event] = field(default_factory=list)

    def url(self, name: str) -> str:
        """Return the URL of a name in the directory, for programs."""
        return f"{self.root}/{name}"

    def own(self, name: str) -> str:
        """Return the same URL as blobio itself has it."""
        return self.url(name).removeprefix("blobio")

    @property
    def options(self) -> dict[str, Any]:
        """The storage options anew, for `datasets` adds its own to them."""
        return dict(self.given)

    @property
    def fs(self) -> Any:
        """The file system, as fsspec gives it out."""
        return fsspec.filesystem(self.root.partition(":")[0], **self.options)

    def requests(self) -> int:
        """Return how many requests were sent since the last call."""
        count = len(self.events)
        self.events.clear()
        return count


@pytest.fixture(scope="session")
def make_store(moto: S3Server, gcs: GcsServer) -> Callable[[str], Store]:
    moto.make_bucket(BUCKET)
    gcs.make_bucket(BUCKET)
    contexts = {"s3": Context(moto.config()), "gs": Context(gcs.config())}
    s3 = moto.config().s3
    options: dict[str, dict[str, Any]] = {
        "s3": {
            "key": s3.access_key_id,
            "secret": s3.secret_access_key,
            "client_kwargs": {"endpoint_url": s3.endpoint_url, "region_name": s3.region},
        },
        "gs": {"token": "anon", "endpoint_url": gcs.config().gcs.endpoint_url},
    }

    def make(name: str) -> Store:
        events: list[Event] = []
        root = f"blobio{name}://{BUCKET}/{next(_numbers)}"
        counted = {**options[name], "on_event": events.append}
        return Store(name, root, counted, contexts[name], events)

    return make


@pytest.fixture(params=["s3", "gs"])
def store(request: pytest.FixtureRequest, make_store: Callable[[str], Store]) -> Iterator[Store]:
    """An empty directory, on moto and on fake-gcs-server."""
    made = make_store(request.param)
    yield made
    made.fs.clear_instance_cache()


@pytest.fixture(scope="module")
def spawning_has_its_own_process() -> None:
    """Start what multiprocessing starts once and leaves running: no test has left it."""
    resource_tracker.ensure_running()
