"""`run`: lines are cut as a shell would, run side by side, and answer for themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from blobio.cli.commands import stat
from blobio.cli.exits import Exit
from blobio.cli.scripts import numbered, words_of
from blobio.cli.session import Session
from blobio.config import Config
from blobio.transport.observe import Event
from tests.cli.conftest import STORES, Run, make_tree

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]

stores = pytest.mark.parametrize("store", STORES)
local = pytest.mark.parametrize("store", ["local"])
moto_only = pytest.mark.parametrize("store", ["moto"])


def script(*lines: str) -> str:
    """Write a file of commands; return its name."""
    Path("script").write_text("".join(f"{line}\n" for line in lines))
    return "script"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t", []),
        ("# comment", []),
        ("  # comment 'unclosed", []),
        ("cp a b # comment", ["cp", "a", "b"]),
        ("rm s3://b/key#1", ["rm", "s3://b/key#1"]),
        ("rm '#1' \\#2", ["rm", "#1", "#2"]),
        ("cp 'a b' c\\ d \"e f\"", ["cp", "a b", "c d", "e f"]),
        ("rm ''", ["rm", ""]),
        ("rm a*b ~ $HOME", ["rm", "a*b", "~", "$HOME"]),
        ("ls a\r", ["ls", "a"]),
    ],
)
def test_a_line_is_cut_as_a_shell_cuts_it(line: str, words: list[str]) -> None:
    assert words_of(line) == words


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(ValueError, match="quotation"):
        words_of("rm 'a")


async def test_lines_are_numbered_over_chunks() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"a\nb", b"c\n\n", b"\xff"):
            yield chunk

    assert [lines async for lines in numbered(chunks())] == [
        [(1, "a")],
        [(2, "bc"), (3, "")],
        [(4, os.fsdecode(b"\xff"))],
    ]


@stores
def test_all_lines_are_run(run: Run, root: str) -> None:
    make_tree()
    name = script(
        "# a comment, and an empty line",
        "",
        f"cp d/a.txt '{root}a b.txt'",
        f"blobio cp d/b.csv {root}b.csv   # another",
        f"cp -r d/sub/ {root}sub/",
    )

    ran = run("run", name)

    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"cp d/a.txt {root}a b.txt",
        f"cp d/b.csv {root}b.csv",
        f"cp d/sub/c.txt {root}sub/c.txt",
    ]
    assert sorted(n for n in run("ls", "-R", root).lines if n != "sub/") == [
        "a b.txt",
        "b.csv",
        "sub/c.txt",
    ]


@stores
def test_a_failed_line_is_named_and_the_others_are_run(run: Run, root: str) -> None:
    make_tree()
    name = script(f"cp d/a.txt {root}a", f"cp d/missing {root}b", f"cp d/b.csv {root}c")

    ran = run("run", name)

    assert ran.code == 1
    assert "blobio cp: line 2: " in ran.err
    assert "1 of 3 lines failed" in ran.err
    assert run("ls", root).lines == ["a", "c"]


@local
def test_usage_errors_are_those_of_their_line(run: Run, root: str) -> None:
    make_tree()
    lines = {
        "frobnicate d": "no such command: frobnicate",
        "cp d/a.txt": "required",
        "ls --no-such-option d": "unrecognized",
        "ls --json d": "options of all commands",
        "ls 'd": "quotation",
        "ls --help": "help",
        f"cp - {root}x": "stdin",
        "cp d/a.txt -": "stdin",
        "run other": "run is not",
        "edit d/a.txt": "edit is not",
        "--version": "no such command",
        "cp d/a.txt d/b.csv one": "one/ is a directory",
    }
    name = script(*lines, f"cp d/a.txt {root}x")

    ran = run("run", name)

    assert ran.code == 1
    errors = {line.split(": ")[1]: line for line in ran.err.splitlines()[:-1]}
    for number, said in enumerate(lines.values(), 1):
        assert said in errors[f"line {number}"]
    assert ran.out == f"cp d/a.txt {root}x\n"


@local
def test_records_carry_the_line(run: Run, root: str) -> None:
    make_tree()
    name = script("", f"cp d/a.txt {root}x", "cp d/missing y", "nonsense", f"rm {root}z")

    records = run("run", "--json", name).records

    assert {(one["line"], one["op"], one["status"]) for one in records} == {
        (2, "cp", "done"),
        (3, "cp", "failed"),
        (4, "run", "failed"),
        (5, "rm", "failed"),
    }


@local
def test_fail_fast_begins_nothing_more(run: Run, root: str) -> None:
    make_tree()
    name = script("cp d/missing x", *(f"cp d/a.txt {root}{n}" for n in range(100)))

    ran = run("run", "--fail-fast", "-j", "1", name)
    in_order = run("run", "--fail-fast", "--in-order", name)
    parsed = run("run", "--fail-fast", script("nonsense", f"cp d/a.txt {root}x"))

    assert (ran.code, in_order.code, parsed.code) == (1, 1, 1)
    assert ran.out == in_order.out == parsed.out == ""
    assert list(Path(root).iterdir()) == []


@local
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("options", "at_once"), [(["-j", "3"], 3), (["-j", "1"], 1), (["--in-order"], 1)]
)
def test_lines_run_side_by_side(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str], at_once: int
) -> None:
    running: list[int] = [0]

    async def count(_: object, session: Session) -> Exit:
        running.append(running[-1] + 1)
        for _ in range(50):
            await asyncio.sleep(0)  # let others begin
        running.append(running[-1] - 1)
        return session.account.code

    monkeypatch.setattr(stat, "run", count)

    assert run("run", *options, script(*(f"stat {n}" for n in range(20)))).code == 0

    assert len(running) == 41
    assert max(running) == at_once


@stores
def test_in_order_a_line_may_need_the_one_before(run: Run, root: str) -> None:
    make_tree()
    name = script(
        f"cp d/a.txt {root}1", *(f"mv {root}{n} {root}{n + 1}" for n in range(1, 9)), f"cat {root}9"
    )

    ran = run("run", "--in-order", name)

    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "a"


@stores
def test_bytes_of_cat_are_not_mixed(run: Run, root: str) -> None:
    make_tree()
    large = "x" * 300_000
    Path("large").write_text(large)
    for name in ("one", "two"):
        run("cp", "large", f"{root}{name}")
    lines = [f"cat {root}one", f"cat {root}two", f"stat {root}one", f"cat {root}one"]

    ran = run("run", "--part-size", "64k", script(*lines))

    assert ran.code == 0
    assert ran.out.startswith(large * 2)
    assert ran.out.endswith(large)


@stores
def test_lines_of_rm_become_batches(run: Run, root: str) -> None:
    make_tree()
    run("cp", "-r", "d/", root)
    name = script(
        f"rm {root}a.txt",
        f"rm {root}missing",
        f"rm -f {root}gone",
        f"rm {root}b.csv {root}sub/c.txt",
    )

    ran = run("run", name)

    assert ran.code == 1
    assert ran.lines == [f"rm {root}a.txt", f"rm {root}b.csv", f"rm {root}sub/c.txt"]
    assert "line 2: " in ran.err
    assert "1 of 4 lines failed" in ran.err
    assert int(run("du", root).out.split()[1] if run("ls", root).code == 0 else 0) == 0


@moto_only
def test_a_batch_is_one_request(run: Run, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree()
    run("cp", "-r", "d/", root)
    events: list[Event] = []
    config = replace(Config.from_env(), on_event=events.append)
    monkeypatch.setattr(Config, "from_env", lambda: config)

    ran = run("run", script(f"rm {root}a.txt", f"rm {root}b.csv", f"rm {root}sub/c.txt"))

    assert ran.code == 0
    assert [event.method for event in events if event.operation == "delete"] == ["POST"]


@local
def test_rm_with_guards_is_no_part_of_a_batch(run: Run, root: str) -> None:
    make_tree()
    run("cp", "-r", "d/", root)
    lines = [f"rm -r {root}sub", f"rm {root}*.txt", f"rm {root}b.csv", f"rm -n {root}a.txt"]

    ran = run("run", script(*lines))

    assert ran.code == 1
    assert sorted(os.listdir(root)) == ["a.txt", "sub"]
    assert "line 1: " in ran.err
    assert "line 2: " in ran.err
    assert f"would rm {root}a.txt" in ran.out


@local
def test_a_key_with_a_hash_is_not_a_comment(run: Run, root: str) -> None:
    Path(root, "key").touch()
    Path(root, "key#1").touch()

    assert run("run", script(f"rm {root}key#1")).code == 0

    assert os.listdir(root) == ["key"]


@local
def test_commands_come_from_stdin_as_they_are_written(start: Start, root: str) -> None:
    make_tree()
    process = start("run")
    assert process.stdin is not None
    assert process.stdout is not None

    process.stdin.write(f"cp d/a.txt {root}a\n".encode())
    process.stdin.flush()
    first = process.stdout.readline()  # before there is an end of the file
    out, err = process.communicate(f"cp d/b.csv {root}b".encode(), timeout=30)

    assert first == f"cp d/a.txt {root}a\n".encode()
    assert (process.returncode, out, err) == (0, f"cp d/b.csv {root}b\n".encode(), b"")


@local
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_though_stdin_stays_open(
    start: Start, number: signal.Signals, code: int
) -> None:
    make_tree()
    process = start("run")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"cp d/a.txt x\n")
    process.stdin.flush()
    process.stdout.readline()

    process.send_signal(number)

    assert process.wait(timeout=30) == code
    process.communicate()


@local
@pytest.mark.usefixtures("root")
def test_a_reader_that_leaves_ends_it_quietly(start: Start) -> None:
    make_tree()
    process = start("run", script(*["stat d/a.txt"] * 3_000))
    assert process.stdout is not None
    process.stdout.readline()

    process.stdout.close()

    assert process.wait(timeout=60) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.stdin is not None
    process.stdin.close()


@stores
def test_commands_come_from_a_blob(run: Run, root: str) -> None:
    make_tree()
    run("cp", script(f"cp d/a.txt {root}x"), f"{root}script")

    assert run("run", f"{root}script").code == 0

    assert run("cat", f"{root}x").out == "a\n"


@local
@pytest.mark.usefixtures("root")
def test_a_file_of_commands_that_cannot_be_read(run: Run) -> None:
    assert run("run", "missing").code == 3
    assert run("run", ".").code == 3


@local
def test_common_options_hold_for_every_line(run: Run, root: str) -> None:
    make_tree()

    ran = run("run", "-q", "--part-size", "1k", script(f"cp d/a.txt {root}x", "cp d/no y"))

    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
