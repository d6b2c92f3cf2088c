"""Grain and JAX: a view of remote rows is a data source, and columns become arrays."""

from __future__ import annotations

import pickle
from typing import Any

import grain
import jax
import jax.numpy as jnp
import pytest
from absl import flags

from blobio.dataset import Dataset, RowView
from tests.engines.conftest import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_view_is_a_random_access_data_source(rows: Dataset) -> None:
    view = rows.random_access()

    assert isinstance(view, grain.sources.RandomAccessDataSource)
    assert len(view) == ROWS
    again: RowView = pickle.loads(pickle.dumps(view))  # noqa: S301 - our own
    assert repr(again) == repr(view) == repr(rows.random_access())
    assert view._getitems([3, 1]) == [again[3], again[1]]


def test_view_is_read_by_many_threads(rows: Dataset) -> None:
    view = rows.select(["n"]).random_access()

    dataset = grain.MapDataset.source(view).shuffle(seed=1)
    batches: Any = dataset.to_iter_dataset(grain.ReadOptions(num_threads=8)).batch(30)

    found = [int(n) for batch in batches for n in batch["n"]]
    assert sorted(found) == list(range(ROWS))
    assert found != sorted(found)


def test_workers_read_what_they_are_sent(rows: Dataset) -> None:
    flags.FLAGS.mark_as_parsed()  # Grain's workers ask for some
    sampler = grain.samplers.IndexSampler(
        num_records=ROWS,
        shuffle=True,
        seed=1,
        num_epochs=1,
        shard_options=grain.sharding.NoSharding(),
    )
    loader = grain.DataLoader(
        data_source=rows.random_access(), sampler=sampler, worker_count=2, worker_buffer_size=1
    )

    assert sorted(row["n"] for row in loader) == list(range(ROWS))


def test_columns_are_arrays_of_jax(rows: Dataset) -> None:
    total = jnp.zeros((), jnp.int32)

    for batch in rows.batch(64):
        column: Any = jax.dlpack.from_dlpack(batch.column("n").cast("int32"))
        total += column.sum()

    assert int(total) == sum(range(ROWS))
