"""Tables: pandas, pyarrow, dask, duckdb and polars."""

from __future__ import annotations

import dask
import dask.dataframe as dd
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from tests.clients.conftest import Store


def frame(rows: int = 1000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "part": [f"p{number % 3}" for number in range(rows)],
            "number": range(rows),
            "half": [number / 2 for number in range(rows)],
        }
    )


def test_pandas_csv(store: Store) -> None:
    url = store.url("table.csv")

    frame().to_csv(url, index=False, storage_options=store.options)
    assert store.requests() <= 2
    found = pd.read_csv(url, storage_options=store.options)

    assert_frame_equal(found, frame())
    assert store.requests() <= 2


def test_pandas_csv_that_is_compressed(store: Store) -> None:
    url = store.url("table.csv.gz")

    frame().to_csv(url, index=False, storage_options=store.options)

    assert_frame_equal(pd.read_csv(url, storage_options=store.options), frame())
    with store.context.BlobFile(store.own("table.csv.gz"), compression="infer") as file:
        assert file.readline() == "part,number,half\n"


def test_pandas_json(store: Store) -> None:
    url = store.url("table.json")

    frame().to_json(url, orient="records", lines=True, storage_options=store.options)
    assert store.requests() <= 2
    found = pd.read_json(url, orient="records", lines=True, storage_options=store.options)

    assert_frame_equal(found, frame(), check_dtype=False)
    assert store.requests() <= 2


def test_pandas_parquet(store: Store) -> None:
    url = store.url("table.parquet")

    frame().to_parquet(url, storage_options=store.options)
    assert store.requests() <= 3
    found = pd.read_parquet(url, storage_options=store.options)

    assert_frame_equal(found, frame())
    assert store.requests() <= 8


def test_pandas_parquet_through_our_file_system(store: Store) -> None:
    from blobio.pyarrow import filesystem

    fs = filesystem(store.fs.config)
    frame().to_parquet(store.own("table.parquet"), filesystem=fs)
    store.requests()

    found = pd.read_parquet(store.own("table.parquet"), columns=["number"], filesystem=fs)

    assert found["number"].sum() == sum(range(1000))
    assert store.requests() <= 3


def test_pyarrow_table_over_fsspec(store: Store) -> None:
    fs, path = store.fs, store.own("table.parquet").partition("://")[2]
    pq.write_table(pa.Table.from_pandas(frame()), path, filesystem=fs)
    assert store.requests() <= 3

    assert pq.read_table(path, columns=["number"], filesystem=fs).num_rows == 1000
    assert store.requests() <= 8


@pytest.mark.parametrize("ours", [False, True], ids=["fsspec", "blobio.pyarrow"])
def test_pyarrow_dataset_with_partitions(store: Store, ours: bool) -> None:
    from blobio.pyarrow import filesystem

    fs = filesystem(store.fs.config) if ours else store.fs
    base = store.own("set") if ours else store.own("set").partition("://")[2]
    table = pa.Table.from_pandas(frame())
    pq.write_to_dataset(table, base, partition_cols=["part"], filesystem=fs)
    one = table.filter(ds.field("part") == "p1").slice(0, 10)
    pq.write_to_dataset(
        one,
        base,
        partition_cols=["part"],
        filesystem=fs,
        existing_data_behavior="delete_matching",
    )
    store.requests()

    found = ds.dataset(base, format="parquet", partitioning="hive", filesystem=fs).to_table()

    assert found.num_rows == 334 + 10 + 333
    assert store.requests() <= (8 if ours else 24)


# dask still asks for what pandas 3.1 gives up
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")
def test_dask_dataframe(store: Store) -> None:
    with dask.config.set(scheduler="threads"):
        whole = dd.from_pandas(frame(), npartitions=3)
        whole.to_parquet(store.url("set"), storage_options=store.options)
        found = dd.read_parquet(store.url("set"), storage_options=store.options)
        assert found["number"].sum().compute() == sum(range(1000))
        whole.to_csv(store.url("csv/*.csv"), index=False, storage_options=store.options)
        assert store.requests() <= 80
        rows = dd.read_csv(store.url("csv/*.csv"), storage_options=store.options)
        assert len(rows) == 1000
    assert store.requests() <= 30


def test_duckdb(store: Store) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(store.fs)
        rows = frame()
        connection.register("rows", rows)
        url = store.url("table.parquet")
        connection.execute(f"copy rows to '{url}' (format parquet)")
        assert store.requests() <= 8
        query = f"select sum(number), count(*) from read_parquet('{url}')"  # noqa: S608
        assert connection.execute(query).fetchone() == (sum(range(1000)), 1000)
    assert store.requests() <= 24


def test_polars_file_objects(store: Store) -> None:
    table = pl.DataFrame({"number": list(range(1000))})
    with store.fs.open(store.url("table.parquet"), "wb") as file:
        table.write_parquet(file)
    with store.context.BlobFile(store.own("table.csv.gz"), "wb", compression="infer") as target:
        table.write_csv(target)
    assert store.requests() <= 1

    with store.fs.open(store.url("table.parquet")) as file:
        assert pl.read_parquet(file).equals(table)
    with store.context.BlobFile(store.own("table.csv.gz"), "rb", compression="infer") as source:
        assert pl.read_csv(source).equals(table)
    assert store.requests() <= 3
