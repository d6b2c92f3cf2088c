"""Writers that are stopped: by Ctrl-C, by the store, by kill -9. Nothing unknown stays."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from blobio import Config, Context, PermissionDenied, WriteConfig
from blobio.dataset import ShardWriter, discard_unfinished, load_manifest
from blobio.testing.strict_s3 import StrictS3
from tests.dataset.conftest import Make, Place
from tests.dataset.writing.conftest import SCHEMA, rows_of, table

_MIB = 1 << 20
_numbers = itertools.count(1)


def _config(strict: StrictS3) -> Config:
    return replace(strict.config(), write=WriteConfig(part_bytes=5 * _MIB))


def _place(strict: StrictS3) -> Place:
    bucket = f"interrupted-{next(_numbers)}"
    strict.make_bucket(bucket)
    config = _config(strict)
    return Place("strict", config, Context(config), f"s3://{bucket}/set", server=strict)


def _orphans(place: Place) -> int:
    return len(place.server.orphans(place.root.split("/")[2]))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_open_upload_of_an_interrupted_writer_is_taken_back(
    strict: StrictS3, error: type[BaseException]
) -> None:
    """Without compression a shard of 12 MiB has parts on their way when the block raises."""
    place = _place(strict)
    wide = table(0, 1).set_column(1, "text", [["x" * (12 * _MIB)]])

    with (
        pytest.raises(error),
        ShardWriter(
            place.root, SCHEMA, compression=None, row_group_rows=1, config=place.config
        ) as writer,
    ):
        writer.write(wide)
        assert _orphans(place) == 1
        raise error

    assert _orphans(place) == 0
    assert place.names() == []
    place.context.close()


_WRITE = """
import json, sys
from blobio import Config, S3Config
from blobio.dataset import ShardWriter
from tests.dataset.writing.conftest import SCHEMA, table
root, options, resume = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3] == "resume"
config = Config(s3=S3Config(**options)) if options else Config()
with ShardWriter(root, SCHEMA, shard_rows=10, row_group_rows=4, resume=resume, config=config) as w:
    for start in range(0, 100, 5):
        print(w.safe_rows, flush=True)
        w.write(table(start, start + 5))
        if start == 45:
            sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("store", ["local", "moto"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_process_that_ends_leaves_what_can_be_gone_on_with(
    make_place: Make, store: str, how: signal.Signals
) -> None:
    place = make_place(store)
    s3 = place.config.s3
    options = {
        "endpoint_url": s3.endpoint_url, "region": s3.region, "addressing": "path",
        "access_key_id": s3.access_key_id, "secret_access_key": s3.secret_access_key,
    }  # fmt: skip
    arguments = [place.root, json.dumps(options if store == "moto" else {}), "resume"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", _WRITE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        safe = [process.stdout.readline() for _ in range(10)][-1]
        while len([name for name in place.names() if name.startswith("data/")]) < 5:
            pass  # the fifth shard is ended by the row that was written last
        process.send_signal(how)
        process.wait()

    assert int(safe) == 40
    with ShardWriter(place.root, SCHEMA, shard_rows=10, resume=True, config=place.config) as writer:
        assert writer.safe_rows in (40, 50)  # the kill may have come before the record
        writer.write(table(writer.safe_rows, 73))

    assert rows_of(place, writer.manifest) == list(range(73))
    stored = [name for name in place.names() if name != "manifest.json"]
    assert sorted(f"{place.root}/{name}" for name in stored) == sorted(
        shard.url for shard in writer.manifest.shards
    )


@pytest.mark.slow
def test_runs_that_are_killed_at_random_lose_and_repeat_no_row(make_place: Make) -> None:
    """Each run goes on after the one before it, until one comes to the end."""
    place = make_place("moto")
    s3, chance, runs = place.config.s3, random.Random(7), 0
    options = {
        "endpoint_url": s3.endpoint_url, "region": s3.region, "addressing": "path",
        "access_key_id": s3.access_key_id, "secret_access_key": s3.secret_access_key,
    }  # fmt: skip
    ended = False
    while not ended:
        runs += 1
        with subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", _GO_ON, place.root, json.dumps(options)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(8, 30)):
                process.stdout.readline()
            process.kill()
        ended = "manifest.json" in place.names()

    manifest = load_manifest(place.at("manifest.json"), config=place.config)
    assert rows_of(place, manifest) == list(range(240))
    assert runs > 1
    discard_unfinished(place.root, config=place.config)  # if it was killed while it tidied up
    stored = {f"{place.root}/{name}" for name in place.names()} - {place.at("manifest.json")}
    assert stored == {shard.url for shard in manifest.shards}


_GO_ON = """
import json, sys
from blobio import Config, S3Config
from blobio.dataset import ShardWriter
from tests.dataset.writing.conftest import SCHEMA, table
config = Config(s3=S3Config(**json.loads(sys.argv[2])))
with ShardWriter(sys.argv[1], SCHEMA, shard_rows=10, resume=True, config=config) as w:
    for start in range(w.safe_rows, 240, 5):
        w.write(table(start, min(240, start + 5)))
        print(start, flush=True)
"""


def test_store_that_fails_publishes_nothing_and_nothing_stays(
    make_place: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second shard is stored, and its record is refused."""
    place = make_place("local")
    writer = ShardWriter(place.root, SCHEMA, shard_rows=10, config=place.config)

    with pytest.raises(PermissionDenied, match="no more"), writer:
        writer.write(table(0, 15))
        with monkeypatch.context() as patch:
            patch.setattr("blobio.dataset.blobs._write", _refuses)
            writer.write(table(15, 30))

    assert discard_unfinished(place.root, config=place.config) == 0
    assert place.names() == []


async def _refuses(*_args: object, **_options: object) -> None:
    message = "no more"
    raise PermissionDenied(message)
