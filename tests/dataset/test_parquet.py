"""Parquet shards in every store: what is read, what it costs, and what goes wrong by name."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from blobio.dataset import BadShard, field, open_source
from blobio.dataset.reading import ShardSource
from blobio.dataset.source import RowRange
from blobio.errors import InvalidConfig, NotFound, Unsupported, VersionMismatch
from blobio.testing.emulators.http import http_server
from tests.dataset.conftest import Place, parquet, read_all, table, whole


def test_shards_of_a_pattern_are_read_in_order(place: Place) -> None:
    for number in (2, 0, 1):
        place.put(f"shard-{number}.parquet", parquet(table(35, first=35 * number)))

    source = open_source(place.at("shard-*.parquet"), config=place.config)

    assert list(source.block_rows) == [10, 10, 10, 5] * 3
    assert source.schema == table().schema
    assert read_all(source) == table(105)


def test_one_request_opens_a_shard_that_a_listing_has_told_of(remote: Place) -> None:
    for number in range(3):
        remote.put(f"{number}.parquet", parquet(table()))
    remote.methods()

    open_source(remote.at("*.parquet"), config=remote.config)

    assert remote.methods() == ["GET"] * (1 + 3)


def test_one_request_opens_a_named_shard(remote: Place) -> None:
    url = remote.put("one.parquet", parquet(table(10_000), group=100))
    remote.methods()

    open_source(url, config=remote.config)

    # Azure has no ranges that count from the end
    assert remote.methods() == (["HEAD", "GET"] if remote.store == "azurite" else ["GET"])


def test_column_is_fetched_without_the_others(remote: Place) -> None:
    """Of 2.4 MB the footer and a third are read: one request for each row group."""
    rows = 100_000
    columns = {name: pa.array(range(seed, rows + seed)) for seed, name in enumerate("abc")}
    data = parquet(pa.table(columns), group=50_000, use_dictionary=False, compression="none")
    url = remote.put("wide.parquet", data)
    source = open_source(url, columns=["b"], config=remote.config)
    remote.methods()

    found = read_all(source)

    assert found == pa.table({"b": columns["b"]})
    assert remote.methods() == ["GET", "GET"]


def test_footer_longer_than_the_first_look_costs_one_request_more(remote: Place) -> None:
    wide = pa.table({f"column number {i}": [i] * 10 for i in range(100)})
    url = remote.put("wide.parquet", parquet(wide, group=1))
    source = open_source(url, config=remote.config)

    gets = [method for method in remote.methods() if method == "GET"]
    assert len(gets) == 2
    assert read_all(source) == wide


def test_ranges_are_read_in_their_order_and_cut_to_their_rows(place: Place) -> None:
    source = open_source(place.put("a.parquet", parquet(table())), config=place.config)
    ranges = [RowRange(7, 2, 5), RowRange(7, 0, 1), RowRange(0, 9, 10), RowRange(3, 4, 4)]

    batches = list(source.read(ranges))

    numbers = [batch["number"].to_pylist() for batch in batches]
    assert numbers == [[72, 73, 74], [70], [9], []]


def test_ranges_of_one_block_share_its_requests(remote: Place) -> None:
    source = open_source(remote.put("a.parquet", parquet(table())), config=remote.config)
    remote.methods()

    read_all(source, [RowRange(4, row, row + 1) for row in range(10)])

    assert remote.methods() == ["GET"]


def test_filter_leaves_out_row_groups_and_rows(remote: Place) -> None:
    url = remote.put("a.parquet", parquet(table()))
    source = open_source(url, columns=["text"], filter=field("number") >= 87, config=remote.config)
    remote.methods()

    found = read_all(source)

    assert list(source.block_rows) == [10, 10]
    assert found == table().select(["text"]).slice(87)
    assert remote.methods() == ["GET", "GET"]


def test_filtered_range_has_those_of_its_rows_that_pass(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table(20), group=20))
    source = open_source(url, columns=["number"], filter=field("text").is_null())

    batches = list(source.read([RowRange(0, 0, 8), RowRange(0, 8, 14), RowRange(0, 14, 20)]))

    assert [batch["number"].to_pylist() for batch in batches] == [[0, 7], [], [14]]


def test_filter_that_no_row_passes_reads_nothing(remote: Place) -> None:
    url = remote.put("a.parquet", parquet(table()))
    source = open_source(url, filter=field("number") > 1000, config=remote.config)
    remote.methods()

    assert read_all(source).num_rows == 0
    assert remote.methods() == []


def test_filter_on_a_nested_field(memory: Place) -> None:
    nested = pa.table({"point": [{"x": i, "y": None} for i in range(30)], "other": range(30)})
    source = open_source(
        memory.put("a.parquet", parquet(nested)),
        columns=["other"],
        filter=field("point", "x") > 27,
    )

    assert read_all(source)["other"].to_pylist() == [28, 29]


def test_replaced_shard_is_refused_by_name_and_row(place: Place) -> None:
    url = place.put("a.parquet", parquet(table()))
    source = open_source(url, config=place.config)
    place.put("a.parquet", parquet(table(100, first=1)))

    with pytest.raises(VersionMismatch) as caught:
        list(source.read([RowRange(4, 0, 10)]))

    assert caught.value.__notes__ == [f"while reading rows 40 to 50 of {url}"]


def test_vanished_shard_is_named_with_its_row(place: Place) -> None:
    kept, lost = (place.put(name, parquet(table())) for name in ("a.parquet", "b.parquet"))
    source = open_source([kept, lost], config=place.config)
    place.context.remove(lost)
    seen = []

    with pytest.raises((NotFound, VersionMismatch)) as caught:
        for batch in source.read(whole(source)):
            seen += batch["number"].to_pylist()

    assert seen == list(range(100))
    assert caught.value.__notes__ == [f"while reading rows 0 to 10 of {lost}"]


@pytest.mark.parametrize("cut", [0, 3, 11, 500, -1])
def test_truncated_shard_is_refused_when_it_is_opened(memory: Place, cut: int) -> None:
    url = memory.put("a.parquet", parquet(table())[:cut])

    with pytest.raises(BadShard, match="no Parquet file"):
        open_source(url)


def test_shard_without_its_middle_is_refused(memory: Place) -> None:
    data = parquet(table(1000), group=100)
    url = memory.put("a.parquet", data[:100] + data[-3000:])

    with pytest.raises(BadShard):
        open_source(url)


def test_damaged_pages_are_named_with_their_first_row(memory: Place) -> None:
    data = bytearray(parquet(table()))
    url = memory.put("a.parquet", bytes(data))
    source = open_source(url)
    block = source.manifest.shards[0].blocks[3]
    data[block.start : block.stop] = b"\xff" * (block.stop - block.start)
    memory.put("a.parquet", bytes(data))
    source = open_source(url)
    seen = 0

    with pytest.raises(BadShard, match="rows 30 to 40") as caught:
        for batch in source.read(whole(source)):
            seen += batch.num_rows

    assert seen == 30
    assert caught.value.row == 30
    assert pickle.loads(pickle.dumps(caught.value)).row == 30  # noqa: S301 - our own


def test_manifest_that_lies_of_rows_or_bytes_is_refused_by_row(memory: Place) -> None:
    """Such as one that somebody has written by hand."""
    source = open_source(memory.put("a.parquet", parquet(table())))
    (shard,) = source.manifest.shards
    block = shard.blocks[2]
    more_rows = replace(shard, blocks=(*shard.blocks[:2], replace(block, num_rows=11)))
    too_small = replace(shard, size=block.start)

    for lie in (more_rows, too_small):
        lying = ShardSource(replace(source.manifest, shards=(lie,)))
        with pytest.raises(BadShard, match="rows 20 to") as caught:
            list(lying.read([RowRange(2, 0, 1)]))
        assert caught.value.row == 20


def test_range_beyond_its_block_is_refused_after_those_before_it(memory: Place) -> None:
    source = open_source(memory.put("a.parquet", parquet(table())))
    batches = source.read([RowRange(0, 0, 10), RowRange(1, 0, 11)])

    assert next(batches).num_rows == 10
    with pytest.raises(ValueError, match="beyond its block"):
        next(batches)


def test_encrypted_shard_is_not_read(memory: Place) -> None:
    url = memory.put("a.parquet", b"PAR1" + b"." * 100 + b"PARE")

    with pytest.raises(Unsupported, match="encrypted"):
        open_source(url)


def test_schema_that_changes_between_shards_is_refused_by_name(memory: Place) -> None:
    first = memory.put("a.parquet", parquet(pa.table({"a": [1], "b": ["x"]})))
    other = memory.put("b.parquet", parquet(pa.table({"a": ["1"], "b": ["x"]})))
    lacking = memory.put("c.parquet", parquet(pa.table({"b": ["x"]})))

    for bad in (other, lacking):
        with pytest.raises(BadShard, match="column 'a'") as caught:
            open_source([first, bad])
        assert caught.value.url == bad
        assert caught.value.row == 0


def test_columns_in_another_order_are_the_same_columns(memory: Place) -> None:
    first = memory.put("a.parquet", parquet(pa.table({"a": [1], "b": ["x"]})))
    second = memory.put("b.parquet", parquet(pa.table({"b": ["y"], "c": [0.5], "a": [2]})))

    found = read_all(open_source([first, second]))

    assert found == pa.table({"a": [1, 2], "b": ["x", "y"]})


def test_empty_shards_have_no_blocks(memory: Place) -> None:
    empty = memory.put("a.parquet", parquet(table(0)))
    full = memory.put("b.parquet", parquet(table(5)))

    source = open_source([empty, full, empty])

    assert list(source.block_rows) == [5]
    assert read_all(source) == table(5)
    assert read_all(open_source(empty)) == table(0)


def test_column_of_nothing_but_nulls_takes_the_type_it_has_elsewhere(memory: Place) -> None:
    unknown = memory.put("a.parquet", parquet(pa.table({"a": pa.nulls(3), "b": pa.nulls(3)})))
    known = memory.put("b.parquet", parquet(pa.table({"a": ["x"], "b": pa.nulls(1)})))

    for shards in ([unknown, known], [known, unknown]):
        found = read_all(open_source(shards))

        assert found.schema == pa.schema({"a": pa.string(), "b": pa.null()})
        assert found["a"].null_count == 3


def test_unknown_column_is_refused(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table()))

    for columns in (["nothing"], [], ["text", "text"]):
        with pytest.raises(InvalidConfig, match="columns"):
            open_source(url, columns=columns)


def test_columns_come_in_the_order_asked_for(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table()))

    source = open_source(url, columns=["tags", "number"])

    assert read_all(source) == table().select(["tags", "number"])


def test_pattern_without_a_match_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound, match="no file matches"):
        open_source(place.at("*.parquet"), config=place.config)


def test_directory_means_the_files_below_it(place: Place) -> None:
    for name in ("a/0.parquet", "b/1.parquet"):
        place.put(f"set/{name}", parquet(table(3)))
    place.put("set/_SUCCESS", b"")
    place.put("set/_delta/log.parquet", b"")

    source = open_source(place.at("set/"), config=place.config)

    assert [shard.url for shard in source.manifest.shards] == [
        place.at("set/a/0.parquet"),
        place.at("set/b/1.parquet"),
    ]


@pytest.mark.parametrize("place_of_damage", range(9, 900, 27))
def test_damaged_footer_is_an_error_and_no_crash(memory: Place, place_of_damage: int) -> None:
    data = bytearray(parquet(table()))
    data[-place_of_damage] ^= 0xFF
    url = memory.put("a.parquet", bytes(data))

    with contextlib.suppress(BadShard):  # or it is a byte that nobody looks at
        read_all(open_source(url))


def test_shard_of_a_web_server_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(table()))
    with http_server(tmp_path) as server:
        for url in (f"{server.url}/a.parquet", f"{server.url}/a.parquet?signature=abc"):
            assert read_all(open_source(url, config=server.config())) == table()


@pytest.mark.parametrize(
    "condition",
    [
        pc.field("f") != 1.0,
        ~(pc.field("f") < 5.0),
        (pc.field("f") < 5.0) == False,  # noqa: E712 - an expression
        pc.is_nan(pc.field("f")),
    ],
)
def test_rows_that_only_a_nan_passes_are_found(memory: Place, condition: pc.Expression) -> None:
    floats = pa.table({"f": [1.0, float("nan"), 1.0]})
    url = memory.put("nan.parquet", parquet(floats, group=3))

    source = open_source(url, filter=condition, config=memory.config)

    assert read_all(source).num_rows == 1


def test_floats_that_no_nan_passes_rule_out_row_groups(memory: Place) -> None:
    floats = pa.table({"f": [1.0, float("nan"), 7.0, 8.0]})
    url = memory.put("floats.parquet", parquet(floats, group=2))

    source = open_source(url, filter=pc.field("f") > 5.0, config=memory.config)

    assert list(source.block_rows) == [2]
    assert read_all(source)["f"].to_pylist() == [7.0, 8.0]
