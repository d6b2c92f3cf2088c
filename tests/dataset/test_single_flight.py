"""What several miss at once is fetched by one of them, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import blobio.dataset as bd
from blobio import Config
from blobio.dataset import cachelocks, flights
from blobio.dataset.cachedreads import CachedReads
from blobio.dataset.cachefiles import CacheFiles, Partial
from blobio.dataset.cachelocks import exclusive
from blobio.dataset.cachemeta import Identity, Meta
from blobio.dataset.flights import Flights
from blobio.dataset.manifest import Shard
from blobio.dataset.memory import Packed
from blobio.errors import DeadlineExceeded
from blobio.values import Version
from tests.dataset.conftest import Make, Place, parquet, table

ROOT: Final = Path(__file__).parent.parent.parent
BLOCKS: Final = 20
SIZE: Final = 300_000
SHARD: Final = Shard(url="memory://b/k", size=8, version=Version("1"), format="parquet")


def put(place: Place) -> bd.Manifest:
    """Store two shards of ten blocks; return their manifest."""
    for shard in range(2):
        place.put(f"set/{shard}.parquet", parquet(table(first=100 * shard)))
    ds = bd.open_dataset(f"{place.root}/set/*.parquet", config=place.config)
    place.events.clear()
    return bd.freeze(ds, place.at("manifest.json"), config=place.config)


def numbers(ds: bd.Dataset) -> list[int]:
    return [n for batch in ds for n in batch.column("number").to_pylist()]


def put_blob(place: Place) -> tuple[str, str]:
    url = place.put("data/0.parquet", os.urandom(SIZE))
    version = place.context.stat(url).version
    assert version is not None
    place.events.clear()
    return url, version


def test_threads_that_miss_a_blob_send_one_get(make_place: Make, tmp_path: Path) -> None:
    place = make_place("moto")
    url, version = put_blob(place)
    start = threading.Barrier(8)

    def one(_: int) -> str:
        cache = bd.Cache(tmp_path, config=place.config)  # that share nothing but the directory
        start.wait()
        return cache.get(url, version)

    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(one, range(8)))

    assert len(set(paths)) == 1
    assert place.methods().count("GET") == 1


def test_threads_that_miss_a_range_send_one_get(make_place: Make, tmp_path: Path) -> None:
    place = make_place("moto")
    url, version = put_blob(place)
    cache = bd.Cache(tmp_path, config=place.config)
    start = threading.Barrier(8)

    def one(_: int) -> bytes:
        start.wait()
        return cache.read(url, 100, 1000, version)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(one, range(8)))

    assert len(set(found)) == 1
    assert place.methods() == ["GET"]


def test_iterations_that_miss_the_same_blocks_send_one_get_for_each(
    make_place: Make, tmp_path: Path
) -> None:
    """Threads of one dataset, and of two that share nothing but the directory."""
    place = make_place("moto")
    manifest = put(place)
    cache = bd.Cache(tmp_path, config=place.config)
    sets = [bd.open_dataset(manifest, cache=cache, config=place.config) for _ in range(2)]
    place.events.clear()
    start = threading.Barrier(6)

    def one(number: int) -> list[int]:
        start.wait()
        return numbers(sets[number % 2])

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(one, range(6)))

    assert found == [list(range(200))] * 6
    assert place.methods() == ["GET"] * BLOCKS
    stats = sets[0].stats() + sets[1].stats()
    assert stats.requests == BLOCKS
    assert stats.cache_misses - stats.shared_fetches == BLOCKS
    assert stats.cache_hits + stats.cache_misses == 6 * BLOCKS
    assert stats.cached_bytes == 5 * stats.fetched_bytes


def get_blob(config: Config, directory: str, url: str, version: str) -> int:
    return len(Path(bd.Cache(directory, config=config).get(url, version)).read_bytes())


def read_all(config: Config, directory: str, manifest: bd.Manifest) -> int:
    cache = bd.Cache(directory, config=config)
    return sum(numbers(bd.open_dataset(manifest, cache=cache, config=config)))


def claim_all(config: Config, directory: str, manifest: bd.Manifest) -> int:
    """Make room for all blocks, as who is about to fetch them, and stay so."""
    cached = CachedReads(bd.Cache(directory, config=config))
    spans = [(shard, block) for shard in manifest.shards for block in shard.blocks]
    claims = [cached.claim(shard, (block.start, block.stop)) for shard, block in spans]
    assert all(isinstance(claim, Partial) for claim in claims)
    sys.stdout.write("claimed\n")
    sys.stdout.flush()
    sys.stdin.read()
    return 0


PROGRAM: Final = """
import base64, dataclasses, pickle, sys
function, config, *arguments = pickle.loads(base64.b64decode(sys.argv[1]))
events = []
config = dataclasses.replace(config, on_event=events.append)
print("ready", flush=True)
sys.stdin.readline()
found = function(config, *arguments)
print(found, [event.method for event in events].count("GET"))
"""


def process(function: Callable[..., int], *arguments: object) -> subprocess.Popen[str]:
    """Start a process that calls a function once it is told a line."""
    pickled = base64.b64encode(pickle.dumps((function, *arguments))).decode()
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, pickled],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )


def outcomes(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, int]]:
    """Let processes begin together; return what each found, and how many GETs it sent."""
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate()[0].split() for one in processes]
    return [(int(found), int(gets)) for found, gets in told]


@pytest.mark.slow
def test_processes_that_miss_a_blob_send_one_get(make_place: Make, tmp_path: Path) -> None:
    place = make_place("moto")
    url, version = put_blob(place)
    config = replace(place.config, on_event=None)

    both = [process(get_blob, config, str(tmp_path), url, version) for _ in range(2)]

    found = outcomes(both)
    assert [size for size, _ in found] == [SIZE, SIZE]
    assert sorted(gets for _, gets in found) == [0, 1]


@pytest.mark.slow
def test_processes_that_miss_the_same_blocks_send_one_get_for_each(
    make_place: Make, tmp_path: Path
) -> None:
    place = make_place("moto")
    manifest = put(place)
    config = replace(place.config, on_event=None)

    both = [process(read_all, config, str(tmp_path), manifest) for _ in range(2)]

    found = outcomes(both)
    assert [total for total, _ in found] == [sum(range(200))] * 2
    assert sum(gets for _, gets in found) == BLOCKS


@pytest.mark.slow
def test_killed_process_is_not_waited_for(
    make_place: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has made room for all that is read here, and dies once that is waited for."""
    place = make_place("moto")
    manifest = put(place)
    holder = process(claim_all, replace(place.config, on_event=None), str(tmp_path), manifest)
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert [holder.stdout.readline() for _ in range(2)] == ["ready\n", "claimed\n"]
    look, before = CachedReads.is_coming, []

    def look_and_kill(self: CachedReads, shard: Shard, part: tuple[int, int]) -> bool:
        found = look(self, shard, part)
        if found and holder.poll() is None:
            before.extend(place.methods())
            holder.kill()
            holder.wait()
        return found

    monkeypatch.setattr(CachedReads, "is_coming", look_and_kill)
    place.events.clear()

    with holder:
        assert read_all(place.config, str(tmp_path), manifest) == sum(range(200))

    assert holder.returncode < 0
    assert before == []
    assert place.methods() == ["GET"] * BLOCKS
    assert {name[:2] for name in os.listdir(tmp_path)} == {"e-", "lo"}


