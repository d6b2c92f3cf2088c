"""Where AWS keys come from, that they stay off the disk, and that none means none (6, 11, 27).

The rules for the address of a container's credentials are botocore's: blobio hands the chain over
whole, and these tests show that nothing goes around it.
"""

from __future__ import annotations

import ast
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import botocore.httpsession
import botocore.utils
import pytest

from blobio.blocking.context import Context
from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.drivers.s3 import auth
from blobio.errors import PermissionDenied, Unauthenticated
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from tests.security.canaries import Canaries, witness
from tests.test_architecture import PACKAGE

FAST: Final = RetryConfig(attempts=3, base_s=1e-4, max_s=1e-4)
BLOB: Final = "s3://bucket/k"
FULL_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home directory, with nothing of AWS in it or in the environment."""
    home = tmp_path / "home"
    for folder in (home, tmp_path / "work", tmp_path / "tmp"):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(botocore.utils.ContainerMetadataFetcher, "SLEEP_TIME", 0)
    return tmp_path


def _config(store: ScriptedServer, **settings: object) -> Config:
    s3 = S3Config(endpoint_url=store.url, region="us-east-1")
    return Config(s3=replace(s3, **settings), retry=FAST)  # type: ignore[arg-type]  # fields of S3Config


def _keys(canaries: Canaries) -> bytes:
    answer = {
        "AccessKeyId": "AKID",
        "SecretAccessKey": canaries.secret_key,
        "Token": canaries.session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    }
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/keys",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.5/keys",
        "http://127.0.0.1.evil.example/keys",
        "http://localhost@evil.example/keys",
        "http://evil.example#@127.0.0.1/",
        "http://[fd00:ec2::254]/keys",
        "ftp://evil.example/keys",
        "//evil.example/keys",
    ],
)
async def test_container_address_elsewhere_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 11: an address in the clear that is neither this machine nor the documented hosts."""
    asked: list[object] = []
    monkeypatch.setattr(
        botocore.httpsession.URLLib3Session, "send", lambda _, request: asked.append(request)
    )
    monkeypatch.setenv(FULL_URI, address)
    monkeypatch.setenv(TOKEN, "c4nary")

    with ScriptedServer([]) as store:
        async with AsyncContext(_config(store)) as context:
            with pytest.raises(Unauthenticated, match="Unsupported host") as caught:
                await context.read_bytes(BLOB)

        assert store.requests == asked == []
    assert "c4nary" not in repr(caught.value)


async def test_container_on_this_machine_is_asked_with_its_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows 5 and 11: the keys are used, and neither they nor the token are told by anybody."""
    canaries = Canaries()
    with (
        ScriptedServer(lambda _: Reply(body=_keys(canaries))) as container,
        ScriptedServer(serving(b"content")) as store,
        witness(logging.DEBUG) as listener,
    ):
        monkeypatch.setenv(FULL_URI, f"{container.url}/keys")
        monkeypatch.setenv(TOKEN, canaries.header)
        config = _config(store, etag_is_md5=False)
        async with AsyncContext(listener.hears(config)) as context:
            assert await context.read_bytes(BLOB) == b"content"
            assert await context.read_bytes(BLOB) == b"content"

    assert [request.headers["authorization"] for request in container.requests] == [canaries.header]
    assert store.requests[0].headers["x-amz-security-token"] == canaries.session_token
    assert "Credential=AKID/" in store.requests[0].headers["authorization"]
    assert listener.heard_of(canaries) == []


CONTAINER_ANSWERS: Final[Mapping[str, Reply]] = {
    "no json": Reply(body=b"SecretAccessKey=c4nary"),
    "a list": Reply(body=b'["c4nary"]'),
    "no keys": Reply(body=b'{"AccessKeyId": "c4nary"}'),
    "null": Reply(body=b"null"),
    "a number": Reply(body=b'{"AccessKeyId": 1, "SecretAccessKey": 2, "Token": 3}'),
    "bad time": Reply(
        body=b'{"AccessKeyId":"a","SecretAccessKey":"c4nary","Token":"t","Expiration":"soon"}'
    ),
    "failure": Reply(status=500, body=b"x" * 100_000),
    "redirect": Reply(status=302, headers={"Location": "http://127.0.0.1:9/elsewhere"}),
}


@pytest.mark.parametrize("kind", CONTAINER_ANSWERS)
async def test_container_that_answers_wrongly_gives_an_error(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 5, 11 and 27: `Unauthenticated`, whatever botocore makes of it, and no request."""
    with (
        ScriptedServer(lambda _: CONTAINER_ANSWERS[kind]) as container,
        ScriptedServer([]) as store,
    ):
        monkeypatch.setenv(FULL_URI, f"{container.url}/keys")
        async with AsyncContext(_config(store)) as context:
            with pytest.raises(Unauthenticated) as caught:
                await context.read_bytes(BLOB)

        assert store.requests == []
    assert "c4nary" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert len(str(caught.value)) < 1_000


