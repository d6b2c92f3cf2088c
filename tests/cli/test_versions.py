"""`ls --versions` and `rm --versions`, where the store keeps any; elsewhere a clear refusal."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Final

import boto3
import pytest

from tests.cli.conftest import Run, Servers

VERSIONED: Final = "cli-versions"
stores = pytest.mark.parametrize("store", ["moto", "gcs"])
moto_only = pytest.mark.parametrize("store", ["moto"])


@pytest.fixture(scope="module")
def versioned(environment: Servers) -> str:
    """Make buckets that keep versions, at S3 and at Google; return their name."""
    moto, gcs = environment.moto, environment.gcs
    moto.make_bucket(VERSIONED)
    client = boto3.client(
        "s3",
        endpoint_url=moto.url,
        region_name=moto.region,
        aws_access_key_id=moto.access_key,
        aws_secret_access_key=moto.secret_key,
    )
    try:
        client.put_bucket_versioning(
            Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"}
        )
    finally:
        client.close()
    body = json.dumps({"name": VERSIONED, "versioning": {"enabled": True}}).encode()
    request = urllib.request.Request(  # noqa: S310 - http, loopback
        f"{gcs.url}/storage/v1/b?project=p", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - http, loopback
        return VERSIONED


@pytest.fixture
def tree(run: Run, root: str, versioned: str, store: str) -> str:
    """Return a directory with two versions of `a`, one of `b`, and of `c` one that is deleted."""
    scheme = {"moto": "s3", "gcs": "gs"}[store]
    there = f"{scheme}://{versioned}/{root.rstrip('/').rpartition('/')[2]}/"
    for name, text in (("a", "1"), ("b", "bb"), ("c", "ccc"), ("a", "22")):
        Path("f").write_text(text)
        assert run("cp", "f", f"{there}{name}").code == 0
    assert run("rm", f"{there}c").code == 0
    return there


def listed(run: Run, *words: str) -> list[tuple[str, str]]:
    """Return the name and the state of each version."""
    ran = run("ls", "--versions", *words)
    assert ran.code == 0, ran.err
    return sorted((line.split()[2], line.split()[1]) for line in ran.lines)


@stores
def test_all_versions_below_a_directory_are_listed(run: Run, tree: str, store: str) -> None:
    markers = [("c", "deleted")] if store == "moto" else []  # Google keeps no markers

    assert listed(run, tree) == sorted(
        [("a", "current"), ("a", "old"), ("b", "current"), ("c", "old"), *markers]
    )


@stores
def test_versions_of_one_blob(run: Run, tree: str) -> None:
    assert listed(run, f"{tree}a") == [(f"{tree}a", "current"), (f"{tree}a", "old")]

    records = run("ls", "--versions", "--json", f"{tree}a").records
    assert {record["kind"]: record["size"] for record in records} == {"current": 2, "old": 1}
    assert len({record["version"] for record in records}) == 2


@stores
def test_long_lines_tell_size_and_time(run: Run, tree: str) -> None:
    (line,) = run("ls", "--versions", "-l", f"{tree}b").lines

    size, time, _id, state, name = line.split()
    assert (size, state, name) == ("2", "current", f"{tree}b")
    assert time.endswith("Z")


# The emulator of Google keeps a generation that is deleted by its number: tests/wire has those.
@moto_only
def test_removing_all_versions_of_a_blob_leaves_the_others(run: Run, tree: str) -> None:
    ran = run("rm", "--versions", f"{tree}a")

    assert ran.code == 0, ran.err
    assert len(ran.lines) == 2
    assert {name for name, _ in listed(run, tree)} == {"b", "c"}


@moto_only
def test_removing_all_versions_of_a_tree_leaves_nothing(run: Run, tree: str) -> None:
    planned = run("rm", "--versions", "-rn", tree)
    assert run("rm", "--versions", "-r", "--max-delete", "2", tree).code == 5
    before = listed(run, tree)

    ran = run("rm", "--versions", "-ry", tree)

    assert len(planned.lines) == len(before) == len(ran.lines)
    assert all(line.startswith("would rm ") for line in planned.lines)
    assert ran.code == 0, ran.err
    assert run("ls", "--versions", tree).code == 3
    assert run("rm", "--versions", "-ry", tree).code == 3
    assert run("rm", "--versions", "-rfy", tree).code == 0


@moto_only
def test_filters_choose_whose_versions(run: Run, tree: str) -> None:
    assert run("rm", "--versions", "-ry", "--exclude", "b", tree).code == 0

    assert listed(run, tree) == [("b", "current")]


@stores
def test_a_directory_needs_recursive_and_a_bucket_to_be_meant(run: Run, tree: str) -> None:
    bucket = tree.split("/")[2]
    before = listed(run, tree)

    assert run("rm", "--versions", tree).code == 2
    assert run("rm", "--versions", "-ry", f"{tree.split(':', 1)[0]}://{bucket}/").code == 5

    assert listed(run, tree) == before


@pytest.mark.parametrize("store", ["gcs"])
def test_an_old_version_can_be_read(run: Run, tree: str) -> None:
    records = run("ls", "--versions", "--json", f"{tree}a").records
    (old,) = [record["version"] for record in records if record["kind"] == "old"]

    assert run("cat", "--version", old, f"{tree}a").out == "1"
    assert run("cat", f"{tree}a").out == "22"


@pytest.mark.parametrize("store", ["moto", "gcs"])
def test_a_bucket_that_keeps_none_lists_each_blob_once(run: Run, root: str) -> None:
    Path("f").write_text("1")
    for _ in range(2):
        run("cp", "f", f"{root}f")

    assert listed(run, root) == [("f", "current")]


@pytest.mark.parametrize("store", ["local"])
def test_where_there_are_no_versions_is_usage(run: Run, root: str) -> None:
    Path(root, "f").touch()

    for words in (["ls"], ["rm", "-y"]):
        ran = run(*words, "--versions", f"{root}f")
        assert (ran.code, ran.out) == (2, "")
        assert "no versions are kept" in ran.err
    assert Path(root, "f").exists()


@pytest.mark.parametrize("store", ["rclone"])
def test_a_server_that_knows_no_versions_is_told_of(run: Run, root: str) -> None:
    Path("f").write_text("1")
    run("cp", "f", f"{root}f")

    for words in (["ls"], ["rm", "-y"]):
        ran = run(*words, "--versions", f"{root}f")
        assert (ran.code, ran.out) == (1, "")
        assert "this server does not know versions" in ran.err
    assert run("cat", f"{root}f").out == "1"


@pytest.mark.parametrize("store", ["azurite"])
def test_blobs_without_versions_are_listed_and_removed_as_they_are(run: Run, root: str) -> None:
    Path("f").write_text("1")
    run("cp", "f", f"{root}f")

    assert run("ls", "--versions", root).out == "-  current  f\n"
    assert run("rm", "--versions", f"{root}f").out == f"rm {root}f (current -)\n"
    assert run("ls", root).code == 3


@moto_only
def test_patterns_and_sorting_are_not_for_versions(run: Run, tree: str) -> None:
    assert run("ls", "--versions", f"{tree}*").code == 2
    assert run("ls", "--versions", "--sort", "size", tree).code == 2
