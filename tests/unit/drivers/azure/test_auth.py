from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from pathlib import Path

import msal
import pytest

from blobio.config import AzureConfig
from blobio.drivers.azure import tokenfile, tokens
from blobio.drivers.azure.auth import AzureSigner, TokenCache
from blobio.drivers.azure.tokens import Found, Source
from blobio.errors import Unauthenticated
from blobio.testing.emulators.azure import FixedToken, Token
from blobio.transport.message import Request

GET = Request(method="GET", url="https://account.blob.core.windows.net/c/k?comp=list")
FAR = 1 << 40


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


class Counting:
    """A source of tokens that counts, and gives tokens that live for a while."""

    def __init__(self, lives_s: float = 3600) -> None:
        self.calls = 0
        self.threads: set[int] = set()
        self.now = 1000.0
        self.lives_s = lives_s

    def clock(self) -> float:
        return self.now

    def get(self) -> Found:
        self.calls += 1
        self.threads.add(threading.get_ident())
        return Found(f"t{self.calls}", self.now + self.lives_s)

    def install(self, monkeypatch: pytest.MonkeyPatch, identity: str = "me") -> None:
        source = Source(identity, self.get, lambda: None)
        monkeypatch.setattr(tokens, "source_of", lambda _: [source])


async def test_waiters_share_one_fetch_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Counting()
    source.install(monkeypatch)
    cache = TokenCache(AzureConfig(), clock=source.clock)

    found = await asyncio.gather(*(cache.get() for _ in range(20)))

    assert set(found) == {"t1"}
    assert source.calls == 1
    assert threading.get_ident() not in source.threads
    await cache.aclose()


