"""Rows by position of mapped Arrow shards: taken at once, with all the checks of a reading."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import final

import pyarrow as pa
import pytest

import blobio.dataset as bd
from blobio.dataset import BadShard, open_dataset, open_source
from blobio.dataset.atonce import AtOnceReader
from blobio.dataset.tree import Span
from blobio.errors import NotFound, VersionMismatch
from tests.blocking.scripts import run
from tests.dataset.conftest import Place, table
from tests.dataset.test_arrow import dictionaries, stored


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    """A file of ten batches of ten rows."""
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(table()))
    return path


@final
class Others:
    """A reader that tells what it was asked for."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self.asked: list[Span] = []

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        for span in spans:
            self.asked.append(span)
            yield self._batch.slice(span.start, span.stop - span.start)


@final
class Some:
    """Blocks of ten rows, of which those that are even are ready."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self.asked: list[int] = []

    def ready(self, block: int) -> pa.RecordBatch | None:
        self.asked.append(block)
        return None if block % 2 else self._batch.slice(10 * block, 10)


def test_ready_blocks_are_asked_for_once_and_others_left_to_another_reader() -> None:
    batch = pa.record_batch({"n": range(50)})
    some, others = Some(batch), Others(batch)
    reader = AtOnceReader(some, [0, 10, 20, 30, 40, 50], 2, others)

    def read(*spans: tuple[int, int]) -> list[int]:
        found = reader.read(Span(start, stop, 0) for start, stop in spans)
        return [number for one in found for number in one["n"].to_pylist()]

    assert read((3, 5), (28, 30), (9, 10)) == [3, 4, 28, 29, 9]
    assert (some.asked, others.asked) == ([0, 2], [])
    assert read((8, 12), (41, 42)) == [8, 9, 10, 11, 41]
    assert others.asked == [Span(8, 12, 0), Span(41, 42, 0)]
    read((45, 46), (0, 1), (20, 21))
    assert some.asked == [0, 2, 1, 4, 2]  # two are kept: 0 and 4, then 0 and 2


@pytest.mark.parametrize("stream", [False, True])
def test_batch_of_a_local_shard_is_ready_and_not_copied(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "a.arrow"
    rows = 1 << 18
    content = pa.table({"a": range(2 * rows), "b": range(2 * rows)})
    path.write_bytes(stored(content, batch=rows, stream=stream))
    source = open_source(path, columns=["b"])
    before = pa.total_allocated_bytes()

    batch = source.ready(1)

    assert batch is not None
    assert pa.total_allocated_bytes() - before < 1 << 19
    assert batch.slice(0, 2).to_pydict() == {"b": [rows, rows + 1]}


@pytest.mark.parametrize("columns", [None, ["text", "number"]])
def test_rows_are_those_of_a_reading(path: Path, columns: list[str] | None) -> None:
    ds = open_dataset(path, columns=columns)
    rows = list(ds.rows())

    view = pickle.loads(pickle.dumps(ds.random_access()))  # noqa: S301 - our own

    assert [view[at] for at in range(-100, 100)] == rows * 2
    assert view.take([99, 5, 0, 5]).to_pylist() == [rows[at] for at in (99, 5, 0, 5)]
    assert view[15:47].to_pylist() == rows[15:47]
    assert view[15:47].schema == ds.schema
    assert ds.skip(7).random_access()[-93] == rows[7]
    with pytest.raises(IndexError, match="row 100 of 100"):
        view[100]


def test_what_needs_more_than_a_look_is_not_ready_and_read(memory: Place, tmp_path: Path) -> None:
    urls = [tmp_path / name for name in ("a.arrow", "b.arrow", "c.arrow")]
    urls[0].write_bytes(stored(dictionaries()))
    urls[1].write_bytes(stored(dictionaries(), compression="zstd"))
    urls[2].write_bytes(stored(dictionaries(), stream=True))
    source = open_source([*urls, memory.put("d.arrow", stored(dictionaries()))])

    assert [source.ready(block) for block in range(0, 40, 5)] == [None] * 8
    assert open_source(urls[0], filter=bd.field("number") > 3).ready(0) is None
    view = open_dataset(urls).random_access()
    assert [view[at]["number"] for at in (5, 123, 299)] == [5, 23, 99]


def test_shards_of_other_metadata_and_order_give_the_schema_of_the_dataset(tmp_path: Path) -> None:
    (first, second) = (tmp_path / "a.arrow", tmp_path / "b.arrow")
    first.write_bytes(stored(pa.table({"a": [1], "b": ["x"]})))
    other = pa.table({"b": ["y"], "more": [0.5], "a": [2]})
    second.write_bytes(stored(other.replace_schema_metadata({"of": "others"})))
    ds = open_dataset([first, second])

    batch = ds.random_access().take([1, 0])

    assert batch.to_pylist() == [{"a": 2, "b": "y"}, {"a": 1, "b": "x"}]
    assert batch.schema.equals(ds.schema, check_metadata=True)


def test_column_of_nulls_in_one_shard_is_none_of_the_wrong_type(tmp_path: Path) -> None:
    (first, second) = (tmp_path / "a.arrow", tmp_path / "b.arrow")
    first.write_bytes(stored(pa.table({"a": pa.nulls(1)})))
    second.write_bytes(stored(pa.table({"a": [2]})))

    view = open_dataset([first, second]).random_access()

    assert view[0:2].to_pydict() == {"a": [None, 2]}
    assert view[0] == {"a": None}


def test_file_that_is_replaced_or_gone_is_refused_though_it_is_mapped(path: Path) -> None:
    view = open_dataset(path).random_access()
    view[0]

    new = path.with_suffix(".new")
    new.write_bytes(stored(table(first=1)))
    new.replace(path)
    assert view[5]["number"] == 5  # of a block that is kept
    with pytest.raises(VersionMismatch):
        view[15]

    path.unlink()
    with pytest.raises(NotFound):
        view[15]


def test_file_that_is_written_to_is_refused(path: Path) -> None:
    view = open_dataset(path).random_access()
    view[0]

    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))

    with pytest.raises(VersionMismatch):
        view[15]


def test_damaged_batch_tells_which_rows_are_lost_and_others_are_read(path: Path) -> None:
    manifest = open_source(path).manifest
    (shard,) = manifest.shards
    place = shard.blocks[3]
    data = bytearray(path.read_bytes())
    data[place.start + 8 : place.stop] = bytes(place.stop - place.start - 8)
    path.write_bytes(data)
    # without a version, as damage on a disk changes none
    manifest = replace(manifest, shards=(replace(shard, version=None),))
    view = open_dataset(manifest).random_access()

    assert view[29]["number"] == 29
    with pytest.raises(BadShard, match="rows 30 to 40") as caught:
        view[35]
    assert caught.value.row == 30
    substituted = open_dataset(manifest, on_error="substitute")
    row = substituted.random_access()[35]
    assert row["number"] in {*range(100)} - {*range(30, 40)}
    assert [one.block for one in substituted.skipped] == [3]
    assert substituted.random_access()[35] == row


def test_batch_of_other_rows_than_were_counted_is_refused(path: Path) -> None:
    manifest = open_source(path).manifest
    (shard,) = manifest.shards
    blocks = list(shard.blocks)
    blocks[2] = replace(blocks[2], num_rows=9)
    shards = (replace(shard, blocks=tuple(blocks)),)
    view = open_dataset(replace(manifest, shards=shards)).random_access()

    with pytest.raises(BadShard, match="10 rows instead of 9"):
        view[25]


def test_copy_in_a_cache_is_read_where_it_lies_and_counted(memory: Place, tmp_path: Path) -> None:
    name = memory.at("manifest.json")
    url = memory.put("a.arrow", stored(table()))
    manifest = bd.freeze(open_dataset(url, config=memory.config), name, config=memory.config)
    ds = bd.load_dataset(name, streaming=False, cache_dir=tmp_path, config=memory.config)
    before = ds.stats()

    view = ds.random_access()

    assert [view[at]["number"] for at in (31, 32, 77)] == [31, 32, 77]
    blocks = [manifest.shards[0].blocks[at] for at in (3, 7)]
    assert ds.stats().cache_hits - before.cache_hits == 2
    wanted = sum(block.stop - block.start for block in blocks)
    assert ds.stats().cached_bytes - before.cached_bytes == wanted
    assert ds.stats().requests == before.requests


def test_view_goes_on_in_a_fork(path: Path) -> None:
    ended = run(
        """
        import os, sys
        import blobio.dataset as bd
        view = bd.open_dataset(sys.argv[1]).random_access()
        view[0]
        pid = os.fork()
        found = [view[5]["number"], view[95]["number"]]
        if pid == 0:
            os._exit(0 if found == [5, 95] else 1)
        print(os.waitpid(pid, 0)[1], *found)
        """,
        str(path),
    )

    assert (ended.code, ended.out) == (0, "0 5 95\n")
