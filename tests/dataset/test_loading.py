"""From a name to rows: shards, manifests, registries and the Hub, and what is trained on them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blobio.dataset as bd
from blobio.errors import InvalidConfig, NotFound
from blobio.testing.strict_hub import StrictHub, strict_hub
from tests.dataset.conftest import STORES, Make, Place

ROWS = 1000
NAME = "org/gsm8k"

# https://huggingface.co/datasets/openai/gsm8k, .../openai/openai_humaneval and .../cais/mmlu are
# of these schemas (from the reference; the Hub cannot be reached from here).
SHAPES = {
    "gsm8k": pa.schema([("question", pa.string()), ("answer", pa.string())]),
    "humaneval": pa.schema(
        [(name, pa.string()) for name in ("task_id", "prompt", "canonical_solution", "test")]
        + [("entry_point", pa.string())]
    ),
    "mmlu": pa.schema(
        [
            ("question", pa.string()),
            ("subject", pa.string()),
            ("choices", pa.list_(pa.string())),
            ("answer", pa.int64()),
        ]
    ),
}


def make_row(schema: pa.Schema, number: int) -> dict[str, object]:
    """Return one row that tells its number in every column."""
    values: dict[object, object] = {
        pa.string(): f"{number}",
        pa.int64(): number % 4,
        pa.list_(pa.string()): [f"{number}{letter}" for letter in "abcd"],
    }
    return {field.name: values[field.type] for field in schema}


def write(place: Place, name: str, rows: int = ROWS) -> str:
    """Write shards of two splits; return the URL of their manifest."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with bd.ShardWriter(
        place.at(name), schema, shard_rows=rows // 4, row_group_rows=50, config=place.config
    ) as writer:
        for split, start in (("train", 0), ("test", rows)):
            if split != "train":  # where it begins
                writer.start_split(split)
            for first in range(start, start + rows, 100):
                ids = range(first, first + 100)
                writer.write([{"id": n, "text": f"row {n}"} for n in ids])
    return f"{place.at(name)}/manifest.json"


def ids(dataset: bd.Dataset) -> list[int]:
    return [int(str(row["id"])) for row in dataset.rows()]


def test_what_was_written_is_trained_on_and_resumed(place: Place) -> None:
    url = write(place, "set")
    train = bd.open_dataset(url, split="train", columns=["id"], config=place.config)
    shuffled = train.shuffle(seed=1).batch(32)

    whole = [batch.column("id").to_pylist() for batch in shuffled]
    first = iter(shuffled)
    begun = [next(first).column("id").to_pylist() for _ in range(7)]
    again = bd.open_dataset(url, split="train", columns=["id"], config=place.config)
    resumed = again.shuffle(seed=1).batch(32)
    resumed.load_state_dict(first.state_dict())
    rest = [batch.column("id").to_pylist() for batch in resumed]

    assert train.schema == pa.schema([("id", pa.int64())])
    assert sorted(n for batch in whole for n in batch) == list(range(ROWS))
    assert begun + rest == whole


def test_two_ranks_get_what_one_gets(place: Place) -> None:
    url = write(place, "set")
    dataset = bd.open_dataset(url, config=place.config).shuffle(seed=3).batch(50)

    alone = [batch.column("id").to_pylist() for batch in dataset]
    ranks = [
        [b.column("id").to_pylist() for b in dataset.shard(rank, 2, remainder="drop")]
        for rank in range(2)
    ]

    assert [len(batches) for batches in ranks] == [20, 20]
    assert [batch for pair in zip(*ranks, strict=True) for batch in pair] == alone


def test_manifest_is_one_request(remote: Place) -> None:
    url = write(remote, "set")
    remote.methods()

    dataset = bd.open_dataset(url, config=remote.config)

    assert (dataset.num_rows, remote.methods()) == (2 * ROWS, ["GET"])


