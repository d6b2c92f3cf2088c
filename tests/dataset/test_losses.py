"""Readings that go on without what is lost, and say so."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from blobio.dataset import BadShard, open_source
from blobio.dataset.fetching import Fetcher
from blobio.dataset.reading import ShardSource
from blobio.dataset.source import RowRange
from blobio.errors import TransportFailed, VersionMismatch
from tests.dataset.conftest import Make, Place, parquet, read_all, table, whole
from tests.dataset.test_arrow import stored


def test_lost_shards_are_skipped_and_told_of(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """One is gone, one was replaced, one stays; each range has its batch."""
    gone, other, kept = (place.put(f"{i}.parquet", parquet(table(20))) for i in range(3))
    source = open_source([gone, other, kept], on_error="skip", config=place.config)
    place.context.remove(gone)
    place.put("1.parquet", parquet(table(20, first=1)))

    with caplog.at_level(logging.WARNING, "blobio.dataset"):
        batches = list(source.read(whole(source)))

    assert [batch.num_rows for batch in batches] == [0, 0, 0, 0, 10, 10]
    assert [(one.url, one.block, one.num_rows) for one in source.skipped] == [
        (gone, 0, 10),
        (gone, 1, 10),
        (other, 2, 10),
        (other, 3, 10),
    ]
    assert len([one for one in caplog.messages if "skipped block" in one]) == 4


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_lost_local_arrow_files_are_skipped(place: Place, compression: str | None) -> None:
    gone, kept = (
        place.put(f"{i}.arrow", stored(table(20), compression=compression)) for i in range(2)
    )
    source = open_source([gone, kept], columns=["text"], on_error="skip", config=place.config)
    place.context.remove(gone)

    found = read_all(source, [RowRange(3, 2, 4), RowRange(0, 5, 6), RowRange(2, 0, 10)])

    assert found["text"].to_pylist() == ["row 12", "row 13", *table(10)["text"].to_pylist()]
    assert [one.block for one in source.skipped] == [0]


def test_damaged_block_is_skipped(memory: Place) -> None:
    data = bytearray(parquet(table()))
    source = open_source(memory.put("a.parquet", bytes(data)))
    block = source.manifest.shards[0].blocks[3]
    data[block.start : block.stop] = b"\xff" * (block.stop - block.start)
    source = open_source(memory.put("a.parquet", bytes(data)), on_error="skip")

    assert read_all(source).num_rows == 90
    assert "rows 30 to 40" in source.skipped[0].reason


@pytest.mark.parametrize("store", ["memory", "local"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_manifest_that_lies_about_a_size_is_refused(
    make_place: Make, store: str, suffix: str
) -> None:
    """Its last bytes are of no block, and those of Parquet are known without asking for them."""
    place = make_place(store)
    data = parquet(table()) if suffix == "parquet" else stored(table())
    manifest = open_source(place.put(f"a.{suffix}", data), config=place.config).manifest
    (shard,) = manifest.shards

    for size in (shard.size - 1, shard.size + 1):
        lying = replace(manifest, shards=(replace(shard, size=size),))
        source = ShardSource(lying, config=place.config)
        with pytest.raises((BadShard, VersionMismatch)) as raised:
            read_all(source)
        assert "rows 0 to 10" in " ".join([str(raised.value), *_notes(raised.value)])


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def test_what_may_pass_is_not_taken_for_a_loss(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(memory.put("a.parquet", parquet(table())), on_error="skip")

    async def fail(*_: object) -> None:
        raise TransportFailed("no reply")

    monkeypatch.setattr(Fetcher, "fetch", fail)

    with pytest.raises(TransportFailed):
        read_all(source)
    assert source.skipped == ()
