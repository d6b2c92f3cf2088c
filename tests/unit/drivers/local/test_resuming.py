"""A file half written is found again, but for what only looks like one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blobio.checksum import crc32c
from blobio.drivers.local.driver import LocalDriver
from blobio.drivers.local.resuming import ResumableFile
from blobio.drivers.resumable import Resumable, SentPart
from blobio.drivers.unfinished import Leftover, Tidy
from blobio.errors import ConcurrentWrite, NotFound, PermissionDenied, UploadLost
from blobio.values import CreateOnly, PutOptions


@pytest.fixture
async def driver() -> AsyncIterator[LocalDriver]:
    driver = LocalDriver()
    yield driver
    await driver.aclose()


async def begun(driver: LocalDriver, path: Path, options: PutOptions) -> ResumableFile:
    upload = await driver.begin_resumable(str(path), options)
    assert upload is not None
    return upload


async def sent(upload: ResumableFile, index: int, data: bytes) -> SentPart:
    token = await upload.put_part(index, index * 4, data)
    return SentPart(index * 4, len(data), crc32c(data), token)


async def test_the_driver_offers_both(driver: LocalDriver) -> None:
    assert isinstance(driver, Resumable)
    assert isinstance(driver, Tidy)


@pytest.mark.parametrize("durable", [False, True])
async def test_a_file_is_gone_on_with(tmp_path: Path, *, durable: bool) -> None:
    driver = LocalDriver(durable=durable)
    path, options = tmp_path / "it", PutOptions(mode=CreateOnly())
    upload = await begun(driver, path, options)
    parts = {0: await sent(upload, 0, b"aaaa")}
    await upload.leave()
    assert not path.exists()

    found = await driver.resume_upload(str(path), options, upload.state, parts)

    assert isinstance(found.upload, ResumableFile)
    assert found.parts == {0}
    assert found.read_back is not None
    assert await found.read_back(1, 3) == b"aa"
    last = await sent(found.upload, 1, b"b")
    await found.upload.complete([parts[0].token, last.token], size=5)
    assert os.listdir(tmp_path) == ["it"]
    assert path.read_bytes() == b"aaaab"
    await driver.aclose()


async def test_an_aborted_file_is_gone(driver: LocalDriver, tmp_path: Path) -> None:
    upload = await begun(driver, tmp_path / "it", PutOptions())
    await upload.abort()

    assert os.listdir(tmp_path) == []
    with pytest.raises(UploadLost):
        await driver.resume_upload(str(tmp_path / "it"), PutOptions(), upload.state, {})


async def test_a_file_that_is_being_written_is_not_taken_over(
    driver: LocalDriver, tmp_path: Path
) -> None:
    upload = await begun(driver, tmp_path / "it", PutOptions())

    with pytest.raises(UploadLost):
        await driver.resume_upload(str(tmp_path / "it"), PutOptions(), upload.state, {})
    (leftover,) = (await driver.list_leftovers(f"{tmp_path}/", None)).leftovers
    assert leftover.is_in_use
    with pytest.raises(ConcurrentWrite):
        await driver.drop_leftover(leftover)
    await upload.leave()
    await driver.drop_leftover(leftover)
    await driver.drop_leftover(leftover)  # it is gone, and may be dropped again

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["", "other", "../.blobio-0.tmp", "d/.blobio-0.tmp", ".blobio-dir.tmp", ".blobio-2.tmp"]
)
async def test_what_is_no_such_file_is_lost(driver: LocalDriver, tmp_path: Path, name: str) -> None:
    here = tmp_path / "here"
    (here / "d").mkdir(parents=True)
    (here / ".blobio-dir.tmp").mkdir()
    for file in (here / "other", tmp_path / ".blobio-0.tmp", here / "d" / ".blobio-0.tmp"):
        file.write_bytes(b"precious")
    (here / ".blobio-1.tmp").write_bytes(b"precious")
    os.link(here / ".blobio-1.tmp", here / ".blobio-2.tmp")  # a second name, maybe of another file

    with pytest.raises(UploadLost):
        await driver.resume_upload(str(here / "it"), PutOptions(), {"name": name}, {})


async def test_only_temporary_files_can_be_dropped(driver: LocalDriver, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")

    with pytest.raises(ConcurrentWrite):
        await driver.drop_leftover(Leftover(key=str(path), kind="temporary file"))

    assert path.read_text() == "precious"


async def test_leftovers_of_a_directory_that_is_not_there_are_an_error(
    driver: LocalDriver, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        await driver.list_leftovers(f"{tmp_path}/no/", None)


async def test_a_directory_that_cannot_be_read_is_said(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads everything, so the refusal is made up."""
    scandir, closed = os.scandir, str(tmp_path / "closed")
    (tmp_path / "closed").mkdir()

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)

    with pytest.raises(PermissionDenied):
        await driver.list_leftovers(f"{tmp_path}/", None)
