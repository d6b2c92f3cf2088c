from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blobio.config import S3Config
from blobio.drivers.s3.auth import S3Signer, chain, keys_of_environment
from blobio.drivers.s3.driver import S3Driver
from blobio.drivers.s3.sigv4 import Credentials
from blobio.errors import Unauthenticated
from blobio.transport.message import Request, Response
from blobio.transport.mock import reply
from blobio.values import PutOptions
from tests.unit.drivers.s3.kit import error, found, scripted

GET = Request(method="GET", url="https://bucket.s3.us-east-1.amazonaws.com/k")
CHAIN = S3Config(endpoint_url="https://store.example", region="us-east-1")
FAR = "2099-01-01T00:00:00Z"


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Source:
    """Hands out numbered credentials and counts."""

    def __init__(self, expires_at: float | None = None) -> None:
        self.fetched = 0
        self.expires_at = expires_at

    async def __call__(self) -> tuple[Credentials, float | None]:
        self.fetched += 1
        await asyncio.sleep(0)
        return Credentials(f"ID{self.fetched}", "secret"), self.expires_at


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty directory for AWS configuration files."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def _process(aws: Path, key_id: str, expiration: str = FAR) -> None:
    """Let the default profile give temporary credentials, as SSO and roles do."""
    answer = {
        "Version": 1,
        "AccessKeyId": key_id,
        "SecretAccessKey": "secret",
        "SessionToken": "token",
        "Expiration": expiration,
    }
    (aws / "answer.json").write_text(json.dumps(answer))
    (aws / "config").write_text(f"[default]\ncredential_process = cat {aws / 'answer.json'}\n")


def _key_id(request: Request) -> str:
    return request.headers["authorization"].split("Credential=")[1].split("/")[0]


async def _put(driver: S3Driver) -> None:
    await driver.put("k", b"x", PutOptions())


async def _signed(signer: S3Signer) -> str:
    return _key_id(await signer.sign(GET))


async def test_explicit_keys_are_used_and_nothing_is_looked_for() -> None:
    config = S3Config(access_key_id="MINE", secret_access_key="s", session_token="tok")
    source = Source()

    signed = await S3Signer(config, fetch=source).sign(GET)

    assert _key_id(signed) == "MINE"
    assert signed.headers["x-amz-security-token"] == "tok"
    assert source.fetched == 0


async def test_anonymous_requests_are_not_signed_and_nothing_is_looked_for() -> None:
    source = Source()

    assert await S3Signer(S3Config(anonymous=True), fetch=source).sign(GET) is GET
    assert source.fetched == 0


async def test_no_credentials_is_an_error_that_names_the_ways_out() -> None:
    driver, mock = scripted([], s3=CHAIN)

    with pytest.raises(Unauthenticated) as caught:
        await driver.head("k")

    for way in ("AWS_ACCESS_KEY_ID", "aws sso login", "profile=", "S3Config(anonymous=True)"):
        assert way in str(caught.value)
    assert mock.requests == []


async def test_environment_is_part_of_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROM-ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert await _signed(S3Signer(CHAIN)) == "FROM-ENV"


_KEYS = {"AWS_ACCESS_KEY_ID": "FROM-ENV", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.mark.parametrize(
    ("more", "is_ours"),
    [
        ({}, True),
        ({"AWS_SESSION_TOKEN": "token"}, True),
        ({"AWS_SESSION_TOKEN": ""}, True),
        ({"AWS_SECURITY_TOKEN": "token"}, False),
        ({"AWS_PROFILE": "work"}, False),
        ({"AWS_CREDENTIAL_EXPIRATION": FAR}, False),
        ({"AWS_SECRET_ACCESS_KEY": ""}, False),
    ],
    ids=str,
)
def test_keys_of_the_environment_are_those_that_botocore_finds(
    aws: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, str],
    is_ours: bool,
) -> None:
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = s\n"
        "[work]\naws_access_key_id = W\naws_secret_access_key = s\n"
    )
    env = {**_KEYS, **more}
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    keys = keys_of_environment(env)

    assert (keys is not None) == is_ours
    if keys is not None:
        theirs = chain(None)
        assert theirs is not None
        found = theirs.get_frozen_credentials()
        assert dataclasses.astuple(keys) == (
            found.access_key,
            found.secret_key,
            found.token or None,
        )


