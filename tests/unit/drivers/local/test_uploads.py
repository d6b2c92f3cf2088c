from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from blobio.drivers.local.driver import LocalDriver
from blobio.errors import (
    AlreadyExists,
    IsDirectory,
    NotFound,
    RequestFailed,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.values import CreateOnly, PutOptions, ReplaceIf, Version
from tests.unit.drivers.calls import write

PART = 100_000


async def test_parts_written_at_once_and_in_any_order_make_the_file(
    driver: LocalDriver, tmp_path: Path
) -> None:
    data = os.urandom(10 * PART - 1)
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    offsets = range(0, len(data), PART)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(upload.put_part(index, at, data[at : at + PART]))
            for index, at in reversed(list(enumerate(offsets)))
        ]
    with pytest.raises(NotFound):
        await driver.head(f"{tmp_path}/f")

    tokens = [task.result() for task in reversed(tasks)]
    result = await upload.complete(tokens, size=len(data))

    assert (tmp_path / "f").read_bytes() == data
    assert result.version == (await driver.head(f"{tmp_path}/f")).version


async def test_part_sent_again_replaces_the_first(driver: LocalDriver, tmp_path: Path) -> None:
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    await upload.put_part(0, 0, b"longer and wrong")

    token = await upload.put_part(0, 0, b"right")
    await upload.complete([token], size=5)

    assert (tmp_path / "f").read_bytes() == b"right"


async def test_wrong_parts_publish_nothing(driver: LocalDriver, tmp_path: Path) -> None:
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    token = await upload.put_part(0, 0, b"hello")

    with pytest.raises(RequestFailed):
        await upload.complete([token], size=6)
    with pytest.raises(RequestFailed):
        await upload.complete([], size=0)

    await upload.abort()
    assert os.listdir(tmp_path) == []


async def test_condition_is_decided_at_the_end(driver: LocalDriver, tmp_path: Path) -> None:
    key = f"{tmp_path}/f"
    created = await driver.begin_upload(key, PutOptions(mode=CreateOnly()))
    version = await write(driver, key, b"first")
    replaced = await driver.begin_upload(key, PutOptions(mode=ReplaceIf(version)))
    await write(driver, key, b"second")

    with pytest.raises(AlreadyExists):
        await created.complete([], size=0)
    with pytest.raises(VersionMismatch):
        await replaced.complete([], size=0)

    await created.abort()
    await replaced.abort()
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"second"


async def test_aborted_upload_is_lost_and_leaves_nothing(
    driver: LocalDriver, tmp_path: Path
) -> None:
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    await upload.put_part(0, 0, b"x")
    await upload.abort()
    await upload.abort()

    with pytest.raises(UploadLost):
        await upload.put_part(1, 1, b"x")
    assert os.listdir(tmp_path) == []


async def test_abort_after_completion_keeps_the_file(driver: LocalDriver, tmp_path: Path) -> None:
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    await upload.complete([], size=0)
    await upload.abort()

    assert os.listdir(tmp_path) == ["f"]


async def test_abort_while_a_part_is_written_ends_that_part(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    writing, aborted = asyncio.Event(), threading.Event()
    real = os.pwrite

    def write_slowly(fd: int, data: memoryview, offset: int) -> int:
        loop.call_soon_threadsafe(writing.set)
        assert aborted.wait(10)
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", write_slowly)
    upload = await driver.begin_upload(f"{tmp_path}/f", PutOptions())
    part = asyncio.create_task(upload.put_part(0, 0, b"x"))
    await writing.wait()

    await upload.abort()
    aborted.set()

    with pytest.raises(UploadLost):
        await part
    assert os.listdir(tmp_path) == []


async def test_upload_to_a_directory_is_refused(driver: LocalDriver, tmp_path: Path) -> None:
    for key in (str(tmp_path), f"{tmp_path}/d/"):
        with pytest.raises(IsDirectory):
            await driver.begin_upload(key, PutOptions())


async def test_upload_to_a_pipe_arrives_in_order(driver: LocalDriver, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    received: list[bytes] = []
    reader = threading.Thread(
        target=lambda: received.append((tmp_path / "fifo").read_bytes()), daemon=True
    )
    reader.start()
    upload = await driver.begin_upload(f"{tmp_path}/fifo", PutOptions())
    second = await upload.put_part(1, PART, b"2" * PART)
    first = await upload.put_part(0, 0, b"1" * PART)

    result = await upload.complete([first, second], size=2 * PART)

    reader.join()
    assert received == [b"1" * PART + b"2" * PART]
    assert result.version is None
    with pytest.raises(UploadLost):
        await upload.put_part(2, 2 * PART, b"")


async def test_put_to_a_pipe_and_to_dev_null_is_in_place(
    driver: LocalDriver, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    received: list[bytes] = []
    reader = threading.Thread(
        target=lambda: received.append((tmp_path / "fifo").read_bytes()), daemon=True
    )
    reader.start()

    await driver.put(f"{tmp_path}/fifo", b"hello", PutOptions())
    await driver.put("/dev/null", b"hello", PutOptions())

    reader.join()
    assert received == [b"hello"]
    assert os.listdir(tmp_path) == ["fifo"]


async def test_special_files_exist_and_have_no_versions(driver: LocalDriver) -> None:
    for begin in (driver.begin_upload, lambda key, options: driver.put(key, b"", options)):
        with pytest.raises(AlreadyExists):
            await begin("/dev/null", PutOptions(mode=CreateOnly()))
        with pytest.raises(Unsupported):
            await begin("/dev/null", PutOptions(mode=ReplaceIf(Version("1-2-3"))))


async def test_aborted_upload_to_a_special_file_writes_nothing(driver: LocalDriver) -> None:
    reader, writer = os.pipe()
    upload = await driver.begin_upload(f"/dev/fd/{writer}", PutOptions())
    await upload.put_part(0, 0, b"x")

    await upload.abort()

    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
