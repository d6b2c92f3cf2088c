from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from blobio.drivers.local import reading, special
from blobio.drivers.local.driver import LocalDriver
from blobio.errors import IsDirectory, RangeNotSatisfiable, RequestFailed, VersionMismatch
from blobio.values import From, GetOptions, Last, Span, Version
from tests.unit.drivers.calls import read, write

CHUNK = 2 << 20
VERSION = Path("/proc/version").read_bytes()


async def test_large_file_comes_in_chunks(driver: LocalDriver, tmp_path: Path) -> None:
    data = os.urandom(1000) * 5000
    (tmp_path / "f").write_bytes(data)

    async with await driver.get(f"{tmp_path}/f", GetOptions()) as result:
        chunks = [chunk async for chunk in result.chunks()]

    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 5_000_000 - 2 * CHUNK]
    assert b"".join(chunks) == data


async def test_ranges_are_served(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    key = f"{tmp_path}/f"

    assert await read(driver, key, GetOptions(range=Span(2, 4))) == b"23"
    assert await read(driver, key, GetOptions(range=Span(2, 2))) == b""
    assert await read(driver, key, GetOptions(range=From(8))) == b"89"
    assert await read(driver, key, GetOptions(range=Last(3))) == b"789"
    with pytest.raises(RangeNotSatisfiable):
        await driver.get(key, GetOptions(range=From(10)))


async def test_directory_cannot_be_read(driver: LocalDriver, tmp_path: Path) -> None:
    for key in (str(tmp_path), f"{tmp_path}/"):
        with pytest.raises(IsDirectory):
            await driver.get(key, GetOptions())


async def test_another_version_is_refused(driver: LocalDriver, tmp_path: Path) -> None:
    key = f"{tmp_path}/f"
    old = await write(driver, key, b"same size")
    new = await write(driver, key, b"SAME SIZE")

    with pytest.raises(VersionMismatch):
        await driver.get(key, GetOptions(version=old))
    with pytest.raises(VersionMismatch):
        await driver.head(key, version=old)
    assert await read(driver, key, GetOptions(version=new)) == b"SAME SIZE"


def overwrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"changed")
    os.utime(path, (1, 1))  # whatever the clock of the file system can tell apart


def cut(path: Path) -> None:
    os.truncate(path, CHUNK + 1)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("change", [overwrite_in_place, cut, append])
async def test_file_changed_in_place_while_it_is_read_is_a_mismatch(
    driver: LocalDriver, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    (tmp_path / "f").write_bytes(bytes(2 * CHUNK))

    async with await driver.get(f"{tmp_path}/f", GetOptions()) as result:
        chunks = result.chunks()
        await anext(chunks)
        change(tmp_path / "f")

        with pytest.raises(VersionMismatch):
            await anext(chunks)


async def test_file_cut_below_the_position_is_a_mismatch_even_with_its_time_set_back(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(bytes(2 * CHUNK))
    facts = os.stat(tmp_path / "f")

    async with await driver.get(f"{tmp_path}/f", GetOptions()) as result:
        chunks = result.chunks()
        await anext(chunks)
        os.truncate(tmp_path / "f", 0)
        os.utime(tmp_path / "f", ns=(facts.st_atime_ns, facts.st_mtime_ns))

        with pytest.raises(VersionMismatch):
            await anext(chunks)


async def test_file_replaced_while_it_is_read_is_served_as_it_was(
    driver: LocalDriver, tmp_path: Path
) -> None:
    key = f"{tmp_path}/f"
    await write(driver, key, b"o" * (CHUNK + 1))

    async with await driver.get(key, GetOptions()) as result:
        await write(driver, key, b"new")
        await driver.delete([key])

        assert b"".join([chunk async for chunk in result.chunks()]) == b"o" * (CHUNK + 1)


async def test_failing_disk_is_an_error(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def fail(_fd: int, _size: int, _offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)

    with pytest.raises(RequestFailed):
        await driver.get(f"{tmp_path}/f", GetOptions())


async def test_file_is_closed_with_the_result(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(CHUNK + 1))
    before = os.listdir("/proc/self/fd")

    result = await driver.get(f"{tmp_path}/f", GetOptions())
    await result.stream.aclose()
    await result.stream.aclose()

    assert os.listdir("/proc/self/fd") == before


async def test_pseudo_file_is_read_to_its_end(driver: LocalDriver) -> None:
    """The files of `/proc` say that they are empty."""
    async with await driver.get("/proc/version", GetOptions()) as result:
        assert result.meta.size == len(VERSION) > 0
        assert [chunk async for chunk in result.chunks()] == [VERSION]
    assert await read(driver, "/proc/version", GetOptions(range=Last(4))) == VERSION[-4:]


async def test_fifo_is_read_to_its_end(driver: LocalDriver, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    data = os.urandom(1000) * 200
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(data,))
    writer.start()

    assert await read(driver, f"{tmp_path}/fifo") == data

    writer.join()


async def test_endless_device_is_read_as_far_as_asked(driver: LocalDriver) -> None:
    assert await read(driver, "/dev/zero", GetOptions(range=Span(5, 1000))) == bytes(995)
    assert await read(driver, "/dev/null") == b""


async def test_special_file_has_no_version(driver: LocalDriver) -> None:
    with pytest.raises(VersionMismatch):
        await driver.get("/dev/null", GetOptions(version=Version("1-0-1")))


async def test_cancelled_read_of_a_silent_fifo_ends(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    loop = asyncio.get_running_loop()
    waiting = asyncio.Event()
    real = special.drain

    def drain(
        fd: int, sink: Callable[[bytes], object], limit: int | None, stop: threading.Event
    ) -> None:
        loop.call_soon_threadsafe(waiting.set)
        real(fd, sink, limit, stop)

    monkeypatch.setattr(reading, "drain", drain)
    before = os.listdir("/proc/self/fd")

    task = asyncio.create_task(driver.get(f"{tmp_path}/fifo", GetOptions()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert os.listdir("/proc/self/fd") == before
