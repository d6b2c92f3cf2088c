"""Manifests as JSON: what goes out comes back, and each lie is named with its field."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio import AlreadyExists, InvalidUrl, NotFound
from blobio.dataset import (
    Block,
    Manifest,
    ManifestError,
    Shard,
    Split,
    freeze,
    load_manifest,
    save_manifest,
    verify,
)
from blobio.dataset.manifestfields import Fields
from blobio.dataset.manifestjson import (
    _checked_blocks,
    _sound_blocks,
    dump_manifest,
    parse_manifest,
)
from blobio.url import BlobUrl
from blobio.values import Version
from tests.dataset.conftest import Place

URL = BlobUrl.parse("s3://bucket/sets/one/manifest.json")
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())], metadata={"a": "b"})


def _shard(name: str = "s3://bucket/sets/one/data/0.parquet", **fields: Any) -> Shard:
    values: dict[str, Any] = {
        "size": 1000,
        "version": Version("v1"),
        "format": "parquet",
        "blocks": (Block(10, 4, 500), Block(5, 500, 900)),
        "footer": b"footer",
    }
    return Shard(url=name, **(values | fields))


MANIFEST = Manifest(
    schema=SCHEMA,
    shards=(_shard(), _shard("s3://other/x.parquet", footer=b"another one")),
    splits={"train": Split(0, 1), "test": Split(1, 2)},
    license="mit",
    tags=("text",),
    description="A set.",
)


def test_manifest_tells_how_much_there_is() -> None:
    assert repr(MANIFEST) == ("Manifest(2 shards, 30 rows, columns id, text, splits train, test)")


def test_manifest_comes_back() -> None:
    found = parse_manifest(dump_manifest(MANIFEST, URL), URL)

    assert found == MANIFEST
    assert found.schema.equals(SCHEMA, check_metadata=True)


def test_json_is_as_documented() -> None:
    """What docs/guide/datasets-writing.md says; another program may have written it."""
    document = json.loads(dump_manifest(MANIFEST, URL))

    assert list(document) == [
        "blobio_manifest", "description", "license", "tags", "num_rows", "columns", "splits",
        "schema", "footers", "shards",
    ]  # fmt: skip
    assert document["columns"] == {"id": "int64", "text": "string"}
    assert document["splits"] == {"train": [0, 1], "test": [1, 2]}
    assert document["num_rows"] == 30
    assert document["shards"][0] == {
        "url": "data/0.parquet",
        "size": 1000,
        "version": "v1",
        "format": "parquet",
        "blocks": [[10, 4, 500], [5, 500, 900]],
        "footer_bytes": 6,
    }


def test_tree_that_was_copied_names_its_own_shards() -> None:
    data = dump_manifest(replace(MANIFEST, shards=(_shard(),), splits={}), URL)

    found = parse_manifest(data, BlobUrl.parse("gs://elsewhere/manifest.json"))

    assert found.shards[0].url == "gs://elsewhere/data/0.parquet"


@pytest.mark.parametrize(
    "name", ["a//b.parquet", "../x.parquet", "./x", "x://y", "ä b#?%.parquet", "/x"]
)
def test_strange_keys_come_back(name: str) -> None:
    shard = _shard(f"s3://bucket/sets/one/{name}")

    found = parse_manifest(dump_manifest(replace(MANIFEST, shards=(shard,), splits={}), URL), URL)

    assert found.shards == (shard,)


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.lists(st.integers(0, 9), max_size=4)), max_size=5)
)
def test_any_footers_and_blocks_come_back(shards: list[tuple[bytes, list[int]]]) -> None:
    made = tuple(
        _shard(
            footer=footer,
            blocks=tuple(Block(rows, 9 * i, 9 * i + 9) for i, rows in enumerate(counts)),
        )
        for footer, counts in shards
    )
    manifest = Manifest(schema=SCHEMA, shards=made)

    assert parse_manifest(dump_manifest(manifest, URL), URL) == manifest


def test_ten_thousand_shards_are_a_small_blob() -> None:
    """Footers resemble each other: these 20 MB become a few."""
    footer = bytes(range(256)) * 7
    shards = tuple(
        _shard(f"s3://bucket/sets/one/data/{i:05d}.parquet", size=9_000, footer=b"%d" % i + footer)
        for i in range(10_000)
    )

    data = dump_manifest(Manifest(schema=SCHEMA, shards=shards), URL)

    assert len(data) < 4_000_000
    assert parse_manifest(data, URL).shards == shards


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "field", "match"),
    [
        (lambda d: d.update(blobio_manifest=2), "blobio_manifest", "upgrade blobio"),
        (lambda d: d.pop("schema"), "schema", "is missing"),
        (lambda d: d.update(schema="%%"), "schema", "no base64"),
        (lambda d: d.update(schema="AAAA"), "schema", "no Arrow schema"),
        (lambda d: d.update(num_rows=31), "num_rows", "is 31, but the shards have 30"),
        (lambda d: d.update(num_rows=True), "num_rows", "not a whole number"),
        (lambda d: d.update(tags="x"), "tags", "not a list"),
        (lambda d: d.update(tags=[1]), "tags", "no string"),
        (lambda d: d.update(columns={"id": "int64"}), "columns", "the schema has"),
        (lambda d: d.update(footers=""), "footers", "do not unpack"),
        (lambda d: d.update(splits={"x": [0, 3]}), "splits.x", "not a range of the 2 shards"),
        (lambda d: d.update(shards={}), "shards", "not a list"),
        (lambda d: d["shards"].append(3), "shards[2]", "not an object"),
        (lambda d: d["shards"][1].update(size=-1), "shards[1].size", "not a whole number"),
        (lambda d: d["shards"][1].update(format="orc"), "shards[1].format", "'orc'"),
        (lambda d: d["shards"][1].update(url="/etc/passwd"), "shards[1].url", "one machine"),
        (lambda d: d["shards"][1].update(url="../x"), "shards[1].url", "one machine"),
        (lambda d: d["shards"][1].update(url="what://x"), "shards[1].url", "unknown scheme"),
        (lambda d: d["shards"][0].update(footer_bytes=7), "footers", "17|18"),
        (lambda d: d["shards"][0].update(size=3), "shards[0].footer_bytes", "more than"),
        (lambda d: d["shards"][0]["blocks"].append([1, 2]), "shards[0].blocks[2]", "not \\[rows"),
        (lambda d: d["shards"][0]["blocks"][1].__setitem__(1, 400), "shards[0].blocks[1]", "ahead"),
        (lambda d: d["shards"][0]["blocks"][1].__setitem__(2, 1001), "shards[0].blocks[1]", "1000"),
    ],
)  # fmt: skip
def test_lie_is_named(change: Change, field: str, match: str) -> None:
    document = json.loads(dump_manifest(MANIFEST, URL))
    change(document)

    with pytest.raises(ManifestError, match=match) as caught:
        parse_manifest(json.dumps(document).encode(), URL)

    assert caught.value.field == field
    assert str(URL) in str(caught.value)


NUMBERS = st.one_of(st.integers(-1, 12), st.sampled_from([True, 1.0, None, 1 << 63]))
TRIPLES: st.SearchStrategy[Any] = st.one_of(
    st.lists(NUMBERS, min_size=3, max_size=3), st.lists(NUMBERS), st.just("abc"), st.just({})
)
RUNS = st.lists(st.integers(0, 12), min_size=1, max_size=7).map(
    lambda ends: [[i, *pair] for i, pair in enumerate(pairwise(sorted(ends)))]
)


@given(st.one_of(RUNS, st.lists(TRIPLES, max_size=3)), st.sampled_from([None, 0, 10, 12, 1 << 70]))
def test_blocks_taken_together_are_sound_each(values: list[Any], limit: int | None) -> None:
    entry = Fields({}, URL)
    checked: object = None
    with contextlib.suppress(ManifestError):
        checked = _checked_blocks(entry, values, 10, limit)

    together = _sound_blocks(values, limit)

    most = max([0, *(n for value in values for n in value if type(n) is int)])
    assert together == (checked if values and most < 1 << 63 else None)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_manifest_is_told(data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"no JSON|no manifest"):
        parse_manifest(data, URL)


def test_bomb_is_not_unpacked() -> None:
    document = json.loads(dump_manifest(MANIFEST, URL))
    document["shards"][0].update(footer_bytes=1 << 40, size=1 << 41)

    with pytest.raises(ManifestError, match="nothing real"):
        parse_manifest(json.dumps(document).encode(), URL)


def test_shards_on_disk_need_a_manifest_on_disk() -> None:
    manifest = replace(MANIFEST, shards=(_shard("/data/0.parquet"),), splits={})

    with pytest.raises(InvalidUrl, match="one machine"):
        dump_manifest(manifest, URL)


def test_unknown_fields_are_passed_over() -> None:
    document = json.loads(dump_manifest(MANIFEST, URL))

    assert parse_manifest(json.dumps(document | {"later": 1}).encode(), URL) == MANIFEST


def _stored(place: Place, count: int = 3) -> Manifest:
    """Put shards of some bytes there; return what pins them."""
    shards = []
    for number in range(count):
        url = place.at(f"data/{number}.parquet")
        place.context.write_bytes(url, b"x" * (10 + number))
        version = place.context.stat(url).version
        shards.append(
            _shard(url, size=10 + number, version=version and Version(version), blocks=())
        )
    return Manifest(schema=SCHEMA, shards=tuple(replace(shard, footer=b"") for shard in shards))


def test_frozen_manifest_is_loaded_with_one_request(place: Place) -> None:
    url = place.at("manifest.json")
    manifest = freeze(
        _stored(place), url, license="mit", tags=("a",), splits={"all": Split(0, 3)},
        config=place.config,
    )  # fmt: skip
    place.methods()

    assert load_manifest(url, config=place.config) == manifest

    assert place.methods() in (["GET"], [])
    assert manifest.license == "mit"


def test_frozen_manifest_is_not_replaced_unless_asked_for(memory: Place) -> None:
    url = memory.at("manifest.json")
    freeze(_stored(memory), url, config=memory.config)

    with pytest.raises(AlreadyExists):
        freeze(_stored(memory), url, config=memory.config)
    freeze(_stored(memory), url, description="new", overwrite=True, config=memory.config)

    assert load_manifest(url, config=memory.config).description == "new"


def test_freezing_takes_what_has_a_manifest(memory: Place) -> None:
    class Source:
        manifest = _stored(memory)

    assert freeze(Source(), memory.at("m.json"), config=memory.config) == Source.manifest


def test_split_beyond_the_shards_is_refused(memory: Place) -> None:
    with pytest.raises(ValueError, match="split 'x' is shards 0 to 4 of 3"):
        freeze(_stored(memory), memory.at("m.json"), splits={"x": Split(0, 4)})


def test_missing_manifest_is_not_found(memory: Place) -> None:
    with pytest.raises(NotFound):
        load_manifest(memory.at("manifest.json"), config=memory.config)


def test_changed_and_missing_shards_are_named(place: Place) -> None:
    manifest = _stored(place, 4)
    place.context.write_bytes(manifest.shards[1].url, b"another")
    place.context.remove(manifest.shards[2].url)
    place.methods()

    faults = verify(manifest, config=place.config)

    assert [(fault.number, fault.kind) for fault in faults] == [(1, "changed"), (2, "missing")]
    assert faults[0].url == manifest.shards[1].url
    assert place.methods() in (["HEAD"] * 4, ["GET"] * 4, [])


def test_local_manifest_names_shards_beside_it(make_place: Callable[[str], Place]) -> None:
    place = make_place("local")
    manifest = _stored(place)

    save_manifest(manifest, place.at("manifest.json"), config=place.config)

    document = json.loads(place.context.read_text(place.at("manifest.json")))
    assert [shard["url"] for shard in document["shards"]] == [f"data/{i}.parquet" for i in range(3)]
