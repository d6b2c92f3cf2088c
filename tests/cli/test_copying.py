"""`cp` and `mv`: where things go, by the text of the command alone (cli.md, table 3.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

import blobio
from tests.cli.conftest import STORES, Run, make_tree

every_store = pytest.mark.parametrize("store", STORES)


def below(run: Run, root: str) -> list[str]:
    """List the blobs below `root`."""
    ran = run("ls", "-R", root)
    return [line for line in ran.lines if not line.endswith("/")]


@every_store
def test_a_file_gets_the_exact_name(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "d/a.txt", f"{root}x")

    assert (ran.code, ran.out) == (0, f"cp d/a.txt {root}x\n")
    assert below(run, root) == ["x"]


@every_store
def test_a_file_goes_below_what_ends_in_a_slash(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "d/a.txt", f"{root}x/").code == 0

    assert below(run, root) == ["x/a.txt"]


@every_store
def test_a_directory_needs_recursive(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "d", f"{root}x/")

    assert ran.code == 2
    assert "d is a directory; -r takes what is below it" in ran.err


@every_store
def test_a_tree_needs_a_directory(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "-r", "d", f"{root}x")

    assert ran.code == 2
    assert f"{root}x/ is a directory" in ran.err
    assert run("ls", f"{root}x").code == 3


@every_store
def test_a_tree_keeps_its_name_and_does_not_nest_the_second_time(run: Run, root: str) -> None:
    make_tree()

    codes = [run("cp", "-r", "d", f"{root}x/").code for _ in range(2)]

    assert codes == [0, 0]
    assert below(run, root) == ["x/d/a.txt", "x/d/b.csv", "x/d/sub/c.txt"]


@every_store
def test_a_tree_with_a_slash_gives_its_contents(run: Run, root: str) -> None:
    make_tree()

    codes = [run("cp", "-r", "d/", f"{root}x/").code for _ in range(2)]

    assert codes == [0, 0]
    assert below(run, root) == ["x/a.txt", "x/b.csv", "x/sub/c.txt"]


@every_store
def test_a_star_takes_one_level_and_two_take_all(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "d/*", f"{root}one/").code == 0
    assert run("cp", "d/**", f"{root}all/").code == 0

    assert below(run, f"{root}one") == ["a.txt", "b.csv"]
    assert below(run, f"{root}all") == ["a.txt", "b.csv", "sub/c.txt"]


@every_store
def test_globs_mean_the_same_in_a_store(run: Run, root: str) -> None:
    make_tree()
    run("cp", "-r", "d", root)

    assert run("cp", f"{root}d/*.txt", "one/").code == 0
    assert run("cp", f"{root}d/**/*.txt", "all/").code == 0

    assert [path.name for path in Path("one").rglob("*")] == ["a.txt"]
    assert sorted(str(p) for p in Path("all").rglob("*.*")) == ["all/a.txt", "all/sub/c.txt"]


@every_store
def test_no_glob_takes_a_name_as_it_is(run: Run, root: str) -> None:
    Path("[x]*").write_text("odd")
    Path("x1").write_text("not this")

    assert run("cp", "--no-glob", "[x]*", root).code == 0

    assert below(run, root) == ["[x]*"]


@every_store
def test_several_sources_need_a_directory(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "d/a.txt", "d/b.csv", f"{root}x").code == 2
    assert run("cp", "d/a.txt", "d/b.csv", f"{root}x/").code == 0

    assert below(run, root) == ["x/a.txt", "x/b.csv"]


@every_store
def test_flatten_refuses_a_collision_before_it_copies(run: Run, root: str) -> None:
    make_tree()
    Path("d/sub/a.txt").write_text("the other a")

    ran = run("cp", "-r", "--flatten", "d", f"{root}x/")

    assert ran.code == 2
    assert "would both become a.txt; nothing was copied" in ran.err
    assert run("ls", "-R", f"{root}x/").code == 3


@every_store
def test_flatten_puts_all_side_by_side(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "-r", "--flatten", "d", f"{root}x/").code == 0

    assert below(run, root) == ["x/a.txt", "x/b.csv", "x/c.txt"]


@every_store
def test_filters_choose(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "-r", "d/", root, "--include", "*.txt", "--exclude", "sub/**").code == 0

    assert below(run, root) == ["a.txt"]


@every_store
def test_filters_that_leave_nothing_are_an_error(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "-r", "d/", root, "--include", "*.png")

    assert ran.code == 3
    assert "nothing matches with these filters" in ran.err


@every_store
def test_what_fails_does_not_keep_the_rest_from_it(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "d/a.txt", "missing", "d/b.csv", f"{root}x/")

    assert ran.code == 1
    assert "missing" in ran.err
    assert below(run, root) == ["x/a.txt", "x/b.csv"]


@every_store
def test_a_missing_source_is_not_found(run: Run, root: str) -> None:
    for word in ("missing", "missing/", "missing*"):
        ran = run("cp", "-r", f"{root}{word}", "x/")
        assert ran.code == 3, word
        assert word in ran.err
    assert not Path("x").exists()


@every_store
def test_its_own_destination_is_refused(run: Run, root: str) -> None:
    make_tree()
    run("cp", "d/a.txt", root)

    for verb in ("cp", "mv"):
        ran = run(verb, f"{root}a.txt", root)
        assert ran.code == 2
        assert "is its own destination" in ran.err
    assert blobio.read_text("d/a.txt") == "a\n"
    assert below(run, root) == ["a.txt"]


@every_store
def test_a_dry_run_says_what_would_be_done_and_does_nothing(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "-rn", "d/", root)

    assert ran.code == 0
    assert ran.lines == [
        f"would cp d/a.txt {root}a.txt",
        f"would cp d/b.csv {root}b.csv",
        f"would cp d/sub/c.txt {root}sub/c.txt",
    ]
    assert below(run, root) == []


@every_store
def test_json_tells_each_result(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "--json", "d/b.csv", "missing", root)

    assert ran.err == ""
    by_type = {record["type"]: record for record in ran.records}
    assert by_type["result"].items() >= {
        "v": 1, "op": "cp", "src": "d/b.csv", "dst": f"{root}b.csv", "size": 3, "status": "done",
    }.items()  # fmt: skip
    assert by_type["error"]["src"] == "missing"
    assert by_type["error"]["status"] == "failed"


@every_store
def test_mv_removes_each_source_after_its_copy(run: Run, root: str) -> None:
    make_tree()

    assert run("mv", "-r", "d", root).code == 0

    assert below(run, root) == ["d/a.txt", "d/b.csv", "d/sub/c.txt"]
    assert [path for path in Path("d").rglob("*") if path.is_file()] == []


@every_store
def test_mv_back_leaves_nothing_in_the_store(run: Run, root: str) -> None:
    make_tree()
    run("cp", "-r", "d", root)

    assert run("mv", "-r", f"{root}d/", "back/").code == 0

    assert below(run, root) == []
    assert Path("back/sub/c.txt").read_text() == "ccc\n"


@every_store
def test_if_newer_copies_once(run: Run, root: str) -> None:
    make_tree()
    run("cp", "d/a.txt", root)

    ran = run("cp", "--if-newer", "d/a.txt", root)

    assert (ran.code, ran.out) == (0, f"skipped cp d/a.txt {root}a.txt (not newer)\n")


@pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])  # a file system has no such names
def test_names_that_lead_out_are_refused_and_the_rest_is_copied(run: Run, root: str) -> None:
    with blobio.Context() as context:
        context.write_bytes(f"{root}t/../../escaped", b"!")
        context.write_bytes(f"{root}t/fine", b"1")

    ran = run("cp", "-r", f"{root}t/", "x/")

    assert ran.code == 1
    assert "is no path below the destination" in ran.err
    assert [path.name for path in Path().rglob("*") if path.is_file()] == ["fine"]
    assert not Path("../escaped").exists()