async def test_keys_of_the_environment_need_no_botocore() -> None:
    """Commands start without what takes longest to import."""
    program = (
        "import asyncio, sys\n"
        "from blobio.config import S3Config\n"
        "from blobio.drivers.s3.auth import S3Signer\n"
        "from blobio.drivers.s3.settings import dns_suffix, look_up\n"
        "from blobio.transport.message import Request\n"
        "look_up(S3Config()), dns_suffix('us-east-1')\n"
        "request = Request(method='GET', url='https://h.example/k')\n"
        "asyncio.run(S3Signer(S3Config()).sign(request))\n"
        "print('botocore' in sys.modules)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, env={**os.environ, **_KEYS}
    )
    out, _ = await process.communicate()

    assert out == b"False\n"


async def test_profile_is_the_one_named(aws: Path) -> None:
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = s\n"
        "[work]\naws_access_key_id = W\naws_secret_access_key = s\n"
    )

    assert await _signed(S3Signer(CHAIN)) == "D"
    assert await _signed(S3Signer(S3Config(profile="work"))) == "W"


async def test_missing_profile_is_an_error() -> None:
    with pytest.raises(Unauthenticated, match="nowhere"):
        await S3Signer(S3Config(profile="nowhere")).sign(GET)


async def test_concurrent_requests_share_one_fetch() -> None:
    source = Source()
    signer = S3Signer(CHAIN, fetch=source)

    assert set(await asyncio.gather(*[_signed(signer) for _ in range(20)])) == {"ID1"}
    assert source.fetched == 1


async def test_credentials_are_replaced_before_they_expire() -> None:
    clock = Clock()
    source = Source(clock.now + 3600)
    signer = S3Signer(CHAIN, fetch=source, clock=clock)
    await _signed(signer)

    clock.now += 2700
    assert await _signed(signer) == "ID1"
    clock.now += 120
    source.expires_at = clock.now + 3600
    assert await _signed(signer) == "ID2"
    assert await _signed(signer) == "ID2"


async def test_keys_that_stay_the_same_near_their_end_are_not_fetched_per_request(
    aws: Path,
) -> None:
    """Instance metadata gives the same keys until five minutes before their end."""
    clock = Clock(4_070_908_800.0 - 300.0)  # five minutes before FAR
    _process(aws, "SAME")
    signer = S3Signer(CHAIN, clock=clock)
    assert await _signed(signer) == "SAME"
    (aws / "answer.json").write_text("broken")

    clock.now += 30
    assert await _signed(signer) == "SAME"


async def test_refresh_drops_the_credentials_once_for_all_who_noticed() -> None:
    clock = Clock()
    source = Source()
    signer = S3Signer(CHAIN, fetch=source, clock=clock)
    await _signed(signer)

    for _ in range(10):
        await signer.refresh()
        assert await _signed(signer) == "ID2"
    clock.now += 1.5
    await signer.refresh()

    assert await _signed(signer) == "ID3"


async def test_expired_token_is_replaced_and_the_request_sent_again(aws: Path) -> None:
    _process(aws, "OLD")

    def store(request: Request) -> Response:
        if _key_id(request) == "OLD":
            _process(aws, "NEW")
            return error(400, "ExpiredToken")
        return reply(200, b"", {"etag": '"e"'})

    driver, mock = scripted(store, s3=CHAIN)

    await _put(driver)

    assert [_key_id(request) for request in mock.requests] == ["OLD", "NEW"]
    assert mock.requests[1].headers["x-amz-security-token"] == "token"


