"""Servers with their buckets, and places on two stores that one context reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blobio.aio import AsyncContext
from blobio.testing.emulators import HttpServer, http_server
from blobio.testing.strict_s3 import StrictS3, strict_s3
from tests.copies.stores import STORES, Place, config_of

Between = Callable[[str, str], tuple[AsyncContext, Place, Place]]


@pytest.fixture(scope="session")
def strict() -> Iterator[StrictS3]:
    """An S3 server that looks at every condition and checksum, and tells what was left behind."""
    with strict_s3() as server:
        yield server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A web server."""
    with http_server(tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Start the servers of all rows, each with its bucket; return them by the name of the row."""
    started: dict[str, Any] = {}
    for name, row in STORES.items():
        if row.server:
            started[name] = request.getfixturevalue(row.server)
            if row.root:
                getattr(started[name], row.make)(row.root.rpartition("/")[2])
    return started


@pytest_asyncio.fixture
async def between(servers: dict[str, Any], tmp_path: Path) -> AsyncIterator[Between]:
    """Make a context that reaches two stores, and a place on each."""
    async with AsyncExitStack() as exits:

        def make(source: str, target: str) -> tuple[AsyncContext, Place, Place]:
            used = {name: servers[name] for name in (source, target) if name in servers}
            context = AsyncContext(config_of(used, target))
            exits.push_async_callback(context.aclose)
            places = []
            for end, name in (("source", source), ("target", target)):
                directory = tmp_path / end
                directory.mkdir()
                places.append(Place(STORES[name], servers.get(name), directory, context))
            return context, places[0], places[1]

        yield make