def test_who_fetches_for_too_long_is_not_waited_for(
    make_place: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once one part was waited for in vain, the others are not."""
    place = make_place("moto")
    manifest = put(place)
    cache = bd.Cache(tmp_path, config=place.config)
    slow = CachedReads(cache)
    blocks = [(shard, block) for shard in manifest.shards for block in shard.blocks]
    claims = [slow.claim(shard, (block.start, block.stop)) for shard, block in blocks]
    monkeypatch.setattr(flights, "_PATIENCE_S", 0.05)
    ds = bd.open_dataset(manifest, cache=cache, config=place.config)
    place.events.clear()

    assert numbers(ds) == list(range(200))
    assert numbers(ds) == list(range(200))

    assert place.methods() == ["GET"] * 2 * BLOCKS
    assert cache.stats().entries == 0
    for claim in claims:
        assert isinstance(claim, Partial)
        slow.drop(claim)
    assert os.listdir(tmp_path) == ["lock"]


def test_blob_that_comes_too_slowly_is_fetched_beside(memory: Place, tmp_path: Path) -> None:
    """Who comes first publishes; the other one takes that."""
    cache = bd.Cache(tmp_path, wait_s=0.05, config=memory.config)
    url, version = put_blob(memory)
    files = CacheFiles(str(tmp_path))
    slow = files.reserve(Meta(identity=Identity(url=url, version=version), size=SIZE), None)
    assert isinstance(slow, Partial)

    path = Path(cache.get(url, version))

    content = path.read_bytes()
    assert len(content) == SIZE
    assert files.fill(slow, lambda at: _write(at, bytes(SIZE))) is None
    assert path.read_bytes() == content
    assert sorted(name[:2] for name in os.listdir(tmp_path)) == ["e-", "lo"]
    assert cache.stats().bytes == sum(
        file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()
    )


def _write(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


def test_blob_that_still_comes_is_waited_for(memory: Place, tmp_path: Path) -> None:
    """However long: each byte of it starts the time anew."""
    url, version = put_blob(memory)
    files = CacheFiles(str(tmp_path))
    identity = Identity(url=url, version=version)
    other = files.reserve(Meta(identity=identity, size=SIZE), None)
    assert isinstance(other, Partial)
    pulses = [files.pulse(identity)]
    for size in (1, 2):
        _write(other.path, bytes(size))
        pulses.append(files.pulse(identity))

    files.drop(other)

    assert files.pulse(identity) is None
    assert pulses[0] != pulses[1] != pulses[2]


async def test_cancelled_fetch_lets_others_fetch(tmp_path: Path) -> None:
    cached = CachedReads(bd.Cache(tmp_path))
    begun, memory = asyncio.Event(), Packed([(0, 8)])

    async def stall() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def get() -> None:
        with memory.view(0, 8) as view:
            view[:] = b"12345678"

    flight = Flights(cached)
    first = asyncio.ensure_future(flight.fetch(SHARD, (0, 8), memory, stall))
    await begun.wait()
    second = asyncio.ensure_future(flight.fetch(SHARD, (0, 8), memory, get))
    first.cancel()

    assert await second is False
    with pytest.raises(asyncio.CancelledError):
        await first
    assert {name[:2] for name in os.listdir(tmp_path)} == {"e-", "lo"}
    again = Packed([(0, 8)])
    assert await flight.fetch(SHARD, (0, 8), again, stall) is True
    assert again.slice(0, 8).to_pybytes() == b"12345678"


async def test_only_so_many_parts_are_claimed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a file open; what is beyond is fetched, and kept, as if nobody else was there."""
    monkeypatch.setattr(flights, "_MOST", 1)
    cached = CachedReads(bd.Cache(tmp_path))
    flight, memory, begun = Flights(cached), Packed([(0, 8)]), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def get() -> None:
        assert not cached.is_coming(SHARD, (4, 8))

    first = asyncio.ensure_future(flight.fetch(SHARD, (0, 4), memory, hold))
    await begun.wait()
    assert await flight.fetch(SHARD, (4, 8), memory, get) is False
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert cached.load(SHARD, [(0, 4), (4, 8)], memory) == [(0, 4)]


def test_stopped_process_that_holds_the_directory_is_not_waited_for_for_ever(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads goes on from the store, who asked for a copy is told."""
    monkeypatch.setattr(cachelocks, "_STUCK_S", 0.01)
    manifest = put(memory)
    url, version = put_blob(memory)
    cache = bd.Cache(tmp_path, config=memory.config)

    with exclusive(str(tmp_path / "lock")):
        ds = bd.open_dataset(manifest, cache=cache, config=memory.config)
        assert numbers(ds) == list(range(200))
        assert len([one for one in caplog.messages if "reading goes on" in one]) == 1
        with pytest.raises(DeadlineExceeded, match="is stopped"):
            cache.get(url, version)

    assert Path(cache.get(url, version)).stat().st_size == SIZE
