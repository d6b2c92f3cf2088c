from __future__ import annotations

import asyncio
import os
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


@pytest.mark.parametrize("driver", [0.0], indirect=True)  # nothing comes in between on the loop
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


async def test_a_time_that_was_set_is_the_time_that_is_read(
    driver: LocalDriver, tmp_path: Path
) -> None:
    await write(driver, f"{tmp_path}/f")

    for mtime in (1_600_000_000.25, 1_700_000_000.1, -0.5):
        assert (await driver.patch(f"{tmp_path}/f", MetaPatch(mtime=mtime))).mtime == mtime


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
