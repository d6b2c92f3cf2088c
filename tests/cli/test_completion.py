"""`completion`: bash itself is asked what it would offer; zsh and fish read their scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from blobio.cli.completing import cap_s, local_names, names
from tests.cli.conftest import BUCKET, STORES, Run

local = pytest.mark.parametrize("store", ["local"])
moto_only = pytest.mark.parametrize("store", ["moto"])
SHELLS: Final = ("bash", "zsh", "fish")

_ASK: Final = """
set -f
source "$1"
COMP_LINE=$2
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
COMP_KEY=9
_python_argcomplete blobio 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(run: Run, root: str, tmp_path: Path) -> Path:
    """Write the script for bash; put the command of this interpreter first on the PATH."""
    assert root
    file = tmp_path / "completion.bash"
    file.write_text(run("completion", "bash").out)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the command, as this interpreter runs it, first on the PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "blobio"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blobio "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BLOBIO_COMPLETION_S", "60")  # this machine may be busy


def offered(script: Path, line: str) -> list[str]:
    """Return what bash would offer after `line`, in order."""
    done = subprocess.run(  # noqa: S603 - our own words
        ["bash", "-c", _ASK, "bash", str(script), line],  # noqa: S607 - whichever there is
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return sorted(line for line in done.stdout.splitlines() if line)


@local
@pytest.mark.usefixtures("path")
def test_bash_completes_commands_and_options(script: Path) -> None:
    assert {"cat", "completion", "cp"} <= set(offered(script, "blobio "))
    assert offered(script, "blobio s") == ["sign", "stat", "sync"]
    assert offered(script, "blobio ls --sor") == ["--sort "]
    assert offered(script, "blobio ls --sort ") == ["mtime", "name", "size"]
    assert "--json" in offered(script, "blobio stat --")
    assert offered(script, "blobio stat --sor") == []


@local
@pytest.mark.usefixtures("path")
def test_bash_completes_paths(script: Path) -> None:
    Path("dir").mkdir()
    Path("dir/a b").touch()
    Path("dir/c$d'").touch()
    Path(".hidden").touch()

    assert offered(script, "blobio cat d") == ["dir/"]
    assert offered(script, "blobio cat dir/a") == ["dir/a\\ b "]
    assert offered(script, "blobio cat dir/c") == ["dir/c\\$d\\' "]
    assert offered(script, "blobio cat 'dir/a") == ["dir/a b"]  # and closes the quote itself
    assert offered(script, "blobio ls ") == ["dir/"]
    assert offered(script, "blobio ls .h") == [".hidden "]
    assert offered(script, "blobio ls -j ") == []


@local
@pytest.mark.usefixtures("path")
def test_names_that_could_speak_to_the_terminal_are_not_offered(script: Path) -> None:
    for name in ("bc", "b\x1b[31m", "b\x0bb", "b\nb"):
        Path(name).touch()

    assert offered(script, "blobio cat b") == ["bc "]


@pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])
@pytest.mark.usefixtures("path")
def test_bash_completes_buckets_and_keys(
    run: Run, root: str, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    Path("x").touch()
    for name in ("a b", "c:d", "sub/e", "sub/f"):
        assert run("cp", "x", f"{root}{name}").code == 0
    rest = root.partition(":")[2]  # what bash takes for the word
    at_bucket = root[: root.index(BUCKET) + 5]

    assert f"{at_bucket.partition(':')[2][:-5]}{BUCKET}/" in offered(
        script, f"blobio ls {at_bucket}"
    )
    assert offered(script, f"blobio ls {root}") == sorted(
        [f"{rest}a\\ b", f"{rest}c:d", f"{rest}sub/"]
    )
    assert offered(script, f"blobio ls {root}a") == [f"{rest}a\\ b "]
    assert offered(script, f"blobio ls {root}c:") == ["d "]
    assert offered(script, f"blobio ls {root}sub/") == [f"{rest}sub/e", f"{rest}sub/f"]
    assert offered(script, f"blobio cp x {root}no") == []


@moto_only
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("shell", "names_offered"), [("zsh", ["a\\ b:", "c\\:d:"]), ("fish", ["a b\t", "c:d\t"])]
)
def test_the_words_for_shells_that_may_not_be_there(
    run: Run, root: str, tmp_path: Path, shell: str, names_offered: list[str]
) -> None:
    """What their scripts ask, and get, as argcomplete writes it: a name and its description."""
    Path("x").touch()
    for name in ("a b", "c:d"):
        assert run("cp", "x", f"{root}{name}").code == 0
    line = f"blobio ls {root}"
    asked = {
        **({"_ARGCOMPLETE_DFS": "\t"} if shell == "fish" else {}),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": shell,
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offered"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }

    subprocess.run(["blobio"], env={**os.environ, **asked}, timeout=60, check=True)  # noqa: S607

    offered_lines = (tmp_path / "offered").read_text().split("\n")
    shown = root.replace(":", "\\:") if shell == "zsh" else root
    assert sorted(offered_lines) == [f"{shown}{name}" for name in names_offered]


@pytest.mark.parametrize("store", STORES)
def test_names_are_one_level(run: Run, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOBIO_COMPLETION_S", "60")
    Path("x").touch()
    for name in ("one", "two/three", "two/four"):
        run("cp", "x", f"{root}{name}")

    assert names(root) == [f"{root}one", f"{root}two/"]
    assert names(f"{root}t") == [f"{root}two/"]
    assert names(f"{root}two/") == [f"{root}two/four", f"{root}two/three"]
    assert names(f"{root}zzz") == []


@local
@pytest.mark.usefixtures("root")
def test_a_scheme_is_offered_beside_files() -> None:
    Path("s").mkdir()

    assert names("s") == ["s/", "s3://"]
    assert names("gs:") == ["gs://"]
    assert names("") == ["s/"]
    assert local_names("no/such/directory/") == []


@moto_only
def test_errors_are_silent_and_nothing_takes_longer_than_the_cap(
    root: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert names("s3://no-such-bucket/x") == []
    assert names("gs://no-such-bucket/x") == []
    assert names("nope://x") == []
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")  # tried again, with pauses
    monkeypatch.setenv("BLOBIO_COMPLETION_S", "0.05")

    start = time.monotonic()
    assert names(root) == []

    assert time.monotonic() - start < 1
    monkeypatch.setenv("BLOBIO_COMPLETION_S", "soon")
    assert cap_s() == 1.0
    assert capfd.readouterr().err == ""


@local
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.usefixtures("root")
def test_the_script_of_each_shell_is_one(run: Run, shell: str, tmp_path: Path) -> None:
    ran = run("completion", shell)

    assert ran.code == 0
    assert "blobio" in ran.out
    program = shutil.which(shell)
    if program is not None:  # bash is everywhere
        file = tmp_path / "script"
        file.write_text(ran.out)
        subprocess.run([program, "-n", str(file)], check=True, timeout=30)  # noqa: S603 - ours
    assert program or shell != "bash"


@local
@pytest.mark.usefixtures("root")
def test_another_shell_is_a_usage_error(run: Run) -> None:
    assert run("completion", "tcsh").code == 2
