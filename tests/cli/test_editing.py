"""`edit`: what was read is replaced, nothing else, and what somebody wrote is never lost."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.cli.conftest import STORES, Run

Editor: TypeAlias = Callable[[str], None]

stores = pytest.mark.parametrize("store", STORES)
# rclone looks at no condition
strict = pytest.mark.parametrize("store", [store for store in STORES if store != "rclone"])
with_metadata = pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])
local = pytest.mark.parametrize("store", ["local"])

BLOBIO: Final = f"{shlex.quote(sys.executable)} -m blobio"


@pytest.fixture
def drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory that temporary files are made in."""
    directory = tmp_path / "drafts"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drafts: Path) -> Editor:
    """Return what makes a shell script, to which `$1` is the file, the editor."""
    assert drafts.is_dir()
    monkeypatch.delenv("VISUAL", raising=False)

    def become(script: str) -> None:
        program = tmp_path / "an editor.sh"
        program.write_text(script)
        monkeypatch.setenv("EDITOR", f"sh -e {shlex.quote(str(program))}")

    return become


def put(run: Run, url: str, text: str, *options: str) -> None:
    Path("put").write_text(text)
    assert run("cp", "put", url, *options).code == 0


@stores
def test_edit_writes_what_the_editor_left(
    run: Run, root: str, editor: Editor, drafts: Path
) -> None:
    put(run, f"{root}notes.md", "one\n")
    editor('echo two >> "$1"')

    ran = run("edit", f"{root}notes.md")

    assert (ran.code, ran.out) == (0, f"edit {root}notes.md\n")
    assert run("cat", f"{root}notes.md").out == "one\ntwo\n"
    assert list(drafts.iterdir()) == []


@stores
def test_edit_of_what_is_not_there_creates_it(run: Run, root: str, editor: Editor) -> None:
    editor('test ! -s "$1"; echo new > "$1"')

    assert run("edit", f"{root}new").code == 0

    assert run("cat", f"{root}new").out == "new\n"


@stores
def test_edit_without_a_change_writes_nothing(
    run: Run, root: str, editor: Editor, drafts: Path
) -> None:
    put(run, f"{root}x", "one\n")
    before = run("stat", "--json", f"{root}x").records
    editor("true")

    ran = run("edit", f"{root}x")
    new = run("edit", f"{root}new")

    assert (ran.code, ran.out) == (0, f"skipped edit {root}x (not changed)\n")
    assert run("stat", "--json", f"{root}x").records == before
    assert new.code == 0
    assert run("stat", f"{root}new").code == 3
    assert list(drafts.iterdir()) == []


@strict
def test_edit_over_the_change_of_another_is_refused_and_the_draft_kept(
    run: Run, root: str, editor: Editor, drafts: Path
) -> None:
    put(run, f"{root}x", "one\n")
    Path("other").write_text("other\n")
    editor(f'echo mine > "$1"; {BLOBIO} cp other {root}x')

    ran = run("edit", f"{root}x")

    assert ran.code == 6
    (kept,) = re.findall(r"kept in (\S+)", ran.err)
    assert Path(kept).read_text() == "mine\n"
    assert Path(kept).is_relative_to(drafts)
    assert run("cat", f"{root}x").out == "other\n"


@strict
def test_edit_of_what_another_has_created_meanwhile_is_refused(
    run: Run, root: str, editor: Editor
) -> None:
    Path("other").write_text("other\n")
    editor(f'echo mine > "$1"; {BLOBIO} cp other {root}x')

    ran = run("edit", f"{root}x")

    assert ran.code == 6
    assert "kept in" in ran.err
    assert run("cat", f"{root}x").out == "other\n"


@local
@pytest.mark.parametrize("change", ["", 'echo mine > "$1"; '])
def test_an_editor_that_fails_writes_nothing(
    run: Run, root: str, editor: Editor, drafts: Path, change: str
) -> None:
    put(run, f"{root}x", "one\n")
    editor(f"{change}exit 3")

    ran = run("edit", f"{root}x")

    assert ran.code == 1
    assert "exit code 3" in ran.err
    assert Path(root, "x").read_text() == "one\n"
    assert ("kept in" in ran.err) == bool(change)
    assert len(list(drafts.iterdir())) == bool(change)