async def test_token_is_fetched_again_five_minutes_early(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Counting()
    source.install(monkeypatch)
    cache = TokenCache(AzureConfig(), clock=source.clock)
    await cache.get()

    source.now += 3290
    early = await cache.get()
    source.now += 20
    late = await cache.get()

    assert (early, late) == ("t1", "t2")
    await cache.aclose()


async def test_refusals_of_one_second_bring_one_new_token(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Counting()
    source.install(monkeypatch)
    signer = AzureSigner(AzureConfig(), "account", clock=source.clock)
    signer._tokens = TokenCache(AzureConfig(), clock=source.clock)
    signed = await signer.sign(GET)

    for _ in range(3):
        await signer.refresh()
        signed = await signer.sign(GET)

    assert signed.headers["authorization"] == "Bearer t2"
    assert not signer.learn_time("Fri, 27 Nov 2020 12:00:00 GMT")
    await signer.aclose()


async def test_credential_object_gives_the_token() -> None:
    credential = FixedToken(Token("token", FAR))
    signer = AzureSigner(AzureConfig(credential=credential), "account")

    signed = [await signer.sign(GET) for _ in range(2)]

    assert [one.headers["authorization"] for one in signed] == ["Bearer token"] * 2
    assert credential.asked == 1
    await signer.aclose()


async def test_sas_is_appended_and_nothing_else() -> None:
    signer = AzureSigner(AzureConfig(sas_token="sv=1&sig=x"), "account")

    signed = await signer.sign(GET)

    assert signed.url == GET.url + "&sv=1&sig=x"
    assert signed.headers == {}
    await signer.aclose()


async def test_anonymous_requests_stay_as_they_are() -> None:
    signer = AzureSigner(AzureConfig(anonymous=True), "account")

    assert await signer.sign(GET) is GET
    await signer.aclose()


async def test_nothing_found_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get() -> Found:
        message = "no luck: https://host/?sig=c2VjcmV0"
        raise ValueError(message)

    monkeypatch.setattr(tokens, "source_of", lambda _: [Source("", get, lambda: None)])
    cache = TokenCache(AzureConfig())

    with pytest.raises(Unauthenticated, match="az login") as caught:
        await cache.get()

    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None
    await cache.aclose()


def test_sources_stand_in_blobfiles_order(home: Path) -> None:
    file = home / "app.json"
    file.write_text(json.dumps({"appId": "app", "password": "hunter2", "tenant": "t1"}))
    by_file = AzureConfig(
        application_credentials=str(file), tenant_id="t2", client_id="c", client_secret="s"
    )
    by_secret = AzureConfig(tenant_id="t2", client_id="c", client_secret="s")

    def identities(config: AzureConfig) -> list[str]:
        sources = tokens.source_of(config)
        for source in sources:
            source.close()
        return [source.identity for source in sources]

    assert identities(by_file) == ["secret/login.microsoftonline.com/t1/app"]
    assert identities(by_secret) == ["secret/login.microsoftonline.com/t2/c"]
    assert identities(AzureConfig(use_identity=True)) == ["default/None/None"]
    assert identities(AzureConfig()) == ["az", "default/None/None"]


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"appId": "hunter2"}'])
def test_broken_application_file_is_named_and_not_shown(home: Path, content: str | None) -> None:
    file = home / "app.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Unauthenticated, match=r"app\.json") as caught:
        tokens.source_of(AzureConfig(application_credentials=str(file)))

    assert "hunter2" not in str(caught.value)


def test_nobody_logged_in_with_az_gives_nothing() -> None:
    assert tokens._az_cache(AzureConfig()) is None


@pytest.mark.parametrize("result", [{"access_token": "t", "expires_in": 60}, None, {"error": "x"}])
def test_login_of_the_az_command_line_is_used(
    home: Path, monkeypatch: pytest.MonkeyPatch, result: dict[str, object] | None
) -> None:
    class Application:
        def __init__(self, client: str, *, authority: str, token_cache: object) -> None:
            assert authority == "https://login.example/tenant"
            assert token_cache
            del client

        def get_accounts(self) -> list[object]:
            return [{}]

        def acquire_token_silent(self, scopes: list[str], account: object) -> object:
            assert scopes == [tokens.SCOPE]
            assert account == {}
            return result

    monkeypatch.setattr(msal, "PublicClientApplication", Application)
    (home / ".azure").mkdir()
    (home / ".azure/msal_token_cache.json").write_text("{}")

    found = tokens._az_cache(AzureConfig(authority_host="login.example", tenant_id="tenant"))

    assert (found is not None and found.token == "t") == (
        result is not None and "error" not in result
    )


def test_broken_cache_of_the_az_command_line_is_passed_over(home: Path) -> None:
    (home / ".azure").mkdir()
    (home / ".azure/msal_token_cache.json").write_text("{ hunter2")
    sources = [
        Source("az", lambda: tokens._az_cache(AzureConfig()), lambda: None),
        Source("next", lambda: Found("t", 1.0), lambda: None),
    ]

    assert tokens.fetch(sources)[0] == Found("t", 1.0)
    with pytest.raises(Unauthenticated) as caught:
        tokens.fetch(sources[:1])
    assert "hunter2" not in str(caught.value)


async def test_token_is_kept_on_disk_for_the_user_alone(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    source = Counting()
    source.install(monkeypatch)
    config = AzureConfig(save_access_token_to_disk=True)
    old_mask = os.umask(0)
    try:
        first = TokenCache(config, clock=source.clock)
        await first.get()
    finally:
        os.umask(old_mask)
    second = TokenCache(config, clock=source.clock)

    assert await second.get() == "t1"
    assert source.calls == 1
    path = home / ".blobio/azure_tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    await first.aclose()
    await second.aclose()


async def test_token_that_the_store_refused_is_not_taken_from_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Counting()
    source.install(monkeypatch)
    cache = TokenCache(AzureConfig(save_access_token_to_disk=True), clock=source.clock)
    await cache.get()

    cache.invalidate()

    assert await cache.get() == "t2"
    await cache.aclose()


async def test_tokens_are_not_kept_unasked(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    source = Counting()
    source.install(monkeypatch)
    cache = TokenCache(AzureConfig(), clock=source.clock)
    await cache.get()

    assert not (home / ".blobio").exists()
    await cache.aclose()


def test_old_tokens_are_dropped_from_disk(home: Path) -> None:
    tokenfile.save("old", Found("a", 100.0), now=0.0)
    tokenfile.save("new", Found("b", 9000.0), now=200.0)

    kept = json.loads((home / ".blobio/azure_tokens.json").read_text())
    assert set(kept) == {"new"}
    assert tokenfile.load("new", 0.0) == Found("b", 9000.0)
    assert tokenfile.load("new", 8800.0) is None


@pytest.mark.parametrize("damage", ["mode", "link", "content", "shape"])
def test_file_that_is_not_ours_is_not_read(home: Path, damage: str) -> None:
    tokenfile.save("me", Found("t", 9000.0), now=0.0)
    path = home / ".blobio/azure_tokens.json"
    if damage == "mode":
        path.chmod(0o644)
    elif damage == "link":
        path.rename(home / "elsewhere")
        path.symlink_to(home / "elsewhere")
    else:
        path.write_text("{" if damage == "content" else '{"me": {"token": 1}}')

    assert tokenfile.load("me", 0.0) is None


def test_directory_that_others_can_write_gets_no_token(home: Path) -> None:
    directory = home / ".blobio"
    directory.mkdir()
    directory.chmod(0o777)

    tokenfile.save("me", Found("t", 9000.0), now=0.0)

    assert not list(directory.iterdir())
