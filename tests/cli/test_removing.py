"""`rm` and its guards: what is refused leaves everything where it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.cli.conftest import BUCKET, STORES, Run, make_tree

stores = pytest.mark.parametrize("store", STORES)


@pytest.fixture
def tree(run: Run, root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the tree `d` on the store; nobody sits at a terminal."""
    make_tree()
    assert run("cp", "-r", "d/", root).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return root


def count(run: Run, root: str) -> int:
    return int(run("du", root).out.split()[1])


@stores
def test_rm_removes_exact_names(run: Run, tree: str) -> None:
    ran = run("rm", f"{tree}a.txt", f"{tree}b.csv")

    assert ran.code == 0
    assert ran.lines == [f"rm {tree}a.txt", f"rm {tree}b.csv"]
    assert count(run, tree) == 1


@stores
def test_rm_of_a_missing_name_fails_unless_forced(run: Run, tree: str) -> None:
    assert run("rm", f"{tree}missing").code == 3
    assert run("rm", "-f", f"{tree}missing").code == 0
    assert run("rm", f"{tree}missing", f"{tree}a.txt").code == 1
    assert count(run, tree) == 2


@stores
def test_rm_of_a_tree_is_not_done_unasked(run: Run, tree: str) -> None:
    for words in (["-r", tree], [f"{tree}*"]):
        ran = run("rm", *words)
        assert ran.code == 5
        assert "--max-delete" in ran.err
    assert count(run, tree) == 3


@stores
def test_max_delete_stops_before_the_first(run: Run, tree: str) -> None:
    ran = run("rm", f"{tree}**", "--max-delete", "2")

    assert ran.code == 5
    assert "more than 2 would be removed" in ran.err
    assert count(run, tree) == 3
    assert run("rm", f"{tree}**", "--max-delete", "3").code == 0
    assert run("ls", "-R", f"{tree}").code in {0, 3}


@stores
def test_rm_of_a_tree_removes_its_directories_too(run: Run, tree: str) -> None:
    assert run("rm", "-ry", f"{tree}sub").code == 0

    assert run("ls", f"{tree}sub").code == 3
    assert count(run, tree) == 2


@stores
def test_a_dry_run_removes_nothing(run: Run, tree: str) -> None:
    ran = run("rm", "-rn", f"{tree}sub")

    assert ran.code == 0
    assert f"would rm {tree}sub/c.txt" in ran.lines
    assert count(run, tree) == 3


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("moto", [f"s3://{BUCKET}"]),
        ("moto", [f"s3://{BUCKET}/*"]),
        ("gcs", [f"gs://{BUCKET}/"]),
        ("azurite", [f"az://devstoreaccount1/{BUCKET}"]),
        ("local", ["/"]),
    ],
)
def test_a_whole_bucket_must_be_meant(run: Run, tree: str, words: list[str]) -> None:
    ran = run("rm", "-ry", *words)

    assert ran.code == 5
    assert "--whole-bucket" in ran.err
    assert count(run, tree) == 3


@pytest.mark.parametrize("store", ["local"])
def test_a_link_to_a_directory_is_not_followed(run: Run, tree: str) -> None:
    Path("link").symlink_to(tree)

    assert run("rm", "-ry", "link").code == 5
    assert run("rm", "-ry", "link/").code == 5

    assert count(run, tree) == 3
    assert run("rm", "link").code == 0
    assert not Path("link").is_symlink()
    assert count(run, tree) == 3
