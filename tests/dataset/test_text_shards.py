"""CSV and NDJSON shards: windows of lines, compression, types that stay, and bad lines."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.dataset import BadShard, field, open_source, scanning
from blobio.dataset.formats.text import cut, header_of
from blobio.dataset.source import RowRange
from tests.dataset.conftest import Place, read_all, whole

ROWS = 1000


def csv_text(rows: int = ROWS, first: int = 0) -> bytes:
    lines = [f'{i},"row, ""{i}""\nsecond line",{i / 2}' for i in range(first, first + rows)]
    return ("number,text,half\n" + "\n".join(lines) + "\n").encode()


def ndjson_text(rows: int = ROWS, first: int = 0) -> bytes:
    lines = [
        json.dumps({"number": i, "text": f"row {i}", "tags": [{"n": i}] if i % 2 else None})
        for i in range(first, first + rows)
    ]
    return "\n".join(lines).encode()


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks of about a kilobyte, so that a small file has many."""
    monkeypatch.setattr(scanning, "WINDOW_BYTES", 1024)


@pytest.mark.usefixtures("small_windows")
def test_csv_is_read_in_windows_from_every_store(place: Place) -> None:
    place.put("a.csv", csv_text())
    place.put("b.csv", csv_text(10, first=ROWS))

    source = open_source(place.at("*.csv"), config=place.config)
    found = read_all(source)

    assert len(source.block_rows) > 20
    assert found["number"].to_pylist() == list(range(ROWS + 10))
    assert found["text"][7].as_py() == 'row, "7"\nsecond line'
    assert found.schema.types == [pa.int64(), pa.string(), pa.float64()]


@pytest.mark.usefixtures("small_windows")
def test_ndjson_is_read_in_windows_from_every_store(place: Place) -> None:
    place.put("a.jsonl", ndjson_text())
    place.put("b.ndjson", ndjson_text(10, first=ROWS))

    source = open_source([place.at("a.jsonl"), place.at("b.ndjson")], config=place.config)
    found = read_all(source)

    assert len(source.block_rows) > 20
    assert found["number"].to_pylist() == list(range(ROWS + 10))
    assert found["tags"][:2].to_pylist() == [None, [{"n": 1}]]


@pytest.mark.usefixtures("small_windows")
def test_a_window_is_read_without_the_others(remote: Place) -> None:
    source = open_source(remote.put("a.csv", csv_text()), config=remote.config)
    remote.methods()

    (batch,) = source.read([RowRange(20, 0, 1)])

    assert batch["number"].to_pylist() == [sum(source.block_rows[:20])]
    assert remote.methods() == ["GET"]


@pytest.mark.parametrize(
    ("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_compressed_text_is_one_block(memory: Place, suffix: str, compress: object) -> None:
    assert callable(compress)
    for name, data in (("a.csv", csv_text()), ("a.jsonl", ndjson_text())):
        source = open_source(memory.put(f"{name}.{suffix}", compress(data)))

        assert list(source.block_rows) == [ROWS]
        assert read_all(source)["number"].to_pylist() == list(range(ROWS))


def test_compressed_text_that_is_cut_short_is_refused(memory: Place) -> None:
    data = gzip.compress(csv_text())

    with pytest.raises(BadShard):
        open_source(memory.put("a.csv.gz", data[: len(data) // 2]))


def test_columns_and_filter_of_text(memory: Place) -> None:
    for url in (memory.put("a.csv", csv_text()), memory.put("a.jsonl", ndjson_text())):
        source = open_source(url, columns=["text"], filter=field("number") == 17)

        assert read_all(source).num_rows == 1


def test_tabs_separate_the_columns_of_tsv(memory: Place) -> None:
    url = memory.put("a.tsv", b"a\tb\n1\tx,y\n")

    assert read_all(open_source(url)).to_pylist() == [{"a": 1, "b": "x,y"}]


@pytest.mark.usefixtures("small_windows")
def test_line_that_is_of_another_type_is_named_by_its_rows(memory: Place) -> None:
    lines = [b'{"a": 1}'] * 500
    lines[400] = b'{"a": "one"}'
    source = open_source(memory.put("a.jsonl", b"\n".join(lines)))
    seen = 0

    with pytest.raises(BadShard) as caught:
        for batch in source.read(whole(source)):
            seen += batch.num_rows

    assert caught.value.row == seen
    assert seen <= 400


@pytest.mark.usefixtures("small_windows")
def test_field_that_appears_later_is_an_error_unless_it_is_not_wanted(memory: Place) -> None:
    lines = [b'{"a": 1}'] * 500 + [b'{"a": 1, "b": 2}']
    url = memory.put("a.jsonl", b"\n".join(lines))

    with pytest.raises(BadShard):
        read_all(open_source(url))
    schema = pa.schema({"a": pa.int64(), "b": pa.int64()})
    assert read_all(open_source(url, schema=schema))["b"].null_count == 500


def test_schema_says_what_text_is(memory: Place) -> None:
    url = memory.put("a.csv", b"a,b\n1,2\n")
    schema = pa.schema({"a": pa.float32(), "b": pa.string()})

    found = read_all(open_source(url, schema=schema))

    assert found == pa.table({"a": [1.0], "b": ["2"]}, schema=schema)


def test_types_of_the_first_shard_hold_for_the_others(memory: Place) -> None:
    first = memory.put("a.csv", b"a,b\n1.5,x\n")
    second = memory.put("b.csv", b"a,b\n2,\n")

    found = read_all(open_source([first, second]))

    assert found.to_pylist() == [{"a": 1.5, "b": "x"}, {"a": 2.0, "b": ""}]


def test_empty_text_has_no_rows(memory: Place) -> None:
    for name, data in (("a.csv", b""), ("b.csv", b"a,b\n"), ("c.jsonl", b""), ("d.jsonl", b"\n")):
        assert list(open_source(memory.put(name, data)).block_rows) == [], name
    assert open_source(memory.at("b.csv")).schema.names == ["a", "b"]


def test_csv_line_with_too_many_columns_is_refused(memory: Place) -> None:
    with pytest.raises(BadShard, match="damaged from row"):
        open_source(memory.put("a.csv", b"a,b\n1,2\n1,2,3\n"))


def test_line_without_an_end_is_refused_before_it_fills_memory(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "WINDOW_BYTES", 1024)
    monkeypatch.setattr(scanning, "_LINE_BYTES", 4096)

    with pytest.raises(BadShard, match="a line of more than"):
        open_source(memory.put("a.jsonl", b"x" * 100_000))


pieces = st.lists(st.sampled_from([b'"', b"\n", b"x", b",", b'""', b"\r\n"]), max_size=40)


@given(pieces)
def test_cut_is_at_the_last_line_end_outside_quotes(drawn: list[bytes]) -> None:
    data = b"".join(drawn)
    ends = [i + 1 for i in range(len(data)) if data[i : i + 1] == b"\n"]
    outside = [end for end in ends if data.count(b'"', 0, end) % 2 == 0]

    assert cut(data, "csv") == max(outside, default=0)
    assert cut(data, "ndjson") == max(ends, default=0)
    assert header_of(data) == (data[: min(outside)] if outside else data)
