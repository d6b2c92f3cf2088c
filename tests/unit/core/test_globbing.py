from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio.config import Config
from blobio.core.context import AsyncContext
from blobio.core.globbing import scan_glob
from blobio.core.globpattern import GlobAlternative, GlobPattern, Literal
from blobio.drivers.base import Driver
from blobio.entries import DirEntry
from blobio.errors import PermissionDenied
from blobio.testing.faults import Counting, Fault, Flaky, Slow, Wrapped
from tests.unit.core.fakes import loaded, memory, other_tasks, settled, url

ROOT = "memory://bucket/"
Found = tuple[str, bool]


async def flat(source: AsyncIterator[list[DirEntry]]) -> list[Found]:
    found = [(entry.path, entry.is_dir) async for entries in source for entry in entries]
    return [(path.removeprefix(ROOT), is_dir) for path, is_dir in found]


async def glob(
    driver: Driver, pattern: str, *, parallel: bool = False, shards: int = 0
) -> list[Found]:
    return await flat(
        scan_glob(driver, url(pattern), parallel=parallel, shard_prefix_length=shards)
    )


def expected(pattern: str, keys: Iterable[str]) -> set[Found]:
    """What a pattern finds, by trying it on every name there is."""
    blobs = {key for key in keys if not key.endswith("/")}
    directories = {key[:i] for key in keys for i, char in enumerate(key) if char == "/"}
    found: set[Found] = set()
    for alternative in GlobPattern.parse(pattern).alternatives:
        files = set() if alternative.dirs_only else {b for b in blobs if alternative.matches(b)}
        below = {d for d in directories if alternative.matches(d)}
        if names_one(alternative):  # looking a name up ends with the blob of that name
            below -= files
        found |= {(path, False) for path in files} | {(path, True) for path in below}
    return found


def names_one(alternative: GlobAlternative) -> bool:
    return alternative.literal is not None or isinstance(alternative.segments[-1], Literal)


COMPONENT = st.text(alphabet="ab-*", min_size=1, max_size=3)
KEYS = st.lists(
    st.lists(COMPONENT, min_size=1, max_size=4).map("/".join)
    | st.lists(COMPONENT, min_size=1, max_size=3).map(lambda parts: "/".join([*parts, ""])),
    max_size=14,
)
PATTERN_COMPONENT = st.sampled_from(
    ["*", "**", "a", "b", "a*", "*b", "?", "??", "[ab]", "[!a]*", "{a,b}", "{a*,*b}", "a**", "[*]"]
)
PATTERNS = st.tuples(
    st.lists(PATTERN_COMPONENT, min_size=1, max_size=4).map("/".join), st.sampled_from(["", "/"])
).map("".join)


@settings(max_examples=150)
@given(KEYS, PATTERNS, st.booleans(), st.booleans())
async def test_a_glob_of_a_store_finds_what_trying_every_name_finds(
    keys: list[str], pattern: str, parallel: bool, sharded: bool
) -> None:
    driver = await loaded(memory(), keys)

    found = await glob(driver, pattern, parallel=parallel, shards=int(parallel and sharded))

    assert len(found) == len(set(found))
    assert set(found) == expected(pattern, keys)


@settings(max_examples=60)
@given(KEYS, PATTERNS)
async def test_a_glob_of_the_disk_finds_what_trying_every_name_finds(
    keys: list[str], pattern: str
) -> None:
    with TemporaryDirectory() as root:
        made = [key for key in keys if plant(root, key)]
        async with AsyncContext(Config()) as context:
            found = [
                (entry.path.removeprefix(f"{root}/"), entry.is_dir)
                async for entry in context.scanglob(f"{root}/{pattern}")
            ]

    assert len(found) == len(set(found))
    assert set(found) - {(root, True)} == expected(pattern, made)


def plant(root: str, key: str) -> bool:
    """Make a file or directory; False if another one is in its way."""
    path = os.path.join(root, key)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not key.endswith("/"):
            Path(path).write_bytes(b"")
    except OSError:
        return False
    return True


# Order and cost


TREE = ["d/a/1", "d/a/2", "d/b/1", "d/c/sub/1", "e/x", "top"]


async def test_entries_come_in_key_order_without_parallel() -> None:
    driver = await loaded(memory(), TREE)

    assert await glob(driver, "d/*/*") == [
        ("d/a/1", False),
        ("d/a/2", False),
        ("d/b/1", False),
        ("d/c/sub", True),
    ]