@local
def test_an_editor_that_removes_the_file_writes_nothing(
    run: Run, root: str, editor: Editor, drafts: Path
) -> None:
    put(run, f"{root}x", "one\n")
    editor('rm "$1"')

    assert run("edit", f"{root}x").code == 1

    assert Path(root, "x").read_text() == "one\n"
    assert list(drafts.iterdir()) == []


@local
def test_the_draft_is_the_users_alone_and_has_the_suffix(
    run: Run, root: str, editor: Editor
) -> None:
    put(run, f"{root}a b.toml", "x\n")
    editor('{ stat -c %a "$1"; stat -c %a "$(dirname "$1")"; basename "$1"; } > seen')

    run("edit", f"{root}a b.toml")

    assert Path("seen").read_text().splitlines() == ["600", "700", "a b.toml"]


@local
@pytest.mark.usefixtures("run", "editor", "root")
def test_a_name_that_no_file_can_have_keeps_its_suffix() -> None:
    from blobio.cli.editing import Draft

    draft = Draft("x" * 300 + ".py", b"")

    assert Path(draft.path).name == "blob.py"
    draft.drop()


@with_metadata
def test_content_type_and_metadata_stay(run: Run, root: str, editor: Editor) -> None:
    put(run, f"{root}x", "one\n", "--content-type", "text/markdown", "--metadata", "owner=me")
    editor('echo two > "$1"')

    assert run("edit", f"{root}x").code == 0

    (record,) = run("stat", "--json", f"{root}x").records
    assert record["content_type"] == "text/markdown"
    assert record["metadata"]["owner"] == "me"
    assert run("cat", f"{root}x").out == "two\n"


@local
@pytest.mark.usefixtures("root")
def test_permissions_and_links_of_a_local_file_stay(run: Run, editor: Editor) -> None:
    Path("script").write_text("one\n")
    Path("script").chmod(0o750)
    Path("link").symlink_to("script")
    editor('echo two > "$1"')

    assert run("edit", "link").code == 0

    assert Path("link").is_symlink()
    assert Path("script").read_text() == "two\n"
    assert Path("script").stat().st_mode & 0o777 == 0o750


@local
@pytest.mark.usefixtures("root")
def test_visual_comes_before_editor(
    run: Run, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor('echo visual > "$1"')
    monkeypatch.setenv("VISUAL", " ")
    assert run("edit", "a").code == 0
    monkeypatch.setenv("VISUAL", "false")
    assert run("edit", "b").code == 1

    assert Path("a").read_text() == "visual\n"


@local
@pytest.mark.parametrize("command", ["/no/such/editor", "'unclosed"])
@pytest.mark.usefixtures("root")
def test_an_editor_that_cannot_be_run_is_a_usage_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, drafts: Path, command: str
) -> None:
    monkeypatch.setenv("VISUAL", command)

    assert run("edit", "a").code == 2

    assert list(drafts.iterdir()) == []
    assert not Path("a").exists()


@local
def test_what_cannot_be_edited_is_said_before_the_editor_starts(
    run: Run, root: str, editor: Editor
) -> None:
    editor("touch started")

    assert run("edit", "/dev/null").code == 2
    assert run("edit", "https://127.0.0.1:1/x").code == 2
    assert run("edit", root).code != 0

    assert not Path("started").exists()


@local
@pytest.mark.usefixtures("root")
def test_interrupts_are_the_editors_and_sigterm_keeps_the_draft(
    start: Callable[..., subprocess.Popen[bytes]], editor: Editor, drafts: Path
) -> None:
    Path("x").write_text("one\n")
    editor('echo mine > "$1"; echo started; exec sleep 60')
    process = start("edit", "x")
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"

    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 143
    assert b"kept in" in err
    assert Path("x").read_text() == "one\n"
    assert len(list(drafts.iterdir())) == 1


@local
def test_json_tells_the_version_written(run: Run, root: str, editor: Editor) -> None:
    editor('echo new > "$1"')

    (record,) = run("edit", "--json", f"{root}x").records

    assert record["status"] == "done"
    assert record["dst"] == f"{root}x"
    assert record["etag"] == run("stat", "--json", f"{root}x").records[0]["etag"]