def _nothing(aws: Path) -> None:
    del aws


def _broken_file(aws: Path) -> None:
    (aws / "credentials").write_text("[default\naws_secret_access_key c4nary\n")


def _half_a_pair(aws: Path) -> None:
    (aws / "credentials").write_text("[default]\naws_access_key_id = AKID\n")


def _failing_process(aws: Path) -> None:
    (aws / "config").write_text("[default]\ncredential_process = false\n")


def _missing_process(aws: Path) -> None:
    (aws / "config").write_text("[default]\ncredential_process = /no/such/program\n")


def _binary_process(aws: Path) -> None:
    (aws / "answer").write_bytes(b"\xff\xfe c4nary")
    (aws / "config").write_text(f"[default]\ncredential_process = cat {aws / 'answer'}\n")


def _role_in_circles(aws: Path) -> None:
    role = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = default\n"
    (aws / "config").write_text(f"[default]\n{role}")


def _expired(aws: Path) -> None:
    answer = {
        "Version": 1,
        "AccessKeyId": "a",
        "SecretAccessKey": "c4nary",
        "SessionToken": "t",
        "Expiration": "2001-01-01T00:00:00Z",
    }
    (aws / "answer").write_text(json.dumps(answer))
    (aws / "config").write_text(f"[default]\ncredential_process = cat {aws / 'answer'}\n")


@pytest.mark.parametrize(
    "prepare",
    [
        *(_nothing, _broken_file, _half_a_pair, _failing_process, _missing_process),
        *(_binary_process, _role_in_circles, _expired),
    ],
)
async def test_no_credentials_never_mean_anonymous(
    prepare: Callable[[Path], None], aws: Path
) -> None:
    """Row 27: every way of having none is an error before the first request."""
    prepare(aws)
    with ScriptedServer(serving(b"public")) as store:
        async with AsyncContext(_config(store)) as context:
            with pytest.raises(Unauthenticated):
                await context.get_url(BLOB)
            with pytest.raises(Unauthenticated) as caught:
                await context.read_bytes(BLOB)

        assert store.requests == []
    assert "c4nary" not in repr(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "Unauthorized"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "InvalidToken"),
        (403, "RequestTimeTooSkewed"),
    ],
)
async def test_refused_credentials_are_not_left_out(status: int, code: str) -> None:
    """Row 27: each request is signed, the last too."""
    body = f"<Error><Code>{code}</Code></Error>".encode()
    with ScriptedServer(lambda _: Reply(status=status, body=body)) as store:
        config = _config(store, access_key_id="AKID", secret_access_key="S", session_token="T")
        async with AsyncContext(config) as context:
            with pytest.raises(PermissionDenied):
                await context.read_bytes(BLOB)

        assert store.requests
        assert all("Signature=" in request.headers["authorization"] for request in store.requests)


