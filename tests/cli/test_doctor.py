"""`doctor`: what it finds out, how it ends, and that it shows no secret."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from tests.cli.conftest import BUCKET, Run, Servers

CLOUDS: Final = ("moto", "rclone", "gcs", "azurite")
ROOTS: Final = {"moto": "s3://", "rclone": "s3://", "gcs": "gs://", "azurite": "az://"}

clouds = pytest.mark.parametrize("store", CLOUDS)
moto_only = pytest.mark.parametrize("store", ["moto"])


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")


def secrets_of(servers: Servers) -> list[str]:
    return [servers.moto.secret_key, servers.rclone.secret_key, servers.azurite.key]


def facts(out: str) -> dict[str, str]:
    """Return the facts of a single store."""
    block = re.sub("\n {6,}", " ", out.rsplit("\n\n", maxsplit=1)[-1]).splitlines()[
        1:
    ]  # lines were wrapped
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in block}


@clouds
@pytest.mark.usefixtures("root")
def test_a_store_that_can_be_reached(run: Run, store: str) -> None:
    ran = run("doctor", ROOTS[store])

    assert (ran.code, ran.err) == (0, "")
    assert "reachable" in ran.out
    found = facts(ran.out)
    assert found["endpoint"].startswith("http://127.0.0.1:")
    assert found["clock"] == "agrees with the store's"
    assert " bucket" in found["list"]
    assert {
        "moto": "environment (AWS_ACCESS_KEY_ID)",
        "rclone": "environment (AWS_ACCESS_KEY_ID)",
        "gcs": "none (anonymous)",
        "azurite": "account key of the connection string (AZURE_STORAGE_CONNECTION_STRING or "
        "AzureConfig)",
    }[store] == found["credentials"]


@clouds
def test_a_bucket_that_can_be_reached(run: Run, root: str) -> None:
    ran = run("doctor", root)

    assert ran.code == 0
    assert facts(ran.out)["list"].startswith("the list call was answered in ")


@clouds
def test_a_bucket_that_is_not_there(run: Run, root: str) -> None:
    ran = run("doctor", root.replace(BUCKET, "no-such-bucket"))

    assert ran.code == 3
    assert "NOT REACHABLE" in ran.out
    assert facts(ran.out)["reason"]


@moto_only
@pytest.mark.usefixtures("root")
def test_without_names_all_stores_are_looked_at(run: Run) -> None:
    ran = run("doctor")

    assert ran.code == 0
    heads = [line for line in ran.out.splitlines() if "://" in line and not line.startswith(" ")]
    assert heads == ["s3://  reachable", "gs://  reachable", "az://devstoreaccount1/  reachable"]
    assert ran.out.startswith("blobio  ")
    assert "aiohttp 3" in ran.out


@moto_only
@pytest.mark.usefixtures("root")
def test_what_is_not_set_up_is_no_failure_unless_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")

    ran = run("doctor")

    assert ran.code == 0
    assert "gs://  not set up" in ran.out
    assert "az://  not set up" in ran.out
    assert run("doctor", "gs://").code == 4
    assert run("doctor", "az://").code == 2


@moto_only
@pytest.mark.usefixtures("root")
def test_nothing_set_up_is_denied(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AZURE_STORAGE_CONNECTION_STRING", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name)

    ran = run("doctor")

    assert ran.code == 4
    assert ran.out.count("not set up") == 3


@moto_only
@pytest.mark.usefixtures("root")
def test_an_endpoint_that_nobody_listens_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{taken.getsockname()[1]}")

        ran = run("doctor", "s3://")

    assert ran.code == 1
    assert facts(ran.out)["credentials"] == "environment (AWS_ACCESS_KEY_ID)"


@moto_only
@pytest.mark.parametrize("words", [[], ["--json"]])
@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.usefixtures("root")
def test_no_secret_is_shown(
    run: Run,
    environment: Servers,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    is_broken: bool,
) -> None:
    secrets = secrets_of(environment)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-of-a-session")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary-of-a-proxy@127.0.0.1:1")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary-of-a-client")
    secrets += ["canary-of-a-session", "canary-of-a-proxy", "canary-of-a-client"]
    if is_broken:
        dead = "http://127.0.0.1:1"
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", dead)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", dead)
        key = environment.azurite.key
        text = (
            f"AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={dead}/devstoreaccount1;"
        )
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)

    ran = run("doctor", *words)

    assert ran.code == (1 if is_broken else 0)
    for secret in secrets:
        assert secret not in ran.out + ran.err
    assert environment.moto.access_key not in ran.out + ran.err


@moto_only
@pytest.mark.usefixtures("root")
def test_records(run: Run) -> None:
    machine, store = run("doctor", "--json", "s3://").records

    assert machine["kind"] == "machine"
    assert machine["python"].startswith("CPython 3.")
    assert store["kind"] == "store"
    assert store["src"] == "s3://"
    assert store["status"] == "done"
    assert store["region"] == "us-east-1"
    assert abs(store["skew_s"]) < 5
    assert store["ms"] >= 0


@moto_only
@pytest.mark.usefixtures("root")
def test_a_profile_and_its_file_are_named(
    run: Run, environment: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "my credentials"
    moto = environment.moto
    file.write_text(
        f"[work]\naws_access_key_id={moto.access_key}\naws_secret_access_key={moto.secret_key}\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "work")

    ran = run("doctor", "s3://")

    assert ran.code == 0
    assert facts(ran.out)["credentials"] == f"profile work of {file}"


class _Late(BaseHTTPRequestHandler):
    """A store whose clock is an hour behind."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) - 3600)

    def do_GET(self) -> None:
        body = json.dumps({"items": [{"name": "b"}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def late() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Late) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@moto_only
@pytest.mark.usefixtures("root")
def test_a_clock_that_is_wrong_is_told(
    run: Run, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", late)

    ran = run("doctor", "gs://")

    assert ran.code == 0
    assert facts(ran.out)["clock"] in {f"{s} s ahead of the store's" for s in range(3598, 3605)}


@pytest.mark.parametrize("store", ["local"])
@pytest.mark.usefixtures("late")
def test_a_directory_and_a_web_server(run: Run, root: str) -> None:
    assert run("doctor", root).code == 0
    assert run("doctor", "nope://x").code == 2
