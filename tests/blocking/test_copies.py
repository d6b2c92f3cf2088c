"""copy, move, and whole blobs at once, as a user sees them on each kind of store."""

from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path
from typing import Any, final

import pytest

import blobio as bf
from tests.blocking.conftest import Configure, Place

# Copies


def test_copy_keeps_bytes_and_source(place: Place) -> None:
    source = place.put("source", b"data")

    assert place.context.copy(source, place.path("new/target")) is None

    assert place.get("new/target") == place.get("source") == b"data"


@pytest.mark.parametrize("kind", ["memory", "local", "s3"])
def test_copy_between_stores(place: Place, kind: str, request: pytest.FixtureRequest) -> None:
    """A context of one store's settings reaches the others too."""
    other: Place = request.getfixturevalue(kind)
    s3: Place = request.getfixturevalue("s3")
    data = bytes(range(256)) * 100
    source = place.put("source", data)

    digest = s3.context.copy(source, other.path("target"), return_md5=True)

    assert other.get("target") == data
    assert digest == other.context.md5(other.path("target"))


def test_copy_in_parts_between_stores(memory_with: Configure, local: Place) -> None:
    parts = bf.Config(read=bf.ReadConfig(part_bytes=7), write=bf.WriteConfig(part_bytes=5))
    place = memory_with(parts)
    data = bytes(range(256))
    source = place.put("source", data)

    place.context.copy(source, local.path("target"))
    place.context.copy(local.path("target"), place.path("back"))

    assert local.get("target") == place.get("back") == data


def test_copy_without_overwrite_loses_against_what_is_there(place: Place) -> None:
    source, target = place.put("source", b"new"), place.put("target", b"old")

    with pytest.raises(FileExistsError, match="target"):
        place.context.copy(source, target)
    assert place.get("target") == b"old"
    place.context.copy(source, target, overwrite=True)

    assert place.get("target") == b"new"


def test_copy_without_overwrite_has_one_winner(place: Place) -> None:
    names = [f"source{number}" for number in range(8)]
    for name in names:
        place.put(name, name.encode())

    def copy(name: str) -> str | None:
        try:
            place.context.copy(place.path(name), place.path("target"))
        except (FileExistsError, bf.ConcurrentWrite):
            return None
        return name

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [name for name in pool.map(copy, names) if name]

    assert len(winners) == 1
    assert place.get("target").decode() == winners[0]


def test_copy_over_a_version(place: Place) -> None:
    source, target = place.put("source", b"new"), place.put("target", b"old")
    version = place.context.stat(target).version

    place.context.copy(source, target, dst_version=version)
    with pytest.raises(bf.VersionMismatch):
        place.context.copy(source, target, dst_version=version)

    assert place.get("target") == b"new"


@pytest.mark.parametrize(("source", "target"), [("dir/", "t"), ("s", "dir/"), ("dir", "t")])
def test_copy_of_or_to_a_directory_is_refused(place: Place, source: str, target: str) -> None:
    place.put("s")
    place.put("dir/file")

    with pytest.raises((IsADirectoryError, FileNotFoundError), match="dir"):
        place.context.copy(place.path(source), place.path(target))

    assert place.names() == ["dir/file", "s"]


def test_copy_of_nothing_leaves_the_target(place: Place, memory: Place) -> None:
    place.put("target", b"old")

    for target in (place.path("target"), memory.path("new")):
        with pytest.raises(FileNotFoundError, match="missing"):
            place.context.copy(place.path("missing"), target, overwrite=True)

    assert place.get("target") == b"old"
    assert not memory.context.exists(memory.path("new"))


def test_copy_onto_itself_keeps_the_bytes(place: Place) -> None:
    path = place.put("blob", b"data")

    place.context.copy(path, path, overwrite=True)
    with pytest.raises(FileExistsError):
        place.context.copy(path, path)

    assert place.get("blob") == b"data"


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="there is no /proc")
def test_a_file_without_a_size_is_copied_with_its_content(place: Place) -> None:
    place.context.copy("/proc/version", place.path("version"))

    assert place.get("version") == Path("/proc/version").read_bytes() != b""


@final
class NoExecutor(concurrent.futures.Executor):
    """An executor that nothing may be given to."""

    def submit(self, *args: object, **kwargs: object) -> Any:
        raise AssertionError(args, kwargs)


def test_arguments_of_blobfile_mean_one_pool_of_concurrency(place: Place) -> None:
    """They are accepted wherever blobfile has them, and nothing goes to another process."""
    context, executor = place.context, NoExecutor()
    source = place.put("source", b"data")

    context.copy(source, place.path("d/x"), False, True, executor)
    context.copy(source, place.path("d/y"), parallel=True, parallel_executor=executor)
    found = list(context.glob(place.path("d/*"), True))
    entries = list(context.scanglob(place.path("d/*"), True, 1))
    names = sorted([*context.listdir(place.path("d"), 1)])
    scanned = list(context.scandir(place.path("d"), 1))
    context.rmtree(place.path("d"), True, executor)

    assert sorted(found) == sorted(entry.path for entry in entries)
    assert names == sorted(entry.name for entry in scanned) == ["x", "y"]
    assert place.names() == ["source"]


