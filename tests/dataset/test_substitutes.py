"""Blocks that are lost, and others in their place: full batches, the same ones for everybody."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from blobio.dataset import Dataset, Manifest, StateMismatch, open_dataset, open_source
from blobio.dataset.errors import OnError
from blobio.dataset.fetching import Fetcher
from blobio.dataset.lost import MOST_RUNS, dump_lost, parse_lost
from blobio.dataset.source import RowRange
from blobio.errors import InvalidConfig, NotFound
from tests.dataset.conftest import Place, parquet, table, whole
from tests.dataset.test_arrow import stored


@pytest.fixture(name="manifest")
def fixture_manifest(memory: Place) -> Manifest:
    """Four shards of 40 rows in four blocks; 1 is gone, 2 has a damaged block, number 9."""
    urls = [
        memory.put(f"{i}.parquet", parquet(table(40, first=40 * i), compression=None))
        for i in range(4)
    ]
    manifest = open_source(urls).manifest
    data = bytearray(memory.context.read_bytes(urls[2]))
    block = manifest.shards[2].blocks[1]
    data[block.start : block.stop] = b"\xff" * (block.stop - block.start)
    memory.put("2.parquet", bytes(data))
    memory.context.remove(urls[1])
    # without versions, so that what was lost can come back
    shards = [replace(shard, version=None) for shard in manifest.shards]
    return replace(manifest, shards=tuple(shards))


LOST = {*range(4, 8), 9}


def made(manifest: Manifest, on_error: OnError = "substitute", **options: Any) -> Dataset:
    ds = open_dataset(manifest, on_error=on_error, **options)
    return ds.shuffle(seed=3, window_bytes=int(ds.tree.row_bytes * 45)).batch(8)


def lists(batches: Iterable[pa.RecordBatch]) -> list[list[int]]:
    return [batch.column("number").to_pylist() for batch in batches]


def heal(memory: Place) -> None:
    """Bring back what is lost."""
    for i in (1, 2):
        memory.put(f"{i}.parquet", parquet(table(40, first=40 * i), compression=None))


def test_batches_are_full_and_told_of(manifest: Manifest) -> None:
    ds = made(manifest)

    batches = lists(ds)

    assert [len(batch) for batch in batches] == [8] * 20 == [8] * len(ds)
    kept = [number for number in range(160) if number // 10 not in LOST]
    assert set(chain(*batches)) == set(kept)
    assert {one.block for one in ds.skipped} == LOST
    assert all(one.substitute not in LOST for one in ds.skipped)
    assert all(one.num_rows == 10 and one.reason for one in ds.skipped)


def test_rows_of_a_lost_block_are_those_of_one_other(manifest: Manifest) -> None:
    source = open_source_of(manifest)

    batches = [batch.column("number").to_pylist() for batch in source.read(whole(source))]

    instead = {one.block: one.substitute for one in source.skipped}
    for block, rows in enumerate(batches):
        first = 10 * instead.get(block, block)
        assert rows == list(range(first, first + 10))


def open_source_of(manifest: Manifest, **options: Any) -> Any:
    return open_dataset(manifest, on_error="substitute", **options).tree.source  # type: ignore[attr-defined]


@pytest.mark.parametrize("on_error", ["skip", "substitute"])
def test_resumed_anywhere_gives_what_an_uninterrupted_run_does(
    manifest: Manifest, memory: Place, on_error: OnError
) -> None:
    """Even if what was lost has come back: nobody asks for it again."""
    expected = lists(made(manifest, on_error))
    states = []
    first = iter(made(manifest, on_error))
    for _ in expected:
        next(first)
        states.append(json.loads(json.dumps(first.state_dict())))
    losing = [state for state in states if len(parse_lost(state["lost"], [16])[0]) == 2]
    assert len(losing) > 5
    heal(memory)
    assert set(chain(*lists(made(manifest, on_error)))) == set(range(160))

    for done, state in enumerate(states, start=1):
        if state in losing:
            second = made(manifest, on_error)
            second.load_state_dict(state)
            assert lists(second) == expected[done:]


def test_ranks_take_the_same_substitutes(manifest: Manifest) -> None:
    one = lists(made(manifest))

    ranks = [lists(made(manifest).shard(rank, 3, remainder="uneven")) for rank in range(3)]

    assert [ranks[batch % 3][batch // 3] for batch in range(20)] == one


def test_a_gone_shard_is_asked_for_once(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    fetch = Fetcher.fetch

    async def counted(self: Fetcher, core: Any, shard: Any, plan: Any) -> Any:
        asked.append(shard.url)
        return await fetch(self, core, shard, plan)

    monkeypatch.setattr(Fetcher, "fetch", counted)
    source = open_source_of(manifest)
    list(source.read([RowRange(4, 0, 10)]))
    asked.clear()

    list(source.read([RowRange(block, 0, 10) for block in range(4, 8)]))

    assert manifest.shards[1].url not in asked


def test_states_of_another_policy_are_refused(manifest: Manifest) -> None:
    state = made(manifest).state_dict()

    with pytest.raises(StateMismatch, match="on_error was 'substitute' and is 'raise'"):
        made(manifest, "raise").load_state_dict(state)
    with pytest.raises(StateMismatch, match="on_error was 'substitute' and is 'skip'"):
        iter(made(manifest, "skip")).load_state_dict(state)


@pytest.mark.parametrize("lost", ["0:16", "1:1", "0:3-2", "x", "0:1-", 7])
def test_a_record_that_cannot_be_is_refused(manifest: Manifest, lost: object) -> None:
    ds = made(manifest)

    with pytest.raises(StateMismatch, match="lost"):
        ds.load_state_dict({**ds.state_dict(), "lost": lost})


def test_the_record_is_words_of_bounded_length(manifest: Manifest) -> None:
    ds = made(manifest)
    list(ds)

    assert ds.state_dict()["lost"] == "0:4-7,9"
    assert len(json.dumps(ds.state_dict())) < 1024
    many = tuple((3 * i, 3 * i + 1 + i % 2) for i in range(10 * MOST_RUNS))
    words = dump_lost([(), many])
    kept = parse_lost(words, [0, 100_000])[1]
    assert len(kept) == MOST_RUNS
    assert set(kept) <= {run for run in many if run[1] - run[0] == 2}


def test_a_pickled_dataset_knows_what_is_lost(manifest: Manifest) -> None:
    ds = made(manifest)
    list(ds)

    again = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own

    assert again.state_dict()["lost"] == "0:4-7,9"


def test_a_shorter_block_stands_in_by_turns(memory: Place) -> None:
    gone = memory.put("0.parquet", parquet(table(10)))
    kept = memory.put("1.parquet", parquet(table(3, first=100), group=3))
    source = open_source([gone, kept], on_error="substitute")
    memory.context.remove(gone)

    (found, cut) = source.read([RowRange(0, 0, 10), RowRange(0, 4, 6)])

    assert found["number"].to_pylist() == [100, 101, 102] * 3 + [100]
    assert cut["number"].to_pylist() == [101, 102]


def test_a_filter_holds_for_rows_that_stand_in(memory: Place) -> None:
    gone = memory.put("0.parquet", parquet(table(10)))
    kept = memory.put("1.parquet", parquet(table(4, first=100), group=4))
    odd = pc.bit_wise_and(pc.field("number"), 1) == 1
    source = open_source([gone, kept], filter=odd, on_error="substitute")
    memory.context.remove(gone)

    (found,) = source.read([RowRange(0, 0, 10)])

    assert found["number"].to_pylist() == [101, 103, 101, 103, 101]


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_local_arrow_files_stand_in(make_place: Any, compression: str | None) -> None:
    place = make_place("local")
    gone, kept = (
        place.put(f"{i}.arrow", stored(table(20, first=20 * i), compression=compression))
        for i in range(2)
    )
    source = open_source([gone, kept], on_error="substitute", config=place.config)
    list(source.read([RowRange(0, 0, 1)]))  # it is mapped now, where it can be
    place.context.remove(gone)

    batches = list(source.read(whole(source)))

    assert [batch.num_rows for batch in batches] == [10] * 4
    assert {one.block for one in source.skipped} == {0, 1}
    assert all(batch["number"][0].as_py() >= 20 for batch in batches)


def test_when_nothing_is_left_the_loss_is_raised(memory: Place) -> None:
    urls = [memory.put(f"{i}.parquet", parquet(table(20))) for i in range(3)]
    source = open_source(urls, on_error="substitute")
    for url in urls:
        memory.context.remove(url)

    with pytest.raises(NotFound) as raised:
        list(source.read(whole(source)))

    assert any("no other block can stand in" in note for note in raised.value.__notes__)


def test_a_policy_that_is_none_is_refused(manifest: Manifest) -> None:
    with pytest.raises(InvalidConfig, match="on_error"):
        open_dataset(manifest, on_error="ignore")  # type: ignore[arg-type]
