"""`blobio diff`: the marks of all names, and exit codes that a script can trust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobio.cli.app import main
from tests.cli.sync_servers import DEAD, Shell, fill, servers, shell

__all__ = ["servers", "shell"]

HERE = {"both": b"same", "changed": b"aaa", "d/here": b"x", "longer": b"xx"}
THERE = {"both": b"same", "changed": b"bbb", "d/there": b"x", "longer": b"xxx"}
LINES = ["= both", "* changed", "< d/here", "> d/there", "* longer"]


@pytest.mark.parametrize("how", [[], ["--download"]])
def test_names_are_marked_in_order(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, HERE)
    fill(there, THERE)

    assert main(["diff", *how, here, there]) == 1
    assert capsys.readouterr().out.splitlines() == LINES


def test_same_trees_are_exit_0(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, HERE)
    fill(there, HERE)

    assert main(["diff", "--changes", f"{there}/", here]) == 0
    assert capsys.readouterr().out == ""


def test_missing_or_unreachable_tree_is_trouble(shell: Shell, tmp_path: Path) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, HERE)

    assert main(["diff", here, there]) == 3
    assert main(["diff", shell.missing_bucket(), here]) == 3
    if not shell.is_local:
        shell.connect(DEAD)
        assert main(["diff", "--retries", "0", here, there]) == 2


def test_size_only_looks_at_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(str(tmp_path / "a"), HERE)
    fill(str(tmp_path / "b"), THERE)

    assert main(["diff", "--size-only", f"{tmp_path}/a", f"{tmp_path}/b"]) == 1
    assert "= changed" in capsys.readouterr().out


def test_what_cannot_be_read_is_marked_and_the_rest_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tree in ("a", "b"):
        fill(str(tmp_path / tree), {"1": b"x", "3": b"x"})
        (tmp_path / tree / "2").symlink_to("nothing")

    assert main(["diff", f"{tmp_path}/a", f"{tmp_path}/b"]) == 2

    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["= 1", "! 2", "= 3"]
    assert captured.err.startswith("blobio diff: ")


def test_json_lines_tell_the_marks_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(str(tmp_path / "a"), {"1": b"x"})
    fill(str(tmp_path / "b"), {"1": b"y"})

    assert main(["diff", "--json", f"{tmp_path}/a", f"{tmp_path}/b"]) == 1

    record = json.loads(capsys.readouterr().out)
    assert (record["src"], record["reason"]) == ("1", "differs")
