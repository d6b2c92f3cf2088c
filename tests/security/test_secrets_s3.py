"""No secret of S3 comes to light, whatever happens to a request (row 5).

Everything a program tells is searched: log records of every level, events, the lines of
`log_callback`, warnings, and exceptions with their chain, arguments, fields, traceback and pickle.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

import pytest

from blobio.blocking.context import Context
from blobio.config import Config, RetryConfig, S3Config, WriteConfig
from blobio.core.context import AsyncContext
from blobio.drivers.s3.sigv4 import Credentials
from blobio.errors import BlobError, Unauthenticated
from blobio.testing.emulators import S3Server, moto_server
from blobio.testing.faultproxy import Action, FaultProxy, Rule, answer, drop_reply, reset, truncate
from blobio.transport.message import Request, Response
from blobio.values import SignedUrl
from tests.security.canaries import Canaries, Witness, told_by_error, witness

LEVELS: Final = [1, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
ROOT: Final = "s3://secrets"
BLOB: Final = f"{ROOT}/dir/blob"

# A store that tells what it was told: the strings a request was signed over, and its own thoughts.
ECHO: Final = (
    b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message>"
    b"<StringToSign>%b</StringToSign><CanonicalRequest>%b</CanonicalRequest></Error>"
)


def _config(url: str, canaries: Canaries) -> Config:
    return Config(
        s3=S3Config(
            endpoint_url=url,
            region="us-east-1",
            access_key_id="AKID",
            secret_access_key=canaries.secret_key,
            session_token=canaries.session_token,
            sse_customer_key=canaries.customer_key,
        ),
        retry=RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4),
        write=WriteConfig(part_bytes=5 << 20),
    )


async def _upload(context: AsyncContext) -> None:
    async with context.open(f"{ROOT}/parts", "wb") as file:
        for _ in range(2):
            await file.write(bytes(5 << 20))


async def _listed(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir(f"{ROOT}/dir")]


async def _globbed(context: AsyncContext) -> list[str]:
    return [name async for name in context.glob(f"{ROOT}/**")]


Verb = Callable[[AsyncContext], Awaitable[object]]
VERBS: Final[Mapping[str, Verb]] = {
    "write": lambda context: context.write_bytes(BLOB, b"content"),
    "create what is there": lambda context: context.write_bytes(BLOB, b"x", overwrite=False),
    "replace a version": lambda context: context.write_bytes(BLOB, b"x", version='"gone"'),
    "read": lambda context: context.read_bytes(BLOB),
    "read nothing": lambda context: context.read_bytes(f"{ROOT}/missing"),
    "read a version": lambda context: context.read_bytes(BLOB, version='"gone"'),
    "read ranges": lambda context: context.read_ranges(BLOB, [(0, 2), (3, 99)]),
    "stat": lambda context: context.stat(BLOB),
    "list": _listed,
    "glob": _globbed,
    "copy": lambda context: context.copy(BLOB, f"{ROOT}/copy", overwrite=True),
    "patch": lambda context: context.set_mtime(BLOB, 1.5),
    "md5": lambda context: context.md5(BLOB),
    "upload": _upload,
    "remove": lambda context: context.remove(f"{ROOT}/copy"),
    "remove a tree": lambda context: context.rmtree(f"{ROOT}/dir"),
    "wrong name": lambda context: context.read_bytes("s3://no_bucket..here/k"),
}

FAULTS: Final[Mapping[str, Action | None]] = {
    "none": None,
    "denied": answer(403, body=b"<Error><Code>AccessDenied</Code></Error>"),
    "echo": lambda request, _: answer(
        403, body=ECHO % (request.headers["x-amz-date"].encode(), request.target.encode())
    )(request, _),
    "down": answer(503, {"Retry-After": "0"}),
    "redirect": answer(307, {"Location": "http://127.0.0.1:9/steal"}),
    "region": answer(301, {"x-amz-bucket-region": "eu-west-1"}),
    "html": answer(200, {"ETag": '"e"'}, b"<html>login</html>"),
    "reset": reset(),
    "lost": drop_reply(),
    "cut": truncate(3),
}


async def _story(config: Config, listener: Witness, *, large: bool) -> tuple[int, int]:
    """Run every verb; return how many came out well and how many raised."""
    good = bad = 0
    async with AsyncContext(config) as context:
        for name, verb in VERBS.items():
            if name == "upload" and not large:  # it moves 10 MiB
                continue
            try:
                await verb(context)
                good += 1
            except BlobError as error:
                listener.see(error)
                bad += 1
    return good, bad


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    """A server of this module's own, since it is reset."""
    with moto_server() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
