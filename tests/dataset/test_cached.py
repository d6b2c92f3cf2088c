"""Datasets read through a cache: what is there costs no request, and nothing else changes."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pytest
from pyarrow import ipc

import blobio.dataset as bd
from blobio import Config, VersionMismatch
from blobio.errors import InvalidConfig
from blobio.testing.strict_hub import strict_hub
from tests.dataset.conftest import Make, Place, parquet, table


def arrow(content: pa.Table, group: int = 10) -> bytes:
    """Return a table as an Arrow file."""
    out = io.BytesIO()
    with ipc.new_file(out, content.schema) as writer:
        writer.write_table(content, max_chunksize=group)
    return out.getvalue()


def mapped(directory: Path) -> list[range]:
    """Return the addresses at which this process has mapped files of a directory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if f" {directory}/" in line]
    return [range(int(first, 16), int(last, 16)) for first, last in spans]


def csv(content: pa.Table) -> bytes:
    """Return two columns of a table as text."""
    out = io.BytesIO()
    pa.csv.write_csv(content.select(["number", "text"]), out)
    return out.getvalue()


ENCODE: Final[dict[str, Callable[[pa.Table], bytes]]] = {
    "parquet": parquet,
    "arrow": arrow,
    "csv": csv,
}
NUMBERS: Final = list(range(200))


def put(place: Place, kind: str = "parquet") -> bd.Manifest:
    """Store two shards of 100 rows; return their manifest."""
    for shard in range(2):
        place.put(f"set/{shard}.{kind}", ENCODE[kind](table(first=100 * shard)))
    ds = bd.open_dataset(f"{place.root}/set/*.{kind}", config=place.config)
    place.events.clear()
    return bd.freeze(ds, place.at("manifest.json"), config=place.config)


def numbers(ds: bd.Dataset) -> list[int]:
    return [n for batch in ds for n in batch.column("number").to_pylist()]


@pytest.mark.parametrize("kind", ENCODE)
def test_what_was_read_once_is_read_again_without_a_request(
    remote: Place, kind: str, tmp_path: Path
) -> None:
    manifest = put(remote, kind)
    cache = bd.Cache(tmp_path, config=remote.config)
    first = bd.open_dataset(manifest, cache=cache, config=remote.config)
    assert numbers(first) == NUMBERS
    remote.events.clear()

    again = bd.open_dataset(manifest, cache=cache, config=remote.config)

    assert numbers(again) == NUMBERS
    assert remote.methods() == []
    assert first.stats().fetched_bytes == again.stats().cached_bytes > 0
    assert (first.stats().cache_hits, again.stats().cache_misses) == (0, 0)
    assert again.stats().cache_hits == first.stats().cache_misses == first.stats().requests


def test_dataset_is_cached_only_where_that_is_wanted(memory: Place, tmp_path: Path) -> None:
    manifest = put(memory)
    wanted = bd.DatasetConfig(cache_dir=str(tmp_path), cached=True)
    config = replace(memory.config, dataset=wanted)

    numbers(bd.open_dataset(manifest, cache=False, config=config))
    numbers(bd.open_dataset(manifest, config=memory.config))
    assert bd.Cache(config=config).stats().entries == 0
    numbers(bd.open_dataset(manifest, config=config))
    assert bd.Cache(config=config).stats().entries > 0


def test_other_version_is_never_served(memory: Place, tmp_path: Path) -> None:
    old = put(memory)
    cache = bd.Cache(tmp_path, config=memory.config)
    numbers(bd.open_dataset(old, cache=cache, config=memory.config))

    memory.put("set/1.parquet", parquet(table(first=500)))
    new = bd.open_dataset(f"{memory.root}/set/*.parquet", cache=cache, config=memory.config)

    assert numbers(new) == [*range(100), *range(500, 600)]
    assert numbers(bd.open_dataset(old, cache=cache, config=memory.config)) == NUMBERS
    cache.clear()
    with pytest.raises(VersionMismatch):
        numbers(bd.open_dataset(old, cache=cache, config=memory.config))


def test_damaged_range_is_fetched_anew(memory: Place, tmp_path: Path) -> None:
    manifest = put(memory)
    cache = bd.Cache(tmp_path, config=memory.config)
    numbers(bd.open_dataset(manifest, cache=cache, config=memory.config))
    damaged = 0
    for path in tmp_path.glob("e-*/*.parquet"):
        facts = path.stat()
        path.chmod(0o600)
        path.write_bytes(bytes(facts.st_size))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as a disk does it
        damaged += 1

    again = bd.open_dataset(manifest, cache=cache, config=memory.config)

    assert numbers(again) == NUMBERS
    assert again.stats().cache_misses == damaged > 0
    assert cache.verify() == ()


