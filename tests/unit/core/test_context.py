from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.context import AsyncContext, decode_text, write_mode
from blobio.errors import (
    AlreadyExists,
    IsDirectory,
    NotFound,
    Unsupported,
    VersionMismatch,
)
from blobio.values import CreateOnly, Overwrite, PutOptions, ReplaceIf, Version
from tests.unit.core.fakes import DATA, other_tasks, settled

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)
ROOT = "memory://context"


@pytest.fixture
async def context() -> AsyncIterator[AsyncContext]:
    async with AsyncContext(CONFIG) as context:
        yield context
        await context.rmtree(ROOT)


@pytest.fixture(params=["memory", "local"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ROOT if request.param == "memory" else str(tmp_path)


def test_the_users_words_for_a_condition() -> None:
    assert write_mode(overwrite=True, version=None) == Overwrite()
    assert write_mode(overwrite=False, version=None) == CreateOnly()
    assert write_mode(overwrite=False, version="1") == ReplaceIf(Version("1"))


def test_text_has_universal_newlines() -> None:
    assert decode_text(b"a\r\nb\rc\n", "utf-8") == "a\nb\nc\n"
    assert decode_text(b"a\n", "utf-8") == "a\n"


async def test_a_context_without_arguments_takes_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")

    async with AsyncContext() as context:
        assert context.config.s3.region == "eu-north-1"


async def test_bytes_and_text_go_in_and_out(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/b", DATA)
    await context.write_text(f"{root}/t", "é\n", encoding="latin-1")

    assert await context.read_bytes(f"{root}/b") == DATA
    assert await context.read_text(f"{root}/t", encoding="latin-1") == "é\n"


async def test_buffers_of_any_kind_are_written(context: AsyncContext, root: str) -> None:
    for body in (bytearray(DATA), memoryview(DATA), memoryview(DATA).cast("I")):
        await context.write_bytes(f"{root}/b", body)

        assert await context.read_bytes(f"{root}/b") == DATA


async def test_writes_carry_their_conditions(context: AsyncContext, root: str) -> None:
    path = f"{root}/b"
    first = await context.write_bytes(path, b"1", overwrite=False)

    with pytest.raises(AlreadyExists):
        await context.write_bytes(path, b"2", overwrite=False)
    with pytest.raises(AlreadyExists):
        await context.write_text(path, "2", overwrite=False)
    await context.write_bytes(path, b"22", version=first.version)
    with pytest.raises(VersionMismatch):
        await context.write_bytes(path, b"333", version=first.version)
    assert await context.read_bytes(path) == b"22"


async def test_reads_are_pinned_if_asked(context: AsyncContext, root: str) -> None:
    path = f"{root}/b"
    await context.write_bytes(path, DATA)
    version = (await context.stat(path)).version
    assert await context.read_bytes(path, version=version) == DATA
    await context.write_bytes(path, b"new")

    with pytest.raises(VersionMismatch):
        await context.read_bytes(path, version=version)
    with pytest.raises(VersionMismatch):
        await context.read_ranges(path, [(0, 1)], version=version)


async def test_ranges_are_slices(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/b", DATA)

    found = await context.read_ranges(f"{root}/b", [(990, 2000), (0, 3), (5000, 6000), (7, 7)])

    assert found == [DATA[990:], DATA[:3], b"", b""]


async def test_names_are_told_apart(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/d/f", b"")

    for name, is_file, is_dir in (("d", False, True), ("d/f", True, False), ("x", False, False)):
        path = f"{root}/{name}"
        assert await context.isfile(path) == is_file
        assert await context.isdir(path) == is_dir
        assert await context.exists(path) == (is_file or is_dir)
    assert not await context.isdir(f"{root}/d/f/g")
    assert not await context.isfile(f"{root}/d/f/g")


async def test_a_stat_tells_size_and_version(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/b", DATA)

    stat = await context.stat(f"{root}/b")

    assert stat.size == 1000
    assert stat.version is not None
    with pytest.raises(NotFound):
        await context.stat(f"{root}/nothing")


async def test_a_directory_has_a_stat_on_disk_only(context: AsyncContext, tmp_path: Path) -> None:
    await context.write_bytes(f"{ROOT}/d/f", b"")

    os.utime(tmp_path, (5, 5))

    assert (await context.stat(tmp_path)).mtime == 5
    for path in (f"{ROOT}/d", f"{ROOT}/d/", ROOT):
        with pytest.raises(NotFound):
            await context.stat(path)


async def test_directories_are_made_and_listed(context: AsyncContext, root: str) -> None:
    await context.makedirs(f"{root}/d/e")
    await context.makedirs(f"{root}/d/e")
    await context.write_bytes(f"{root}/d/f", b"")

    assert sorted([name async for name in context.listdir(f"{root}/d")]) == ["e", "f"]
    assert sorted([name async for name in context.listdir(f"{root}/d", 1)]) == ["e", "f"]
    assert [entry async for entry in context.scandir(f"{root}/d/e")] == []
    assert [path async for path in context.glob(f"{root}/d/*")] == [f"{root}/d/e", f"{root}/d/f"]


async def test_a_bucket_is_not_made(context: AsyncContext, monkeypatch: pytest.MonkeyPatch) -> None:
    await context.makedirs("memory://context")  # it exists, as all of them do

    async def missing(*args: object) -> bool:
        return not args

    monkeypatch.setattr("blobio.core.listing.is_directory", missing)
    with pytest.raises(NotFound, match="blobio makes none"):
        await context.makedirs("memory://context")


async def test_blobs_and_directories_are_removed(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/d/f", b"")
    await context.makedirs(f"{root}/d/e")

    await context.remove(f"{root}/d/f")
    await context.rmdir(f"{root}/d/e")

    assert not await context.exists(f"{root}/d/f")
    assert not await context.exists(f"{root}/d/e")


async def test_a_time_is_set_unless_the_version_is_another(
    context: AsyncContext, root: str
) -> None:
    await context.write_bytes(f"{root}/b", b"")

    assert await context.set_mtime(f"{root}/b", 5.0)
    assert not await context.set_mtime(f"{root}/b", 6.0, version="no such")

    assert (await context.stat(f"{root}/b")).mtime == 5.0


@pytest.mark.parametrize("to", ["local", "memory"])
async def test_copies_go_anywhere(
    context: AsyncContext, root: str, tmp_path: Path, to: str
) -> None:
    target = f"{ROOT}/copy" if to == "memory" else str(tmp_path / "copy")
    await context.write_bytes(f"{root}/b", DATA)

    md5 = await context.copy(f"{root}/b", target, return_md5=True)
    assert await context.copy(f"{root}/b", target, overwrite=True) is None

    assert md5 == hashlib.md5(DATA).hexdigest() == await context.md5(target)  # noqa: S324
    with pytest.raises(AlreadyExists):
        await context.copy(f"{root}/b", target)


async def test_a_copy_over_a_version_loses_to_another_writer(context: AsyncContext) -> None:
    await context.write_bytes(f"{ROOT}/a", b"a")
    version = (await context.write_bytes(f"{ROOT}/b", b"b")).version
    await context.copy(f"{ROOT}/a", f"{ROOT}/b", dst_version=version)

    with pytest.raises(VersionMismatch):
        await context.copy(f"{ROOT}/a", f"{ROOT}/b", dst_version=version)


async def test_moves_leave_nothing_behind(context: AsyncContext, root: str) -> None:
    await context.write_bytes(f"{root}/a", DATA)

    await context.move(f"{root}/a", f"{root}/b")

    assert not await context.exists(f"{root}/a")
    assert await context.read_bytes(f"{root}/b") == DATA


async def test_what_names_a_directory_is_no_blob(context: AsyncContext, root: str) -> None:
    await context.makedirs(f"{root}/d")

    for path in (f"{root}/d/", root + "/"):
        with pytest.raises(IsDirectory):
            await context.read_bytes(path)
        with pytest.raises(IsDirectory):
            await context.write_bytes(path, b"")
        with pytest.raises(IsDirectory):
            await context.copy(path, f"{root}/x")


async def test_a_url_is_signed_by_the_store_if_it_can(context: AsyncContext, root: str) -> None:
    try:
        url, expires_at = await context.get_url(f"{root}/b")
    except Unsupported:
        assert root == ROOT
    else:
        assert url.endswith("/b")
        assert expires_at is None


# Local copies


async def test_a_blob_is_fetched_and_published(context: AsyncContext, tmp_path: Path) -> None:
    local = tmp_path / "local"
    version = (await context.write_bytes(f"{ROOT}/b", DATA)).version

    assert await context.fetch(f"{ROOT}/b", str(local), None) == version
    assert local.read_bytes() == DATA
    _, url = context.stores.locate(f"{ROOT}/c")
    published = await context.publish(str(local), url, PutOptions(mode=CreateOnly()))
    assert published == (await context.stat(f"{ROOT}/c")).version

    with pytest.raises(AlreadyExists):
        await context.publish(str(local), url, PutOptions(mode=CreateOnly()))
    with pytest.raises(VersionMismatch):
        await context.fetch(f"{ROOT}/b", str(local), "no such")


async def test_a_blob_is_cached_by_version(context: AsyncContext, tmp_path: Path) -> None:
    await context.write_bytes(f"{ROOT}/b", b"one")
    first = await context.cached(f"{ROOT}/b", str(tmp_path), None)
    again = await context.cached(f"{ROOT}/b", str(tmp_path), None)
    await context.write_bytes(f"{ROOT}/b", b"two")
    second = await context.cached(f"{ROOT}/b", str(tmp_path), None)

    assert first == again != second
    assert [await context.read_bytes(path) for path in (first, second)] == [b"one", b"two"]
    with pytest.raises(VersionMismatch):
        await context.cached(f"{ROOT}/b", str(tmp_path), "no such")


async def test_leaving_a_listing_leaves_no_task_behind(context: AsyncContext) -> None:
    for i in range(5):
        await context.write_bytes(f"{ROOT}/{i}", b"")
    async for _ in context.scandir(ROOT):
        break
    async for _ in context.glob(f"{ROOT}/**"):
        break

    await settled()

    assert not other_tasks()