async def test_no_verb_tells_a_secret_at_any_level(level: int, moto: S3Server) -> None:
    """Row 5: success and each failure of each verb, over sockets."""
    canaries = Canaries()
    moto.reset()
    moto.make_bucket("secrets")
    outcomes: dict[str, tuple[int, int]] = {}

    with FaultProxy(moto.url) as proxy, witness(level) as listener:
        config = listener.hears(_config(proxy.url, canaries))
        for name in FAULTS if level == LEVELS[0] else ("none", "denied", "down"):
            proxy.clear()
            action = FAULTS[name]
            if action is not None:
                proxy.add(Rule(action, times=None))
            outcomes[name] = await _story(config, listener, large=level == LEVELS[0])
            _assert_sent(proxy, canaries)

    assert outcomes["none"][1] == 5  # the story works where nothing stands in its way
    assert outcomes["denied"][0] == outcomes["down"][0] == 0
    assert len(listener.events) > 50
    assert listener.lines
    assert listener.heard_of(canaries) == []


def _assert_sent(proxy: FaultProxy, canaries: Canaries) -> None:
    """The secrets were in use: the token and the key that are sent did arrive."""
    arrived = [header for request in proxy.requests for header in request.headers.values()]
    assert canaries.session_token in arrived
    assert any(canaries.in_text(value) for value in arrived)
    assert not any(canaries.secret_key in value for value in arrived)


def test_no_repr_tells_a_secret() -> None:
    """Row 5: settings, contexts, requests, replies, credentials and signed URLs."""
    canaries = Canaries()
    config = _config("http://127.0.0.1:9", canaries)
    headers = {"authorization": canaries.header, "x-amz-security-token": canaries.session_token}
    url = f"https://u:{canaries.user_info}@h/k?X-Amz-Signature={canaries.query}"
    request = Request(method="GET", url=url, headers=headers, subject=url)
    things = [
        config,
        S3Config(buckets={"other": config.s3}),
        Context(config),
        AsyncContext(config),
        AsyncContext(config).stores,
        request,
        Response(status=200, headers=headers, url=url),
        Credentials("AKID", canaries.secret_key, canaries.session_token),
        SignedUrl(url=url, expires_at=1.0, headers=headers),
    ]

    for thing in things:
        assert canaries.in_text(repr(thing) + str(thing) + f"{thing}") == [], type(thing)


def test_a_context_pickles_as_its_config_which_may_hold_keys() -> None:
    """Row 5: the one pickle with secrets, by design.

    A context travels to another process as its `Config`. Explicit keys are part of that, since the
    other side could not work without them; whoever wants none in a pickle leaves them to the
    credential chain. What was fetched, signed or cached meanwhile stays behind.
    """
    canaries = Canaries()
    explicit = Context(_config("http://127.0.0.1:9", canaries))
    by_chain = Context(Config(s3=S3Config(region="us-east-1", profile="work")))

    assert canaries.secret_key.encode() in pickle.dumps(explicit)
    assert pickle.dumps(by_chain) == pickle.dumps(Context(by_chain.config))
    assert len(pickle.dumps(by_chain)) < 2_000


async def test_a_store_that_repeats_a_signed_url_is_not_repeated() -> None:
    """Row 5: secrets in the text of a store's own message."""
    canaries = Canaries()
    said = (
        f"<Error><Code>AccessDenied</Code><Message>https://u:{canaries.user_info}@h/k"
        f"?a=1&amp;X-Amz-Security-Token={canaries.query}&amp;b=2 was refused</Message></Error>"
    )
    with FaultProxy("http://127.0.0.1:9", Rule(answer(403, body=said.encode()))) as proxy:
        async with AsyncContext(_config(proxy.url, canaries)) as context:
            with pytest.raises(BlobError, match="refused") as caught:
                await context.read_bytes(BLOB)

    assert canaries.in_text("".join(told_by_error(caught.value).values())) == []


async def test_keys_in_a_broken_profile_are_not_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 5: a credential process that prints keys, but not as JSON."""
    canaries = Canaries()
    folder = tmp_path_factory.mktemp("aws")
    (folder / "answer").write_text(f"SecretAccessKey: {canaries.secret_key}")
    (folder / "config").write_text(f"[default]\ncredential_process = cat {folder / 'answer'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    config = Config(s3=S3Config(endpoint_url="http://127.0.0.1:9", region="us-east-1"))

    with witness(1) as listener:
        async with AsyncContext(listener.hears(config)) as context:
            with pytest.raises(Unauthenticated, match="could not be had") as caught:
                await context.read_bytes(BLOB)
            listener.see(caught.value)

    assert listener.heard_of(canaries) == []
