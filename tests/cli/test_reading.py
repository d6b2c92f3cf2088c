"""`ls`, `du`, `tree`, `stat`, `cat` and `hash`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from blobio.config import Config
from tests.cli.conftest import STORES, Run, make_tree

pytestmark = pytest.mark.parametrize("store", STORES)


@pytest.fixture
def tree(run: Run, root: str) -> str:
    """Put the tree `d` on the store; return where it lies."""
    make_tree()
    assert run("cp", "-r", "d/", root).code == 0
    return root


def test_ls_names_one_level(run: Run, tree: str) -> None:
    ran = run("ls", tree)

    assert ran.code == 0
    assert ran.lines == ["a.txt", "b.csv", "sub/"]


def test_ls_recursive_names_all(run: Run, tree: str) -> None:
    assert [line for line in run("ls", "-R", tree).lines if line != "sub/"] == [
        "a.txt",
        "b.csv",
        "sub/c.txt",
    ]


def test_ls_absolute_prints_names_that_other_commands_take(run: Run, tree: str) -> None:
    names = run("ls", "--absolute", f"{tree}a.txt").out.split()

    assert run("cat", *names).out == "a\n"


def test_ls_long_tells_size_and_time(run: Run, tree: str) -> None:
    size, time, name = run("ls", "-l", f"{tree}sub/c.txt").out.split(maxsplit=2)

    assert (size, name) == ("4", f"{tree}sub/c.txt\n")
    assert time.endswith("Z")


def test_ls_sorts_by_size(run: Run, tree: str) -> None:
    assert run("ls", "-R", "--sort", "size", tree).out.split()[:2] == ["sub/c.txt", "b.csv"]


def test_ls_matches_patterns(run: Run, tree: str) -> None:
    assert run("ls", f"{tree}*.txt").out == f"{tree}a.txt\n"


def test_ls_of_nothing_is_not_found_and_the_rest_is_listed(run: Run, tree: str) -> None:
    assert run("ls", f"{tree}missing").code == 3
    assert run("ls", f"{tree}missing*").code == 3

    ran = run("ls", f"{tree}missing", f"{tree}sub")

    assert (ran.code, ran.out) == (1, "c.txt\n")
    assert "missing" in ran.err


def test_du_counts(run: Run, tree: str) -> None:
    total, below = run("du", "-d", "1", tree).out.splitlines()[::-1]

    assert total.split()[:2] == ["9", "3"]
    assert below.split()[:2] == ["4", "1"]
    assert below.endswith("/sub/")


def test_tree_draws(run: Run, tree: str) -> None:
    assert run("tree", tree).out.splitlines()[1:] == [
        "├── a.txt",
        "├── b.csv",
        "└── sub/",
        "    └── c.txt",
    ]
    assert len(run("tree", "-L", "1", tree).out.splitlines()) == 4


def test_stat_tells_what_the_store_says(run: Run, tree: str) -> None:
    (record,) = run("stat", "--json", f"{tree}b.csv").records

    assert (record["type"], record["kind"], record["size"]) == ("entry", "blob", 3)
    assert record["etag"]


def test_stat_of_a_directory_and_of_nothing(run: Run, tree: str) -> None:
    assert "kind: prefix" in run("stat", f"{tree}sub").out
    assert run("stat", f"{tree}missing").code == 3


def test_cat_joins_in_order_and_cuts(run: Run, tree: str) -> None:
    assert run("cat", f"{tree}sub/c.txt", f"{tree}a.txt").out == "ccc\na\n"
    assert run("cat", "--offset", "1", "--count", "1", f"{tree}b.csv").out == "b"
    assert run("cat", "--tail", "2", f"{tree}b.csv").out == "b\n"
    assert run("cat", "--offset", "99", f"{tree}b.csv").out == ""
    assert run("cat", "--tail", "2", "--offset", "1", f"{tree}b.csv").code == 2


def test_cat_of_another_version_writes_nothing(run: Run, tree: str) -> None:
    ran = run("cat", "--version", "1-2-3", f"{tree}a.txt")

    assert (ran.code, ran.out) == (6, "")


def test_cat_reads_in_parts_no_larger_than_asked(run: Run, root: str) -> None:
    data = bytes(range(251)) * 4_001
    Path("big").write_bytes(data)
    assert run("cp", "big", f"{root}big").code == 0

    assert run("cp", "--part-size", "64k", f"{root}big", "back").code == 0

    assert Path("back").read_bytes() == data
    assert Config().read.part_bytes > len(data)


def test_hash_prints_as_coreutils_do_and_verifies(run: Run, tree: str) -> None:
    md5 = hashlib.md5(b"a\n", usedforsecurity=False).hexdigest()
    sha = hashlib.sha256(b"a\n").hexdigest()

    assert run("hash", f"{tree}a.txt").out == f"{md5}  {tree}a.txt\n"
    assert run("hash", "-a", "sha256", f"{tree}a.txt").out == f"{sha}  {tree}a.txt\n"

    Path("sums").write_text(f"{md5}  {tree}a.txt\n{md5}  {tree}b.csv\n")
    ran = run("hash", "--check", "sums")
    assert (ran.code, ran.out) == (1, f"{tree}a.txt: OK\n")
    assert f"{tree}b.csv: FAILED" in ran.err


def test_hash_of_crc32c_is_the_same_stored_or_read(run: Run, tree: str) -> None:
    stored = run("hash", "-a", "crc32c", f"{tree}b.csv")
    read = run("hash", "-a", "crc32c", "--read", f"{tree}b.csv")

    assert stored.code == read.code == 0
    assert stored.out == read.out
