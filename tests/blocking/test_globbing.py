"""glob and scanglob, as a user sees them on each kind of store."""

from __future__ import annotations

from typing import Final

import pytest

from tests.blocking.conftest import Place

FILES: Final = (
    "a.txt",
    "b.txt",
    "b.md",
    ".hidden",
    "d/x.txt",
    "d/y.txt",
    "d/e/x.txt",
    "d/e/f/z.txt",
    "d2/x.txt",
)

# pattern -> what it matches
PATTERNS: Final = {
    "*.txt": ["a.txt", "b.txt"],
    "*": [".hidden", "a.txt", "b.md", "b.txt", "d", "d2"],
    "?.txt": ["a.txt", "b.txt"],
    "[ab].txt": ["a.txt", "b.txt"],
    "[!a].txt": ["b.txt"],
    "[a-c].*": ["a.txt", "b.md", "b.txt"],
    "{a,b}.txt": ["a.txt", "b.txt"],
    "b.{md,txt}": ["b.md", "b.txt"],
    "{a.txt,d/*.txt}": ["a.txt", "d/x.txt", "d/y.txt"],
    "{*.txt,a*}": ["a.txt", "b.txt"],
    "d/*": ["d/e", "d/x.txt", "d/y.txt"],
    "d/*.txt": ["d/x.txt", "d/y.txt"],
    "*/x.txt": ["d/x.txt", "d2/x.txt"],
    "d/*/x.txt": ["d/e/x.txt"],
    "d/**/x.txt": ["d/e/x.txt", "d/x.txt"],
    "d/**/*.txt": ["d/e/f/z.txt", "d/e/x.txt", "d/x.txt", "d/y.txt"],
    "**/x.txt": ["d/e/x.txt", "d/x.txt", "d2/x.txt"],
    "d/**": ["d/e", "d/e/f", "d/e/f/z.txt", "d/e/x.txt", "d/x.txt", "d/y.txt"],
    "d/e/**": ["d/e/f", "d/e/f/z.txt", "d/e/x.txt"],
    "*/": ["d", "d2"],
    "d/*/": ["d/e"],
    "d/**/": ["d/e", "d/e/f"],
    "d?/*": ["d2/x.txt"],
    "a.txt": ["a.txt"],
    "d": ["d"],
    "d/": ["d"],
    "a.txt/": [],
    "missing": [],
    "missing/*": [],
    "a.txt/*": [],
    "*.none": [],
    "d/e": ["d/e"],
    ".*": [".hidden"],
}


def found(place: Place, pattern: str, *, parallel: bool = False) -> list[str]:
    start = len(place.root) + 1
    return [path[start:] for path in place.context.glob(place.path(pattern), parallel)]


@pytest.fixture
def files(place: Place) -> Place:
    for name in FILES:
        place.put(name, name.encode())
    return place


def without_root(names: list[str], pattern: str) -> list[str]:
    """Leave out the directory that the pattern itself starts at: `d/**` may count it or not."""
    return sorted(name for name in names if name != pattern.partition("**")[0].rstrip("/"))


@pytest.mark.parametrize("parallel", [False, True])
def test_patterns_match_what_they_say(files: Place, parallel: bool) -> None:
    answers = {
        pattern: without_root(found(files, pattern, parallel=parallel), pattern)
        if "**" in pattern
        else sorted(found(files, pattern, parallel=parallel))
        for pattern in PATTERNS
    }

    assert answers == PATTERNS


def test_no_match_comes_twice(files: Place) -> None:
    for pattern in ("**", "{*,**}", "{a,?}.txt", "d/**/{x,*}.txt"):
        matches = found(files, pattern)
        assert len(matches) == len(set(matches)), pattern


def test_scanglob_tells_files_from_directories(files: Place) -> None:
    entries = {entry.name: entry for entry in files.context.scanglob(files.path("d/*"))}

    assert {name: entry.is_dir for name, entry in entries.items()} == {
        "e": True,
        "x.txt": False,
        "y.txt": False,
    }
    file = entries["x.txt"].stat
    assert file is not None
    assert file.size == 7
    assert entries["e"].stat is None
    assert entries["x.txt"].path == files.path("d/x.txt")


def test_scanglob_in_shards(files: Place) -> None:
    pattern = files.path("*")

    sharded = files.context.scanglob(pattern, parallel=True, shard_prefix_length=1)

    assert sorted(entry.path for entry in sharded) == sorted(files.context.glob(pattern))


def test_names_with_wildcards_can_be_asked_for(place: Place) -> None:
    for name in ("a[1].txt", "a1.txt", "b*c", "bxc", "q?", "qq", "{x}", "x"):
        place.put(name)

    assert found(place, "a[[]1].txt") == ["a[1].txt"]
    assert found(place, "b[*]c") == ["b*c"]
    assert found(place, "q[?]") == ["q?"]
    assert found(place, "{x}") == ["{x}"]
    assert sorted(found(place, "b*c")) == ["b*c", "bxc"]


def test_empty_directories_are_found(place: Place) -> None:
    place.context.makedirs(place.path("empty/below"))

    assert found(place, "*") == ["empty"]
    assert found(place, "*/*/") == ["empty/below"]


def test_glob_is_lazy(s3: Place) -> None:
    matches = s3.context.glob("s3://buck*et/x")

    with pytest.raises(ValueError, match=r"buck\*et"):
        next(matches)


def test_plain_prefix_lists_only_what_can_match(s3: Place) -> None:
    for name in ("x/data-1", "x/data-2", "x/other", "y/data-3"):
        s3.put(name)
    s3.methods()

    assert found(s3, "x/data-*") == ["x/data-1", "x/data-2"]

    assert s3.methods() == ["GET"]


def test_literal_pattern_is_one_head(s3: Place) -> None:
    s3.put("x")
    s3.methods()

    assert found(s3, "x") == ["x"]

    assert s3.methods() == ["HEAD"]
