"""`--stats`: what the stores were asked, at the end, whatever the end was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import BUCKET, Run, make_tree

remote = pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])
moto_only = pytest.mark.parametrize("store", ["moto"])

SCHEMES = {"moto": "s3", "gcs": "gs", "azurite": "az"}


@remote
def test_requests_of_an_upload_are_those_of_its_blobs(run: Run, root: str, store: str) -> None:
    make_tree()

    ran = run("cp", "-r", "--stats", "--json", "d/", root)

    summary = ran.records[-1]
    assert (summary["type"], summary["op"]) == ("summary", "cp")
    told = summary["stores"][SCHEMES[store]]
    assert told["requests"] == {"PUT": 3}
    assert told["sent"] >= 9  # and the envelope that Google wants
    assert told["retries"] == 0
    assert 1 <= summary["concurrency_max"] <= 3
    assert 0 < summary["concurrency"] <= summary["concurrency_max"]


@remote
def test_requests_of_a_listing_and_a_download(run: Run, root: str, store: str) -> None:
    make_tree()
    run("cp", "-r", "d/", root)

    told = run("cp", "-r", "--stats", "--json", root, "back/").records[-1]["stores"]

    assert told[SCHEMES[store]]["requests"] == {"LIST": 1, "GET": 3}
    assert told[SCHEMES[store]]["received"] > 9


@remote
def test_a_move_within_a_store_is_copies_and_deletes(run: Run, root: str, store: str) -> None:
    make_tree()
    run("cp", "d/a.txt", f"{root}x/")

    told = run("mv", "--stats", "--json", f"{root}x/a.txt", f"{root}y/").records[-1]["stores"]

    requests = told[SCHEMES[store]]["requests"]
    assert (requests["COPY"], requests["DELETE"]) == (1, 1)
    assert set(requests) <= {"COPY", "DELETE", "HEAD"}


@moto_only
def test_parts_are_told_from_whole_blobs(run: Run, root: str) -> None:
    Path("large").write_bytes(bytes(11 << 20))

    told = run("cp", "--stats", "--json", "--part-size", "5M", "large", root).records[-1]["stores"]

    assert told["s3"]["requests"] == {"BEGIN": 1, "PART": 3, "COMMIT": 1}
    assert told["s3"]["sent"] > 11 << 20


@moto_only
def test_a_dry_run_tells_what_it_asked_itself(run: Run, root: str) -> None:
    make_tree()
    run("cp", "-r", "d/", root)

    ran = run("rm", "-rn", "--stats", root)

    assert ran.code == 0
    assert [line for line in ran.lines if not line.startswith("would rm")] == []
    assert "blobio rm: s3: 1 LIST; 0 B sent, " in ran.err


@moto_only
def test_it_is_said_on_stderr_though_quiet_and_after_a_failure(run: Run, root: str) -> None:
    ran = run("stat", "-q", "--stats", f"{root}missing")

    assert (ran.code, ran.out) == (3, "")
    assert "blobio stat: s3: 1 HEAD, 1 LIST; 0 B sent, " in ran.err
    assert ran.err.splitlines()[-1].endswith("1 at most")


@pytest.mark.parametrize("store", ["local"])
def test_the_disk_takes_no_requests(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "-r", "--stats", "d/", root)

    assert ran.err.startswith("blobio cp: no requests\n")


@moto_only
def test_nothing_is_said_unasked(run: Run, root: str) -> None:
    assert root.startswith(f"s3://{BUCKET}/")
    make_tree()

    assert run("cp", "-r", "d/", root).err == ""