async def test_refused_headers_are_not_left_out() -> None:
    """Row 27: nor those that a user set for a web server."""
    with ScriptedServer(lambda _: Reply(status=401)) as server:
        http = HttpConfig(headers={"127.0.0.1": {"Authorization": "Bearer x"}})
        async with AsyncContext(Config(http=http, retry=FAST)) as context:
            with pytest.raises(Unauthenticated):
                await context.read_bytes(f"{server.url}/k")

        assert {request.headers["authorization"] for request in server.requests} == {"Bearer x"}


async def test_anonymous_looks_for_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 27: keys that lie about are neither used nor read."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "c4nary")
    monkeypatch.setattr(auth, "chain", lambda _: pytest.fail("the chain was asked"))

    with ScriptedServer(serving(b"public")) as store:
        async with AsyncContext(_config(store, anonymous=True, etag_is_md5=False)) as context:
            assert await context.read_bytes(BLOB) == b"public"
            url, expires_at = await context.get_url(BLOB)

        assert (url, expires_at) == (f"{store.url}/bucket/k", None)
        for request in store.requests:
            assert not request.headers.keys() & {"authorization", "x-amz-security-token"}


async def test_one_anonymous_bucket_leaves_the_others_signed() -> None:
    """Row 27: and a signed one leaves the anonymous one unsigned."""
    with ScriptedServer(serving(b"content")) as store:
        signed = _config(store, access_key_id="A", secret_access_key="S", etag_is_md5=False).s3
        public = replace(signed, access_key_id=None, secret_access_key=None, anonymous=True)
        config = Config(s3=replace(signed, buckets={"public": public}), retry=FAST)
        async with AsyncContext(config) as context:
            for bucket in ("public", "private", "public"):
                await context.read_bytes(f"s3://{bucket}/k")

        for request in store.requests:
            assert ("authorization" in request.headers) is request.target.startswith("/private/")


def _files(*folders: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_token_is_ever_on_disk(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 6: neither in the home directory, nor where one works, nor among temporary files."""
    canaries = Canaries()
    monkeypatch.chdir(aws / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(aws / "tmp"))
    seen: dict[str, bytes] = {}

    def looked_at(request: Received) -> Reply:
        seen.update(_files(aws))  # while a request is under way
        return serving(b"content")(request)

    with (
        ScriptedServer(lambda _: Reply(body=_keys(canaries))) as container,
        ScriptedServer(looked_at) as store,
        Context(_config(store, etag_is_md5=False)) as context,
    ):
        monkeypatch.setenv(FULL_URI, f"{container.url}/keys")
        monkeypatch.setenv(TOKEN, canaries.header)
        with context.BlobFile(BLOB, "rb", streaming=False) as file:
            assert file.read() == b"content"
        with context.BlobFile(BLOB, "rb", streaming=False, cache_dir=str(aws / "cache")) as file:
            assert file.read() == b"content"
        assert context.get_url(BLOB)[0].count(canaries.session_token[:8]) == 1

    seen |= _files(aws)
    assert any(content == b"content" for content in seen.values())  # that is what was to be there
    told = [path for path, content in seen.items() if canaries.in_text(content.decode("latin-1"))]
    assert told == []


def test_no_code_that_knows_a_token_opens_a_file() -> None:
    """Row 6: the rooms that see credentials write nothing at all."""
    for folder in ("transport", "drivers/s3", "drivers/http"):
        for file in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call):
                    name = ast.unparse(node.func)
                    assert name not in ("open", "os.open", "io.open", "io.FileIO"), file
                    assert not name.endswith((".write_text", ".write_bytes", ".touch")), file
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = {alias.name for alias in node.names}
                    module = getattr(node, "module", None)
                    assert not names & {"tempfile", "shelve", "dbm", "keyring"}, file
                    assert module not in ("tempfile", "shelve", "dbm", "keyring"), file