def test_frozen_dataset_is_the_same(place: Place) -> None:
    write(place, "set")
    shards = bd.open_dataset(place.at("set/data/*.parquet"), config=place.config)
    url = place.at("frozen-manifest.json")

    manifest = bd.freeze(shards, url, license="mit", config=place.config)

    frozen = bd.open_dataset(url, config=place.config)
    assert len(manifest.shards) == 8
    assert sorted(ids(frozen)) == list(range(2 * ROWS))
    assert bd.load_manifest(url, config=place.config).license == "mit"


def test_what_was_made_of_a_dataset_cannot_be_frozen(memory: Place) -> None:
    dataset = bd.open_dataset(write(memory, "set"), config=memory.config)

    with pytest.raises(InvalidConfig, match="as it was opened"):
        bd.freeze(dataset.shuffle(seed=1), memory.at("other.json"), config=memory.config)


def test_unknown_split_is_named_with_those_that_are(memory: Place) -> None:
    url = write(memory, "set")

    with pytest.raises(NotFound, match="no split 'dev': its splits are train, test"):
        bd.open_dataset(url, split="dev", config=memory.config)
    with pytest.raises(NotFound, match="its splits are none"):
        bd.open_dataset(memory.at("set/data/*"), split="train", config=memory.config)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("store", [store for store in STORES if store != "rclone"])
def test_sets_of_the_usual_shapes_load_from_a_registry(
    make_place: Make, store: str, shape: str
) -> None:
    """Not on rclone's server: it takes conditions and ignores them, so nothing is published."""
    place = make_place(store)
    schema = SHAPES[shape]
    rows = {"train": 70, "test": 30}
    with bd.ShardWriter(place.at(shape), schema, config=place.config) as writer:
        for split, count in rows.items():
            if split != "train":
                writer.start_split(split)
            writer.write([make_row(schema, number) for number in range(count)])
    manifest = bd.load_manifest(f"{place.at(shape)}/manifest.json", config=place.config)
    registry = bd.Registry(place.at("registry"), config=place.config)
    registry.publish(shape, manifest, version="1.0", license="mit")

    for split, count in rows.items():
        loaded = bd.load_dataset(
            shape, split=split, registry=place.at("registry"), config=place.config
        )
        assert loaded.schema == schema
        assert list(loaded.rows()) == [make_row(schema, number) for number in range(count)]


def test_registry_of_the_settings_has_no_subsets(memory: Place) -> None:
    config = replace(memory.config, dataset=bd.DatasetConfig(registry=memory.at("registry")))

    with pytest.raises(NotFound, match="no subsets"):
        bd.load_dataset("set", subset="main", config=config)


@pytest.fixture(name="server")
def fixture_server() -> Iterator[StrictHub]:
    """A Hub with one dataset of two splits, whose names are no patterns."""
    with strict_hub() as server:
        server.make_dataset(NAME).commit(
            {
                f"data/{split}-0000{part}-of-00002.parquet": _parquet(start + 10 * part)
                for split, start in (("train", 0), ("test", 100))
                for part in range(2)
            }
        )
        yield server


def _parquet(start: int) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": range(start, start + 10)}), file)
    return file.getvalue()


@pytest.mark.parametrize("name", [NAME, f"hf://datasets/{NAME}"])
def test_dataset_of_the_hub_is_loaded_by_its_name(server: StrictHub, name: str) -> None:
    config = server.config()

    train = bd.load_dataset(name, split="train", config=config)
    whole = bd.find_manifest(name, config=config)

    assert ids(train) == list(range(20))
    assert {split: part.stop - part.start for split, part in whole.splits.items()} == {
        "train": 2,
        "test": 2,
    }
    with pytest.raises(NotFound, match="no split 'dev': its splits are train, test"):
        bd.load_dataset(name, split="dev", config=config)


def test_revision_of_the_hub_is_kept(server: StrictHub) -> None:
    config = server.config()
    repo = server.service.datasets[NAME]
    before = repo.refs["main"]
    repo.commit({"data/train-00000-of-00001.parquet": _parquet(500)})

    old = bd.load_dataset(NAME, split="train", revision=before, config=config)

    assert ids(old) == list(range(20))
