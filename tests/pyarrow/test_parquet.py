"""Parquet files and datasets, read and written through the file system, and what that costs."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.pyarrow.conftest import Place, table

# Before 25 `read_table` asks twice what the path is, and so do we.
ASKS_AGAIN = int(pa.__version__.partition(".")[0]) < 25


def test_table_goes_out_and_comes_back(place: Place) -> None:
    path = place.at("d/table.parquet")

    pq.write_table(table(), path, filesystem=place.fs)

    assert pq.read_table(path, filesystem=place.fs) == table()
    assert pq.ParquetFile(path, filesystem=place.fs).metadata.num_rows == 1000
    assert pq.read_schema(path, filesystem=place.fs).names == ["part", "number", "text"]


def test_one_column_costs_three_requests(remote: Place) -> None:
    """Facts of the path, the end of the file, the column: of 1 MiB, a third is read."""
    path = remote.at("table.parquet")
    columns = {name: pa.array(range(seed, 60_000 + seed)) for seed, name in enumerate("abc")}
    pq.write_table(pa.table(columns), path, filesystem=remote.fs, use_dictionary=False)
    assert remote.context.stat(path).size > 500_000
    remote.methods()

    found = pq.read_table(path, columns=["b"], filesystem=remote.fs)

    assert found["b"].to_pylist() == list(range(1, 60_001))
    assert len(remote.methods()) <= 3 + ASKS_AGAIN


def test_small_table_costs_two_requests(remote: Place) -> None:
    path = remote.at("table.parquet")
    pq.write_table(table(), path, filesystem=remote.fs)
    remote.methods()

    pq.read_table(path, filesystem=remote.fs)

    assert len(remote.methods()) <= 2 + ASKS_AGAIN


def test_writing_a_table_is_one_request(remote: Place) -> None:
    pq.write_table(table(), remote.at("table.parquet"), filesystem=remote.fs)

    sent = [method for method in remote.methods() if method in ("PUT", "POST")]
    assert len(sent) == 1


def test_failed_writer_publishes_nothing(place: Place) -> None:
    path = place.at("table.parquet")

    with (
        pytest.raises(ZeroDivisionError),
        pq.ParquetWriter(path, table().schema, filesystem=place.fs) as writer,
    ):
        writer.write_table(table())
        raise ZeroDivisionError

    assert not place.context.exists(path)


def test_dataset_is_written_in_partitions_and_read(place: Place) -> None:
    base = place.at("set")

    ds.write_dataset(table(), base, format="parquet", partitioning=["part"], filesystem=place.fs)

    names = sorted(place.context.glob(f"{base}/**/*.parquet"))
    assert names == [f"{base}/p{number}/part-0.parquet" for number in range(3)]
    found = ds.dataset(base, format="parquet", partitioning=["part"], filesystem=place.fs)
    assert found.count_rows() == 1000
    assert found.to_table(filter=ds.field("part") == "p1").num_rows == 333
    assert sorted(found.to_table(columns=["number"])["number"].to_pylist()) == list(range(1000))


def test_reading_a_dataset_costs_one_listing_and_two_requests_a_file(remote: Place) -> None:
    base = remote.at("set")
    ds.write_dataset(table(), base, format="parquet", partitioning=["part"], filesystem=remote.fs)
    remote.methods()

    found = ds.dataset(base, format="parquet", partitioning=["part"], filesystem=remote.fs)
    assert found.to_table().num_rows == 1000

    assert len(remote.methods()) <= 2 + 2 + 3 * 2  # the directory, its listing, and each file


def test_delete_matching_replaces_the_partitions_it_writes(place: Place) -> None:
    base = place.at("set")
    pq.write_to_dataset(table(), base, partition_cols=["part"], filesystem=place.fs)
    only = table().filter(ds.field("part") == "p0").slice(0, 5)

    pq.write_to_dataset(
        only,
        base,
        partition_cols=["part"],
        filesystem=place.fs,
        existing_data_behavior="delete_matching",
    )

    found = pq.read_table(base, filesystem=place.fs)
    assert found.num_rows == 5 + 333 + 333
    assert len(list(place.context.glob(f"{base}/part=p0/*"))) == 1


def test_csv_dataset_is_read_front_to_back(place: Place) -> None:
    base = place.at("csv")
    ds.write_dataset(table(), base, format="csv", filesystem=place.fs)

    assert ds.dataset(base, format="csv", filesystem=place.fs).to_table() == table()
