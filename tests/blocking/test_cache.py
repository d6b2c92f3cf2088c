"""Local copies of remote blobs: `streaming=False` and `cache_dir`."""

from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path
from typing import Any

import pytest

import blobio as bf
from blobio.blocking.local import open_disk
from blobio.testing.emulators import S3Server
from tests.blocking.conftest import Place
from tests.blocking.scripts import environment, run

# A hang is found by the limit of `run`; starting programs takes its time on a loaded machine.
pytestmark = pytest.mark.timeout(60)


def read(place: Place, cache: Path, **options: Any) -> bytes:
    with place.open("blob", "rb", streaming=False, cache_dir=str(cache), **options) as file:
        data: bytes = file.read()
    return data


def copies(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_second_open_asks_for_the_version_only(s3: Place, tmp_path: Path) -> None:
    s3.put("blob", b"data")
    assert read(s3, tmp_path) == b"data"
    assert "GET" in s3.methods()

    assert read(s3, tmp_path) == b"data"

    assert s3.methods() == ["HEAD"]


def test_changed_blob_is_fetched_again(s3: Place, tmp_path: Path) -> None:
    s3.put("blob", b"one")
    read(s3, tmp_path)
    s3.put("blob", b"two")

    assert read(s3, tmp_path) == b"two"


def test_copy_that_lost_bytes_is_fetched_again(remote: Place, tmp_path: Path) -> None:
    remote.put("blob", b"data")
    read(remote, tmp_path)
    (copy,) = copies(tmp_path)
    copy.write_bytes(b"da")

    assert read(remote, tmp_path) == b"data"


def test_missing_blob_leaves_nothing_in_the_cache(remote: Place, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(remote, tmp_path)

    assert copies(tmp_path) == []


def test_version_is_honoured(remote: Place, tmp_path: Path) -> None:
    version = remote.context.write_bytes(remote.path("blob"), b"data").version

    assert read(remote, tmp_path, version=version) == b"data"
    remote.put("blob", b"changed")
    with pytest.raises(bf.VersionMismatch):
        read(remote, tmp_path, version=version)


def test_relative_cache_dir_and_text(
    remote: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.put("blob", "ä\n".encode())
    monkeypatch.chdir(tmp_path)

    with remote.open("blob", "r", streaming=False, cache_dir="cache") as file:
        assert file.read() == "ä\n"

    assert len(copies(tmp_path / "cache")) == 1


def test_16_threads_share_one_copy(s3: Place, tmp_path: Path) -> None:
    """More than the loop has worker threads, all waiting for the one that downloads."""
    s3.put("blob", b"data" * 1000)
    s3.methods()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: read(s3, tmp_path), range(16)))

    assert found == [b"data" * 1000] * 16
    assert s3.methods().count("GET") == 1


@pytest.mark.slow
def test_two_processes_share_one_copy(bucket: S3Server, tmp_path: Path) -> None:
    path = "s3://blocking/cache/blob"
    with bf.Context(bucket.config()) as context:
        context.write_bytes(path, b"data" * 1000)
    program = """
        import sys
        import blobio as bf
        with bf.BlobFile(sys.argv[1], "rb", streaming=False, cache_dir=sys.argv[2]) as file:
            print(len(file.read()))
    """

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        arguments = (path, str(tmp_path))
        ends = pool.map(lambda _: run(program, *arguments, environ=environment(bucket)), range(2))

    assert [(ended.out, ended.err) for ended in ends] == [("4000\n", "")] * 2
    assert len(copies(tmp_path)) == 1


def test_fork_during_a_download_does_not_keep_the_copy_locked(tmp_path: Path) -> None:
    ended = run(
        """
        import asyncio, os, sys, threading
        import blobio as bf
        from blobio.drivers.memory.driver import MemoryDriver

        bf.write_bytes("memory://b/blob", b"data")
        get = MemoryDriver.get
        begun, go_on = threading.Event(), threading.Event()

        async def slow(self, key, options):
            begun.set()
            await asyncio.to_thread(go_on.wait)
            return await get(self, key, options)

        def read():
            with bf.BlobFile("memory://b/blob", "rb", streaming=False, cache_dir=sys.argv[1]) as f:
                return f.read()

        MemoryDriver.get = slow
        thread = threading.Thread(target=read)
        thread.start()
        begun.wait()
        stay, leave = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(leave)
            os.read(stay, 1)  # lives on, with all descriptors of the parent
            os._exit(0)
        go_on.set()
        thread.join()
        os.unlink(next(os.path.join(d, f) for d, _, fs in os.walk(sys.argv[1]) for f in fs
                       if f == "blob"))
        print(read())
        os.write(leave, b"x")
        os.waitpid(pid, 0)
        """,
        str(tmp_path),
        options=("-W", "ignore::DeprecationWarning"),
    )

    assert (ended.out, ended.err) == ("b'data'\n", "")


def test_cache_is_bounded(tmp_path: Path) -> None:
    with bf.Context(bf.Config(cache_bytes=25)) as context:
        for name in "abcd":
            context.write_bytes(f"memory://cache/{name}", b"0123456789")
            context.BlobFile(
                f"memory://cache/{name}", "rb", streaming=False, cache_dir=str(tmp_path)
            ).close()

    assert sorted(copy.name for copy in copies(tmp_path)) == ["c", "d"]


def test_copy_that_was_evicted_before_it_was_opened_is_fetched_again(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put("blob", b"data")
    calls: list[str] = []

    def late(path: str, *rest: Any) -> Any:
        if not calls:
            os.unlink(path)  # what another process's eviction does
        calls.append(path)
        return open_disk(path, *rest)

    monkeypatch.setattr("blobio.blocking.opening.open_disk", late)

    assert read(memory, tmp_path) == b"data"
    assert len(calls) == 2


def test_copy_without_a_cache_is_gone_after_use(
    remote: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    remote.put("blob", b"data")

    with remote.open("blob", "rb", streaming=False) as file:
        assert file.read() == b"data"
        assert file.fileno() >= 0
        remote.put("blob", b"changed")
        file.seek(0)
        assert file.read() == b"data"

    assert list(tmp_path.iterdir()) == []


def test_temporary_file_of_a_writer_is_gone_after_use(
    remote: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with remote.open("blob", "wb", streaming=False) as file:
        file.write(b"x")
        assert len(list(tmp_path.iterdir())) == 1
    remote.open("blob", "ab").abort()
    with pytest.raises(bf.VersionMismatch):
        remote.open("blob", "ab", version="none of its").close()

    assert list(tmp_path.iterdir()) == []
    assert remote.get("blob") == b"x"
