"""`blobio sync`: what it copies, what it refuses, and what is left of the target each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blobio.cli.app import main
from blobio.drivers.local.driver import LocalDriver
from blobio.errors import RequestFailed
from blobio.values import ListOptions, ListPage
from tests.cli.sync_servers import DEAD, STORES, Shell, content, fill, servers, shell

__all__ = ["servers", "shell"]

TREE = {"1": b"one", "d/2": b"two", "d/e/3": b"three"}
OLD = {"keep": b"old", "d/old": b"older"}


def _target(tmp_path: Path) -> str:
    root = str(tmp_path / "target")
    fill(root, OLD)
    return root


# What the table of other tools shows being wiped: each row, from each kind of store.


def test_missing_source_deletes_nothing(shell: Shell, tmp_path: Path) -> None:
    target = _target(tmp_path)

    assert main(["sync", "--delete", shell.new_tree(), target]) == 5
    assert content(target) == OLD


def test_missing_source_without_delete_is_not_found(shell: Shell, tmp_path: Path) -> None:
    target = _target(tmp_path)

    assert main(["sync", shell.new_tree(), target]) == 3
    assert content(target) == OLD


def test_missing_bucket_deletes_nothing(shell: Shell, tmp_path: Path) -> None:
    target = _target(tmp_path)

    source = shell.missing_bucket()

    assert main(["sync", "--delete", source, target]) == 5
    assert main(["sync", "--delete", "--allow-empty-source", source, target]) == 5
    assert content(target) == OLD


def test_missing_bucket_without_delete_is_not_found(shell: Shell, tmp_path: Path) -> None:
    target = _target(tmp_path)

    assert main(["sync", shell.missing_bucket(), target]) == 3
    assert content(target) == OLD


@pytest.mark.parametrize("shell", sorted(set(STORES) - {"local"}), indirect=True)
def test_unreachable_source_deletes_nothing(shell: Shell, tmp_path: Path) -> None:
    target = _target(tmp_path)
    source = shell.new_tree()
    fill(source, TREE)
    shell.connect(DEAD)

    assert main(["sync", "--delete", "--retries", "0", source, target]) == 5
    assert main(["sync", "--retries", "0", source, target]) == 1
    assert content(target) == OLD


def test_empty_directory_as_source_deletes_nothing(tmp_path: Path) -> None:
    target = _target(tmp_path)
    source = tmp_path / "empty"
    (source / "with" / "empty").mkdir(parents=True)

    assert main(["sync", "--delete", f"{source}/", target]) == 5
    assert content(target) == OLD
    assert main(["sync", f"{source}/", target]) == 0
    assert main(["sync", "--delete", "--allow-empty-source", str(source), target]) == 0
    assert content(target) == {}


def test_target_on_a_store_survives_a_missing_source(shell: Shell, tmp_path: Path) -> None:
    target = shell.new_tree()
    fill(target, OLD)

    command = [sys.executable, "-m", "blobio", "sync", "--delete", str(tmp_path / "no"), target]
    done = subprocess.run(  # noqa: S603 - our own command
        command, env={**os.environ, **shell.environment}, capture_output=True, check=False
    )

    assert done.returncode == 5
    assert done.stdout == b""
    assert b"no such directory" in done.stderr
    assert content(target) == OLD


# Doing its work


def test_trees_become_alike_in_both_directions(shell: Shell, tmp_path: Path) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, TREE)
    fill(there, {"1": b"other size", "old": b"x"})

    assert main(["sync", "--delete", here, f"{there}/"]) == 0
    assert content(there) == TREE

    fill(there, {"d/2": b"changed there"})
    assert main(["sync", "--delete", there, here]) == 0
    assert content(here) == {**TREE, "d/2": b"changed there"}


def test_second_run_copies_nothing(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, TREE)
    for name in TREE:  # some stores tell times in whole seconds
        os.utime(f"{here}/{name}", (1_000_000_000, 1_000_000_000))
    assert main(["sync", here, there]) == 0
    capsys.readouterr()

    assert main(["sync", "--delete", here, there]) == 0
    assert capsys.readouterr().out == ""
    assert main(["sync", "--checksum", there, here]) == 0
    assert capsys.readouterr().out == ""
    assert main(["sync", there, here]) == 0  # where no hash and no time is kept the newer is copied
    capsys.readouterr()
    assert main(["sync", there, here]) == 0
    assert capsys.readouterr().out == ""


def test_checksum_finds_what_size_and_time_hide(shell: Shell, tmp_path: Path) -> None:
    here, there = str(tmp_path / "here"), shell.new_tree()
    fill(here, {"1": b"aaa"})
    fill(there, {"1": b"bbb"})
    os.utime(tmp_path / "here" / "1", (0, 0))

    assert main(["sync", "--size-only", here, there]) == 0
    assert content(there) == {"1": b"bbb"}
    assert main(["sync", "--checksum", here, there]) == 0
    assert content(there) == {"1": b"aaa"}


def test_plan_is_applied_to_what_has_not_changed_only(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, plan = str(tmp_path / "here"), shell.new_tree(), str(tmp_path / "plan")
    fill(here, {"new": b"new", "same": b"same"})
    fill(there, {"same": b"same", "gone": b"x", "kept": b"x"})
    assert main(["sync", "--size-only", "--delete", "--plan", plan, here, there]) == 0
    assert content(there) == {"same": b"same", "gone": b"x", "kept": b"x"}
    fill(there, {"kept": b"written meanwhile"})
    capsys.readouterr()

    assert main(["sync", "--apply", plan, here, there]) == 6
    assert content(there) == {"new": b"new", "same": b"same", "kept": b"written meanwhile"}
    assert "kept" in capsys.readouterr().err


def test_plan_does_not_copy_over_what_appeared(shell: Shell, tmp_path: Path) -> None:
    here, there, plan = str(tmp_path / "here"), shell.new_tree(), str(tmp_path / "plan")
    fill(here, {"1": b"one"})
    fill(there, {"old": b"x"})
    assert main(["sync", "--delete", "--plan", plan, here, there]) == 0
    fill(there, {"1": b"somebody's"})

    assert main(["sync", "--apply", plan, here, there]) == 6
    assert content(there) == {"1": b"somebody's", "old": b"x"}  # no delete after a failure


def test_plan_does_not_copy_a_changed_source(shell: Shell, tmp_path: Path) -> None:
    here, there, plan = str(tmp_path / "here"), shell.new_tree(), str(tmp_path / "plan")
    fill(there, {"1": b"one"})
    assert main(["sync", "--plan", plan, there, here]) == 0
    fill(there, {"1": b"another one"})

    assert main(["sync", "--apply", plan, there, here]) == 6
    assert content(here) == {}


# Guards that need no server


@pytest.mark.parametrize(
    ("source", "target"),
    [("t", "t"), ("t", "t/d"), ("t/d", "t"), ("t/", "link"), ("link/d", "t")],
)
def test_overlapping_trees_are_refused(tmp_path: Path, source: str, target: str) -> None:
    fill(str(tmp_path / "t"), TREE)
    (tmp_path / "link").symlink_to(tmp_path / "t")

    assert main(["sync", f"{tmp_path}/{source}", f"{tmp_path}/{target}"]) == 5
    assert content(str(tmp_path / "t")) == TREE


@pytest.mark.parametrize(
    ("limit", "code"),
    [([], 5), (["--max-delete", "109"], 5), (["--max-delete", "110"], 0),
     (["--max-delete", "99%"], 5), (["--max-delete", "100%"], 0), (["--max-delete", "0"], 5)],
)  # fmt: skip
def test_deletes_over_the_cap_stop_before_the_first_change(
    tmp_path: Path, limit: list[str], code: int
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"new": b"x"})
    old = {f"{number}": b"" for number in range(110)}
    fill(target, old)

    assert main(["sync", "--delete", *limit, source, target]) == code
    assert content(target) == (old if code else {"new": b"x"})


def test_excluded_names_are_neither_copied_nor_deleted(tmp_path: Path) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a", "b.tmp": b"b"})
    fill(target, {"c.tmp": b"c", "d": b"d"})

    assert main(["sync", "--delete", "--exclude", "*.tmp", source, target]) == 0
    assert content(target) == {"a": b"a", "c.tmp": b"c"}


def test_filters_that_match_nothing_delete_nothing(tmp_path: Path) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, TREE)
    fill(target, {"x.log": b"x"})

    assert main(["sync", "--delete", "--include", "*.log", source, target]) == 5
    assert main(["sync", "--include", "*.log", source, target]) == 3
    assert content(target) == {"x.log": b"x"}


def test_nothing_is_deleted_when_a_copy_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a", "b": b"b"})
    fill(target, {"b/c": b"a directory where a file has to be", "old": b"x"})

    assert main(["sync", "--delete", source, target]) == 1
    assert content(target) == {"a": b"a", "b/c": b"a directory where a file has to be", "old": b"x"}
    assert "nothing was deleted" in capsys.readouterr().err


def test_link_to_a_directory_is_named_and_nothing_is_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a"})
    (tmp_path / "s" / "link").symlink_to(tmp_path)
    fill(target, {"link/x": b"x"})

    assert main(["sync", "--delete", source, target]) == 1
    assert content(target) == {"a": b"a", "link/x": b"x"}
    assert "links to directories" in capsys.readouterr().err


def test_dry_run_changes_nothing_and_says_what_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a"})
    fill(target, {"old": b"x"})

    assert main(["sync", "-n", "--delete", source, target]) == 0

    out = capsys.readouterr().out
    assert out == f"would cp {source}/a {target}/a\nwould rm {target}/old\n"
    assert content(target) == {"old": b"x"}


@pytest.mark.parametrize("spoil", ["cut", "edited", "escaping", "of others", "none"])
def test_plan_that_is_not_whole_is_not_begun(tmp_path: Path, spoil: str) -> None:
    source, target, plan = str(tmp_path / "s"), str(tmp_path / "t"), tmp_path / "plan"
    fill(source, {"a": b"a", "b": b"b"})
    fill(target, {"old": b"x"})
    fill(str(tmp_path), {"outside": b"x"})
    assert main(["sync", "--delete", "--plan", str(plan), source, target]) == 0
    lines = plan.read_text().splitlines()
    if spoil == "cut":
        lines = lines[:-1]
    elif spoil == "edited":
        del lines[1]
    elif spoil == "escaping":
        lines = [line.replace('"old"', '"../outside"') for line in lines]
    elif spoil == "none":
        lines = []
    plan.write_text("".join(line + "\n" for line in lines))

    other = f"{target}2" if spoil == "of others" else target
    code = main(["sync", "--apply", str(plan), source, other])

    assert code == (1 if spoil == "escaping" else 2)
    copied = {"a": b"a", "b": b"b"} if spoil == "escaping" else {}
    assert content(target) == {"old": b"x", **copied}
    assert (tmp_path / "outside").exists()


def test_json_lines_tell_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a"})
    fill(target, {"old": b"x"})

    assert main(["sync", "--json", "--delete", source, target]) == 0

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["type"] for record in records] == ["result", "result", "summary"]
    assert (records[0]["dst"], records[1]["reason"]) == (f"{target}/a", "delete")


@pytest.mark.parametrize("side", ["source", "target"])
def test_listing_that_breaks_off_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {f"{number:03}": b"" for number in range(9)})
    fill(target, {f"{number:03}": b"x" for number in range(5, 15)})
    broken = source if side == "source" else target
    whole = LocalDriver.list_page

    async def list_page(
        self: LocalDriver, prefix: str, options: ListOptions, token: str | None
    ) -> ListPage:
        if token is not None and prefix.startswith(broken):
            message = "the second page was refused"
            raise RequestFailed(message, url=prefix, operation="list")
        return await whole(self, prefix, replace(options, page_size=4), token)

    monkeypatch.setattr(LocalDriver, "list_page", list_page)
    assert main(["sync", "--delete", source, target]) == 5
    assert main(["sync", "--plan", str(tmp_path / "plan"), source, target]) == 1

    monkeypatch.undo()
    assert content(target) == {f"{number:03}": b"x" for number in range(5, 15)}
    assert not (tmp_path / "plan").exists()


def test_special_file_at_the_target_is_named_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(tmp_path / "s"), str(tmp_path / "t")
    fill(source, {"a": b"a"})
    fill(target, {"old": b"x"})
    os.mkfifo(f"{target}/pipe")

    assert main(["sync", "--delete", source, target]) == 1

    assert sorted(os.listdir(target)) == ["a", "pipe"]
    assert "pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["", "t"],
        ["s", ""],
        ["https://127.0.0.1:1/x", "t"],
        ["s", "https://127.0.0.1:1/x"],
        ["--max-delete", "many", "s", "t"],
        ["--plan", "p", "--apply", "p", "s", "t"],
        ["--apply", "p", "--exclude", "x", "s", "t"],
        ["--apply", "p", "--max-delete", "5%", "s", "t"],
    ],
)
def test_what_makes_no_sense_is_usage(words: list[str]) -> None:
    assert main(["sync", *words]) == 2


def test_plan_file_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = f"{tmp_path}/no/plan"
    fill(str(tmp_path / "s"), TREE)

    for option in ("--plan", "--apply"):
        assert main(["sync", option, plan, f"{tmp_path}/s", f"{tmp_path}/t"]) == 1
        assert "no/plan" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bytes", "pipe"])
def test_file_that_can_be_no_plan_is_usage(tmp_path: Path, kind: str) -> None:
    plan = tmp_path / "plan"
    reader, writer = os.pipe()
    plan.write_bytes(b"\xff\xfe\x00")
    name = str(plan) if kind == "bytes" else f"/dev/fd/{reader}"
    try:
        assert main(["sync", "--apply", name, f"{tmp_path}/s", f"{tmp_path}/t"]) == 2
    finally:
        os.close(reader)
        os.close(writer)


def test_source_that_goes_away_while_it_is_listed_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "s", str(tmp_path / "t")
    fill(str(source), TREE)
    fill(target, {**TREE, "old": b"x"})
    whole = LocalDriver.list_page

    async def list_page(
        self: LocalDriver, prefix: str, options: ListOptions, token: str | None
    ) -> ListPage:
        if token == f"{source}/1":  # one blob was listed
            source.rename(tmp_path / "elsewhere")
        return await whole(self, prefix, replace(options, page_size=1), token)

    monkeypatch.setattr(LocalDriver, "list_page", list_page)
    assert main(["sync", "--delete", str(source), target]) == 5

    monkeypatch.undo()
    assert content(target) == {**TREE, "old": b"x"}
