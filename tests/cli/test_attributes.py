"""`--class`, `--preserve` and `--verify`: what a copy is given besides its bytes."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from azure.storage.blob import BlobServiceClient

import blobio
from blobio.testing.scripted import ScriptedServer, serving
from tests.cli.conftest import BUCKET, STORES, Run, Servers, make_tree

every_store = pytest.mark.parametrize("store", STORES)
remote = pytest.mark.parametrize("store", ["moto", "rclone", "gcs", "azurite"])
local = pytest.mark.parametrize("store", ["local"])

LONG_AGO = 1_234_567_890.123457
"""Not to the second, and not exactly what a file system keeps."""


def mtime_of(name: str) -> float:
    with blobio.Context() as context:
        return context.stat(name).mtime


def s3_class(servers: Servers, key: str) -> str:
    server = servers.moto
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    try:
        return str(client.head_object(Bucket=BUCKET, Key=key).get("StorageClass", "STANDARD"))
    finally:
        client.close()


def gcs_class(servers: Servers, key: str) -> str:
    name = key.replace("/", "%2F")
    url = f"{servers.gcs.url}/storage/v1/b/{BUCKET}/o/{name}"
    with urllib.request.urlopen(url, timeout=30) as reply:  # noqa: S310 - http, loopback
        return str(json.load(reply).get("storageClass"))


def azure_class(servers: Servers, key: str) -> str:
    text = servers.variables("azurite")["AZURE_STORAGE_CONNECTION_STRING"]
    # the version of the protocol that Azurite knows
    with BlobServiceClient.from_connection_string(text, api_version="2023-11-03") as service:
        properties = service.get_blob_client(BUCKET, key).get_blob_properties()
        return str(properties.blob_tier)


@pytest.mark.parametrize(
    ("store", "name", "look"),
    [
        ("moto", "STANDARD_IA", s3_class),
        ("gcs", "NEARLINE", gcs_class),
        ("azurite", "Cool", azure_class),
    ],
)
def test_class_is_that_of_the_store(
    run: Run,
    root: str,
    environment: Servers,
    name: str,
    look: Callable[[Servers, str], str],
) -> None:
    make_tree()
    Path("large").write_bytes(bytes(6 << 20))
    prefix = root.split(f"{BUCKET}/", 1)[1]

    codes = [
        run("cp", "--class", name, "d/a.txt", root).code,
        run("cp", "--class", name, "--part-size", "5M", "large", root).code,
        run("cp", "--class", name, f"{root}a.txt", f"{root}copied").code,
        run("sync", "--class", name, "d/sub", f"{root}synced").code,
    ]

    assert codes == [0] * 4
    keys = ["a.txt", "synced/c.txt"]
    if look is not gcs_class:  # the emulator drops it when it composes or rewrites an object
        keys += ["large", "copied"]
    for key in keys:
        assert look(environment, prefix + key) == name, key


@local
def test_class_of_a_place_that_has_none_is_usage(run: Run, root: str) -> None:
    make_tree()

    for words in (
        ["cp", "d/a.txt", root],
        ["cp", "-r", "d", root],
        ["cp", "d/a.txt", "-"],
        ["cp", "d/a.txt", "https://127.0.0.1:1/x"],
        ["sync", "d", root],
    ):
        ran = run(words[0], "--class", "COLD", *words[1:])
        assert (ran.code, ran.out) == (2, ""), words
        assert "--class" in ran.err
    assert list(Path(root).iterdir()) == []


@every_store
def test_preserve_keeps_the_time_there_and_back(run: Run, root: str) -> None:
    make_tree()
    os.utime("d/a.txt", (LONG_AGO, LONG_AGO))

    assert run("cp", "--preserve", "d/a.txt", root).code == 0
    assert run("cp", "--preserve", f"{root}a.txt", f"{root}again").code == 0
    assert run("cp", "--preserve", f"{root}again", "back").code == 0

    assert mtime_of(f"{root}a.txt") == pytest.approx(LONG_AGO, abs=1e-3)
    assert mtime_of("back") == pytest.approx(LONG_AGO, abs=1e-3)


@every_store
def test_without_it_a_copy_is_as_new_as_it_is(run: Run, root: str) -> None:
    make_tree()
    os.utime("d/a.txt", (LONG_AGO, LONG_AGO))

    run("cp", "d/a.txt", root)

    assert mtime_of(f"{root}a.txt") > LONG_AGO + 3600


@remote
def test_type_and_metadata_come_along(run: Run, root: str, store: str) -> None:
    make_tree()
    words = ["--content-type", "text/x-odd", "--metadata", "color=red"]
    run("cp", *words, "d/a.txt", f"{root}a")

    for place in (f"{root}b", f"memory://{BUCKET}/b"):
        assert run("cp", "--preserve", f"{root}a", place).code == 0

    told = run("stat", "--json", f"{root}b").records[0]
    assert told["metadata"]["color"] == "red"
    assert told["content_type"] == "text/x-odd" or store == "rclone"  # which goes by the name


@every_store
def test_a_sync_that_preserves_copies_nothing_the_second_time(run: Run, root: str) -> None:
    make_tree()
    for number, name in enumerate(("d/a.txt", "d/b.csv", "d/sub/c.txt")):
        os.utime(name, (LONG_AGO + number / 7, LONG_AGO + number / 7))

    first = run("sync", "--preserve", "d", f"{root}t")
    again = run("sync", "--preserve", "d", f"{root}t")
    back = run("sync", "--preserve", f"{root}t", "back")

    assert (first.code, again.code, back.code) == (0, 0, 0)
    assert (len(first.lines), len(again.lines), len(back.lines)) == (3, 0, 3)
    assert Path("back/a.txt").stat().st_mtime == pytest.approx(LONG_AGO, abs=1e-3)
    assert run("sync", "d", "back").lines == run("sync", "back", "d").lines == []


@every_store
def test_preserve_for_a_move(run: Run, root: str) -> None:
    make_tree()
    os.utime("d/a.txt", (LONG_AGO, LONG_AGO))

    assert run("mv", "--preserve", "d/a.txt", root).code == 0

    assert mtime_of(f"{root}a.txt") == pytest.approx(LONG_AGO, abs=1e-3)
    assert not Path("d/a.txt").exists()


@every_store
def test_verify_of_a_good_copy_says_nothing(run: Run, root: str) -> None:
    make_tree()
    Path("d/large").write_bytes(os.urandom(6 << 20))

    up = run("cp", "-r", "--verify", "--part-size", "5M", "d/", root)
    across = run("cp", "-r", "--verify", root, f"{root}x/")
    down = run("mv", "-r", "--verify", "--part-size", "5M", f"{root}x/", "back/")

    assert (up.code, across.code, down.code) == (0, 0, 0)
    assert up.err == across.err == down.err == ""
    assert Path("back/large").read_bytes() == Path("d/large").read_bytes()


@pytest.mark.parametrize("store", ["gcs"])
def test_verify_asks_nothing_that_the_reply_has_told(run: Run, root: str) -> None:
    make_tree()

    told = run("cp", "-r", "--verify", "--stats", "--json", "d/", root).records[-1]

    assert told["stores"]["gs"]["requests"] == {"PUT": 3}


@local
def test_a_pipe_has_neither(run: Run, root: str) -> None:
    make_tree()

    for words in (["cp", "--verify", "d/a.txt", "-"], ["cp", "--preserve", "-", f"{root}x"]):
        assert run(*words).code == 2


@local
@pytest.mark.usefixtures("root")
def test_a_server_that_tells_no_time_leaves_that_of_the_copy(run: Run) -> None:
    with ScriptedServer(serving(b"x", headers={"Last-Modified": "no date"})) as server:
        assert run("cp", "--preserve", f"{server.url}/f", "copy").code == 0

    assert Path("copy").stat().st_mtime > LONG_AGO + 3600