def test_full_cache_is_told_once_and_read_past(
    memory: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = put(memory)
    cache = bd.Cache(tmp_path, max_bytes=100, config=memory.config)

    assert numbers(bd.open_dataset(manifest, cache=cache, config=memory.config)) == NUMBERS
    assert len([one for one in caplog.records if "reading goes on" in one.message]) == 1
    name = memory.at("manifest.json")
    assert numbers(bd.open_dataset(name, cache=cache, config=memory.config)) == NUMBERS
    assert cache.stats().bytes <= 100


def test_cache_that_cannot_be_used_is_told_once_and_read_past(
    memory: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = put(memory)
    (tmp_path / "file").write_text("no directory")
    settings = bd.DatasetConfig(cache_dir=str(tmp_path / "file"))
    config = replace(memory.config, dataset=settings)
    cache = bd.Cache(tmp_path / "broken", config=memory.config)
    broken = bd.open_dataset(manifest, cache=cache, config=memory.config)
    (tmp_path / "broken").rmdir()
    (tmp_path / "broken").write_text("no directory any more")

    assert numbers(bd.open_dataset(manifest, cache=True, config=config)) == NUMBERS
    assert len(caplog.records) == 1
    assert numbers(broken) == NUMBERS
    assert len(caplog.records) == 2


def test_pickled_dataset_reads_through_the_same_cache(memory: Place, tmp_path: Path) -> None:
    manifest = put(memory)
    cache = bd.Cache(tmp_path, config=memory.config)
    ds = bd.open_dataset(manifest, cache=cache, config=memory.config)
    numbers(ds)

    other = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own

    assert numbers(other) == NUMBERS
    assert (other.stats().requests, other.stats().cache_misses) == (0, 0)


def test_limit_holds_while_a_larger_dataset_is_read(memory: Place, tmp_path: Path) -> None:
    manifest = put(memory)
    cache = bd.Cache(tmp_path, max_bytes=8_000, config=memory.config)
    ds = bd.open_dataset(manifest, cache=cache, config=memory.config)

    for _ in range(3):
        for batch in ds.shuffle(seed=1).batch(7):
            assert batch.num_rows
            assert cache.stats().bytes <= 8_000
    assert cache.stats().entries > 0


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_of_a_small_dataset_stay_in_memory(memory: Place, kind: str) -> None:
    manifest = put(memory, kind)
    kept = bd.open_dataset(manifest, in_memory_max_bytes=1 << 20, config=memory.config)
    plain = bd.open_dataset(manifest, in_memory_max_bytes=100, config=memory.config)
    shuffled, expected = kept.shuffle(seed=1).batch(7), plain.shuffle(seed=1).batch(7)

    assert list(kept) == list(plain)
    before = kept.stats()
    assert list(shuffled) == list(expected)
    assert list(shuffled) == list(expected)

    after = kept.stats()
    assert after.requests == before.requests > 0
    assert after.memory_hits > 0
    assert shuffled.state_dict() == expected.state_dict()
    assert plain.stats().memory_hits == 0


def test_stats_tell_what_was_read(make_place: Make) -> None:
    place = make_place("moto")
    ds = bd.open_dataset(put(place), config=place.config)
    place.events.clear()

    numbers(ds)

    stats = ds.shuffle(seed=1).stats()
    assert stats == ds.stats()
    assert stats.requests == len(place.events)
    source = bd.open_source(f"{place.root}/set/*.parquet", config=place.config)
    assert stats.fetched_bytes == source.requests().fetched
    assert stats.stall_s > 0
    assert (stats.cache_hits, stats.cache_misses, stats.skipped_blocks) == (0, 0, 0)


def offline(place: Place) -> Config:
    return replace(place.config, dataset=bd.DatasetConfig(offline=True))


@pytest.mark.parametrize("kind", ENCODE)
def test_dataset_that_was_read_opens_and_reads_offline(
    remote: Place, kind: str, tmp_path: Path
) -> None:
    put(remote, kind)
    pattern = f"{remote.root}/set/*.{kind}"
    cache = bd.Cache(tmp_path, config=remote.config)
    before = bd.open_dataset(pattern, cache=cache, config=remote.config)
    whole = list(before.shuffle(seed=1).batch(32))
    remote.put(f"set/1.{kind}", b"changed")
    remote.events.clear()

    away = bd.Cache(tmp_path, config=offline(remote))
    ds = bd.open_dataset(pattern, cache=away, config=offline(remote)).shuffle(seed=1).batch(32)

    ds.load_state_dict(before.shuffle(seed=1).batch(32).state_dict())
    assert list(ds) == whole
    assert remote.methods() == []
    assert ds.stats().cache_misses == 0


def test_what_is_not_cached_is_an_error_offline(remote: Place, tmp_path: Path) -> None:
    put(remote)
    pattern = f"{remote.root}/set/*.parquet"
    cache = bd.Cache(tmp_path, config=remote.config)
    ds = bd.open_dataset(pattern, columns=["number"], cache=cache, config=remote.config)
    numbers(ds)
    remote.events.clear()
    settings = replace(offline(remote).dataset, cache_dir=str(tmp_path))
    config = replace(remote.config, dataset=settings)

    with pytest.raises(bd.NotCached, match=r"offline, and the cache .* has no copy"):
        bd.open_dataset(remote.at("set/0.parquet"), config=config)
    for policy in ("raise", "skip"):
        other = bd.open_dataset(pattern, on_error=policy, config=config)
        with pytest.raises(bd.NotCached, match=r"offline, .* bytes .* of version"):
            numbers(other.select(["number", "tags"]))
    assert numbers(bd.open_dataset(pattern, columns=["number"], config=config)) == NUMBERS
    assert remote.methods() == []


@pytest.mark.parametrize("kind", ENCODE)
def test_index_is_taken_from_the_cache_while_the_versions_are_the_same(
    make_place: Make, kind: str, tmp_path: Path
) -> None:
    place = make_place("moto")
    put(place, kind)
    pattern = f"{place.root}/set/*.{kind}"
    cache = bd.Cache(tmp_path, config=place.config)
    first = bd.open_dataset(pattern, cache=cache, config=place.config)
    place.events.clear()

    again = bd.open_dataset(pattern, cache=cache, config=place.config)

    assert place.methods() == ["GET"]  # the listing
    assert again.state_dict() == first.state_dict()
    place.put(f"set/1.{kind}", ENCODE[kind](table(first=500)))
    changed = bd.open_dataset(pattern, cache=cache, config=place.config)
    assert numbers(changed) == [*range(100), *range(500, 600)]
    assert again.state_dict() != changed.state_dict()


@pytest.mark.parametrize("kind", ENCODE)
def test_whole_shards_are_fetched_once_and_mapped(remote: Place, kind: str, tmp_path: Path) -> None:
    put(remote, kind)
    name = remote.at("manifest.json")
    first = bd.load_dataset(name, streaming=False, cache_dir=tmp_path, config=remote.config)
    remote.events.clear()
    assert numbers(first) == NUMBERS
    assert remote.methods() == []

    again = bd.load_dataset(
        name, streaming=False, cache_dir=tmp_path, columns=["number"], config=offline(remote)
    )

    assert numbers(again) == NUMBERS
    assert remote.methods() == []
    assert (again.stats().requests, again.stats().cache_misses) == (0, 0)


def test_copy_of_an_arrow_shard_is_read_where_it_lies(memory: Place, tmp_path: Path) -> None:
    put(memory, "arrow")
    name = memory.at("manifest.json")
    ds = bd.load_dataset(name, streaming=False, cache_dir=tmp_path, config=memory.config)

    batches = list(ds.batch(10))

    maps = mapped(tmp_path)
    for batch in batches:
        address = batch.column("number").buffers()[1].address
        assert any(address in one for one in maps)
    cache = bd.Cache(tmp_path, config=memory.config)
    assert cache.stats().held == 2  # mapped copies are in use
    assert batches[15].column("number").to_pylist() == list(range(150, 160))


def test_shards_that_do_not_fit_are_refused_before_they_are_fetched(
    make_place: Make, tmp_path: Path
) -> None:
    place = make_place("moto")
    put(place)
    cache = bd.Cache(tmp_path, max_bytes=6_000, config=place.config)

    with pytest.raises(bd.CacheFull, match=r"the limit of the cache .* is 6000"):
        bd.load_dataset(
            place.at("manifest.json"), streaming=False, cache=cache, config=place.config
        )
    assert "GET" in place.methods()
    assert cache.stats().entries == 1  # the manifest
    with pytest.raises(InvalidConfig, match="needs one"):
        bd.load_dataset("set", streaming=False, cache=False, config=place.config)
    with pytest.raises(InvalidConfig, match="not both"):
        bd.load_dataset("set", cache=cache, cache_dir=tmp_path, config=place.config)


def test_dataset_of_the_hub_loads_offline(tmp_path: Path) -> None:
    with strict_hub() as server:
        server.make_dataset("org/set").commit({"train.parquet": parquet(table())})
        cache = bd.Cache(tmp_path, config=server.config())
        online = bd.load_dataset("org/set", split="train", cache=cache, config=server.config())
        expected = numbers(online)
        settings = bd.DatasetConfig.from_env({"HF_DATASETS_OFFLINE": "1"})
        config = replace(server.config(), dataset=replace(settings, cache_dir=str(tmp_path)))

    away = bd.load_dataset("org/set", split="train", config=config)

    assert numbers(away) == expected == list(range(100))
    with pytest.raises(bd.NotCached, match="org/other"):
        bd.load_dataset("org/other", split="train", config=config)


def test_nothing_of_the_hub_is_kept_without_a_cache(tmp_path: Path) -> None:
    with strict_hub() as server:
        server.make_dataset("org/set").commit({"train.parquet": parquet(table())})
        settings = bd.DatasetConfig(cache_dir=str(tmp_path / "kept"), cached=True)
        config = replace(server.config(), dataset=settings)

        found = numbers(bd.load_dataset("org/set", split="train", cache=False, config=config))

    assert found == list(range(100))
    assert not (tmp_path / "kept").exists()
