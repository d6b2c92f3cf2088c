from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest

from blobio.drivers.base import Driver
from blobio.drivers.local.driver import LocalDriver
from blobio.errors import (
    AlreadyExists,
    DirectoryNotEmpty,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    RequestFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    GetOptions,
    MetaPatch,
    PutOptions,
    ReplaceIf,
    Version,
)
from tests.unit.drivers.calls import read, write


def local(path: Path) -> BlobUrl:
    return BlobUrl("file", "", str(path))


async def outcome(driver: Driver, key: str) -> Exception | None:
    (result,) = await driver.delete([key])
    assert result.key == key
    return result.error


def test_driver_satisfies_the_contract(driver: LocalDriver) -> None:
    contract: Driver = driver

    assert contract.capabilities.directories
    assert contract.capabilities.local_paths


async def test_head_describes_a_file(driver: LocalDriver, tmp_path: Path) -> None:
    version = await write(driver, f"{tmp_path}/f", b"hello")
    (tmp_path / "f").chmod(0o640)

    meta = await driver.head(f"{tmp_path}/f", version=version)

    facts = os.stat(tmp_path / "f")
    assert (meta.key, meta.size, meta.version) == (f"{tmp_path}/f", 5, version)
    assert (meta.mtime, meta.ctime, meta.mode) == (facts.st_mtime, facts.st_ctime, 0o640)


async def test_head_of_a_directory_needs_the_slash(driver: LocalDriver, tmp_path: Path) -> None:
    meta = await driver.head(f"{tmp_path}/")

    assert (meta.key, meta.size, meta.version) == (f"{tmp_path}/", 0, None)
    with pytest.raises(IsDirectory):
        await driver.head(str(tmp_path))


async def test_slash_after_a_file_is_not_a_directory(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "f").touch()

    with pytest.raises(NotDirectory):
        await driver.head(f"{tmp_path}/f/")
    with pytest.raises(NotDirectory):
        await driver.get(f"{tmp_path}/f/", GetOptions())
    assert isinstance(await outcome(driver, f"{tmp_path}/f/"), NotDirectory)
    with pytest.raises(NotDirectory):
        await driver.put(f"{tmp_path}/f/", b"", PutOptions())


async def test_nothing_there_is_not_found(driver: LocalDriver, tmp_path: Path) -> None:
    for key in (f"{tmp_path}/absent", ""):
        with pytest.raises(NotFound):
            await driver.head(key)
        with pytest.raises(NotFound):
            await driver.get(key, GetOptions())
        with pytest.raises(NotFound):
            await driver.patch(key, MetaPatch(mtime=1))
        with pytest.raises(NotFound):
            await driver.copy(BlobUrl("file", "", key), f"{tmp_path}/copy", PutOptions())
        assert isinstance(await outcome(driver, key), NotFound)
    assert os.listdir(tmp_path) == []


