"""Which token is sent, when it is looked for again, and what each refusal means."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from blobio.config import HubConfig
from blobio.drivers.hub.auth import HubSigner
from blobio.errors import (
    BlobError,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestFailed,
    Unauthenticated,
    Unsupported,
)
from blobio.testing.strict_hub import Fault, Strike
from blobio.transport.message import Request
from blobio.values import GetOptions, ListOptions
from tests.unit.drivers.hub.kit import read, site

HTTPS = "https://hub.example"
REQUEST = Request(method="GET", url=f"{HTTPS}/a")


async def sent(config: HubConfig, endpoint: str = HTTPS) -> str | None:
    signed = await HubSigner(config, endpoint).sign(REQUEST)
    return signed.headers.get("authorization")


async def test_token_of_the_settings_comes_before_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hf_file\n")

    assert await sent(HubConfig(token="hf_set", token_file=str(path))) == "Bearer hf_set"
    assert await sent(HubConfig(token_file=str(path))) == "Bearer hf_file"
    assert await sent(HubConfig(token=False, token_file=str(path))) is None


async def test_file_that_is_not_there_or_empty_means_anonymous(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    assert await sent(HubConfig(token_file=str(tmp_path / "nothing"))) is None
    assert await sent(HubConfig(token_file=str(tmp_path / "empty"))) is None


async def test_file_of_the_home_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache/huggingface/token"
    path.parent.mkdir(parents=True)
    path.write_text("hf_home")

    assert await sent(HubConfig()) == "Bearer hf_home"


@pytest.mark.parametrize("token", ["hf_a\r\nx-evil: 1", "hf a", "hf_ä", "hf\x7f"])
async def test_what_can_be_no_token_is_refused_without_being_told(token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await sent(HubConfig(token=token))

    assert token not in str(caught.value)


async def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated, match="IsADirectoryError"):
        await sent(HubConfig(token_file=str(tmp_path)))


@pytest.mark.parametrize(
    ("endpoint", "private"),
    [
        ("https://mirror.example", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://mirror.example", False),
        ("http://10.0.0.7", False),
    ],
)
async def test_token_goes_over_https_or_stays_on_this_machine(
    endpoint: str, *, private: bool
) -> None:
    config = HubConfig(token="hf_secret")

    if private:
        assert await sent(config, endpoint) == "Bearer hf_secret"
    else:
        with pytest.raises(InvalidConfig, match="only over https"):
            await sent(config, endpoint)
    assert await sent(HubConfig(token=False), endpoint) is None


async def test_token_that_was_replaced_in_its_file_is_found(tmp_path: Path) -> None:
    """Whoever logs in again while a program runs need not start it again."""
    path = tmp_path / "token"
    path.write_text("hf_old")
    async with site(hub=HubConfig(token_file=str(path))) as at:
        at.server.make_token("hf_old")
        await read(at.driver, "small")
        at.server.service.tokens.clear()
        at.server.make_token("hf_new")
        path.write_text("hf_new")
        at.clear()

        assert (await read(at.driver, "small"))[1] == b"small content"
        assert at.server.requests == {"resolve": 2}


async def test_token_that_nobody_knows_is_tried_twice() -> None:
    async with site(token="hf_unknown") as at:
        with pytest.raises(Unauthenticated, match="does not know the token") as caught:
            await at.driver.head("small")

        assert "hf_unknown" not in str(caught.value)
        assert at.server.requests == {"resolve": 2}


async def test_where_the_token_comes_from_is_told(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hf_secret")

    async def source(config: HubConfig) -> str:
        return await HubSigner(config, HTTPS).source()

    assert await source(HubConfig(token=False)) == "none (anonymous)"
    assert await source(HubConfig(token="hf_secret")) == "HubConfig.token (HF_TOKEN)"
    assert await source(HubConfig(token_file=str(path))) == f"file {path}"
    async with site("dev") as at:
        where = await at.driver.whereabouts()
        assert where.endpoint == at.server.url
        assert where.place == {"dataset": "org/name", "revision": "dev"}
        assert await at.driver.credential_source() == "none (anonymous)"


async def test_identity_of_a_job_is_exchanged_by_huggingface_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = iter(["hf_exchanged", None, OSError("secret answer")])

    def get_token() -> object:
        found = next(tokens)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(get_token=get_token))
    config = HubConfig(oidc=True, token="hf_other")

    assert await sent(config) == "Bearer hf_exchanged"
    with pytest.raises(Unauthenticated, match="got no token"):
        await sent(config)
    with pytest.raises(Unauthenticated, match="OSError") as caught:
        await sent(config)
    assert "secret answer" not in str(caught.value)


async def test_exchange_without_huggingface_hub_names_the_command_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(Unsupported, match=r"pip install 'huggingface_hub"):
        await sent(HubConfig(oidc=True))


@pytest.mark.parametrize(
    ("token", "kind", "status", "words"),
    [
        (None, Unauthenticated, 401, "no such dataset, or it is private"),
        ("hf_known", NotFound, 404, "no such dataset, or the token"),
    ],
)
async def test_dataset_that_is_private_or_missing(
    token: str | None, kind: type[BlobError], status: int, words: str
) -> None:
    async with site(token=token) as at:
        at.server.make_token("hf_known")
        at.repo.private = True

        for verb in (
            lambda: at.driver.head("small"),
            lambda: at.driver.get("small", GetOptions()),
            lambda: at.driver.list_page("", ListOptions(), None),
        ):
            with pytest.raises(kind, match=words) as caught:
                await verb()
            assert type(caught.value) is kind
            assert (caught.value.status, caught.value.code) == (status, "RepoNotFound")


@pytest.mark.parametrize(
    ("token", "kind"), [(None, Unauthenticated), ("hf_known", PermissionDenied)]
)
async def test_gated_dataset_says_where_to_ask(token: str | None, kind: type[BlobError]) -> None:
    async with site(token=token) as at:
        at.server.make_token("hf_known")
        at.repo.gated = "manual"

        with pytest.raises(kind, match=f"ask for access at {at.server.url}/datasets/org/name"):
            await at.driver.get("small", GetOptions())
        at.repo.granted.add("hf_known")
        if token is not None:
            assert (await read(at.driver, "small"))[1] == b"small content"


async def test_disabled_dataset_says_so() -> None:
    async with site() as at:
        at.repo.disabled = True

        with pytest.raises(PermissionDenied, match="has disabled this dataset"):
            await at.driver.head("small")


async def test_revision_and_file_that_are_not_there() -> None:
    async with site("nothing") as at:
        with pytest.raises(NotFound, match="no such branch, tag, reference or commit"):
            await at.driver.head("small")
        with pytest.raises(NotFound, match="no such branch"):
            await at.driver.list_page("", ListOptions(), None)
    async with site() as at:
        with pytest.raises(NotFound, match="EntryNotFound"):
            await at.driver.get("nothing", GetOptions())


async def test_spent_quota_that_lasts_too_long_is_told_at_once() -> None:
    async with site() as at:
        at.server.quota_wait_s = 200
        at.server.hook = lambda _: Fault(Strike.REFUSE, status=429, code="")

        with pytest.raises(RateLimited, match=r"starts anew in 201 s; who logs in") as caught:
            await at.driver.get("small", GetOptions())
        assert caught.value.retryable
        assert at.server.requests == {"resolve": 1}


async def test_refusals_that_pass_are_waited_out() -> None:
    async with site() as at:
        faults = iter([Fault(Strike.REFUSE, status=503), Fault(Strike.REFUSE, status=502)])
        at.server.hook = lambda _: next(faults, None)

        assert (await read(at.driver, "small"))[1] == b"small content"
        assert at.server.requests == {"resolve": 3}


async def test_status_that_nobody_expects_is_an_error() -> None:
    async with site() as at:
        at.server.hook = lambda _: Fault(Strike.REFUSE, status=418, code="")

        with pytest.raises(RequestFailed, match="the Hub answered 418"):
            await at.driver.head("small")
