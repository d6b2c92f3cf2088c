"""`ShardWriter`: what is written is all there and even, or nothing is there."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobio import AlreadyExists, ConcurrentWrite, InvalidUrl, Unsupported
from blobio.dataset import (
    Manifest,
    ManifestError,
    ShardWriter,
    Split,
    discard_unfinished,
    load_manifest,
    verify,
)
from blobio.dataset.rowblocks import Sizes, shard_is_full
from tests.dataset.conftest import Make, Place
from tests.dataset.writing.conftest import SCHEMA, rows_of, table


def _write(place: Place, rows: int, **options: object) -> Manifest:
    settings = {"shard_rows": 100, "row_group_rows": 40, "config": place.config} | options
    with ShardWriter(place.root, SCHEMA, **settings) as writer:  # type: ignore[arg-type]  # mixed
        for start in range(0, rows, 70):
            writer.write(table(start, min(rows, start + 70)))
    return writer.manifest


def test_dataset_goes_out_and_its_manifest_tells_where_all_is(place: Place) -> None:
    manifest = _write(place, 250, license="mit", tags=["a", "b"], description="d")

    assert load_manifest(place.at("manifest.json"), config=place.config) == manifest
    assert verify(manifest, config=place.config) == ()
    assert rows_of(place, manifest) == list(range(250))
    assert [shard.num_rows for shard in manifest.shards] == [100, 100, 50]
    assert manifest.splits == {"train": Split(0, 3)}
    assert (manifest.license, manifest.tags, manifest.description) == ("mit", ("a", "b"), "d")
    names = place.names()
    assert names[-1] == "manifest.json"
    assert all(re.fullmatch(r"data/train-0000\d-[0-9a-f]{8}\.parquet", name) for name in names[:-1])
    assert len(names) == 4


def test_arrow_files_go_out(place: Place) -> None:
    manifest = _write(place, 250, format="arrow", compression="zstd")

    assert load_manifest(place.at("manifest.json"), config=place.config) == manifest
    assert rows_of(place, manifest) == list(range(250))


def test_raising_block_leaves_nothing(place: Place) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        ShardWriter(place.root, SCHEMA, shard_rows=10, config=place.config) as writer,
    ):
        writer.write(table(0, 25))
        raise ZeroDivisionError

    assert place.names() == []


def test_interrupted_run_is_gone_on_with(place: Place) -> None:
    """The run is dead, not ended: nobody has told it to clean up."""
    dead = ShardWriter(place.root, SCHEMA, shard_rows=10, config=place.config)
    dead.__enter__().write(table(0, 25))

    with ShardWriter(place.root, SCHEMA, shard_rows=10, resume=True, config=place.config) as writer:
        assert writer.safe_rows == 20
        writer.write(table(writer.safe_rows, 35))

    assert rows_of(place, writer.manifest) == list(range(35))
    assert len(place.names()) == 5
    dead.abort()


def test_raising_block_keeps_finished_shards_for_resumption(memory: Place) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        ShardWriter(memory.root, SCHEMA, shard_rows=10, resume=True, config=memory.config) as one,
    ):
        one.write(table(0, 25))
        raise ZeroDivisionError

    with ShardWriter(memory.root, SCHEMA, shard_rows=10, resume=True, config=memory.config) as two:
        assert two.safe_rows == 20
        two.write(table(20, 22))

    assert rows_of(memory, two.manifest) == list(range(22))


def test_second_writer_is_told_of_the_first(place: Place) -> None:
    with ShardWriter(place.root, SCHEMA, config=place.config) as writer:
        writer.write(table(0, 5))
        if not _decides(place):
            return
        with (
            pytest.raises(AlreadyExists, match="resume=True"),
            ShardWriter(place.root, SCHEMA, config=place.config),
        ):
            pass

    with (
        pytest.raises(AlreadyExists, match=r"manifest\.json is there already"),
        ShardWriter(place.root, SCHEMA, config=place.config),
    ):
        pass


def _decides(place: Place) -> bool:
    """Tell whether the server looks at conditions; rclone says that it does, and does not."""
    return getattr(place.server, "name", "") != "rclone"


def test_run_that_was_taken_over_publishes_nothing(memory: Place) -> None:
    old = ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config)
    old.__enter__().write(table(0, 25))
    with ShardWriter(memory.root, SCHEMA, resume=True, config=memory.config) as new:
        new.write(table(20, 30))

        with pytest.raises(ConcurrentWrite, match="another run goes on"):
            old.close()
        assert len(memory.names()) == 1 + 2 + 2  # the journal, and what the new run goes on with

    assert rows_of(memory, new.manifest) == list(range(30))


def test_dataset_that_appears_meanwhile_is_not_replaced(memory: Place) -> None:
    manifest = memory.at("manifest.json")

    with (
        pytest.raises(AlreadyExists),
        ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config) as writer,
    ):
        writer.write(table(0, 25))
        memory.context.write_text(manifest, "theirs")

    assert memory.context.read_text(manifest) == "theirs"
    assert memory.names() == ["manifest.json"]


def test_overwrite_replaces_the_manifest_and_keeps_the_shards(memory: Place) -> None:
    old = _write(memory, 100)

    new = _write(memory, 30, overwrite=True)

    assert load_manifest(memory.at("manifest.json"), config=memory.config) == new
    assert rows_of(memory, old) == list(range(100))


def test_store_without_conditions_is_refused_unless_asked_for(make_place: Make) -> None:
    place = make_place("rclone")
    config = replace(place.config, s3=replace(place.config.s3, conditional_writes=False))
    place = replace(place, config=config)

    with pytest.raises(Unsupported, match="overwrite=True"):
        _write(place, 10)
    manifest = _write(place, 10, overwrite=True)

    assert rows_of(place, manifest) == list(range(10))


def test_discarding_takes_back_what_a_dead_run_left(place: Place) -> None:
    dead = ShardWriter(place.root, SCHEMA, shard_rows=10, config=place.config)
    dead.__enter__().write(table(0, 25))

    assert discard_unfinished(place.root, config=place.config) == 2

    assert place.names() == []
    assert discard_unfinished(place.root, config=place.config) == 0
    dead.abort()


def test_discarding_leaves_a_dataset_alone_whose_journal_was_left(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the writer had been killed between the manifest and the end of the journal."""
    monkeypatch.setattr(ShardWriter, "_tidy", lambda _: None)
    manifest = _write(memory, 250)
    assert "_unfinished.json" in memory.names()

    assert discard_unfinished(memory.root, config=memory.config) == 0

    assert rows_of(memory, manifest) == list(range(250))
    assert len(memory.names()) == 4


