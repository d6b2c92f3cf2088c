"""`ls` of a store lists its buckets; what else is asked of all buckets is a usage error."""

from __future__ import annotations

import pytest

from tests.cli.conftest import BUCKET, Run

ROOTS = {"moto": "s3://", "rclone": "s3://", "gcs": "gs://", "azurite": "az://devstoreaccount1"}

pytestmark = pytest.mark.parametrize("store", ROOTS)


@pytest.fixture
def place(store: str, root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what stands for all buckets of the store."""
    assert root
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
    return ROOTS[store]


def test_ls_names_the_buckets(run: Run, place: str) -> None:
    ran = run("ls", place)

    assert (ran.code, ran.err) == (0, "")
    assert f"{BUCKET}/" in ran.lines


def test_ls_absolute_prints_names_that_other_commands_take(run: Run, place: str) -> None:
    names = [name for name in run("ls", "--absolute", place).lines if f"/{BUCKET}/" in name]

    assert len(names) == 1
    assert run("ls", *names).code in {0, 3}


def test_ls_in_every_form(run: Run, place: str) -> None:
    long = [line for line in run("ls", "-l", place).lines if line.endswith(f" {BUCKET}/")]
    records = [one for one in run("ls", "--json", place).records if BUCKET in one["src"]]

    assert long[0].split()[0].endswith("Z")
    assert records[0]["kind"] == "bucket"
    assert records[0]["mtime"].endswith("Z")
    for key in ("name", "mtime", "size"):
        assert f"{BUCKET}/" in run("ls", "--sort", key, place).lines


def test_what_is_asked_of_all_buckets_is_a_usage_error(run: Run, place: str) -> None:
    assert run("ls", "-R", place).code == 2
    for words in (["du"], ["tree"], ["rm", "-ry"], ["stat"], ["cat"]):
        ran = run(*words, place)
        assert ran.code == 2, words
        assert "write " in ran.err


@pytest.mark.usefixtures("place")
def test_one_that_cannot_be_listed_does_not_keep_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")

    ran = run("ls", "gs://", "s3://", "az://devstoreaccount1")

    assert ran.code == 1
    assert ran.lines.count(f"{BUCKET}/") == 2


@pytest.mark.usefixtures("place")
def test_ls_of_the_accounts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ls", "az://").out == "devstoreaccount1/\n"
    assert run("ls", "--absolute", "az://").out == "az://devstoreaccount1/\n"

    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    ran = run("ls", "az://")

    assert ran.code == 2
    assert "AZURE_STORAGE_ACCOUNT" in ran.err


@pytest.mark.usefixtures("place")
def test_ls_of_google_without_a_project_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")

    ran = run("ls", "gs://")

    assert ran.code == 2
    assert "GOOGLE_CLOUD_PROJECT" in ran.err
