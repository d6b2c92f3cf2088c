"""polars and duckdb over `blobio.dataset`, by Arrow's C stream."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from blobio.dataset import Dataset
from tests.dataset.memory import MemorySource, numbers


@pytest.fixture(scope="module", autouse=True)
def polars_runs() -> None:
    """Start what polars starts once and leaves running: no test has left it."""
    pl.DataFrame({"text": ["a"]})["text"].str.len_bytes()


def test_polars_takes_a_dataset() -> None:
    ds = Dataset(MemorySource(numbers([40, 60]))).shuffle(seed=1)

    frame = pl.DataFrame(ds)

    assert frame["n"].to_list() == [row["n"] for row in ds.rows()]
    assert frame["n_text"].str.len_bytes().to_list() == [n % 7 for n in frame["n"]]


def test_duckdb_queries_a_dataset() -> None:
    ds = Dataset(MemorySource(numbers([40, 60]))).map(lambda batch: batch.select(["n"]))

    found = duckdb.sql("select sum(n), count(*) from ds where n >= 50").fetchall()

    assert found == [(sum(range(50, 100)), 50)]
    assert ds.schema.names == ["n"]
