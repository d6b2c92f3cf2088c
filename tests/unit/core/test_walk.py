from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import Config
from blobio.core.context import AsyncContext
from blobio.core.listing import Walked, walk
from blobio.drivers.base import Driver
from blobio.errors import NotDirectory, NotFound, PermissionDenied
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from tests.unit.core.fakes import loaded, memory, url

TREE = ["t/a", "t/b/c", "t/b/d/e", "t/f/", "t/z"]


async def walked(
    driver: Driver,
    top: str = "t",
    *,
    topdown: bool = True,
    onerror: Callable[[OSError], object] | None = None,
) -> list[Walked]:
    steps = walk(driver, url(top), topdown=topdown, onerror=onerror)
    return [step async for batch in steps for step in batch]


def below(path: str) -> str:
    return f"memory://bucket/{path}"


async def test_walking_down_a_store_goes_breadth_first() -> None:
    driver = await loaded(memory(), TREE)

    assert await walked(driver) == [
        (below("t"), ["b", "f"], ["a", "z"]),
        (below("t/b"), ["d"], ["c"]),
        (below("t/f"), [], []),
        (below("t/b/d"), [], ["e"]),
    ]


async def test_walking_up_a_store_yields_children_before_parents() -> None:
    driver = await loaded(memory(), TREE)

    assert await walked(driver, topdown=False) == [
        (below("t/b/d"), [], ["e"]),
        (below("t/b"), ["d"], ["c"]),
        (below("t/f"), [], []),
        (below("t"), ["b", "f"], ["a", "z"]),
    ]


async def test_walking_up_a_store_is_one_flat_listing() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    await walked(driver, topdown=False)

    assert counting.count("list_page") == 1


async def test_directories_taken_out_of_the_list_are_not_entered() -> None:
    driver = await loaded(memory(), TREE)
    seen = []

    async for steps in walk(driver, url("t"), topdown=True, onerror=None):
        for top, directories, _ in steps:
            seen.append(top)
            if "b" in directories:
                directories.remove("b")

    assert seen == [below("t"), below("t/f")]


@pytest.mark.parametrize("topdown", [True, False])
async def test_directories_without_a_name_are_walked(topdown: bool) -> None:
    driver = await loaded(memory(), ["t//a", "t///b"])

    assert sorted(await walked(driver, topdown=topdown)) == [
        (below("t"), [""], []),
        (below("t/"), [""], ["a"]),
        (below("t//"), [], ["b"]),
    ]


@pytest.mark.parametrize("topdown", [True, False])
async def test_the_root_is_walked_and_printed_without_a_slash(topdown: bool) -> None:
    driver = await loaded(memory(), ["a"])

    assert await walked(driver, "", topdown=topdown) == [("memory://bucket", [], ["a"])]


@pytest.mark.parametrize("topdown", [True, False])
async def test_what_is_no_directory_yields_nothing(topdown: bool) -> None:
    driver = await loaded(memory(), ["a"])

    assert await walked(driver, "a", topdown=topdown) == []
    assert await walked(driver, "nothing", topdown=topdown) == []


async def test_a_directory_that_cannot_be_listed_is_reported_and_passed_over() -> None:
    refused = PermissionDenied("no")
    driver = Wrapped(await loaded(memory(), TREE), Flaky(Fault("list_page", refused, key="t/b/")))
    errors: list[OSError] = []

    steps = await walked(driver, onerror=errors.append)

    assert errors == [refused]
    assert [top for top, _, _ in steps] == [below("t"), below("t/f")]


async def test_a_refusal_of_a_store_is_raised_without_a_callback() -> None:
    driver = Wrapped(
        await loaded(memory(), TREE), Flaky(Fault("list_page", PermissionDenied("no")))
    )

    with pytest.raises(PermissionDenied):
        await walked(driver)


async def test_a_refusal_of_the_disk_passes_unseen_as_in_os_walk(tmp_path: Path) -> None:
    disk(tmp_path)
    refused = Fault("list_page", PermissionDenied("no"), key=f"{tmp_path}/b/")
    async with AsyncContext(Config()) as context:
        inner, top = context.stores.place(tmp_path)
        steps = walk(Wrapped(inner, Flaky(refused)), top, topdown=True, onerror=None)

        found = [top async for batch in steps for top, _, _ in batch]

    assert found == [str(tmp_path), str(tmp_path / "empty")]


