from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobio.config import Config, WriteConfig
from blobio.core.files import AsyncWriter
from blobio.core.stores import Stores
from blobio.drivers import registry
from blobio.drivers.base import Driver
from blobio.drivers.registry import DriverServices
from blobio.errors import InvalidUrl, IsDirectory, NotFound, TransportFailed
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response
from blobio.url import BlobUrl
from blobio.values import PutOptions
from tests.unit.core.fakes import DATA, Bent, memory

CONFIG = Config(write=WriteConfig(part_bytes=100, window=3))


class Made:
    """The drivers that a context made, and what they were lent."""

    def __init__(self) -> None:
        self.drivers: list[Bent] = []
        self.services: list[DriverServices] = []
        self.flaky = Flaky()
        self.counting = Counting()

    def __call__(self, url: BlobUrl, services: DriverServices) -> Driver:
        del url
        self.services.append(services)
        self.drivers.append(Bent(Wrapped(memory(), self.counting, self.flaky)))
        return self.drivers[-1]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Serve `memory://` with drivers that the test can look at."""
    drivers = Made()
    monkeypatch.setitem(registry._registered, "memory", drivers)
    return drivers


async def test_there_is_one_driver_for_each_bucket(made: Made) -> None:
    stores = Stores(CONFIG)

    first = stores.driver(BlobUrl.parse("memory://a/x"))
    again = stores.driver(BlobUrl.parse("memory://a/y"))
    other = stores.driver(BlobUrl.parse("memory://b/x"))

    assert first is again
    assert first is not other
    assert len(made.drivers) == 2


async def test_closing_closes_every_driver_once(made: Made) -> None:
    stores = Stores(CONFIG)
    stores.locate("memory://a/x")
    stores.locate("memory://b/x")

    await stores.aclose()
    await stores.aclose()

    assert [driver.closed for driver in made.drivers] == [1, 1]


async def test_drivers_share_one_pool_that_closing_closes(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[_Pool] = []

    def connect(config: Config) -> Transport:
        del config
        pools.append(_Pool())
        return pools[-1]

    monkeypatch.setattr("blobio.transport.stack.connect", connect)
    stores = Stores(CONFIG)
    stores.locate("memory://a/x")
    stores.locate("memory://b/x")
    assert not pools  # nothing before a driver asks

    for services in made.services:
        await services.connect().aclose()

    assert [pool.closed for pool in pools] == [0]
    await stores.aclose()
    assert [pool.closed for pool in pools] == [1]


class _Pool:
    def __init__(self) -> None:
        self.closed = 0

    async def send(self, request: Request) -> Response:
        raise AssertionError(request)

    async def aclose(self) -> None:
        self.closed += 1


async def start_upload(stores: Stores, key: str = "key") -> AsyncWriter:
    writer = AsyncWriter(stores.writer(f"memory://a/{key}", PutOptions()))
    await writer.write(DATA)
    return writer


async def test_closing_takes_back_uploads_that_are_not_finished(made: Made) -> None:
    stores = Stores(CONFIG)
    await start_upload(stores)
    finished = await start_upload(stores, "finished")
    await finished.aclose()

    await stores.aclose()

    assert made.counting.count("abort") == 1
    assert made.counting.count("complete") == 1


async def test_closing_takes_back_uploads_whose_writer_was_dropped(made: Made) -> None:
    stores = Stores(CONFIG)
    await start_upload(stores)
    gc.collect()

    await stores.aclose()

    assert made.counting.count("abort") == 1


async def test_a_failure_while_closing_is_raised_after_everything_else_was_closed(
    made: Made,
) -> None:
    stores = Stores(CONFIG)
    for key in ("x", "y", "z"):
        await start_upload(stores, key)
    made.flaky._faults.append(Fault("abort", TransportFailed("reset")))

    with pytest.raises(TransportFailed):
        await stores.aclose()

    assert made.counting.count("abort") == 3
    assert made.drivers[0].closed == 1


# Names


@pytest.mark.parametrize("path", ["memory://a", "memory://a/", "memory://a/b/"])
async def test_a_name_of_no_blob_is_refused_before_any_request(path: str, made: Made) -> None:
    stores = Stores(CONFIG)

    with pytest.raises((IsDirectory, InvalidUrl)):
        stores.reader(path)
    with pytest.raises((IsDirectory, InvalidUrl)):
        stores.writer(path, PutOptions())
    assert not made.counting.calls


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


async def test_local_paths_are_placed_absolutely(here: Path) -> None:
    stores = Stores(CONFIG)

    assert stores.place("a/../b")[1].key == str(here / "b")
    assert stores.place("memory://a/b/../c")[1].key == "b/../c"


@pytest.mark.parametrize(
    ("pattern", "placed"),
    [
        ("*.txt", "{here}/*.txt"),
        ("a/../b/*", "{here}/b/*"),
        ("a/x*/../*", "{here}/a/x*/../*"),
        ("[ab]/", "{here}/[ab]/"),
        ("{{a,b}}/c", "{here}/{{a,b}}/c"),
        ("a/", "{here}/a/"),
        ("/abs/?", "/abs/?"),
    ],
)
async def test_patterns_are_placed_without_touching_their_wildcards(
    here: Path, pattern: str, placed: str
) -> None:
    _, url = Stores(CONFIG).pattern(pattern.format())

    assert url.key == placed.format(here=here)


@pytest.mark.usefixtures("made")
async def test_a_reader_is_pinned_to_the_version_asked_for() -> None:
    stores = Stores(CONFIG)
    await stores.driver(BlobUrl.parse("memory://a/k")).put("k", b"data", PutOptions())

    reader = await stores.open_reader("memory://a/k", version="1")

    assert (reader.version, reader.size) == ("1", 4)
    assert await stores.reader("memory://a/k", version="1").read_all() == b"data"
    with pytest.raises(NotFound):
        await stores.open_reader("memory://a/nothing")


async def test_a_writer_that_is_dropped_before_its_first_part_holds_no_memory(made: Made) -> None:
    stores = Stores(CONFIG)
    writer = stores.writer("memory://a/k", PutOptions())
    await writer.write_part(DATA[:100])
    dropped = weakref.ref(writer)
    del writer
    await asyncio.sleep(0)
    gc.collect()

    assert dropped() is None
    await stores.aclose()
    assert not made.counting.calls
