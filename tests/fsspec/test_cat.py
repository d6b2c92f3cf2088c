"""`cat` of many blobs: its forms, its failures, and how much of it is under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from blobio.errors import NotFound
from blobio.fsspec import MemoryFileSystem

DATA = {f"cat/{name}": name.encode() for name in ("a", "b", "sub/c")}


@pytest.fixture
def fs() -> Iterator[MemoryFileSystem]:
    made = MemoryFileSystem(skip_instance_cache=True)
    made.pipe(DATA)
    yield made
    made.rm(list(DATA))


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("cat/a", {}, b"a"),
        ("blobiomemory://cat/a", {}, b"a"),
        (["cat/a"], {}, {"cat/a": b"a"}),
        (["cat/b", "cat/a"], {}, {"cat/a": b"a", "cat/b": b"b"}),
        ("cat/[a]", {}, {"cat/a": b"a"}),
        ("cat/sub", {"recursive": True, "on_error": "omit"}, {"cat/sub/c": b"sub/c"}),
        ("cat/sub/c", {"start": 1, "end": 3}, b"ub"),
    ],
)
def test_what_comes_back_is_shaped_like_what_was_asked_for(
    fs: MemoryFileSystem, path: Any, options: dict[str, Any], expected: Any
) -> None:
    assert fs.cat(path, **options) == expected


def test_failure_is_raised_returned_or_left_out(fs: MemoryFileSystem) -> None:
    names = ["cat/a", "cat/none"]

    with pytest.raises(NotFound):
        fs.cat(names)
    returned = fs.cat(names, on_error="return")

    assert returned["cat/a"] == b"a"
    assert isinstance(returned["cat/none"], NotFound)
    assert fs.cat(names, on_error="omit") == {"cat/a": b"a"}


def test_no_name_is_read_after_a_failure(
    fs: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def fail(path: str, **_options: Any) -> bytes:
        asked.append(path)
        raise NotFound(path)

    monkeypatch.setattr(fs, "_cat_file", fail)

    with pytest.raises(NotFound):
        fs.cat([f"cat/{number:02}" for number in range(20)], batch_size=1)

    assert asked == ["cat/00"]


@pytest.mark.parametrize(("batch_size", "most"), [(3, 3), (None, 64), (-1, 100)])
def test_batch_size_bounds_what_is_under_way(
    fs: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, batch_size: int | None, most: int
) -> None:
    running = highest = 0

    async def read(_path: str, **_options: Any) -> bytes:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0)
        running -= 1
        return b""

    monkeypatch.setattr(fs, "_cat_file", read)

    fs.cat([f"cat/{number:03}" for number in range(100)], batch_size=batch_size)

    assert highest == most
