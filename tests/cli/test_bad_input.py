"""Bad input through the command: a clear line, no traceback, and the rest is done."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import blobio
from blobio.testing.scripted import Received, Reply, ScriptedServer
from tests.cli.conftest import STORES, Run, make_tree

MIB: Final = 1 << 20
every_store = pytest.mark.parametrize("store", STORES)
remote = pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])
local = pytest.mark.parametrize("store", ["local"])
moto_only = pytest.mark.parametrize("store", ["moto"])

AS_NOBODY: Final = """
import os, sys
from blobio.cli import main
main(["cp", "-r", "fine/", "warm/"])  # imports all there is to import, while it can be read
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
sys.exit(main(sys.argv[1:]))
"""
WITHOUT_ROOM: Final = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from blobio.cli import main
sys.exit(main(sys.argv[1:]))
"""


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that has been prepared by `code`."""
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def files_below(directory: str) -> list[str]:
    root = Path(directory)
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


@local
def test_schemes_that_nobody_serves_do_not_keep_the_rest(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "d/a.txt", "nope://bucket/key", "d/b.csv", root)

    assert ran.code == 1
    assert "nope://" in ran.err
    assert files_below(root) == ["a.txt", "b.csv"]


@moto_only
def test_sources_of_several_stores_go_to_one_place(run: Run, root: str) -> None:
    make_tree()
    run("cp", "d/b.csv", root)

    assert run("cp", "d/a.txt", f"{root}b.csv", "x/").code == 0

    assert files_below("x") == ["a.txt", "b.csv"]


@local
@pytest.mark.parametrize("verb", ["cp", "mv"])
@pytest.mark.parametrize("other", ["./d/a.txt", "d/../d/a.txt", "d//a.txt", "{here}/d/a.txt"])
@pytest.mark.usefixtures("root")
def test_its_own_destination_in_other_words_is_refused_too(run: Run, verb: str, other: str) -> None:
    make_tree()

    ran = run(verb, "d/a.txt", other.format(here=os.getcwd()))

    assert ran.code == 2
    assert "is its own destination" in ran.err
    assert Path("d/a.txt").read_text() == "a\n"


@every_store
def test_a_file_that_cannot_be_read_is_named_and_the_rest_copied(run: Run, root: str) -> None:
    """What is behind the link is a regular file for everybody, and no one can read its start."""
    make_tree()
    Path("d/broken").symlink_to("/proc/self/mem")

    ran = run("cp", "-r", "d/", root)

    assert ran.code == 1
    assert "d/broken" in ran.err
    assert "Traceback" not in ran.err
    assert [n for n in run("ls", "-R", root).lines if not n.endswith("/")] == [
        "a.txt",
        "b.csv",
        "sub/c.txt",
    ]


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a directory with a tree, which whoever runs the command can reach and write to."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.chdir(directory)
        make_tree()
        Path("fine").mkdir()
        Path("fine/x").touch()
        Path("x").mkdir()
        for path in (".", "x"):
            os.chmod(path, 0o777)  # noqa: S103 - see above
        yield


@pytest.mark.usefixtures("public")
def test_a_file_without_permission_is_named_and_the_rest_copied() -> None:
    os.chmod("d/b.csv", 0)

    ran = python(AS_NOBODY, "cp", "-r", "d/", "x/")

    assert ran.returncode == 1, ran.stderr
    assert "copy of d/b.csv: Permission denied" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert files_below("x") == ["a.txt", "sub/c.txt"]


@pytest.mark.usefixtures("public")
def test_a_directory_without_permission_is_named() -> None:
    os.chmod("d/sub", 0)

    ran = python(AS_NOBODY, "cp", "-r", "d/", "x/")
    os.chmod("d/sub", 0o700)

    assert ran.returncode == 4, ran.stderr
    assert "list of d/: Permission denied at d/sub/" in ran.stderr
    assert "Traceback" not in ran.stderr


@every_store
def test_a_full_disk_fails_what_does_not_fit_and_leaves_nothing_of_it(run: Run, root: str) -> None:
    """The limit of a file's size stands for the disk: it is met at the same calls."""
    make_tree()
    Path("d/large").write_bytes(bytes(300_000))
    run("cp", "-r", "d/", root)

    ran = python(WITHOUT_ROOM, "cp", "-r", root, "x/")

    assert ran.returncode == 1, ran.stderr
    assert "large" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert files_below("x") == ["a.txt", "b.csv", "sub/c.txt"]


