"""The display of progress: only where somebody looks, on stderr, and true."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from blobio.cli.progress import Progress
from tests.cli.conftest import Run, make_tree

pytestmark = pytest.mark.parametrize("store", ["local"])


def test_a_terminal_sees_files_and_bytes(root: str) -> None:
    make_tree()
    ours, theirs = pty.openpty()

    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "blobio", "cp", "-r", "d/", root],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"},
    ) as process:
        os.close(theirs)
        drawn = _read_to_end(ours)
        assert process.stdout is not None
        results = process.stdout.read()

    assert process.returncode == 0
    assert "3 of 3 blobs, 9 B of 9 B" in drawn
    assert b"\x1b" not in results
    assert results.count(b"\n") == 3


def _read_to_end(terminal: int) -> str:
    drawn = b""
    try:
        while block := os.read(terminal, 65_536):
            drawn += block
    except OSError:  # how Linux tells that the other end is closed
        pass
    finally:
        os.close(terminal)
    return drawn.decode()


def test_nothing_is_drawn_for_a_pipe(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "-r", "d/", root).err == ""


def test_it_is_drawn_for_a_pipe_on_demand(run: Run, root: str) -> None:
    make_tree()

    assert "3 of 3 blobs" in run("cp", "--progress", "-r", "d/", root).err


def test_a_demand_without_rich_says_what_to_install(
    run: Run, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree()
    monkeypatch.setattr("blobio.cli.progress.find_spec", lambda _name: None)

    ran = run("cp", "--progress", "-r", "d/", root)

    assert ran.code == 2
    assert "blobio[cli]" in ran.err
    assert list(Path(root).iterdir()) == []


@pytest.mark.usefixtures("root")
def test_bytes_that_are_moved_twice_count_once() -> None:
    with Progress.of(wanted=True, demanded=True) as progress:
        progress.found(100)
        with progress.item("x", 100) as moved:
            assert moved is not None
            for _ in range(3):
                moved(50)
            assert progress.moved_bytes == 100
