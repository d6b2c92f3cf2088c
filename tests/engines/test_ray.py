"""Ray Data: read tasks that know their rows, in workers that are processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
import pytest
import ray

from blobio.dataset import Dataset
from tests.engines.conftest import ROWS, task_bytes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Two workers."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    yield
    ray.shutdown()


def test_workers_read_all_rows_in_order(rows: Dataset) -> None:
    found = rows.to_ray(task_bytes=task_bytes(rows, 100))

    assert [row["n"] for row in found.iter_rows()] == list(range(ROWS))


def test_facts_are_known_before_anything_is_read(rows: Dataset, monkeypatch: Any) -> None:
    found = rows.to_ray(task_bytes=task_bytes(rows, 100))

    # in this process: a task would fail to be sent
    monkeypatch.setattr(Dataset, "__getstate__", _refuse, raising=False)

    assert found.count() == ROWS
    assert found.schema().base_schema.equals(rows.schema)
    assert len(found.input_files()) == 6


def _refuse(_: Dataset) -> object:
    message = "it is sent to a worker"
    raise AssertionError(message)


def test_batches_are_mapped_where_they_are_read(rows: Dataset) -> None:
    found = rows.select(["n"]).to_ray(task_bytes=task_bytes(rows, 50))

    doubled = found.map_batches(
        lambda table: table.set_column(0, "n", pc.multiply(table["n"], 2)), batch_format="pyarrow"
    )

    assert doubled.sum("n") == 2 * sum(range(ROWS))


def test_filtered_rows_are_counted_by_reading(rows: Dataset) -> None:
    found = rows.filter(pc.field("n") >= 290).to_ray(task_bytes=task_bytes(rows, 100))

    assert found.count() == 10


def test_dataset_without_rows_has_its_columns(rows: Dataset) -> None:
    found = rows.take(0).to_ray()

    assert found.count() == 0
    assert found.schema().names == ["n", "maybe", "text"]
