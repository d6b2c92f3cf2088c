"""`--fail-fast`: nothing is begun after the first failure, and the exit code is 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobio.core.ends import End
from blobio.errors import NotFound
from blobio.values import BlobMeta
from tests.cli.conftest import Run, make_tree

pytestmark = pytest.mark.parametrize("store", ["local"])


def names(root: str) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in Path(root).rglob("*") if p.is_file())


def test_no_copy_begins_after_one_that_failed(run: Run, root: str) -> None:
    make_tree()
    Path(root, "b.csv").mkdir()  # no file can be there

    ran = run("cp", "-r", "-j", "1", "--fail-fast", "d/", root)

    assert ran.code == 1
    assert "b.csv" in ran.err
    assert names(root) == ["a.txt"]


def test_without_it_the_rest_is_copied(run: Run, root: str) -> None:
    make_tree()
    Path(root, "b.csv").mkdir()

    ran = run("cp", "-r", "-j", "1", "d/", root)

    assert ran.code == 1
    assert names(root) == ["a.txt", "sub/c.txt"]


def test_what_has_begun_is_ended(run: Run, root: str) -> None:
    make_tree()
    Path(root, "a.txt").mkdir()

    ran = run("cp", "--fail-fast", "-r", "-j", "3", "d/", root)

    assert ran.code == 1
    assert set(names(root)) <= {"b.csv", "sub/c.txt"}
    assert len(ran.lines) == len(names(root))  # each that was begun is told of, and whole


def test_a_source_that_is_missing_is_a_failure_too(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "--fail-fast", "-j", "1", "d/a.txt", "missing", "d/b.csv", root)

    assert ran.code == 1
    assert names(root) == ["a.txt"]


def test_a_failure_with_nothing_left_to_begin_keeps_its_code(run: Run, root: str) -> None:
    assert run("cp", "--fail-fast", "missing", root).code == 3


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "missing", "d"],
        ["du", "missing", "d"],
        ["tree", "missing", "d"],
        ["cat", "missing", "d/a.txt"],
        ["stat", "-j", "1", "missing", "d/a.txt"],
        ["hash", "-j", "1", "missing", "d/a.txt"],
        ["rm", "missing", "d/a.txt"],
        ["mv", "missing", "d/a.txt", "x/"],
        ["cp", "missing", "d/a.txt", "x/"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.usefixtures("root")
def test_every_command_that_goes_on_stops_when_asked_to(run: Run, words: list[str]) -> None:
    make_tree()

    ran = run(words[0], "--fail-fast", *words[1:])

    assert (ran.code, ran.out) == (1, "")
    assert Path("d/a.txt").exists()
    assert not Path("x").exists()


def test_sync_stops_and_deletes_nothing(run: Run, root: str) -> None:
    make_tree()
    Path(root, "extra").touch()
    Path(root, "b.csv").mkdir()
    Path(root, "b.csv/in the way").touch()

    ran = run("sync", "--delete", "--fail-fast", "-j", "1", "d", root)

    assert ran.code == 1
    assert names(root) == ["a.txt", "b.csv/in the way", "extra"]


def test_diff_stops_at_the_first_name_that_cannot_be_told(
    run: Run, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree()
    run("cp", "-r", "d/", root)

    async def compare(left: tuple[End, BlobMeta], *_rest: object, **_more: object) -> bool:
        if left[1].key.endswith("b.csv"):
            message = "b.csv is gone"
            raise NotFound(message)
        return True

    monkeypatch.setattr("blobio.cli.commands.diff.have_same_bytes", compare)
    stopped = run("diff", "-j", "1", "--fail-fast", "d", root)
    whole = run("diff", "-j", "1", "d", root)

    assert (stopped.code, stopped.lines) == (2, ["! b.csv", "= a.txt"])
    assert (whole.code, whole.lines) == (2, ["! b.csv", "= a.txt", "= sub/c.txt"])