async def test_tilde_and_odd_names_are_taken_as_they_are(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    for key in ("~", "a b%20#?*", "\udcff"):
        await write(driver, key, b"x")

    assert sorted(os.listdir(".")) == ["a b%20#?*", "~", "\udcff"]


async def test_metadata_is_unsupported_and_writes_nothing(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "source").touch()
    options = PutOptions(metadata={"a": "1"})

    with pytest.raises(Unsupported):
        await driver.put(f"{tmp_path}/f", b"x", options)
    with pytest.raises(Unsupported):
        await driver.begin_upload(f"{tmp_path}/f", options)
    with pytest.raises(Unsupported):
        await driver.copy(local(tmp_path / "source"), f"{tmp_path}/f", options)

    assert os.listdir(tmp_path) == ["source"]


async def test_put_of_a_directory_makes_its_parents(driver: LocalDriver, tmp_path: Path) -> None:
    key = f"{tmp_path}/a/b/"
    await driver.put(key, b"", PutOptions())
    await driver.put(key, b"", PutOptions())

    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(AlreadyExists):
        await driver.put(key, b"", PutOptions(mode=CreateOnly()))
    with pytest.raises(Unsupported):
        await driver.put(key, b"", PutOptions(mode=ReplaceIf(Version("1-2-3"))))
    with pytest.raises(IsDirectory):
        await driver.put(key, b"x", PutOptions())


async def test_create_only_makes_a_new_directory(driver: LocalDriver, tmp_path: Path) -> None:
    await driver.put(f"{tmp_path}/a/b/", b"", PutOptions(mode=CreateOnly()))

    assert (tmp_path / "a" / "b").is_dir()


async def test_cancelled_put_leaves_the_old_file(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    loop = asyncio.get_running_loop()
    real = os.write

    def write_and_cancel(fd: int, data: memoryview) -> int:
        loop.call_soon_threadsafe(task.cancel)
        return real(fd, data[:1])

    monkeypatch.setattr(os, "write", write_and_cancel)
    task = asyncio.create_task(driver.put(f"{tmp_path}/f", bytes(1000), PutOptions()))

    with pytest.raises(asyncio.CancelledError):
        await task

    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() in (b"old", bytes(1000))


async def test_delete_of_files_links_and_directories(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "broken").symlink_to("absent")

    assert await outcome(driver, f"{tmp_path}/f") is None
    assert await outcome(driver, f"{tmp_path}/d/") is None
    assert await outcome(driver, f"{tmp_path}/broken") is None

    assert os.listdir(tmp_path) == []


async def test_delete_never_removes_more_than_was_named(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()

    assert isinstance(await outcome(driver, f"{tmp_path}/d"), IsDirectory)
    assert isinstance(await outcome(driver, f"{tmp_path}/d/"), DirectoryNotEmpty)

    assert os.listdir(tmp_path / "d") == ["f"]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_delete_of_a_link_to_a_directory_spares_what_is_behind(
    driver: LocalDriver, tmp_path: Path, slash: str
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()
    (tmp_path / "link").symlink_to("d")

    assert await outcome(driver, f"{tmp_path}/link{slash}") is None

    assert os.listdir(tmp_path) == ["d"]
    assert os.listdir(tmp_path / "d") == ["f"]


async def test_delete_of_a_link_to_a_file_refuses_a_slash(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "link").symlink_to("f")

    assert isinstance(await outcome(driver, f"{tmp_path}/link/"), NotDirectory)

    assert sorted(os.listdir(tmp_path)) == ["f", "link"]


async def test_delete_says_directory_where_the_system_says_permission(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "unlink", deny)

    assert isinstance(await outcome(driver, str(tmp_path)), IsDirectory)


async def test_file_that_may_not_be_deleted_is_denied(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").touch()

    def deny(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "unlink", deny)

    assert isinstance(await outcome(driver, f"{tmp_path}/f"), PermissionDenied)


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


async def test_directory_with_nothing_but_unpublished_files_is_empty(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ".blobio-0123456789abcdef.tmp").touch()

    assert await outcome(driver, f"{tmp_path}/d/") is None

    assert os.listdir(tmp_path) == []


async def test_batch_of_deletes_goes_on_after_a_failure(
    driver: LocalDriver, tmp_path: Path
) -> None:
    (tmp_path / "f").touch()

    results = await driver.delete([f"{tmp_path}/absent", str(tmp_path), f"{tmp_path}/f"])

    assert [type(result.error) for result in results] == [NotFound, IsDirectory, type(None)]
    with pytest.raises(ValueError, match="256 keys at once, not 257"):
        await driver.delete(["f"] * 257)


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


async def test_patch_sets_the_time_and_thereby_the_version(
    driver: LocalDriver, tmp_path: Path
) -> None:
    version = await write(driver, f"{tmp_path}/f", b"hello")
    os.utime(tmp_path / "f", ns=(7, os.stat(tmp_path / "f").st_mtime_ns))

    meta = await driver.patch(f"{tmp_path}/f", MetaPatch(mtime=12.5), if_version=version)

    facts = os.stat(tmp_path / "f")
    assert (facts.st_mtime, facts.st_atime_ns) == (12.5, 7)
    assert (meta.mtime, meta.version) == (12.5, f"12500000000-5-{facts.st_ino}")
    with pytest.raises(VersionMismatch):
        await driver.patch(f"{tmp_path}/f", MetaPatch(mtime=1), if_version=version)


async def test_patch_of_what_files_do_not_have_is_unsupported(
    driver: LocalDriver, tmp_path: Path
) -> None:
    await write(driver, f"{tmp_path}/f")

    with pytest.raises(Unsupported):
        await driver.patch(f"{tmp_path}/f", MetaPatch(metadata={"a": "1"}))
    with pytest.raises(Unsupported):
        await driver.patch(f"{tmp_path}/f", MetaPatch(content_type="text/plain"))
    await driver.patch(f"{tmp_path}/f", MetaPatch(metadata={"a": None}))


async def test_patch_of_a_directory_needs_the_slash(driver: LocalDriver, tmp_path: Path) -> None:
    meta = await driver.patch(f"{tmp_path}/", MetaPatch(mtime=5))

    assert meta.mtime == 5
    with pytest.raises(IsDirectory):
        await driver.patch(str(tmp_path), MetaPatch(mtime=5))


async def test_signed_url_is_the_file_url(
    driver: LocalDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    signed = await driver.sign_url("a b%.txt", "GET", 60)

    assert (signed.url, signed.expires_at) == (f"file://{tmp_path}/a b%.txt", None)
    assert BlobUrl.parse(signed.url) == local(tmp_path / "a b%.txt")


async def test_read_back_what_was_put(driver: LocalDriver, tmp_path: Path) -> None:
    await driver.put(f"{tmp_path}/f", memoryview(bytearray(b"hello")), PutOptions())

    assert await read(driver, f"{tmp_path}/f") == b"hello"
