"""Arrow IPC, files and streams: batches as blocks, dictionaries, compression, and damage."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc

from blobio.dataset import BadShard, field, open_source
from blobio.dataset.source import RowRange
from blobio.errors import VersionMismatch
from tests.dataset.conftest import Make, Place, read_all, table, whole


def stored(content: pa.Table, *, batch: int = 10, stream: bool = False, **options: Any) -> bytes:
    """Return a table as an IPC file, or stream, of batches of `batch` rows."""
    out = io.BytesIO()
    make = ipc.new_stream if stream else ipc.new_file
    with make(out, content.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for part in content.to_batches(max_chunksize=batch):
            writer.write_batch(part)
    return out.getvalue()


def dictionaries(rows: int = 100) -> pa.Table:
    """Return a table with a column of words that are numbered, and a plain one."""
    words = pa.array([f"word {i % 5}" for i in range(rows)]).dictionary_encode()
    return pa.table({"word": words, "number": range(rows)})


@pytest.mark.parametrize("stream", [False, True])
def test_batches_are_read_from_every_store(place: Place, stream: bool) -> None:
    for number in range(2):
        content = table(35, first=35 * number)
        place.put(f"{number}.arrow", stored(content, stream=stream))

    source = open_source(place.at("*.arrow"), config=place.config)

    assert list(source.block_rows) == [10, 10, 10, 5] * 2
    assert read_all(source) == table(70)
    assert {shard.format for shard in source.manifest.shards} == {
        "arrow_stream" if stream else "arrow"
    }


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("content", [table(), dictionaries()], ids=["plain", "dictionaries"])
@pytest.mark.parametrize("store", ["memory", "local"])
def test_every_kind_of_batch_is_read(
    make_place: Make, store: str, content: pa.Table, stream: bool, compression: str | None
) -> None:
    url = make_place(store).put("a.arrow", stored(content, stream=stream, compression=compression))

    source = open_source(url)
    last = list(source.read([RowRange(9, 3, 5), RowRange(2, 0, 1)]))

    assert read_all(source) == content
    assert [batch["number"].to_pylist() for batch in last] == [[93, 94], [20]]


def test_stream_whose_dictionary_is_replaced_keeps_both(memory: Place) -> None:
    parts = [pa.array(words).dictionary_encode() for words in (["a", "b"], ["c", "a"], ["b"])]
    out = io.BytesIO()
    with ipc.new_stream(out, pa.schema({"word": parts[0].type})) as writer:
        for part in parts:
            writer.write_batch(pa.record_batch([part], names=["word"]))
    source = open_source(memory.put("a.arrows", out.getvalue()))

    found = [batch["word"].to_pylist() for batch in source.read(reversed(whole(source)))]

    assert found == [["b"], ["c", "a"], ["a", "b"]]


def test_columns_and_filter(memory: Place) -> None:
    url = memory.put("a.arrow", stored(table()))

    found = read_all(open_source(url, columns=["text"], filter=field("number") >= 95))

    assert found == table().select(["text"]).slice(95)


def test_file_costs_its_end_its_headers_and_its_batches(remote: Place) -> None:
    """Of three batches of 4 MB each one is read: one request of all the headers would be 12 MB."""
    wide = pa.table({"a": range(3 << 19)})
    url = remote.put("a.arrow", stored(wide, batch=1 << 19))
    remote.methods()

    source = open_source(url, config=remote.config)
    opening = [method for method in remote.methods() if method == "GET"]
    (batch,) = source.read([RowRange(1, 0, 10)])

    assert len(opening) == 1 + 3
    assert batch["a"].to_pylist() == list(range(1 << 19, (1 << 19) + 10))
    assert len(remote.methods()) == 2  # 4 MiB and a header, in parts of at most 4 MiB


@pytest.mark.parametrize("stream", [False, True])
def test_local_batches_are_not_copied(tmp_path: Any, stream: bool) -> None:
    """They lie in the mapping of the file, so that pyarrow allocates nothing for them."""
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(pa.table({"a": range(1 << 20)}), batch=1 << 20, stream=stream))
    source = open_source(path)
    before = pa.total_allocated_bytes()

    batches = list(source.read(whole(source)))

    assert batches[0].nbytes == 8 << 20
    assert pa.total_allocated_bytes() - before < 1 << 20


def test_batches_outlive_source_and_file(tmp_path: Any) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(stored(table()))
    source = open_source(path)
    batches = list(source.read(whole(source)))
    schema = source.schema

    del source
    path.unlink()

    assert pa.Table.from_batches(batches, schema=schema) == table()


def test_replaced_file_is_refused(place: Place) -> None:
    url = place.put("a.arrow", stored(table()))
    source = open_source(url, config=place.config)
    place.put("a.arrow", stored(table(first=1)))

    with pytest.raises(VersionMismatch):
        list(source.read([RowRange(0, 0, 1)]))


def test_empty_files_have_no_blocks(memory: Place) -> None:
    for name, stream in (("a.arrow", False), ("b.arrows", True)):
        source = open_source(memory.put(name, stored(table(0), stream=stream)))

        assert list(source.block_rows) == []
        assert source.schema == table().schema


@pytest.mark.parametrize("cut", [5, 100, 700, 1500, -1, -8])
def test_file_that_is_cut_short_is_refused(memory: Place, cut: int) -> None:
    data = stored(table())

    with pytest.raises(BadShard):
        open_source(memory.put("a.arrow", data[:cut]))


def test_stream_that_is_cut_short_is_refused_with_its_row(memory: Place) -> None:
    data = stored(table(), stream=True)
    url = memory.put("a.arrows", data[: len(data) * 3 // 4])

    with pytest.raises(BadShard, match="damaged from row") as caught:
        open_source(url)

    assert caught.value.row
    assert caught.value.row % 10 == 0


@pytest.mark.parametrize("place_of_damage", range(12, 600, 28))
def test_damaged_footer_is_an_error_and_no_crash(memory: Place, place_of_damage: int) -> None:
    data = bytearray(stored(table()))
    data[-place_of_damage] ^= 0xFF
    url = memory.put("a.arrow", bytes(data))

    with contextlib.suppress(BadShard):  # or it is a byte that nobody looks at
        read_all(open_source(url))


def test_unknown_file_is_refused_with_a_way_out(memory: Place) -> None:
    url = memory.put("a.data", b"something else")

    with pytest.raises(BadShard, match="format='csv'"):
        open_source(url)


def test_known_end_needs_no_name(memory: Place) -> None:
    url = memory.put("a.data", stored(table()))

    assert read_all(open_source(url)) == table()
