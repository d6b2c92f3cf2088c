from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from blobio.core.cache import cached_copy
from blobio.core.flow import settle
from blobio.errors import TransportFailed
from blobio.values import BlobMeta, Version
from tests.unit.core.fakes import settled, url

DAY_S = 24 * 3600.0


def meta(size: int = 4, version: str | None = "1", mtime: float = 0.0) -> BlobMeta:
    known = None if version is None else Version(version)
    return BlobMeta(key="key", size=size, mtime=mtime, ctime=mtime, version=known)


class Downloads:
    """Writes fixed bytes, and remembers where."""

    def __init__(self, data: bytes = b"data") -> None:
        self.paths: list[str] = []
        self._data = data

    async def __call__(self, path: str) -> None:
        self.paths.append(path)
        await asyncio.sleep(0)
        with open(path, "wb") as file:  # noqa: ASYNC230 - four bytes
            file.write(self._data)


async def cached(
    directory: Path,
    download: Callable[[str], Awaitable[object]],
    key: str = "key",
    facts: BlobMeta | None = None,
    limit_bytes: int | None = None,
) -> Path:
    found = await cached_copy(
        str(directory), url(key), facts or meta(), download, limit_bytes=limit_bytes
    )
    return Path(found)


async def test_a_copy_is_downloaded_once(tmp_path: Path) -> None:
    downloads = Downloads()

    first = await cached(tmp_path, downloads)
    second = await cached(tmp_path, downloads)

    assert first == second
    assert first.read_bytes() == b"data"
    assert len(downloads.paths) == 1


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        ("other", meta()),
        ("key", meta(version="2")),
        ("key", meta(version=None)),
        ("key", meta(version=None, mtime=1.0)),
    ],
)
async def test_another_blob_or_version_is_another_copy(
    tmp_path: Path, key: str, facts: BlobMeta
) -> None:
    downloads = Downloads()

    first = await cached(tmp_path, downloads)
    second = await cached(tmp_path, downloads, key, facts)

    assert first != second
    assert len(downloads.paths) == 2


async def test_a_copy_keeps_the_name_of_its_blob(tmp_path: Path) -> None:
    assert (await cached(tmp_path, Downloads(), "a/b/table.parquet")).name == "table.parquet"


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 300, "é" * 120, ".blobio-x", "nul\0"])
async def test_a_name_that_no_file_can_have_is_replaced(tmp_path: Path, name: str) -> None:
    path = await cached(tmp_path, Downloads(), f"a/{name}")

    assert path.name == "blob"
    assert path.parent.parent == tmp_path