async def test_a_directory_that_vanishes_is_no_error() -> None:
    errors: list[OSError] = []
    driver = Wrapped(
        await loaded(memory(), TREE), Flaky(Fault("list_page", NotFound("gone"), key="t/b/"))
    )

    steps = await walked(driver, onerror=errors.append)

    assert not errors
    assert len(steps) == 2


async def test_an_error_raised_by_the_callback_ends_the_walk() -> None:
    driver = Wrapped(
        await loaded(memory(), TREE), Flaky(Fault("list_page", PermissionDenied("no")))
    )

    def stop(error: OSError) -> object:
        raise error

    with pytest.raises(PermissionDenied):
        await walked(driver, onerror=stop)


KEYS = st.lists(st.text(alphabet="/ab-0", min_size=1, max_size=7), max_size=15)


def model(keys: Sequence[str]) -> dict[str, tuple[list[str], list[str]]]:
    """What a walk of `t/` must find, by directory."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for key in {f"t/{key}" for key in keys}:
        *parts, name = key.split("/")
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            directories, _ = found.setdefault(directory, ([], []))
            if depth < len(parts) and parts[depth] not in directories:
                directories.append(parts[depth])
        if name:
            found["/".join(parts)][1].append(name)
    return {top: (sorted(names), sorted(files)) for top, (names, files) in found.items()}


@given(KEYS, st.booleans())
async def test_a_walk_finds_every_directory_and_blob_once(keys: list[str], topdown: bool) -> None:
    driver = await loaded(memory(), [f"t/{key}" for key in keys])

    steps = await walked(driver, topdown=topdown)

    found = {
        top.removeprefix("memory://bucket/"): (sorted(directories), sorted(files))
        for top, directories, files in steps
    }
    assert len(steps) == len(found)
    assert found == model(keys)
    order = [top for top, _, _ in steps]
    for top, directories, _ in steps:
        for name in directories:
            assert (order.index(top) < order.index(f"{top}/{name}")) == topdown


# On disk


def disk(root: Path) -> None:
    (root / "b" / "d").mkdir(parents=True)
    (root / "empty").mkdir()
    for name in ("a", "b/c", "b/d/e"):
        (root / name).write_text(name)
    (root / "loop").symlink_to(root)


@pytest.mark.parametrize("topdown", [True, False])
async def test_a_walk_on_disk_is_that_of_os_walk(tmp_path: Path, topdown: bool) -> None:
    disk(tmp_path)

    async with AsyncContext(Config()) as context:
        found = [step async for step in context.walk(str(tmp_path), topdown=topdown)]

    expected = list(os.walk(tmp_path, topdown=topdown))
    assert sorted((t, sorted(d), sorted(f)) for t, d, f in found) == sorted(
        (t, sorted(d), sorted(f)) for t, d, f in expected
    )
    order = [top for top, _, _ in found]
    for top in order[1:] if topdown else order[:-1]:
        assert (order.index(os.path.dirname(top)) < order.index(top)) == topdown


async def test_a_walk_down_on_disk_goes_depth_first(tmp_path: Path) -> None:
    disk(tmp_path)

    async with AsyncContext(Config()) as context:
        found = [top async for top, _, _ in context.walk(str(tmp_path))]

    assert found == [str(tmp_path / name) for name in ("", "b", "b/d", "empty")]


async def test_scanning_a_file_or_nothing_on_disk_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with AsyncContext(Config()) as context:
        for name, error in (("file", NotDirectory), ("nothing", NotFound)):
            with pytest.raises(error):
                [entry async for entry in context.scandir(str(tmp_path / name))]


async def test_scanning_an_empty_directory_on_disk_yields_nothing(tmp_path: Path) -> None:
    async with AsyncContext(Config()) as context:
        assert [entry async for entry in context.scandir(tmp_path)] == []
        assert [entry async for entry in context.scandir(tmp_path, 2)] == []


async def test_the_root_of_the_disk_is_printed_as_itself() -> None:
    async with AsyncContext(Config()) as context:
        async for top, directories, _ in context.walk("/"):
            directories.clear()
            assert top == "/"