def test_splits_have_shards_of_their_own(memory: Place) -> None:
    with ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config) as writer:
        writer.write(table(0, 12))
        assert writer.start_split("test") == 0
        writer.write(table(12, 15))
        with pytest.raises(ValueError, match="'train' was ended"):
            writer.start_split("train")

    assert writer.manifest.splits == {"train": Split(0, 2), "test": Split(2, 3)}
    assert [shard.url.rpartition("/")[2][:10] for shard in writer.manifest.shards] == [
        "train-0000",
        "train-0000",
        "test-00000",
    ]


def test_split_that_has_no_rows_yet_may_be_started_again(memory: Place) -> None:
    with ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config) as writer:
        assert writer.start_split("train") == 0
        assert writer.start_split("train", num_rows=12) == 0
        writer.write(table(0, 12))
        with pytest.raises(ValueError, match="'train' has rows already"):
            writer.start_split("train")
        writer.start_split("test")
        with pytest.raises(ValueError, match="'train' was ended"):
            writer.start_split("train")

    assert [shard.num_rows for shard in writer.manifest.shards] == [10, 2]
    assert rows_of(memory, writer.manifest) == list(range(12))


def test_resumption_knows_which_split_was_ended(memory: Place) -> None:
    dead = ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config)
    dead.__enter__().write(table(0, 12))
    dead.start_split("test")
    dead.write(table(12, 27))

    with ShardWriter(
        memory.root, SCHEMA, shard_rows=10, resume=True, config=memory.config
    ) as writer:
        assert writer.safe_rows == 12
        with pytest.raises(ValueError, match="'train' was finished"):
            writer.write(table(12, 13))
        assert writer.start_split("test") == 10
        writer.write(table(22, 30))

    assert rows_of(memory, writer.manifest) == list(range(30))
    assert writer.manifest.splits == {"train": Split(0, 2), "test": Split(2, 4)}
    dead.abort()


