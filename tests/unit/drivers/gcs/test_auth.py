from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import google.auth
import google.auth.compute_engine
import pytest
import requests

from blobio.config import GcsConfig, HttpConfig
from blobio.drivers.gcs.auth import GoogleSigner, check_privacy
from blobio.errors import BlobError, InvalidConfig, Unauthenticated, Unsupported
from blobio.testing.strict_gcs.accounts import EMAIL, Account
from blobio.transport.message import Request

REQUEST: Final = Request(method="GET", url="https://storage.googleapis.com/", headers={"a": "b"})
CANARY: Final = "canary-of-a-secret"
IMPERSONATE: Final = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/to@be:generateAccessToken"
)

Answer = Callable[[requests.PreparedRequest], tuple[int, object]]


class Tokens:
    """Stands in for every server that google-auth asks.

    Attributes:
        asked: The requests it got.
        threads: On which threads.
        answer: Makes a status and a JSON body.
    """

    def __init__(self) -> None:
        self.asked: list[requests.PreparedRequest] = []
        self.threads: set[int] = set()
        self.verified: list[object] = []
        self.answer: Answer = lambda _: (200, {"access_token": "token-1", "expires_in": 3600})

    @property
    def urls(self) -> list[str]:
        return [str(one.url) for one in self.asked]

    def send(
        self, _: object, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        self.asked.append(request)
        self.threads.add(threading.get_ident())
        self.verified.append(options.get("verify"))
        status, body = self.answer(request)
        reply = requests.Response()
        reply.status_code = status
        reply._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply.headers["Content-Type"] = "application/json"
        reply.headers["Metadata-Flavor"] = "Google"
        reply.url = str(request.url)
        reply.request = request
        return reply


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Tokens:
    found = Tokens()

    def send(
        adapter: object, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        return found.send(adapter, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return found


@pytest.fixture
def written(tmp_path: Path) -> Callable[[object], str]:
    def write(content: object) -> str:
        path = tmp_path / "credentials.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def service_account() -> str:
    return Account().key_file("https://tokens.example/token")


USER: Final = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": CANARY,
    "refresh_token": CANARY,
}


async def header(config: GcsConfig, http: HttpConfig | None = None) -> str:
    signer = GoogleSigner(config, http or HttpConfig())
    try:
        signed = await signer.sign(REQUEST)
    finally:
        await signer.aclose()
    assert signed.headers["a"] == "b"
    return signed.headers.get("authorization", "")


async def test_a_service_account_gets_a_token_by_its_key(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    assert await header(GcsConfig(credentials_file=written(service_account()))) == "Bearer token-1"

    assert tokens.urls == ["https://tokens.example/token"]
    assert tokens.threads != {threading.get_ident()}


async def test_a_user_gets_a_token_by_a_refresh_token(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    assert await header(GcsConfig(credentials_file=written(USER))) == "Bearer token-1"

    assert tokens.urls == ["https://oauth2.googleapis.com/token"]


def _by_url(request: requests.PreparedRequest) -> tuple[int, object]:
    if str(request.url).endswith(":generateAccessToken"):
        return 200, {"accessToken": "acting", "expireTime": "2099-01-01T00:00:00Z"}
    if str(request.url).endswith(":signBlob"):
        return 200, {"keyId": "1", "signedBlob": "c2lnbmVk"}
    return 200, {"access_token": "own", "expires_in": 3600, "token_type": "Bearer"}


async def test_an_impersonation_file_acts_as_another(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    tokens.answer = _by_url
    path = written(
        {
            "type": "impersonated_service_account",
            "source_credentials": USER,
            "service_account_impersonation_url": IMPERSONATE,
        }
    )

    assert await header(GcsConfig(credentials_file=path)) == "Bearer acting"


async def test_an_account_named_in_the_settings_is_acted_as(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    tokens.answer = _by_url
    config = GcsConfig(credentials_file=written(USER), impersonate="to@be")

    assert await header(config) == "Bearer acting"

    assert tokens.urls[-1] == IMPERSONATE


async def test_a_workload_identity_is_exchanged(
    tokens: Tokens, written: Callable[[object], str], tmp_path: Path
) -> None:
    (tmp_path / "subject").write_text("subject-token")
    path = written(
        {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
    )

    assert await header(GcsConfig(credentials_file=path)) == "Bearer token-1"

    assert tokens.urls == ["https://sts.googleapis.com/v1/token"]
    body = tokens.asked[0].body
    text = body.decode() if isinstance(body, bytes) else str(body)
    assert parse_qs(text)["subject_token"] == ["subject-token"]


async def test_a_machine_of_google_asks_its_metadata_server(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, object]:
        if "token" in str(request.url):
            return 200, {"access_token": "machine", "expires_in": 3600, "token_type": "Bearer"}
        return 200, {"default": {}, "email": EMAIL, "scopes": [], "aliases": []}

    tokens.answer = answer
    found = google.auth.compute_engine.Credentials()
    monkeypatch.setattr(google.auth, "default", lambda **_: (found, "project"))

    assert await header(GcsConfig()) == "Bearer machine"

    assert all("metadata" in url or "169.254.169.254" in url for url in tokens.urls)


async def test_the_environment_names_the_file(
    tokens: Tokens, written: Callable[[object], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", written(service_account()))

    assert await header(GcsConfig()) == "Bearer token-1"
    assert len(tokens.asked) == 1


async def test_nothing_found_says_what_to_do_and_is_not_anonymous() -> None:
    with pytest.raises(Unauthenticated) as caught:
        await header(GcsConfig())

    for way in ("GOOGLE_APPLICATION_CREDENTIALS", "gcloud auth", "anonymous=True"):
        assert way in str(caught.value)


async def test_anonymous_asks_nobody(tokens: Tokens) -> None:
    assert await header(GcsConfig(anonymous=True)) == ""
    assert not tokens.asked


async def test_a_token_that_was_given_is_used(tokens: Tokens) -> None:
    assert await header(GcsConfig(access_token="given")) == "Bearer given"
    assert not tokens.asked


async def test_many_who_wait_share_one_fetch(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    signer = GoogleSigner(GcsConfig(credentials_file=written(service_account())), HttpConfig())

    await asyncio.gather(*(signer.sign(REQUEST) for _ in range(50)))
    await signer.aclose()

    assert len(tokens.asked) == 1


async def test_a_token_is_replaced_before_it_expires() -> None:
    now = 1000.0
    given: list[float] = []

    async def fetch() -> tuple[str, float | None]:
        given.append(now)
        return f"token-{len(given)}", now + 3600

    signer = GoogleSigner(GcsConfig(), HttpConfig(), fetch=fetch, clock=lambda: now)
    seen = []
    for moment in (1000.0, 4299.0, 4301.0):
        now = moment
        seen.append((await signer.sign(REQUEST)).headers["authorization"])

    assert seen == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_a_refusal_of_an_older_token_keeps_the_one_at_hand() -> None:
    """However late it comes: a store may take long to say no."""
    now, fetches = 1000.0, 0

    async def fetch() -> tuple[str, float | None]:
        nonlocal fetches
        fetches += 1
        return f"token-{fetches}", None

    signer = GoogleSigner(GcsConfig(), HttpConfig(), fetch=fetch, clock=lambda: now)
    first = await signer.sign(REQUEST)
    await signer.refresh(first.credential)
    second = await signer.sign(REQUEST)
    now += 60
    await signer.refresh(first.credential)

    assert (await signer.sign(REQUEST)).credential == second.credential
    assert fetches == 2

    await signer.refresh(second.credential)
    await signer.sign(REQUEST)
    assert fetches == 3


async def test_a_burst_of_refusals_is_one_refresh() -> None:
    fetches = 0

    async def fetch() -> tuple[str, float | None]:
        nonlocal fetches
        fetches += 1
        return "token", None

    signer = GoogleSigner(GcsConfig(), HttpConfig(), fetch=fetch, clock=lambda: 1000.0)
    await signer.sign(REQUEST)
    for _ in range(5):
        await signer.refresh()
        await signer.sign(REQUEST)

    assert fetches == 2
    assert not signer.learn_time("Fri, 27 Nov 2026 00:00:00 GMT")


@pytest.mark.parametrize(
    "content",
    [
        "no json " + CANARY,
        [CANARY],
        {"type": "unknown", "private_key": CANARY},
        {"type": "service_account", "private_key": CANARY, "client_email": "a@b"},
        {"type": "service_account", "private_key": CANARY, "client_email": "a", "token_uri": "x"},
        {"type": "authorized_user", "refresh_token": CANARY},
        {"type": "external_account", "credential_source": CANARY},
        {"type": "impersonated_service_account", "source_credentials": {"type": "x", "y": CANARY}},
    ],
    ids=range(8),
)
async def test_a_file_that_is_none_is_named_and_its_content_is_not_shown(
    content: object, written: Callable[[object], str], tokens: Tokens
) -> None:
    path = written(content)
    with pytest.raises(BlobError) as caught:
        await header(GcsConfig(credentials_file=path))

    chain: BaseException | None = caught.value
    assert path in str(chain)
    while chain is not None:
        assert CANARY not in f"{chain!r} {chain}"
        chain = chain.__cause__
    assert not tokens.asked


async def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidConfig, match=r"/nowhere/key\.json"):
        await header(GcsConfig(credentials_file="/nowhere/key.json"))


@pytest.mark.parametrize("status", [400, 403])
async def test_what_a_token_server_refuses_is_told_in_short(
    status: int, tokens: Tokens, written: Callable[[object], str]
) -> None:
    tokens.answer = lambda _: (
        status,
        {"error": "invalid_grant", "error_description": "Account deleted", "secret": CANARY},
    )
    with pytest.raises(Unauthenticated, match="invalid_grant") as caught:
        await header(GcsConfig(credentials_file=written(USER)))

    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


async def test_tokens_are_asked_for_under_our_own_tls_settings(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    path = written(service_account())

    await header(GcsConfig(credentials_file=path), HttpConfig(ca_file="/our/ca.pem"))
    await header(GcsConfig(credentials_file=path), HttpConfig(verify_tls=False))

    assert tokens.verified == ["/our/ca.pem", False]


async def test_a_key_signs_here_and_others_through_iam(
    tokens: Tokens, written: Callable[[object], str]
) -> None:
    signer = GoogleSigner(GcsConfig(credentials_file=written(service_account())), HttpConfig())
    assert await signer.email() == EMAIL
    assert len(await signer.sign_bytes(b"payload")) == 256
    await signer.aclose()
    assert len(tokens.asked) == 1

    tokens.answer = _by_url
    config = GcsConfig(credentials_file=written(USER), impersonate="to@be")
    acting = GoogleSigner(config, HttpConfig())
    assert await acting.email() == "to@be"
    assert await acting.sign_bytes(b"payload") == b"signed"
    await acting.aclose()
    assert tokens.urls[-1].endswith(":signBlob")


async def test_a_person_cannot_sign(tokens: Tokens, written: Callable[[object], str]) -> None:
    signer = GoogleSigner(GcsConfig(credentials_file=written(USER)), HttpConfig())
    with pytest.raises(Unsupported, match="impersonate"):
        await signer.email()
    await signer.aclose()
    assert tokens.asked


def test_a_token_does_not_travel_in_the_open() -> None:
    with pytest.raises(InvalidConfig, match="https"):
        check_privacy(GcsConfig(), is_private=False, base="http://far.example")

    check_privacy(GcsConfig(anonymous=True), is_private=False, base="http://far.example")
