"""Each way in which one shard of three can be bad, in each format, under each policy."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pytest

from blobio.dataset import BadShard, Dataset, Manifest, Shard, open_dataset, open_source
from blobio.dataset.errors import LOSSES, OnError
from blobio.errors import BlobError
from blobio.values import Version
from tests.dataset.conftest import Make, Place, parquet
from tests.dataset.test_arrow import stored

POLICIES: Final[tuple[OnError, ...]] = ("raise", "skip", "substitute")
ROWS: Final = 20
BAD: Final = 1


def content(first: int) -> pa.Table:
    numbers = range(first, first + ROWS)
    return pa.table({"number": numbers, "text": [f"row {i}" for i in numbers]})


def as_csv(rows: pa.Table) -> bytes:
    out = io.BytesIO()
    pyarrow.csv.write_csv(rows, out)
    return out.getvalue()


def as_ndjson(rows: pa.Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows.to_pylist()).encode()


FORMATS: Final[dict[str, Callable[[pa.Table], bytes]]] = {
    "parquet": parquet,
    "arrow": stored,
    "zstd.arrow": lambda rows: stored(rows, compression="zstd"),
    "arrows": lambda rows: stored(rows, stream=True),
    "csv": as_csv,
    "ndjson": as_ndjson,
}


def gone(place: Place, shard: Shard) -> Shard:
    place.context.remove(shard.url)
    return shard


def replaced(place: Place, shard: Shard) -> Shard:
    data = place.context.read_bytes(shard.url)
    place.context.write_bytes(shard.url, data + b"\n")
    return shard


def cut(place: Place, shard: Shard) -> Shard:
    """Not even the first block is whole, and no version tells."""
    data = place.context.read_bytes(shard.url)
    place.context.write_bytes(shard.url, data[: shard.blocks[0].start + 8])
    return replace(shard, version=None)


def overwritten(place: Place, shard: Shard) -> Shard:
    """Garbage where the rows are, and no version that would tell."""
    data = bytearray(place.context.read_bytes(shard.url))
    start, stop = shard.blocks[0].start, shard.blocks[-1].stop
    data[start:stop] = b"\xff" * (stop - start)
    place.context.write_bytes(shard.url, bytes(data))
    return replace(shard, version=None)


def of_other_types(place: Place, shard: Shard) -> Shard:
    """Its numbers are words, and it is indexed as what it is."""
    rows = content(ROWS).set_column(0, "number", pa.array(["word"] * ROWS))
    suffix = shard.url.partition("/bad.")[2]
    place.context.write_bytes(shard.url, FORMATS[suffix](rows))
    return open_source(shard.url, config=place.config).manifest.shards[0]


def more_rows(_: Place, shard: Shard) -> Shard:
    return replace(shard, blocks=tuple(replace(b, num_rows=b.num_rows + 1) for b in shard.blocks))


FAULTS: Final[dict[str, Callable[[Place, Shard], Shard]]] = {
    "gone": gone,
    "replaced": replaced,
    "cut": cut,
    "overwritten": overwritten,
    "of other types": of_other_types,
    "more rows in the manifest": more_rows,
    "fewer bytes in the manifest": lambda _, shard: replace(shard, size=shard.blocks[0].start + 8),
    "more bytes in the manifest": lambda _, shard: replace(
        shard, size=shard.size + 1, version=None
    ),
    "another version in the manifest": lambda _, shard: replace(shard, version=Version("other")),
}


def made(place: Place, suffix: str, fault: str) -> Manifest:
    names = [f"0.{suffix}", f"bad.{suffix}", f"2.{suffix}"]
    encode = FORMATS[suffix]
    urls = [place.put(name, encode(content(ROWS * i))) for i, name in enumerate(names)]
    manifest = open_source(urls, config=place.config).manifest
    shards = list(manifest.shards)
    shards[BAD] = FAULTS[fault](place, shards[BAD])
    return replace(manifest, shards=tuple(shards))


def numbers(ds: Dataset) -> list[int]:
    return list(chain.from_iterable(batch["number"].to_pylist() for batch in ds))


@pytest.mark.parametrize("store", ["memory", "local"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_bad_shard_is_named_or_gone_without(
    make_place: Make, store: str, suffix: str, fault: str
) -> None:
    place = make_place(store)
    manifest = made(place, suffix, fault)
    raising, skipping, standing_in = (
        open_dataset(manifest, on_error=policy, config=place.config).batch(8) for policy in POLICIES
    )
    good = [*range(ROWS), *range(2 * ROWS, 3 * ROWS)]

    with pytest.raises(LOSSES) as raised:
        numbers(raising)

    error = raised.value
    assert isinstance(error, BlobError)
    told = " ".join([str(error), *getattr(error, "__notes__", ())])
    assert manifest.shards[BAD].url in told
    assert "rows 0 to" in told
    assert not isinstance(error, BadShard) or error.row == 0
    assert numbers(skipping) == good
    assert {one.url for one in skipping.skipped} == {manifest.shards[BAD].url}
    found = [batch["number"].to_pylist() for batch in standing_in]
    assert {len(rows) for rows in found[:-1]} == {8}
    bad_rows = sum(block.num_rows for block in manifest.shards[BAD].blocks)
    assert sum(map(len, found)) == 2 * ROWS + bad_rows
    assert set(chain(*found)) == set(good)


@pytest.mark.parametrize("store", ["memory", "local", "moto"])
@pytest.mark.parametrize("end", ["gone", "replaced"])
@pytest.mark.parametrize("on_error", POLICIES)
def test_a_shard_that_is_lost_while_others_are_read(
    make_place: Make, store: str, end: str, on_error: OnError
) -> None:
    place = make_place(store)
    encoded = [parquet(content(ROWS * i), group=4) for i in range(8)]
    urls = [place.put(f"{i}.parquet", data) for i, data in enumerate(encoded)]
    ds = open_dataset(urls, on_error=on_error, config=place.config).batch(4)
    batches = iter(ds)
    found = [next(batches)["number"].to_pylist()]

    if end == "gone":
        place.context.remove(urls[-1])
    else:
        place.put("7.parquet", encoded[0])
    if on_error == "raise":
        with pytest.raises(LOSSES):
            list(batches)
        return
    found += [batch["number"].to_pylist() for batch in batches]

    assert list(chain(*found[:35])) == list(range(7 * ROWS))
    assert [len(rows) for rows in found[35:]] == [4 if on_error == "substitute" else 0] * 5
    assert ds.state_dict()["lost"] == "0:35-39"


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "zstd.arrow", "arrows"])
def test_nulls_and_nested_types_stand_in(memory: Place, suffix: str) -> None:
    """Of a block that is shorter, so that it is taken by turns; with an empty shard between."""
    rows = pa.table(
        {
            "none": pa.nulls(3, pa.int64()),
            "nothing": pa.nulls(3),
            "word": pa.array(["a", None, "b"]).dictionary_encode(),
            "deep": pa.array([[{"x": [1, None]}], None, []]),
            "pair": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float64(), 2)),
        }
    )
    encode = FORMATS[suffix]
    long = pa.concat_tables([rows] * 3).combine_chunks().unify_dictionaries()
    urls = [
        memory.put(f"{name}.{suffix}", encode(part))
        for name, part in (("long", long), ("empty", rows.slice(0, 0)), ("short", rows))
    ]
    ds = open_dataset(urls, on_error="substitute")
    memory.context.remove(urls[0])

    (batch,) = ds.batch(100)

    assert batch.to_pylist() == rows.to_pylist() * 4
    assert len(ds.skipped) == 1
