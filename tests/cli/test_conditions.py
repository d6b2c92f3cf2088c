"""`--if-absent` and `--if-match` are decided by the store, and a lost one is exit 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import STORES, Run

# rclone looks at no condition
pytestmark = pytest.mark.parametrize("store", [store for store in STORES if store != "rclone"])


def test_if_absent_creates_and_never_replaces(run: Run, root: str) -> None:
    Path("new").write_text("new")
    Path("other").write_text("other")

    assert run("cp", "--if-absent", "new", f"{root}x").code == 0
    ran = run("cp", "--if-absent", "other", f"{root}x")

    assert ran.code == 6
    assert f"{root}x" in ran.err
    assert run("cat", f"{root}x").out == "new"


def test_if_match_replaces_that_version_only(run: Run, root: str) -> None:
    Path("one").write_text("one")
    Path("two").write_text("two")
    run("cp", "one", f"{root}x")
    (record,) = run("stat", "--json", f"{root}x").records

    assert run("cp", "two", f"{root}x", "--if-match", record["etag"]).code == 0
    assert run("cp", "one", f"{root}x", "--if-match", record["etag"]).code == 6

    assert run("cat", f"{root}x").out == "two"


def test_if_changed_compares_what_both_stores_hold(run: Run, root: str, store: str) -> None:
    Path("one").write_text("one")
    run("cp", "one", f"{root}x")

    ran = run("cp", "--if-changed", f"{root}x", f"{root}y")
    again = run("cp", "--if-changed", f"{root}x", f"{root}y")

    assert (ran.code, again.code) == (0, 0)
    holds_hashes = store != "local"
    assert again.out.startswith("skipped") == holds_hashes
