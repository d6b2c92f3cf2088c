"""A copy of 200 files that is stopped anywhere, by anything, and run again: the tree is exact."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.cli.conftest import Run

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]

FILES: Final = 200
_LONG_AGO: Final = 1_000_000_000.0
ENDS: Final = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}

stores = pytest.mark.parametrize("store", ["moto"])
signals = pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)


def make_files(directory: Path) -> dict[str, bytes]:
    """Write 200 files of up to 20,000 bytes; return what they are."""
    draw = random.Random(7)
    files = {f"{n % 7}/{n:03}": draw.randbytes(draw.randrange(20_000)) for n in range(FILES)}
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def files_below(directory: Path) -> dict[str, bytes]:
    """Return all files below a directory, whatever their names are."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def stop_after(process: subprocess.Popen[bytes], results: int, number: signal.Signals) -> int:
    """Send a signal once so many results were printed; return the exit code."""
    assert process.stdout is not None
    for _ in range(results):
        assert process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


@stores
@signals
@pytest.mark.parametrize("results", [1, 100])
def test_an_upload_that_was_stopped_is_completed_by_the_next(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))

    code = stop_after(start("cp", "-r", "d/", root), results, number)
    again = run("cp", "-r", "d/", root)

    assert code in {ENDS[number], 0}  # 0: it was faster than the signal
    assert again.code == 0
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@stores
@signals
@pytest.mark.parametrize("results", [1, 100])
def test_a_download_that_was_stopped_leaves_whole_files_only(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    run("cp", "-r", "d/", root)

    code = stop_after(start("cp", "-r", root, "back/"), results, number)

    assert code in {ENDS[number], 0}
    there = files_below(Path("back"))
    if number is signal.SIGKILL:  # nobody was left to remove what listings do not show
        there = {name: data for name, data in there.items() if "/.blobio-" not in name}
    assert there.items() <= files.items()
    assert len(there) >= results
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@stores
@signals
@pytest.mark.parametrize("results", [1, 100])
def test_a_sync_to_a_store_that_was_stopped_is_completed_by_the_next(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    for path in Path("d").rglob("*"):  # S3 tells whole seconds: in that of its copy it looks newer
        os.utime(path, (_LONG_AGO, _LONG_AGO))

    code = stop_after(start("sync", "d", root), results, number)
    again = run("sync", "d", root)

    assert code in {ENDS[number], 0}
    assert again.code == 0
    assert len(again.out.splitlines()) <= FILES - results  # what is there is not copied again
    assert run("diff", "--changes", "d", root).code == 0
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@stores
@signals
@pytest.mark.parametrize("results", [1, 100])
def test_a_sync_to_the_disk_that_was_stopped_leaves_whole_files_only(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    run("cp", "-r", "d/", root)

    code = stop_after(start("sync", root, "back"), results, number)

    assert code in {ENDS[number], 0}
    there = files_below(Path("back"))
    if number is signal.SIGKILL:
        there = {name: data for name, data in there.items() if "/.blobio-" not in name}
    assert there.items() <= files.items()
    assert len(there) >= results
    assert run("sync", root, "back").code == 0
    left = files_below(Path("back"))
    if number is signal.SIGKILL:
        left = {name: data for name, data in left.items() if "/.blobio-" not in name}
    assert left == files


@stores
@signals
@pytest.mark.parametrize("results", [50, 250])  # while it copies, and while it deletes
def test_a_sync_that_deletes_and_was_stopped_is_completed_by_the_next(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    make_files(Path("old"))
    run("cp", "-r", "old/", f"{root}old/")
    words = ["sync", "--delete", "--max-delete", "200", "d", root]

    code = stop_after(start(*words), results, number)
    between = run("diff", "--changes", "d", root).out.splitlines()
    again = run(*words)

    assert code in {ENDS[number], 0}
    if any(line.startswith("<") for line in between):  # deletes come last
        assert sum(line.startswith(">") for line in between) == FILES
    assert again.code == 0
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files
