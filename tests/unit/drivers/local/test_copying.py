from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from blobio.drivers.local.driver import LocalDriver
from blobio.errors import (
    AlreadyExists,
    IsDirectory,
    RequestFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    PutOptions,
    ReplaceIf,
)
from tests.unit.drivers.calls import write


def local(path: Path) -> BlobUrl:
    return BlobUrl("file", "", str(path))


@pytest.mark.parametrize("in_kernel", [True, False])
async def test_copy_brings_bytes_and_permission_bits(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_kernel: bool
) -> None:
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    data = os.urandom(1000) * 20_000  # more than one slice
    (tmp_path / "f").write_bytes(data)
    (tmp_path / "f").chmod(0o711)

    result = await driver.copy(local(tmp_path / "f"), f"{tmp_path}/d/g", PutOptions())

    assert (tmp_path / "d" / "g").read_bytes() == data
    assert stat.S_IMODE(os.stat(tmp_path / "d" / "g").st_mode) == 0o711
    assert result.version == (await driver.head(f"{tmp_path}/d/g")).version


async def test_copy_keeps_the_bits_of_a_file_that_was_there(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"new")
    (tmp_path / "g").write_bytes(b"old")
    (tmp_path / "g").chmod(0o600)

    await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", PutOptions())

    assert (tmp_path / "g").read_bytes() == b"new"
    assert stat.S_IMODE(os.stat(tmp_path / "g").st_mode) == 0o600


async def test_copy_falls_back_where_the_kernel_cannot(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"hello")

    def refuse(*_args: int) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)

    await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", PutOptions())

    assert (tmp_path / "g").read_bytes() == b"hello"


async def test_copy_honours_its_condition(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"new")
    version = await write(driver, f"{tmp_path}/g", b"old")

    with pytest.raises(AlreadyExists):
        await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", PutOptions(mode=CreateOnly()))
    assert (tmp_path / "g").read_bytes() == b"old"

    options = PutOptions(mode=ReplaceIf(version))
    await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", options)
    assert (tmp_path / "g").read_bytes() == b"new"
    with pytest.raises(VersionMismatch):
        await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", options)


async def test_copy_of_a_file_that_changes_meanwhile_publishes_nothing(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    real = os.pread

    def change_and_read(fd: int, size: int, offset: int) -> bytes:
        os.utime(tmp_path / "f", (1, 1))
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", change_and_read)

    with pytest.raises(VersionMismatch):
        await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", PutOptions())

    assert os.listdir(tmp_path) == ["f"]


async def test_copy_of_directories_special_files_and_other_schemes_is_refused(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "f").touch()

    with pytest.raises(IsDirectory):
        await driver.copy(local(tmp_path), f"{tmp_path}/g", PutOptions())
    with pytest.raises(IsDirectory):
        await driver.copy(local(tmp_path / "f"), str(tmp_path), PutOptions())
    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("file", "", "/dev/null"), f"{tmp_path}/g", PutOptions())
    with pytest.raises(Unsupported):
        await driver.copy(local(tmp_path / "f"), "/dev/null", PutOptions())
    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("file", "", "/proc/self/stat"), f"{tmp_path}/g", PutOptions())
    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("s3", "b", "f"), f"{tmp_path}/g", PutOptions())

    assert os.listdir(tmp_path) == ["f"]


async def test_failing_copy_is_told_and_leaves_nothing(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"hello")

    def fail(*_args: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", fail, raising=False)

    with pytest.raises(RequestFailed) as caught:
        await driver.copy(local(tmp_path / "f"), f"{tmp_path}/g", PutOptions())

    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["f"]