async def test_a_cache_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "far" / "cache"

    path = await cached(directory, Downloads())

    for made in (directory, path.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


async def test_a_failed_download_leaves_no_copy(tmp_path: Path) -> None:
    async def fail(path: str) -> None:
        raise TransportFailed(path)

    with pytest.raises(TransportFailed):
        await cached(tmp_path, fail)

    downloads = Downloads()
    await cached(tmp_path, downloads)
    assert len(downloads.paths) == 1


async def test_a_copy_of_another_size_is_no_copy(tmp_path: Path) -> None:
    path = await cached(tmp_path, Downloads())
    path.write_bytes(b"da")

    assert (await cached(tmp_path, Downloads())).read_bytes() == b"data"


async def test_what_a_killed_download_left_is_swept_by_the_next_one(tmp_path: Path) -> None:
    path = await cached(tmp_path, Downloads())
    path.rename(path.with_name(".blobio-1234.tmp"))

    await cached(tmp_path, Downloads())

    assert os.listdir(path.parent) == [path.name]


async def test_many_tasks_fill_an_entry_once(tmp_path: Path) -> None:
    """More of them than there are threads: none may wait in a thread for the one that works."""
    downloads = Downloads()

    paths = await asyncio.gather(*(cached(tmp_path, downloads) for _ in range(80)))

    assert len(set(paths)) == 1
    assert len(downloads.paths) == 1


def lock_of(entry: Path) -> int:
    """Hold the lock of an entry, as another process would."""
    descriptor = os.open(f"{entry}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


async def test_an_entry_that_another_process_fills_is_waited_for(tmp_path: Path) -> None:
    path = await cached(tmp_path, Downloads())
    path.unlink()
    descriptor = lock_of(path.parent)
    downloads = Downloads()
    waiting = asyncio.ensure_future(cached(tmp_path, downloads))
    await settled()
    assert not waiting.done()

    path.write_bytes(b"data")
    os.close(descriptor)

    assert await waiting == path
    assert not downloads.paths


async def test_cancelling_one_who_waits_leaves_the_lock_free(tmp_path: Path) -> None:
    path = await cached(tmp_path, Downloads())
    descriptor = lock_of(path.parent)
    waiting = asyncio.ensure_future(cached(tmp_path, Downloads()))
    await settled()

    await settle([waiting])
    os.close(descriptor)

    assert await asyncio.wait_for(cached(tmp_path, Downloads()), 5) == path


async def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two could hold what each takes for the lock."""
    path = await cached(tmp_path, Downloads())
    lock, real = f"{path.parent}.lock", fcntl.flock
    taken: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if operation != fcntl.LOCK_UN:
            if not taken:
                os.unlink(lock)
            taken.append(descriptor)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)

    await cached(tmp_path, Downloads())

    assert len(taken) == 2
    os.unlink(lock)  # which is there


async def test_a_lock_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    path = await cached(tmp_path, Downloads())
    os.unlink(f"{path.parent}.lock")
    os.symlink(tmp_path / "elsewhere", f"{path.parent}.lock")

    with pytest.raises(OSError, match="symbolic links"):
        await cached(tmp_path, Downloads())


async def test_an_error_of_the_lock_itself_closes_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixture that looks for open files would fail this test."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, f"No locks available for {descriptor}, {operation}")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(OSError, match="No locks"):
        await cached(tmp_path, Downloads())


# Eviction


async def filled(directory: Path, count: int) -> list[Path]:
    """Make copies, the first the longest unused."""
    paths = [await cached(directory, Downloads(), f"k{i}") for i in range(count)]
    for age, path in enumerate(reversed(paths), 1):
        used = time.time() - age * 60
        os.utime(path, (used, used))
    return paths


async def test_the_copies_used_longest_ago_go_first(tmp_path: Path) -> None:
    old = await filled(tmp_path, 5)

    new = await cached(tmp_path, Downloads(), "new", limit_bytes=12)

    assert [path.exists() for path in old] == [False, False, False, True, True]
    assert new.exists()


async def test_a_hit_counts_as_use(tmp_path: Path) -> None:
    old = await filled(tmp_path, 3)
    await cached(tmp_path, Downloads(), "k0")

    await cached(tmp_path, Downloads(), "new", limit_bytes=8)

    assert [path.exists() for path in old] == [True, False, False]


async def test_the_copy_just_made_stays_even_if_it_alone_is_too_large(tmp_path: Path) -> None:
    old = await filled(tmp_path, 2)

    new = await cached(tmp_path, Downloads(), "new", limit_bytes=1)

    assert new.exists()
    assert not any(path.exists() for path in old)


async def test_an_evicted_entry_takes_its_lock_along(tmp_path: Path) -> None:
    await filled(tmp_path, 5)

    new = await cached(tmp_path, Downloads(), "new", limit_bytes=4)

    assert sorted(os.listdir(tmp_path)) == sorted([new.parent.name, f"{new.parent.name}.lock"])


async def test_an_entry_somebody_fills_is_not_evicted(tmp_path: Path) -> None:
    old = await filled(tmp_path, 3)
    descriptor = lock_of(old[0].parent)

    await cached(tmp_path, Downloads(), "new", limit_bytes=8)
    os.close(descriptor)

    assert [path.exists() for path in old] == [True, False, False]


async def test_without_a_limit_nothing_is_evicted(tmp_path: Path) -> None:
    old = await filled(tmp_path, 5)

    await cached(tmp_path, Downloads(), "new")

    assert all(path.exists() for path in old)


async def test_what_the_user_keeps_beside_the_copies_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "large").write_bytes(bytes(1000))
    (tmp_path / "notes").write_bytes(bytes(1000))
    old = await filled(tmp_path, 1)

    await cached(tmp_path, Downloads(), "new", limit_bytes=8)

    assert (mine / "large").exists()
    assert (tmp_path / "notes").exists()
    assert old[0].exists()


@pytest.mark.parametrize(("age_s", "stays"), [(0.5 * DAY_S, True), (2 * DAY_S, False)])
async def test_an_entry_of_a_dead_download_is_swept_after_a_day(
    tmp_path: Path, age_s: float, stays: bool
) -> None:
    (path,) = await filled(tmp_path, 1)
    leftover = path.rename(path.with_name(".blobio-1234.tmp"))
    used = time.time() - age_s
    os.utime(leftover, (used, used))

    await cached(tmp_path, Downloads(), "new", limit_bytes=100)

    assert leftover.exists() == stays


async def test_an_entry_that_vanishes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await filled(tmp_path, 2)
    real = os.scandir

    def scandir(path: str) -> object:
        if path == str(old[0].parent):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    await cached(tmp_path, Downloads(), "new", limit_bytes=4)

    assert not old[1].exists()
