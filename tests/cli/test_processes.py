"""`--processes`: what several processes do together is what one does, however it ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from blobio.cli import crew
from tests.cli.conftest import Run, make_tree
from tests.cli.test_interrupted import ENDS, FILES, Start, files_below, make_files, stop_after

LONG_AGO = 1_000_000_000.0

stores = pytest.mark.parametrize("store", ["local", "moto", "gcs", "azurite"])
moto_only = pytest.mark.parametrize("store", ["moto"])
local_only = pytest.mark.parametrize("store", ["local"])


@stores
def test_a_tree_goes_up_and_comes_down_whole(run: Run, root: str) -> None:
    files = make_files(Path("d"))

    up = run("cp", "-r", "--processes", "3", "d/", root)
    down = run("cp", "-r", "--processes", "3", root, "back/")

    assert (up.code, up.err, len(up.lines)) == (0, "", FILES)
    assert (down.code, down.err, len(down.lines)) == (0, "", FILES)
    assert files_below(Path("back")) == files


@moto_only
def test_every_record_is_printed_once(run: Run, root: str) -> None:
    make_files(Path("d"))

    ran = run("cp", "-r", "--processes", "3", "--json", "--stats", "d/", root)

    *results, summary = ran.records
    assert len({record["src"] for record in results}) == len(results) == FILES
    assert {record["status"] for record in results} == {"done"}
    assert summary["stores"]["s3"]["requests"] == {"PUT": FILES}


@moto_only
def test_a_sync_copies_what_differs_and_deletes_the_rest(run: Run, root: str) -> None:
    files = make_files(Path("d"))
    for path in Path("d").rglob("*"):  # S3 tells whole seconds: in that of its copy it looks newer
        os.utime(path, (LONG_AGO, LONG_AGO))
    run("cp", "-r", "d/0/", f"{root}old/")

    first = run("sync", "--processes", "2", "d", root)
    second = run("sync", "--processes", "2", "--delete", "d", root)

    assert f"{FILES} copied, 0 deleted" in first.err
    assert "0 copied, 29 deleted" in second.err
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@moto_only
def test_a_plan_is_applied(run: Run, root: str) -> None:
    files = make_files(Path("d"))
    run("sync", "--plan", "plan", "d", root)

    applied = run("sync", "--processes", "3", "--apply", "plan", "d", root)

    assert f"{FILES} copied, 0 deleted" in applied.err
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@moto_only
def test_a_move_leaves_nothing_behind(run: Run, root: str) -> None:
    files = make_files(Path("d"))
    run("cp", "-r", "d/", f"{root}from/")

    assert run("mv", "-r", "--processes", "2", f"{root}from/", f"{root}to/").code == 0

    assert run("ls", f"{root}from/").code == 3
    assert run("cp", "-r", f"{root}to/", "back/").code == 0
    assert files_below(Path("back")) == files


@local_only
def test_what_fails_is_named_and_the_rest_is_done(run: Run, root: str) -> None:
    files = make_files(Path("d"))
    for name in ("0/000", "3/003", "6/195"):
        blocked = Path(root) / name / "in the way"
        blocked.parent.mkdir(parents=True)
        blocked.touch()

    ran = run("cp", "-r", "--processes", "3", "d/", root)

    assert ran.code == 1
    assert len(ran.lines) == FILES - 3
    assert sorted(line.count("is a directory") for line in ran.err.splitlines()) == [1, 1, 1]
    assert len(files_below(Path(root)).items() & files.items()) == FILES - 3


@moto_only
def test_a_condition_that_never_holds_is_the_exit_code(run: Run, root: str) -> None:
    make_files(Path("d"))
    run("cp", "-r", "d/", root)

    ran = run("cp", "-r", "--processes", "3", "--if-absent", "d/", root)

    assert ran.code == 6
    assert len(ran.err.splitlines()) == FILES


@moto_only
def test_progress_counts_what_all_processes_move(run: Run, root: str) -> None:
    make_files(Path("d"))

    ran = run("cp", "-r", "--processes", "3", "--progress", "d/", root)

    assert f"{FILES} of {FILES} blobs" in ran.err


@local_only
def test_what_a_process_was_at_when_it_died_has_failed(
    run: Run, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree()
    monkeypatch.setattr(crew, "_PROGRAM", "import sys; sys.exit(7)")

    ran = run("cp", "-r", "--processes", "3", "--json", "d/", root)

    failed = [record for record in ran.records if record["status"] == "failed"]
    assert ran.code == 1
    assert failed
    assert all("ended with 7" in record["reason"] for record in failed)
    assert len({record["src"] for record in ran.records}) == len(ran.records) == 3


@local_only
def test_few_items_begin_no_process(run: Run, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(Path("d"))
    monkeypatch.setattr(sys, "executable", "/no such program")

    assert run("cp", "-r", "d/", root).code == 0


@local_only
def test_processes_that_cannot_begin_are_done_without(
    run: Run, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_files(Path("d"))
    monkeypatch.setattr(sys, "executable", "/no such program")

    ran = run("cp", "-r", "--processes", "3", "d/", root)

    assert ran.code == 0
    assert ran.err.count("fewer processes") == 1
    assert files_below(Path(root)) == files


@local_only
def test_enough_items_begin_processes(run: Run, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_files(Path("d"))
    began = []
    begin = crew.Crew.begin

    async def noted(self: crew.Crew) -> object:
        began.append(self)
        return await begin(self)

    monkeypatch.setattr(crew, "_processors", lambda: 2)
    monkeypatch.setattr(crew, "_WORTH_ITEMS", FILES)
    monkeypatch.setattr(crew.Crew, "begin", noted)

    assert run("cp", "-r", "d/", root).code == 0

    assert len(began) == 1
    assert files_below(Path(root)) == files


@local_only
@pytest.mark.parametrize(
    "words", [["--jobs", "3"], ["--limit-rate", "1M"], ["--fail-fast"], ["--resume"]]
)
def test_what_one_process_keeps_goes_with_no_others(run: Run, root: str, words: list[str]) -> None:
    make_tree()

    assert run("cp", "-r", *words, "--processes", "1", "d/", root).code == 0
    ran = run("cp", "-r", *words, "--processes", "2", "d/", root)

    assert ran.code == 2
    assert "--processes" in ran.err


@moto_only
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
@pytest.mark.parametrize("results", [1, 100])
def test_an_upload_that_was_stopped_is_completed_by_the_next(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    words = ["cp", "-r", "--processes", "3", "d/", root]

    code = stop_after(start(*words), results, number)
    again = run(*words)

    assert code in {ENDS[number], 0}  # 0: it was faster than the signal
    assert (again.code, again.err) == (0, "")
    assert run("cp", "-r", root, "back/").code == 0
    assert files_below(Path("back")) == files


@moto_only
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
@pytest.mark.parametrize("results", [1, 100])
def test_a_download_that_was_stopped_leaves_whole_files_only(
    start: Start, run: Run, root: str, number: signal.Signals, results: int
) -> None:
    files = make_files(Path("d"))
    run("cp", "-r", "d/", root)

    code = stop_after(start("cp", "-r", "--processes", "3", root, "back/"), results, number)

    assert code in {ENDS[number], 0}
    there = files_below(Path("back"))
    if number is signal.SIGKILL:  # nobody was left to remove what listings do not show
        there = {name: data for name, data in there.items() if "/.blobio-" not in name}
    assert there.items() <= files.items()
    assert len(there) >= results


@moto_only
def test_ctrl_c_of_a_terminal_does_not_reach_the_others(start: Start, root: str) -> None:
    make_files(Path("d"))
    process = start("cp", "-r", "--processes", "3", "d/", root)
    assert process.stdout is not None
    assert process.stdout.readline()

    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    groups = {os.getpgid(int(pid)) for pid in children}
    _, err = process.communicate(timeout=60)

    assert len(groups) == 2
    assert os.getpgid(0) not in groups
    assert (process.returncode, err) == (0, b"")