async def test_bare_400_to_a_head_is_taken_for_an_expired_token(aws: Path) -> None:
    _process(aws, "OLD")

    def store(request: Request) -> Response:
        if _key_id(request) == "OLD":
            _process(aws, "NEW")
            return Response(status=400, headers={})
        return found()

    driver, _ = scripted(store, s3=CHAIN)

    assert (await driver.head("k")).version == '"new"'


async def test_token_that_stays_expired_is_an_error(aws: Path) -> None:
    _process(aws, "OLD")
    driver, mock = scripted(lambda _: error(400, "ExpiredToken"), s3=CHAIN)

    with pytest.raises(Unauthenticated, match="expired"):
        await _put(driver)
    assert len(mock.requests) == 2


async def test_url_signed_with_temporary_keys_ends_with_them(aws: Path) -> None:
    clock = Clock()
    _process(aws, "TEMP", "2027-01-15T09:00:00Z")  # an hour after the clock's time
    signer = S3Signer(CHAIN, clock=clock)

    short = await signer.presign("GET", GET.url, 60, {})
    long = await signer.presign("GET", GET.url, 86_400, {})

    assert short.expires_at == clock.now + 60
    assert long.expires_at == 1_800_003_600.0
    assert "X-Amz-Security-Token=token" in long.url


async def test_clock_is_set_by_a_reply_that_is_a_minute_off() -> None:
    clock = Clock(1_255_369_800.0)
    signer = S3Signer(S3Config(access_key_id="i", secret_access_key="s"), clock=clock)

    assert not signer.learn_time("Wed, 12 Oct 2009 17:50:30 GMT")
    assert not signer.learn_time("nonsense")
    assert signer.learn_time("Wed, 12 Oct 2009 18:10:00 GMT")

    assert (await signer.sign(GET)).headers["x-amz-date"] == "20091012T181000Z"


def test_requests_that_were_in_flight_when_the_clock_was_set_are_signed_again() -> None:
    clock = Clock(1_255_369_800.0)
    signer = S3Signer(S3Config(access_key_id="i", secret_access_key="s"), clock=clock)
    signer.learn_time("Wed, 12 Oct 2009 18:10:00 GMT")

    assert signer.learn_time("Wed, 12 Oct 2009 18:10:01 GMT")
    clock.now += 301
    assert not signer.learn_time("Wed, 12 Oct 2009 18:15:01 GMT")


async def test_skewed_clock_is_corrected_for_all_later_requests() -> None:
    date = {"date": "Wed, 12 Oct 2039 18:10:00 GMT"}

    def store(request: Request) -> Response:
        if request.headers["x-amz-date"].startswith("20391012T181"):
            return reply(200, b"", {"etag": '"e"'})
        return error(403, "RequestTimeTooSkewed", **date)

    driver, mock = scripted(store)

    await _put(driver)
    await _put(driver)

    assert len(mock.requests) == 3


async def test_skewed_clock_is_noticed_in_a_bare_head() -> None:
    def store(request: Request) -> Response:
        if request.headers["x-amz-date"].startswith("2039"):
            return found()
        return Response(status=403, headers={"date": "Wed, 12 Oct 2039 18:10:00 GMT"})

    driver, _ = scripted(store)

    assert (await driver.head("k")).version == '"new"'


async def test_secrets_are_in_no_log_line(aws: Path, caplog: pytest.LogCaptureFixture) -> None:
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = c4nary\n"
    )
    caplog.set_level(logging.DEBUG, "blobio")
    driver, _ = scripted([error(503, "SlowDown"), error(403, "AccessDenied")], s3=CHAIN)

    with pytest.raises(Exception, match="AccessDenied") as caught:
        await _put(driver)

    assert "c4nary" not in caplog.text + repr(caught.value) + str(caught.value)