async def test_a_literal_pattern_costs_one_head_and_one_list_if_there_is_no_blob() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)
    counting.calls.clear()

    assert await glob(driver, "d/a/1") == [("d/a/1", False)]
    assert await glob(driver, "d/a") == [("d/a", True)]
    assert await glob(driver, "d/nothing") == []
    assert [c.verb for c in counting.calls] == ["head", "head", "list_page", "head", "list_page"]


async def test_a_literal_directory_pattern_sends_no_head() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    assert await glob(driver, "d/a/") == [("d/a", True)]
    assert await glob(driver, "top/") == []
    assert counting.count("head") == 0


async def test_literal_directories_are_not_listed() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    await glob(driver, "d/a/*")

    assert [call.key for call in counting.calls if call.verb == "list_page"] == ["d/a/"]


async def test_a_wildcard_component_lists_only_the_directories_that_match() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    assert await glob(driver, "d/[ab]/1") == [("d/a/1", False), ("d/b/1", False)]
    assert [(c.verb, c.key) for c in counting.calls if c.verb != "put"] == [
        ("list_page", "d/"),
        ("head", "d/a/1"),
        ("head", "d/b/1"),
    ]


async def test_the_literal_start_of_a_wildcard_narrows_the_listing() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    await glob(driver, "to*")
    await glob(driver, "d/a**")

    assert [call.key for call in counting.calls if call.verb == "list_page"] == ["to", "d/a"]


async def test_a_double_star_is_one_flat_listing() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), TREE)

    assert await glob(driver, "d/**") == [
        ("d/a", True),
        ("d/a/1", False),
        ("d/a/2", False),
        ("d/b", True),
        ("d/b/1", False),
        ("d/c", True),
        ("d/c/sub", True),
        ("d/c/sub/1", False),
    ]
    assert counting.count("list_page") == 1


async def test_parallel_lists_directories_side_by_side_within_a_bound() -> None:
    slow = Slow("list_page")
    driver = Wrapped(await loaded(memory(), [f"d/{i:02}/x" for i in range(30)]), slow)
    scanning = asyncio.ensure_future(glob(driver, "d/*/*", parallel=True))

    await slow.until_held(1)
    slow.let_go()
    await slow.until_held(16)
    await settled()
    assert len(slow.held) == 16
    slow.open()

    assert len(await scanning) == 30


async def test_an_entry_that_several_alternatives_match_comes_once() -> None:
    driver = await loaded(memory(), TREE)

    assert await glob(driver, "{top,t*,*p}") == [("top", False)]


async def test_a_failed_listing_is_raised() -> None:
    refused = Fault("list_page", PermissionDenied("no"), key="d/b/")
    driver = Wrapped(await loaded(memory(), TREE), Flaky(refused))

    for parallel in (False, True):
        driver = Wrapped(await loaded(memory(), TREE), Flaky(refused))
        with pytest.raises(PermissionDenied):
            await glob(driver, "d/*/*", parallel=parallel)


async def test_leaving_a_glob_leaves_no_task_behind() -> None:
    driver = await loaded(memory(), [f"d/{i:02}/x" for i in range(30)])
    found = scan_glob(driver, url("d/*/*"), parallel=True)
    async with aclosing(found):
        await anext(found)

    await settled()

    assert not other_tasks()


async def test_nothing_below_a_pattern_is_no_error() -> None:
    for pattern in ("no/*", "no/**", "no/*/x", "*"):
        assert await glob(memory(), pattern) == []
        assert await glob(memory(), pattern, parallel=True, shards=1) == []


# Patterns of the user


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for key in ("a.txt", "d/b.txt", "d/e/c.txt"):
        plant(str(tmp_path), key)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt"]),
        ("./*.txt", ["a.txt"]),
        ("d/*", ["d/b.txt", "d/e"]),
        ("d/../*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "d/b.txt", "d/e/c.txt"]),
        ("d", ["d"]),
        ("d/", ["d"]),
        ("*/", ["d"]),
        ("{a,x}.txt", ["a.txt"]),
    ],
)
async def test_relative_local_patterns_give_absolute_paths(
    here: Path, pattern: str, names: Sequence[str]
) -> None:
    async with AsyncContext(Config()) as context:
        found = sorted([path async for path in context.glob(pattern)])

    assert found == [str(here / name) for name in names]


async def test_shards_without_parallel_are_refused() -> None:
    async with AsyncContext(Config()) as context:
        with pytest.raises(ValueError, match="parallel"):
            await anext(context.scanglob("memory://b/*", shard_prefix_length=1))