def test_resumption_with_another_schema_is_refused(memory: Place) -> None:
    dead = ShardWriter(memory.root, SCHEMA, shard_rows=10, config=memory.config)
    dead.__enter__().write(table(0, 12))

    with (
        pytest.raises(ManifestError, match="another schema"),
        ShardWriter(memory.root, pa.schema([("x", pa.int8())]), resume=True, config=memory.config),
    ):
        pass
    dead.abort()


def test_footer_and_blocks_are_those_of_the_file(memory: Place) -> None:
    shard = _write(memory, 100).shards[0]

    stored = memory.context.read_bytes(shard.url)

    assert stored[-8 - len(shard.footer) : -8] == shard.footer
    metadata = pq.read_metadata(io.BytesIO(stored))
    assert [block.num_rows for block in shard.blocks] == [40, 40, 20]
    for number, block in enumerate(shard.blocks):
        columns = [metadata.row_group(number).column(index) for index in range(2)]
        assert block.start <= min(column.data_page_offset for column in columns)
        assert block.stop - block.start == sum(column.total_compressed_size for column in columns)
        assert all(column.has_offset_index and column.has_column_index for column in columns)


def test_arrow_footer_and_blocks_are_those_of_the_file(memory: Place) -> None:
    shard = _write(memory, 100, format="arrow").shards[0]

    stored = memory.context.read_bytes(shard.url)

    assert stored[-10 - len(shard.footer) : -10] == shard.footer
    for number, block in enumerate(shard.blocks):
        message = pa.ipc.read_message(stored[block.start : block.stop])
        batch = pa.ipc.read_record_batch(message, SCHEMA)
        assert batch.num_rows == block.num_rows
        assert batch["id"][0].as_py() == number * 40


@pytest.mark.parametrize("known", [None, 100_000])
def test_shards_come_out_even(memory: Place, known: int | None) -> None:
    with ShardWriter(
        memory.root,
        SCHEMA,
        num_rows=known,
        shard_bytes=100_000,
        row_group_bytes=50_000,
        config=memory.config,
    ) as writer:
        for start in range(0, 100_000, 5_000):
            writer.write(table(start, start + 5_000))

    sizes = [shard.size for shard in writer.manifest.shards]
    assert len(sizes) > 3
    even = sizes if known else sizes[:-1]
    assert max(even) < 1.25 * min(even)
    assert all(60_000 < size < 140_000 for size in even)


def test_shard_of_known_rows_ends_where_the_rest_divides_evenly() -> None:
    sizes = Sizes(shard_bytes=100, shard_rows=None, block_bytes=None, block_rows=None)

    # 130 rows of a byte are one shard, not one of 100 and one of 30
    assert not shard_is_full(sizes, rows=100, stored_bytes=100, blocks=10, rows_left=130)
    # 170 are two of 85
    assert not shard_is_full(sizes, rows=80, stored_bytes=80, blocks=8, rows_left=170)
    assert shard_is_full(sizes, rows=85, stored_bytes=85, blocks=8, rows_left=170)
    # told wrongly: as if nobody had
    assert shard_is_full(sizes, rows=96, stored_bytes=96, blocks=10, rows_left=90)