@local
def test_no_room_where_stdout_goes_is_an_error_and_no_traceback(root: str) -> None:
    Path(root, "x").write_bytes(bytes(300_000))
    for words in (["cat", f"{root}x"], ["cp", f"{root}x", "-"], ["ls", root], ["stat", f"{root}x"]):
        with open("/dev/full", "wb") as full:
            process = subprocess.run(  # noqa: S603 - our own words
                [sys.executable, "-m", "blobio", *words],
                check=False,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )

        assert process.returncode == 1, words
        assert "No space left on device" in process.stderr, words
        assert "Traceback" not in process.stderr, words
        assert "Exception ignored" not in process.stderr, words


@pytest.mark.parametrize("store", ["local", "rclone", "azurite"])  # moto finds no such key
def test_names_with_line_breaks_go_there_and_back(run: Run, root: str) -> None:
    Path("d").mkdir()
    Path("d/two\nlines").write_text("2")

    up = run("cp", "-r", "d/", root)
    down = run("cp", "-r", root, "x/")

    assert (up.code, down.code) == (0, 0)
    assert up.out.count("\n") == 1
    assert "two\\nlines" in up.out
    assert Path("x/two\nlines").read_text() == "2"
    assert run("rm", f"{root}two\nlines").code == 0


@pytest.mark.parametrize("store", ["gcs"])
def test_names_that_a_store_cannot_have_are_named_and_the_rest_copied(run: Run, root: str) -> None:
    make_tree()
    Path("d/two\nlines").write_text("2")

    ran = run("cp", "-r", "d/", root)

    assert ran.code == 1
    assert "has no keys with line breaks" in ran.err
    assert ran.err.count("\n") == 1
    assert len(ran.lines) == 3


@remote
@pytest.mark.parametrize(
    "name", ["../escaped", "fine/../../escaped", "/escaped", "x//escaped", "./escaped", "a/."]
)
def test_names_that_are_no_paths_below_the_target_are_refused(
    run: Run, root: str, name: str
) -> None:
    with blobio.Context() as context:
        context.write_bytes(f"{root}t/{name}", b"!")
        context.write_bytes(f"{root}t/fine", b"1")

    for words in (["cp", "-r", f"{root}t/", "x/"], ["sync", f"{root}t", "y"]):
        ran = run(*words)
        assert ran.code == 1
        assert "is no path below the destination" in ran.err
    assert files_below("x") == files_below("y") == ["fine"]
    assert not Path("../escaped").exists()
    assert not Path("/escaped").exists()


@pytest.mark.parametrize("store", ["moto", "gcs"])  # Azurite turns a backslash into a slash
def test_drive_letters_are_names_like_any_other(run: Run, root: str) -> None:
    with blobio.Context() as context:
        context.write_bytes(f"{root}t/C:/x", b"1")
        context.write_bytes(f"{root}t/C:\\y", b"2")

    assert run("cp", "-r", f"{root}t/", "x/").code == 0

    assert files_below("x") == ["C:/x", "C:\\y"]


class _Store:
    """An S3 that takes an upload in parts, and does something when the first of them arrives."""

    def __init__(self, at_first_part: Callable[[], None]) -> None:
        self._act = at_first_part
        self._lock = threading.Lock()
        self._has_acted = False

    def answer(self, request: Received) -> Reply:
        if request.method == "PUT":
            with self._lock:
                if not self._has_acted:
                    self._act()
                self._has_acted = True
            return Reply(headers={"ETag": '"0123456789abcdef0123456789abcdef"'})
        if request.method == "POST" and "uploads" in request.target:
            name = b"InitiateMultipartUploadResult"
            return Reply(body=b"<%b><UploadId>u</UploadId></%b>" % (name, name))
        return Reply(status=204 if request.method == "DELETE" else 500)


@local
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("change", ["append", "cut", "write"])
def test_a_file_that_changes_while_it_is_uploaded_is_not_published(
    run: Run, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    large = Path("large")
    with large.open("wb") as file:
        file.truncate(60 * MIB)
    os.utime(large, (1_000_000_000, 1_000_000_000))  # so that the clock cannot hide the change

    def act() -> None:
        with large.open("r+b") as file:
            if change == "append":
                file.seek(0, os.SEEK_END)
            file.write(b"!") if change != "cut" else file.truncate(50 * MIB)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with ScriptedServer(_Store(act).answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        ran = run("cp", "--part-size", "5M", "--max-memory", "10M", "large", "s3://bucket/x")

        targets = [(one.method, one.target) for one in server.requests]

    assert ran.code == 1
    assert "large" in ran.err
    assert "changed while it was copied" in ran.err
    assert "Traceback" not in ran.err
    assert [m for m, t in targets if m == "POST" and "uploads" not in t] == []  # never completed
    assert [m for m, _ in targets if m == "DELETE"] == ["DELETE"]  # but taken back
