"""`blobio dataset`: manifests are shown and held against their store, and the cache is seen to."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blobio as bf
from blobio import Config, Context
from blobio.dataset import Cache, Manifest, ShardWriter, open_dataset
from tests.cli.conftest import STORES, Run

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _written(root: str) -> Manifest:
    with ShardWriter(f"{root}set", SCHEMA, shard_rows=10, license="mit", tags=["a", "b"]) as writer:
        writer.write([{"id": i, "text": f"row {i}"} for i in range(25)])
    return writer.manifest


def test_inspect_prints_what_a_manifest_says(run: Run, root: str) -> None:
    manifest = _written(root)

    ran = run("dataset", "inspect", f"{root}set/manifest.json", "--shards")

    assert ran.code == 0
    text = ran.out.splitlines()
    assert text[1:3] == ["rows: 25", "shards: 3"]
    assert text[4:9] == [
        "split.train: 25 rows", "column.id: int64", "column.text: string", "license: mit",
        "tags: a, b",
    ]  # fmt: skip
    assert [line.split()[-1] for line in text[9:]] == [shard.url for shard in manifest.shards]


def test_verify_tells_what_is_changed_and_missing(run: Run, root: str) -> None:
    manifest = _written(root)
    url = f"{root}set/manifest.json"
    assert run("dataset", "verify", url).code == 0

    with Context(Config.from_env()) as context:
        context.write_bytes(manifest.shards[0].url, b"another")
        context.remove(manifest.shards[2].url)
    ran = run("dataset", "verify", "--json", url)

    assert ran.code == 1
    failed = {
        record["src"]: record["reason"] for record in ran.records if record["type"] == "error"
    }
    assert sorted(failed) == sorted([manifest.shards[0].url, manifest.shards[2].url])
    assert "CHANGED" in failed[manifest.shards[0].url]
    assert "MISSING" in failed[manifest.shards[2].url]
    assert [record["src"] for record in ran.records if record["type"] == "result"] == [
        manifest.shards[1].url
    ]


@pytest.mark.parametrize("text", ["{}", "no json"])
def test_what_is_no_manifest_is_told(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)

    ran = run("dataset", "inspect", str(tmp_path / "m.json"))

    assert ran.code == 1
    assert "m.json" in ran.err


def test_cache_is_counted_trimmed_and_cleared(run: Run, tmp_path: Path) -> None:
    place = ("--dir", str(tmp_path / "cache"))
    cache = Cache(tmp_path / "cache")
    for number in range(3):
        bf.write_bytes(f"memory://cli/{number}", b"x" * 10_000)
        cache.get(f"memory://cli/{number}")

    ran = run("dataset", "cache", "stats", *place, "--json")
    assert (ran.records[0]["copies"], ran.records[0]["held"]) == (3, 0)
    assert run("dataset", "cache", "verify", *place).code == 0
    assert run("dataset", "cache", "trim", "--to", "15k", *place).code == 0
    assert cache.stats().entries == 1
    assert run("dataset", "cache", "clear", *place).code == 0
    assert cache.stats().entries == 0


def test_damaged_copy_is_named(run: Run, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    bf.write_bytes("memory://cli/0", b"content")
    path = Path(cache.get("memory://cli/0"))
    path.chmod(0o600)
    path.write_bytes(b"damaged")

    ran = run("dataset", "cache", "verify", "--dir", str(tmp_path))

    assert ran.code == 1
    assert "memory://cli/0: DAMAGED" in ran.err
    assert not path.exists()


@pytest.mark.parametrize("words", [["stats", "x"], ["trim"], ["clear", "--to", "1"], ["what"]])
def test_cache_is_asked_for_something_it_can_do(run: Run, tmp_path: Path, words: list[str]) -> None:
    ran = run("dataset", "cache", *words, "--dir", str(tmp_path))

    assert ran.code == 2
    assert "cache trim --to SIZE" in ran.err


def test_head_prints_the_first_rows(run: Run, root: str) -> None:
    _written(root)
    url = f"{root}set/manifest.json"

    table = run("dataset", "head", url, "-n", "2")
    as_csv = run("dataset", "head", url, "-n", "2", "--columns", "text,id", "--csv")
    as_json = run("dataset", "head", url, "--json", "--split", "train")

    assert (table.code, table.out) == (0, "id  text\n0   row 0\n1   row 1\n")
    assert as_csv.out == "text,id\nrow 0,0\nrow 1,1\n"
    assert [record["row"] for record in as_json.records] == [
        {"id": i, "text": f"row {i}"} for i in range(10)
    ]


def test_head_prints_values_that_json_has_not(run: Run, tmp_path: Path) -> None:
    rows = pa.table({"b": [b"abc"], "t": [datetime(2026, 1, 2)], "l": [[1, None]], "s": ["x" * 50]})  # noqa: DTZ001
    pq.write_table(rows, tmp_path / "a.parquet")

    ran = run("dataset", "head", str(tmp_path / "a.parquet"), "--json")
    text = run("dataset", "head", f"{tmp_path}/")

    assert ran.records[0]["row"] == {
        "b": "YWJj", "t": "2026-01-02 00:00:00", "l": [1, None], "s": "x" * 50
    }  # fmt: skip
    assert text.out.splitlines()[1].endswith("  [1, None]  " + "x" * 37 + "...")


def test_convert_writes_a_dataset(run: Run, root: str) -> None:
    _written(root)
    source, target = f"{root}set/manifest.json", f"{root}new"
    words = ("--columns", "id", "--format", "arrow", "--split", "train", "--shard-bytes", "1M")

    ran = run("dataset", "convert", source, target, *words)

    assert (ran.code, ran.out) == (0, f"{target}: 25 rows in 1 shards\n")
    with Context(Config.from_env()) as context:
        rows = open_dataset(f"{target}/manifest.json", config=context.config)
        assert [row["id"] for row in rows.rows()] == list(range(25))
        assert rows.schema.names == ["id"]
    again = run("dataset", "convert", source, target)
    assert again.code == 6
    assert "new/manifest.json" in again.err


def test_head_and_convert_take_rows_that_pass(run: Run, tmp_path: Path) -> None:
    table = pa.table(
        {"n": [1, 2, 3], "lang": ["en", "de", "en"], "user": [{"age": 17}, {"age": 18}, None]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    source, target = str(tmp_path / "a.parquet"), f"{tmp_path}/new"

    head = run("dataset", "head", source, "--columns", "n", "--filter", "lang == 'en'", "--csv")
    ran = run("dataset", "convert", source, target, "--filter", "user.age > 17")
    wrong = run("dataset", "head", source, "--filter", "nn > 3")
    unfit = run("dataset", "convert", source, f"{tmp_path}/no", "--filter", "n >> 3")

    assert (head.code, head.out) == (0, "n\n1\n3\n")
    assert (ran.code, ran.out) == (0, f"{target}: 1 rows in 1 shards\n")
    assert (wrong.code, "nn" in wrong.err) == (2, True)
    assert (unfit.code, not (tmp_path / "no").exists()) == (2, True)


def test_freeze_pins_shards_in_splits(run: Run, root: str) -> None:
    _written(root)
    target = f"{root}pinned/manifest.json"
    words = ("--split", "test=train-00002-*", "--split", "train=train-0000[01]-*")

    ran = run("dataset", "freeze", f"{root}set/data/*.parquet", target, *words, "--json")

    assert (ran.code, ran.records[0]["rows"], ran.records[0]["shards"]) == (0, 25, 3)
    told = run("dataset", "inspect", target, "--json").records[0]
    assert told["splits"] == {"test": 5, "train": 20}
    assert run("dataset", "verify", target).code == 0


def test_freeze_replaces_no_manifest(run: Run, tmp_path: Path) -> None:
    _written(f"{tmp_path}/")

    ran = run("dataset", "freeze", f"{tmp_path}/set/data/", f"{tmp_path}/set/manifest.json")

    assert ran.code == 6
    assert "set/manifest.json" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["head", "a", "b"],
        ["convert", "a"],
        ["convert", "a", "b", "c"],
        ["freeze", "a"],
        ["freeze", "a", "b", "--filter", "n > 1"],
        ["freeze", "a", "b", "--columns", "n"],
        ["head", "a", "--split", "a", "--split", "b"],
    ],
)
def test_rows_are_asked_for_in_a_way_that_can_be(run: Run, words: list[str]) -> None:
    assert run("dataset", *words).code == 2


@pytest.mark.parametrize("split", ["train", "train=", "a=none", "a=*-00000-*"])
def test_splits_cover_all_shards(run: Run, tmp_path: Path, split: str) -> None:
    _written(f"{tmp_path}/")

    ran = run("dataset", "freeze", f"{tmp_path}/set/data/", f"{tmp_path}/m.json", "--split", split)

    assert ran.code == 2
    assert "--split" in ran.err
    assert not (tmp_path / "m.json").exists()


def test_dataset_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    ran = run("dataset", "head", f"{tmp_path}/none.parquet")

    assert ran.code == 3
    assert "none.parquet" in ran.err
