"""No token of the Hub and no link of its delivery comes to light, or to another host."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from blobio.config import Config, HubConfig, RetryConfig
from blobio.core.context import AsyncContext
from blobio.errors import BlobError
from blobio.testing.scripted import Received, Reply, ScriptedServer
from blobio.testing.strict_hub import Fault, StrictHub, Strike
from tests.security.canaries import Canaries, Witness, witness

ROOT: Final = "hf://datasets/org/name"
LARGE: Final = f"{ROOT}/data/large.parquet"
FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4, retry_after_max_s=0.5)

Verb = Callable[[AsyncContext], Awaitable[object]]


async def _listed(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir(f"{ROOT}/data")]


async def _hub_info(context: AsyncContext) -> object:
    driver, _ = context.stores.locate(f"{ROOT}/small")
    return await driver.api.info()  # type: ignore[attr-defined]  # it is the Hub's


VERBS: Final[Mapping[str, Verb]] = {
    "read": lambda context: context.read_bytes(LARGE),
    "read ranges": lambda context: context.read_ranges(LARGE, [(0, 3), (700, 900)]),
    "read a small one": lambda context: context.read_bytes(f"{ROOT}/small"),
    "read nothing": lambda context: context.read_bytes(f"{ROOT}/missing"),
    "read a version": lambda context: context.read_bytes(LARGE, version="17"),
    "read a revision": lambda context: context.read_bytes(f"{ROOT}@nothing/small"),
    "stat": lambda context: context.stat(LARGE),
    "list": _listed,
    "info": _hub_info,
    "copy": lambda context: context.copy(LARGE, "memory://secrets-hub/copy", overwrite=True),
    "write": lambda context: context.write_bytes(LARGE, b"x"),
    "sign": lambda context: context.get_url(LARGE),
    "remove": lambda context: context.remove(LARGE),
}
FAULTS: Final[Mapping[str, Fault | None]] = {
    "none": None,
    "denied": Fault(Strike.REFUSE, status=403, code=""),
    "unknown": Fault(Strike.REFUSE, status=401, code="RepoNotFound"),
    "down": Fault(Strike.REFUSE, status=503, retry_after="0"),
    "spent": Fault(Strike.REFUSE, status=429),
    "redirect": Fault(Strike.REFUSE, status=307),
    "reset": Fault(Strike.RESET),
    "cut": Fault(Strike.CUT, 0.3),
    "other bytes": Fault(Strike.DAMAGE, 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, logging.INFO, logging.WARNING])
async def test_no_verb_tells_the_token_or_a_link(level: int) -> None:
    """Row 5: whatever happens to the requests of either host."""
    canaries = Canaries()
    token = f"hf_{canaries.session_token[:30]}"
    outcomes: dict[str, int] = {}
    with witness(level) as listener:
        async with StrictHub() as server:
            repo = server.make_dataset("org/name")
            repo.commit({"small": b"small", "data/large.parquet": bytes(2000)})
            repo.private = True
            repo.readers.add(server.make_token(token))
            for name, fault in FAULTS.items():
                server.hook = lambda _, fault=fault: fault
                config = listener.hears(replace(server.config(token), retry=FAST))
                listener.heard.append(repr(config))
                outcomes[name] = await _story(config, listener)
            seen = server.seen

    assert outcomes["none"] == 7
    assert len(listener.events) > 50
    assert not [text for text in listener.heard if token in text]
    assert not [text for text in listener.heard if "X-Amz-Signature=0" in text]
    for head in seen:
        assert ("authorization" in head.headers) == (head.operation != "deliver")
        assert token not in head.target


async def _story(config: Config, listener: Witness) -> int:
    good = 0
    async with AsyncContext(config) as context:
        for verb in VERBS.values():
            try:
                await verb(context)
                good += 1
            except BlobError as error:
                listener.see(error)
    return good


async def test_answer_that_repeats_the_token_is_not_told() -> None:
    """Row 5: a mirror that echoes what it was sent, in every place an error looks at."""
    token = f"hf_{Canaries().query}"

    def echo(request: Received) -> Reply:
        told = request.headers["authorization"]
        headers = {"X-Error-Message": told, "Location": f"http://{token}@127.0.0.1/?token={token}"}
        return Reply(status=307, headers=headers, body=told.encode())

    with ScriptedServer(echo) as mirror, witness(1) as listener:
        hub = HubConfig(endpoint_url=mirror.url, token=token)
        await _story(listener.hears(Config(hub=hub, retry=FAST)), listener)

    assert mirror.requests
    assert not [text for text in listener.heard if token in text]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_other_host_gets_range_and_nothing_else(status: int) -> None:
    """Row 2: another port is another origin, for files, for the API and for pages of a tree."""
    token = f"hf_{Canaries().query}"
    with ScriptedServer(lambda _: Reply(status=404)) as thief:
        moved = Reply(
            status=status,
            headers={"Location": f"{thief.url}/a", "Link": f'<{thief.url}/b>; rel="next"'},
        )
        with ScriptedServer(lambda _: moved) as hub:
            config = Config(hub=HubConfig(endpoint_url=hub.url, token=token), retry=FAST)
            async with AsyncContext(config) as context:
                for verb in VERBS.values():
                    with pytest.raises(BlobError):
                        await verb(context)

        assert thief.requests
        assert {request.target for request in thief.requests} == {"/a"}
        for request in thief.requests:
            assert request.headers.keys() <= {"host", "accept-encoding", "user-agent", "range"}
            assert token not in str(request)


async def test_next_page_of_a_tree_is_asked_of_the_hub_only() -> None:
    """Row 1: a page may name any host as that of the next."""
    token = f"hf_{Canaries().query}"
    commit = "c" * 40

    with ScriptedServer([]) as thief:

        def answer(request: Received) -> Reply:
            if "/revision/" in request.target:
                return Reply(body=b'{"sha": "%s"}' % commit.encode())
            link = {"Link": f'<{thief.url}/api?cursor=2>; rel="next"'}
            return Reply(headers={} if "cursor=2" in request.target else link, body=b"[]")

        with ScriptedServer(answer) as hub:
            config = Config(hub=HubConfig(endpoint_url=hub.url, token=token), retry=FAST)
            async with AsyncContext(config) as context:
                assert await _listed_anything(context) == []

        assert thief.requests == []
        assert [request.target for request in hub.requests][-1].endswith("?cursor=2")


async def _listed_anything(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir(ROOT)]


async def test_viewer_gets_no_token() -> None:
    """Row 2: it has a host of its own."""
    canaries = Canaries()
    with ScriptedServer(lambda _: Reply(body=b"{}")) as viewer:
        hub = HubConfig(viewer_url=viewer.url, token=f"hf_{canaries.query}")
        async with AsyncContext(Config(hub=hub, retry=FAST)) as context:
            driver, _ = context.stores.locate(ROOT)
            await driver.api.viewer("parquet")  # type: ignore[attr-defined]  # it is the Hub's

        assert "authorization" not in viewer.requests[0].headers


@pytest.mark.parametrize("key", ["../../../../api/whoami-v2", "a/../../b", "./a", "a?b#c%2F.."])
async def test_key_stays_below_its_dataset(key: str) -> None:
    """Row 25: whatever the key is, its steps and signs do not lead to another place of the Hub."""

    def answer(request: Received) -> Reply:
        assert request.target.startswith("/datasets/org/name/resolve/main/")
        assert not {"?", "#"} & {*request.target}
        assert ".." not in request.target.split("/")
        return Reply(status=404)

    with ScriptedServer(answer) as hub:
        config = Config(hub=HubConfig(endpoint_url=hub.url, token=False), retry=FAST)
        async with AsyncContext(config) as context:
            with pytest.raises(FileNotFoundError):
                await context.read_bytes(f"{ROOT}/{key}")


def test_token_does_not_show_in_a_config_that_is_printed(tmp_path: Path) -> None:
    """Row 5: it travels to other processes, though."""
    config = Config.from_env({"HF_TOKEN": "hf_c4nary", "HF_TOKEN_PATH": str(tmp_path / "t")})

    assert "c4nary" not in repr(config)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own bytes
