"""`blobio gc` shows what unfinished writes left, and removes it only with `--abort`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobio.cli import main
from blobio.drivers.local.locking import lock_file
from blobio.testing.strict_s3 import StrictS3, strict_s3
from tests.cli.conftest import Ran, Run, Servers
from tests.cli.interrupting import DATA, ONE_BY_ONE, PART, At, Start, interrupt, journals

moto_only = pytest.mark.parametrize("store", ["moto"])
local_only = pytest.mark.parametrize("store", ["local"])


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journals of a test to itself."""
    monkeypatch.setenv("BLOBIO_STATE_DIR", str(tmp_path / "state"))


def kinds(ran: Ran) -> list[str]:
    """Return what was found."""
    assert ran.code == 0, ran.err
    return sorted(record["reason"] for record in ran.records)


@pytest.fixture
def left(
    start: Start, root: str, store: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Leave an upload in the middle, by kill -9; return its URL. Later tests find none."""
    Path("big").write_bytes(DATA)
    with environment.proxied(store, monkeypatch) as proxy:
        words = ("cp", "--resume", *ONE_BY_ONE, "big", f"{root}big")
        assert interrupt(start, proxy, signal.SIGKILL, At("PUT", "partNumber=2&"), *words) < 0
    for name, value in environment.variables(store).items():
        monkeypatch.setenv(name, value)
    yield f"{root}big"
    assert main(("gc", "--abort", "--quiet", "--older-than", "0", root)) == 0


@pytest.mark.parametrize("store", ["moto", "rclone"])
def test_an_upload_and_its_journal_are_listed_and_then_removed(
    run: Run, root: str, left: str
) -> None:
    everything = ["journal", "multipart upload"]

    assert kinds(run("gc", "--json", "--older-than", "0", root)) == everything
    assert kinds(run("gc", "--json", "--older-than", "0", left)) == everything  # it is still there
    ran = run("gc", "--abort", "--older-than", "0", root)

    assert ran.lines == [f"removed journal {left}", f"removed multipart upload {left}"]
    assert kinds(run("gc", "--json", "--older-than", "0", root)) == []
    assert journals() == []


@moto_only
def test_what_lies_elsewhere_is_left_alone(run: Run, root: str, left: str) -> None:
    assert kinds(run("gc", "--json", "--older-than", "0", f"{root}other/")) == []
    assert kinds(run("gc", "--json", "--older-than", "0", left[:-1])) == []


@moto_only
def test_a_transfer_that_goes_on_is_not_taken_from_it(run: Run, root: str, left: str) -> None:
    """Its upload may have begun long ago, as moto says of all; its journal is a moment old."""
    ran = run("gc", "--abort", root)

    assert (ran.code, ran.out) == (0, "")
    assert run("cp", "--resume", *ONE_BY_ONE, "big", left).code == 0


@moto_only
def test_a_missing_bucket_is_not_found(run: Run, root: str) -> None:
    del root

    assert run("gc", "s3://no-such-bucket-anywhere/").code == 3


@moto_only
def test_a_store_without_unfinished_writes_is_a_usage_error(run: Run, root: str) -> None:
    del root

    assert run("gc", "https://host.example/x").code == 2
    assert run("gc", "memory://bucket/").code == 2
    assert run("gc", "").code == 2
    assert run("gc", "--older-than", "soon", "x").code == 2


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    """Lead the command to a server that pages, and tells when an upload was begun."""
    with strict_s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "blobio-test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "blobio-test-secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield server


def test_only_what_is_old_enough_is_removed(run: Run, strict: StrictS3) -> None:
    bucket = strict.make_bucket("bucket")
    old = bucket.begin("d/old", {}, has_crc32c=False)
    old.begun -= 100_000
    young = bucket.begin("d/young", {}, has_crc32c=False)
    elsewhere = bucket.begin("dd", {}, has_crc32c=False)
    elsewhere.begun -= 100_000

    ran = run("gc", "--abort", "--json", "s3://bucket/d/")

    (record,) = ran.records
    assert (record["dst"], record["id"], record["status"]) == (
        "s3://bucket/d/old",
        old.upload_id,
        "done",
    )
    assert bucket.uploads.keys() == {young.upload_id, elsewhere.upload_id}


def test_all_pages_of_uploads_are_seen(run: Run, strict: StrictS3) -> None:
    bucket = strict.make_bucket("bucket")
    for number in range(1001):
        bucket.begin(f"a b+{number % 3}", {}, has_crc32c=False).begun = 0

    ran = run("gc", "--json", "s3://bucket")

    assert len(ran.records) == 1001
    assert {record["dst"] for record in ran.records} == {f"s3://bucket/a b+{n}" for n in range(3)}
    assert strict.requests == {"ListMultipartUploads": 2}


def temporary(directory: Path, *, age_s: float) -> Path:
    """Leave what a killed process leaves."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / ".blobio-0123456789abcdef.tmp"
    path.write_bytes(b"half")
    os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    return path


@local_only
def test_temporary_files_are_listed_and_then_removed(run: Run, root: str) -> None:
    old = temporary(Path(root, "a/b"), age_s=90_000)
    young = temporary(Path(root, "a"), age_s=0)
    other = Path(root, "a/.blobio-cache.txt")
    other.write_text("not ours")

    (record,) = run("gc", "--json", root).records
    assert (record["type"], record["dst"], record["size"]) == ("entry", str(old), 4)
    ran = run("gc", "--abort", root.rstrip("/"))

    assert (ran.code, ran.out) == (0, f"removed temporary file {old}\n")
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


@local_only
def test_a_file_that_is_being_written_is_left_alone(run: Run, root: str) -> None:
    path = temporary(Path(root), age_s=90_000)

    with path.open("rb+") as file:
        assert lock_file(file.fileno())
        ran = run("gc", "--abort", root)

    assert (ran.code, ran.out) == (0, "")
    assert path.exists()


@local_only
def test_a_missing_directory_is_not_found(run: Run, root: str) -> None:
    assert run("gc", f"{root}no").code == 3


@pytest.mark.parametrize("store", ["azurite"])
def test_unpublished_blocks_are_listed_and_nobody_can_remove_them(
    start: Start, run: Run, root: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("big").write_bytes(DATA)
    Path("empty").write_bytes(b"")
    run("cp", "empty", root)
    with environment.proxied("azurite", monkeypatch) as proxy:
        words = ("cp", *ONE_BY_ONE, "big", f"{root}big")
        at = At("PUT", "comp=block&", skip=1)
        assert interrupt(start, proxy, signal.SIGKILL, at, *words) < 0
    for name, value in environment.variables("azurite").items():
        monkeypatch.setenv(name, value)

    (record,) = run("gc", "--json", "--older-than", "0", root).records
    (aborted,) = run("gc", "--json", "--older-than", "0", "--abort", root).records

    assert (record["dst"], record["size"]) == (f"{root}big", PART)
    assert record["reason"].startswith("unpublished blocks: nobody can remove them")
    assert aborted["status"] == "skipped"
