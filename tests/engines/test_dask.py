"""dask: a frame of known types that reads in workers, and an executor for `map_shards`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from distributed import Client, LocalCluster

from blobio.dataset import Dataset
from blobio.testing.emulators import S3Server
from tests.engines.conftest import ROWS, numbers, task_bytes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[Client]:
    """A cluster of two processes."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_frame_is_all_rows_at_their_positions(rows: Dataset) -> None:
    frame = rows.to_dask(task_bytes=task_bytes(rows, 100))

    assert frame.npartitions == 3
    assert frame.divisions == (0, 100, 200, 299)
    found = frame.compute()
    assert found["n"].tolist() == list(range(ROWS))
    assert found.index.tolist() == list(range(ROWS))
    assert (found.dtypes == frame.dtypes).all()
    assert frame.dtypes["maybe"] == pd.ArrowDtype(pa.int32())
    assert found["maybe"].isna().sum() == ROWS // 3


def test_frame_computes_in_workers(rows: Dataset) -> None:
    frame = rows.to_dask(task_bytes=task_bytes(rows, 50))

    assert int(frame["n"].sum().compute()) == sum(range(ROWS))
    assert frame.loc[120:130]["n"].compute().tolist() == list(range(120, 131))
    assert len(frame) == ROWS


def test_columns_that_are_not_needed_are_not_read(rows: Dataset, monkeypatch: Any) -> None:
    read: list[list[str]] = []
    select = Dataset.select

    def noted(rows: Dataset, names: list[str]) -> Dataset:
        read.append(names)
        return select(rows, names)

    monkeypatch.setattr(Dataset, "select", noted)

    frame = rows.to_dask(task_bytes=task_bytes(rows, 150))
    found = frame["n"].compute(scheduler="sync")

    assert found.tolist() == list(range(ROWS))
    assert read == [["n"], ["n"]]


def test_filtered_rows_have_no_positions(rows: Dataset) -> None:
    frame = rows.filter(pc.field("n") >= 290).to_dask(task_bytes=task_bytes(rows, 50))

    assert frame.known_divisions is False
    assert frame["n"].compute().tolist() == list(range(290, 300))


def test_dataset_without_rows_is_an_empty_frame(rows: Dataset) -> None:
    frame = rows.take(0).to_dask()

    assert list(frame.columns) == ["n", "maybe", "text"]
    assert len(frame) == 0


def test_map_shards_runs_in_workers(client: Client, rows: Dataset) -> None:
    with client.get_executor(pure=False) as executor:
        found = list(rows.map_shards(numbers, executor=executor, task_bytes=task_bytes(rows, 50)))

    assert len(found) == 6
    assert [n for part in found for n in part] == list(range(ROWS))


def test_dataset_is_written_by_workers(client: Client, rows: Dataset, moto: S3Server) -> None:
    with client.get_executor(pure=False) as executor:
        manifest = rows.write(
            "s3://engines/dask", executor=executor, task_bytes=task_bytes(rows, 100),
            config=moto.config(),
        )  # fmt: skip

    assert manifest.num_rows == ROWS
    assert len(manifest.shards) == 3
