"""What a source tells of itself, and how it is shared: cost, columns, fingerprint, threads."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from blobio.dataset import field, open_source
from blobio.dataset.source import RowRange
from blobio.errors import InvalidConfig
from tests.dataset.conftest import Place, parquet, read_all, table


def test_cost_of_a_block_is_what_reading_it_sends(remote: Place) -> None:
    names = [f"column {i}" for i in range(8)]
    data = parquet(
        pa.table({name: range(40_000) for name in names}),
        group=20_000,
        use_dictionary=False,
        compression="none",
    )
    url = remote.put("a.parquet", data)
    source = open_source(url, columns=[names[0], names[1], names[6]], config=remote.config)
    remote.methods()

    cost = source.cost(1)
    assert remote.methods() == []
    list(source.read([RowRange(1, 0, 20_000)]))

    assert len(remote.methods()) == cost.count == 2
    assert 3 * 160_000 <= cost.needed == cost.fetched < 3 * 161_000
    assert cost.decoded >= 3 * 160_000
    assert source.requests() == cost + source.cost(0)
    assert 24 <= source.row_bytes < 25


def test_selected_columns_are_a_source_of_their_own(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table()))
    source = open_source(url, columns=["tags", "text"], filter=field("number") >= 85)

    text = source.select(["text"])

    assert read_all(text) == table().select(["text"]).slice(85)
    assert read_all(source) == table().select(["tags", "text"]).slice(85)
    assert list(text.block_rows) == list(source.block_rows) == [10, 10]
    same = open_source(url, columns=["text"], filter=field("number") >= 85)
    assert text.fingerprint == same.fingerprint != source.fingerprint
    with pytest.raises(InvalidConfig, match="number"):
        source.select(["number"])


def test_source_tells_whether_batches_may_be_short(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table()))

    assert not open_source(url).filtered
    assert open_source(url, filter=field("number") > 1).filtered
    assert open_source(url, on_error="skip").filtered


def test_threads_share_a_source(memory: Place) -> None:
    urls = [memory.put(f"{i}.parquet", parquet(table(50, first=50 * i))) for i in range(4)]
    source = open_source(urls)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read_all(source), range(16)))

    assert all(one == table(200) for one in found)


def test_source_pickles_and_reads_on(place: Place) -> None:
    url = place.put("a.parquet", parquet(table()))
    source = open_source(url, filter=field("number") > 50, config=place.context.config)

    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own

    assert copy.fingerprint == source.fingerprint
    assert read_all(copy) == read_all(source)


def test_fingerprint_tells_sources_apart(memory: Place) -> None:
    url = memory.put("a.parquet", parquet(table()))
    other = memory.put("b.parquet", parquet(table()))
    values = list(range(100))
    filters = [field("number").isin([*values, last]) for last in (100, 101)]

    sources = [
        open_source(url),
        open_source(other),
        open_source([url, other]),
        open_source(url, columns=["text"]),
        *(open_source(url, filter=one) for one in filters),
    ]
    prints = [source.fingerprint for source in sources]

    assert len(set(prints)) == len(prints)
    assert open_source(url).fingerprint == prints[0]
    memory.put("a.parquet", parquet(table()))
    assert open_source(url).fingerprint != prints[0]
