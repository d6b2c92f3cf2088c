"""The command as a process: pipes, signals, exit codes, what it prints of itself, start-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import boto3
import pytest

from blobio.testing.emulators import S3Server
from blobio.testing.scripted import Received, Reply, ScriptedServer
from tests.cli.conftest import BUCKET, Run, make_tree

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]
PART = 8 << 20

moto_only = pytest.mark.parametrize("store", ["moto"])


def finish(process: subprocess.Popen[bytes], data: bytes | None = None) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(data, timeout=60)
    return process.returncode, out, err


def unfinished_uploads(server: S3Server) -> list[object]:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    try:
        return list(client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))
    finally:
        client.close()


@moto_only
def test_stdin_becomes_a_blob_and_a_blob_stdout(start: Start, root: str) -> None:
    data = os.urandom(PART + 12_345)

    assert finish(start("cp", "-", f"{root}x"), data) == (0, f"cp - {root}x\n".encode(), b"")

    assert finish(start("cp", f"{root}x", "-")) == (0, data, b"")
    assert finish(start("cat", f"{root}x", f"{root}x")) == (0, data + data, b"")


@moto_only
def test_an_empty_stdin_is_an_empty_blob(start: Start, root: str, run: Run) -> None:
    assert finish(start("cp", "-", f"{root}x"), b"")[0] == 0

    assert run("stat", "--json", f"{root}x").records[0]["size"] == 0


@moto_only
@pytest.mark.parametrize(
    "ends", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_ends_an_upload_from_a_silent_pipe_and_leaves_nothing(
    start: Start, root: str, run: Run, moto: S3Server, ends: tuple[int, int]
) -> None:
    process = start("cp", "-", f"{root}x")
    assert process.stdin is not None
    process.stdin.write(bytes(3 * PART))  # returns once the command has read nearly all of it
    process.stdin.flush()

    process.send_signal(ends[0])
    process.wait(timeout=30)  # though the pipe stays open and silent

    assert process.returncode == ends[1]
    finish(process)
    assert run("ls", f"{root}x").code == 3
    assert unfinished_uploads(moto) == []


@moto_only
def test_a_reader_that_leaves_ends_the_command_quietly(start: Start, root: str) -> None:
    finish(start("cp", "-", f"{root}x"), bytes(3 * PART))
    process = start("cat", f"{root}x")
    assert process.stdout is not None
    process.stdout.read(10)

    process.stdout.close()

    assert process.wait(timeout=30) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize("store", ["local"])
def test_ls_into_a_closed_pipe_is_quiet(start: Start, root: str) -> None:
    for number in range(2_000):
        Path(root, f"{number:0200}").touch()
    process = start("ls", root)
    assert process.stdout is not None
    process.stdout.readline()

    process.stdout.close()

    assert process.wait(timeout=30) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.stdin is not None
    process.stdin.close()


def test_help_names_the_commands_and_imports_no_client() -> None:
    code = (
        "import sys; from blobio.cli import main; code = main(['--help']);"
        "heavy = {'aiohttp', 'asyncio', 'botocore', 'rich'} & set(sys.modules);"
        "print(sorted(heavy)); sys.exit(code)"
    )

    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )

    assert "copy blobs and trees" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("store", ["local"])
def test_usage_errors_are_two(run: Run, root: str) -> None:
    make_tree()
    for words in (
        ["no-such-command"],
        ["ls"],
        ["ls", "--no-such-option", "d"],
        ["ls", "-j", "0", "d"],
        ["cp", "d/a.txt", ""],
        ["cp", "--part-size", "much", "d/a.txt", root],
        ["cp", "--if-absent", "--if-newer", "d/a.txt", root],
        ["cp", "--metadata", "novalue", "d/a.txt", root],
        ["cp", "nope://bucket/key", root],
        ["mv", "-", root],
    ):
        assert run(*words).code == 2, words
    assert list(Path(root).iterdir()) == []


@pytest.mark.parametrize("store", ["local"])
def test_names_cannot_speak_to_the_terminal(run: Run, root: str) -> None:
    Path(root, "a\nb\x1b[31m").touch()

    assert run("ls", root).out == "a\\nb\\x1b[31m\n"
    assert run("ls", "--json", root).records[0]["src"].endswith("a\nb\x1b[31m")


def test_denied_is_four(run: Run, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto.url)
    monkeypatch.setenv("AWS_REGION", moto.region)

    ran = run("ls", f"s3://{BUCKET}/")

    assert ran.code == 4
    assert "credentials" in ran.err


@pytest.mark.parametrize("store", ["local"])
@pytest.mark.usefixtures("root")
def test_results_are_printed_as_they_happen(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second upload is not answered before the first one has been told of."""
    make_tree()
    told, is_first = threading.Event(), threading.Event()
    in_time: list[bool] = []

    def answer(request: Received) -> Reply:
        if request.method == "GET":
            return Reply(body=b"<ListBucketResult></ListBucketResult>")
        if is_first.is_set():
            in_time.append(told.wait(20))
        is_first.set()
        return Reply(headers={"ETag": '"0123456789abcdef0123456789abcdef"'})

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with ScriptedServer(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        process = start("sync", "-j", "1", "d", "s3://bucket/t")
        assert process.stdout is not None
        first = process.stdout.readline()
        told.set()
        code, rest, _ = finish(process)

    assert first == b"cp d/a.txt s3://bucket/t/a.txt\n"
    assert (code, rest.count(b"\n")) == (0, 2)
    assert in_time == [True, True]