# Moves


def test_move_leaves_the_blob_at_one_end(place: Place) -> None:
    source = place.put("source", b"data")

    place.context.move(source, place.path("new/target"))

    assert place.names() == ["new/target"]
    assert place.get("new/target") == b"data"


def test_move_between_stores(place: Place, memory: Place) -> None:
    source = place.put("source", b"data")

    place.context.move(source, memory.path("target"))

    assert not place.context.exists(source)
    assert memory.get("target") == b"data"


def test_move_without_overwrite_changes_nothing_if_something_is_there(place: Place) -> None:
    source, target = place.put("source", b"new"), place.put("target", b"old")

    with pytest.raises(FileExistsError, match="target"):
        place.context.move(source, target)
    assert (place.get("source"), place.get("target")) == (b"new", b"old")
    place.context.move(source, target, overwrite=True)

    assert place.names() == ["target"]
    assert place.get("target") == b"new"


def test_move_onto_itself_loses_nothing(place: Place) -> None:
    path = place.put("blob", b"data")

    place.context.move(path, path, overwrite=True)
    with pytest.raises(FileExistsError):
        place.context.move(path, path)

    assert place.get("blob") == b"data"


def test_local_move_onto_itself_by_another_name_loses_nothing(
    local: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = local.put("blob", b"data")
    monkeypatch.chdir(local.root)
    os.symlink(".", local.path("here"))

    for other in ("blob", "./blob", f"{local.root}/here/blob", f"file://{path}"):
        local.context.move(path, other, overwrite=True)
        local.context.move(other, path, overwrite=True)

    assert local.get("blob") == b"data"


def test_move_that_cannot_remove_its_source_leaves_both(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blobio.drivers.memory.driver import MemoryDriver
    from blobio.values import DeleteResult

    async def refuse(_: object, keys: Any, *, if_version: object = None) -> list[DeleteResult]:
        assert if_version is None
        return [DeleteResult(key=key, error=bf.PermissionDenied("no")) for key in keys]

    source = memory.put("source", b"data")
    monkeypatch.setattr(MemoryDriver, "delete", refuse)

    with pytest.raises(PermissionError):
        memory.context.move(source, memory.path("target"))

    assert memory.names() == ["source", "target"]


def test_local_move_keeps_mode_bits_and_time(local: Place) -> None:
    path = Path(local.put("source", b"data"))
    path.chmod(0o741)
    os.utime(path, (1, 1_000_000_000))

    local.context.move(path, local.path("target"))

    facts = os.stat(local.path("target"))
    assert (facts.st_mode & 0o777, facts.st_mtime) == (0o741, 1_000_000_000)


# Whole blobs


def test_write_bytes_under_conditions(place: Place) -> None:
    path = place.path("blob")
    first = place.context.write_bytes(path, b"one", overwrite=False)

    with pytest.raises(FileExistsError):
        place.context.write_bytes(path, b"two", overwrite=False)
    second = place.context.write_bytes(path, b"three", version=first.version)
    with pytest.raises(bf.VersionMismatch):
        place.context.write_bytes(path, b"four", version=first.version)

    assert second.version != first.version
    assert place.get("blob") == b"three"


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"xyx")[::2], memoryview(b"x")])
def test_write_bytes_takes_any_buffer(place: Place, data: Any) -> None:
    if isinstance(data, memoryview) and not data.contiguous:
        with pytest.raises((TypeError, BufferError)):
            place.context.write_bytes(place.path("blob"), data)
        return

    place.context.write_bytes(place.path("blob"), data)

    assert place.get("blob") == b"x"


def test_write_bytes_has_one_winner(place: Place) -> None:
    def write(number: int) -> int | None:
        try:
            place.context.write_bytes(place.path("blob"), bytes([number]), overwrite=False)
        except (FileExistsError, bf.ConcurrentWrite):
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(8)) if number is not None]

    assert len(winners) == 1
    assert place.get("blob") == bytes(winners)


def test_read_ranges_are_slices_in_the_order_given(place: Place) -> None:
    data = bytes(range(200))
    path = place.put("blob", data)
    ranges = [(10, 20), (0, 5), (15, 30), (190, 300), (500, 600), (7, 7), (0, 200)]

    assert place.context.read_ranges(path, ranges) == [data[a:b] for a, b in ranges]
    assert place.context.read_ranges(path, []) == []
    assert place.context.read_ranges(path, [(300, 400)]) == [b""]


def test_read_ranges_of_nothing(place: Place) -> None:
    with pytest.raises(FileNotFoundError):
        place.context.read_ranges(place.path("missing"), [(0, 1)])