def test_rows_come_as_dicts_streams_and_other_orders_of_columns(memory: Place) -> None:
    with ShardWriter(memory.root, SCHEMA, config=memory.config) as writer:
        writer.write([{"id": 0, "text": "row 0"}, {"text": "row 1", "id": 1}])
        writer.write(table(2, 4).select(["text", "id"]).to_batches()[0])
        writer.write(pa.table({"id": pa.array([4], pa.int8()), "text": ["row 4"]}))
        writer.write(table(5, 7).to_reader())
        writer.write([])

    assert rows_of(memory, writer.manifest) == list(range(7))


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        ([{"id": 1, "texd": "x"}], ValueError, "row 0 has \\['texd'\\]"),
        ([1], TypeError, "row 0 is a int"),
        (pa.table({"id": [1]}), ValueError, "the columns are"),
        (pa.table({"id": [1.5], "text": ["x"]}), ValueError, "column 'id' is double"),
        ({"id": 1}, TypeError, "not as dict"),
        ("rows", TypeError, "not as str"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_the_others_kept(
    memory: Place, rows: object, error: type[Exception], match: str
) -> None:
    with ShardWriter(memory.root, SCHEMA, config=memory.config) as writer:
        writer.write(table(0, 3))
        with pytest.raises(error, match=match):
            writer.write(rows)
        writer.write(table(3, 5))

    assert rows_of(memory, writer.manifest) == list(range(5))


def test_null_in_a_column_without_nulls_is_refused(memory: Place) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])

    with (
        pytest.raises(ValueError, match="'id' holds nulls"),
        ShardWriter(memory.root, schema, config=memory.config) as writer,
    ):
        writer.write(pa.table({"id": pa.array([None], pa.int64())}))


def test_failure_within_a_write_keeps_the_dataset_from_being_published(memory: Place) -> None:
    """pyarrow's file cannot replace a dictionary: rows are lost, so nothing may appear."""
    schema = pa.schema([("word", pa.dictionary(pa.int32(), pa.string()))])
    one, other = (
        pa.table({"word": pa.array([word]).dictionary_encode()}, schema=schema) for word in "ab"
    )

    with (
        pytest.raises(ValueError, match=r"it is failed \(ArrowInvalid: Dictionary"),
        ShardWriter(
            memory.root, schema, format="arrow", row_group_rows=1, config=memory.config
        ) as writer,
    ):
        writer.write(one)
        with pytest.raises(pa.ArrowInvalid):
            writer.write(other)

    assert memory.names() == []


def test_no_rows_are_a_dataset_too(memory: Place) -> None:
    with ShardWriter(memory.root, SCHEMA, config=memory.config):
        pass

    manifest = load_manifest(memory.at("manifest.json"), config=memory.config)
    assert (manifest.num_rows, manifest.shards, manifest.schema) == (0, (), SCHEMA)


@pytest.mark.parametrize(
    "options",
    [
        {"format": "csv"},
        {"compression": "zip"},
        {"shard_rows": 0},
        {"row_group_bytes": 0},
        {"split": "a/b"},
        {"split": "a-b"},
    ],
)
def test_impossible_wishes_are_refused(memory: Place, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        ShardWriter(memory.root, SCHEMA, config=memory.config, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_writer_is_used_once_and_within_a_block(memory: Place) -> None:
    writer = ShardWriter(memory.root, SCHEMA, config=memory.config)

    with pytest.raises(ValueError, match="use it in a with statement"):
        writer.write(table(0, 1))
    with writer, pytest.raises(ValueError, match=r"manifest\.json is not published"):
        _ = writer.manifest
    assert writer.manifest.num_rows == 0
    with pytest.raises(ValueError, match="it is published"):
        writer.write(table(0, 1))
    with pytest.raises(ValueError, match="make another one"), writer:
        pass


def test_place_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidUrl):
        ShardWriter("nowhere://x/y", SCHEMA)
