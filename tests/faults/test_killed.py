"""Rows 26 to 28: `kill -9` in the middle of downloads, cache fills and writes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from blobio import Context
from blobio.errors import VersionMismatch
from blobio.testing.faultproxy import Forward, answer
from blobio.testing.scripted import Received, Reply
from tests.faults.programs import Killer, start
from tests.faults.sites import DATA, OTHER, QUICK, Site, Store
from tests.faults.ways import each_protocol

OLD = OTHER[:500]


def shown(directory: Path) -> list[str]:
    """Return the names that a listing of the directory shows."""
    with Context(QUICK) as context:
        return sorted(context.listdir(str(directory)))


def kill_in(site: Site, program: str, *arguments: str) -> None:
    """Run a program and kill it in its fourth GET of the blob."""
    killer = Killer()
    site.breaks(killer.act, skip=3)
    with start(program, site.config, *arguments) as process:
        killer.aim(process)
        assert process.returncode == -signal.SIGKILL
    site.proxy.clear()


@pytest.mark.slow
@each_protocol
def test_row_26_cache_fill_that_was_killed_is_started_again(site: Site, tmp_path: Path) -> None:
    program = """
    context.BlobFile(arguments[0], "rb", streaming=False, cache_dir=arguments[1])
    """
    kill_in(site, program, site.url, str(tmp_path))

    for requests in (True, False):
        site.proxy.clear()
        with (
            Context(site.config) as context,
            context.BlobFile(site.url, "rb", streaming=False, cache_dir=str(tmp_path)) as file,
        ):
            assert file.read() == DATA
        assert bool(site.gets) == requests


def test_row_26_cache_fill_that_failed_is_started_again(site: Site, tmp_path: Path) -> None:
    site.breaks(answer(403), skip=2, times=None)
    with Context(site.config) as context:
        with pytest.raises(PermissionError):
            context.BlobFile(site.url, "rb", streaming=False, cache_dir=str(tmp_path))
        site.proxy.clear()

        with context.BlobFile(site.url, "rb", streaming=False, cache_dir=str(tmp_path)) as file:
            assert file.read() == DATA


@pytest.mark.slow
@each_protocol
def test_row_27_download_that_was_killed_leaves_the_old_file_or_none(
    site: Site, tmp_path: Path
) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(OLD)
    program = "context.copy(*arguments, overwrite=True)"

    kill_in(site, program, site.url, str(new))
    kill_in(site, program, site.url, str(old))

    assert shown(tmp_path) == ["old"]
    assert old.read_bytes() == OLD
    with Context(site.config) as context:
        context.copy(site.url, str(old), overwrite=True)
    assert old.read_bytes() == DATA


def test_row_28_parts_of_a_download_are_pinned_and_do_not_show_before_the_end(
    site: Site, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    seen: list[list[str]] = []

    def look(request: Received, forward: Forward) -> Reply:
        reply = forward(request)
        seen.append([path.name for path in tmp_path.iterdir() if path.name[0] != "."])
        return reply

    site.breaks(look, times=None)
    with Context(site.config) as context:
        context.copy(site.url, str(target))

    assert target.read_bytes() == DATA
    assert len(seen) == 5
    assert not any(seen)
    pins = {site.pin(request) for request in site.gets}
    assert len(pins) == 1
    assert None not in pins


def test_row_28_download_of_an_object_that_is_replaced_publishes_nothing_of_the_new_one(
    site: Site, tmp_path: Path
) -> None:
    def act(request: Received, forward: Forward) -> Reply:
        site.replace(OTHER)
        return forward(request)

    site.breaks(act, skip=2)
    try:
        with Context(site.config) as context:
            if site.keeps_versions:
                context.copy(site.url, str(tmp_path / "copy"))
                assert (tmp_path / "copy").read_bytes() == DATA
                return
            with pytest.raises(VersionMismatch):
                context.copy(site.url, str(tmp_path / "copy"))
    finally:
        site.replace(DATA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_upload_that_was_killed_leaves_the_old_object(s3: Store) -> None:
    """Its parts stay at the store: nobody is left to abort them but a lifecycle rule."""
    s3.put(OLD)
    killer = Killer()
    s3.breaks(killer.act, method="PUT", path="partNumber=3&")
    program = """
    with context.BlobFile(arguments[0], "wb") as file:
        for _ in range(100):
            file.write(bytes(200_000))
    """  # the first parts have 5 MiB each, the least of S3

    with start(program, s3.config, s3.url()) as process:
        killer.aim(process)
        assert process.returncode == -signal.SIGKILL

    assert s3.stored() == OLD
    s3.server.make_bucket(s3.bucket).uploads.clear()


@pytest.mark.slow
def test_local_writes_that_were_killed_leave_the_old_file_or_none(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(OLD)
    program = """
    files = []
    for path in arguments:
        for mode in ("wb", "xb"):
            file = context.BlobFile(path, mode)
            file.write(bytes(1 << 20))
            file.flush()
            files.append(file)
    print("written", flush=True)
    sys.stdin.read()
    """

    with start(program, QUICK, str(new), str(old)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
        process.wait(timeout=10)

    assert shown(tmp_path) == ["old"]
    assert old.read_bytes() == OLD
    with Context(QUICK) as context:
        context.write_bytes(str(old), DATA)
    assert old.read_bytes() == DATA
