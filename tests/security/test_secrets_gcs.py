"""No secret of Google Cloud Storage comes to light, whatever happens to a request (row 5).

As in `test_secrets_s3`, everything a program tells is searched: for the token, for the private key
that signs, for the names of resumable sessions, and for signatures.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest

from blobio.config import Config, GcsConfig, RetryConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.drivers.gcs import writing
from blobio.errors import BlobError
from blobio.testing.strict_gcs import Fault, RequestHead, StrictGcs, Strike
from tests.security.canaries import Canaries, Witness, told_by_error, witness

ROOT: Final = "gs://secrets"
BLOB: Final = f"{ROOT}/dir/blob"


async def _upload(context: AsyncContext) -> None:
    async with context.open(f"{ROOT}/parts", "wb") as file:
        for _ in range(3):
            await file.write(bytes(400 << 10))


async def _listed(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir(f"{ROOT}/dir")]


Verb = Callable[[AsyncContext], Awaitable[object]]
VERBS: Final[Mapping[str, Verb]] = {
    "write": lambda context: context.write_bytes(BLOB, b"content"),
    "create what is there": lambda context: context.write_bytes(BLOB, b"x", overwrite=False),
    "replace a version": lambda context: context.write_bytes(BLOB, b"x", version="17"),
    "read": lambda context: context.read_bytes(BLOB),
    "read nothing": lambda context: context.read_bytes(f"{ROOT}/missing"),
    "read a version": lambda context: context.read_bytes(BLOB, version="17"),
    "stat": lambda context: context.stat(BLOB),
    "list": _listed,
    "copy": lambda context: context.copy(BLOB, f"{ROOT}/copy", overwrite=True),
    "patch": lambda context: context.set_mtime(BLOB, 1.5),
    "md5": lambda context: context.md5(BLOB),
    "upload": _upload,
    "sign": lambda context: context.get_url(BLOB),
    "remove": lambda context: context.remove(f"{ROOT}/copy"),
    "remove a tree": lambda context: context.rmtree(f"{ROOT}/dir"),
}

FAULTS: Final[Mapping[str, Fault | None]] = {
    "none": None,
    "denied": Fault(Strike.REFUSE, status=403, code="forbidden"),
    "unknown": Fault(Strike.REFUSE, status=401, code="authError"),
    "down": Fault(Strike.REFUSE, status=503, code="backendError", retry_after="0"),
    "redirect": Fault(Strike.REFUSE, status=307, code="moved"),
    "gone": Fault(Strike.REFUSE, status=410, code="gone"),
    "reset": Fault(Strike.RESET),
    "lost": Fault(Strike.DROP_REPLY),
    "cut": Fault(Strike.CUT, 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("parallel_uploads", [True, False])
@pytest.mark.parametrize("level", [1, logging.INFO, logging.WARNING])
async def test_no_verb_tells_a_secret(
    level: int, parallel_uploads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ONE_REQUEST_BYTES", 64 << 10)
    canaries = Canaries()
    with witness(level) as listener:
        async with StrictGcs() as server:
            bucket = server.make_bucket("secrets")
            server.account.valid.add(canaries.session_token)
            settings = GcsConfig(
                endpoint_url=server.url,
                access_token=canaries.session_token,
                parallel_uploads=parallel_uploads,
            )
            outcomes = await _all_faults(_config(listener, settings), server, listener)
            names = set(bucket.sessions)

    assert outcomes["none"] == 10  # the story works where nothing stands in its way
    assert outcomes["denied"] == 0
    assert len(listener.events) > 50
    assert listener.heard_of(canaries) == []
    assert not [text for text in listener.heard if any(name in text for name in names)]


def _config(listener: Witness, settings: GcsConfig) -> Config:
    return listener.hears(
        Config(
            gcs=settings,
            retry=RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4),
            write=WriteConfig(part_bytes=300 << 10),
        )
    )


async def _all_faults(config: Config, server: StrictGcs, listener: Witness) -> dict[str, int]:
    """Run every verb under every fault; return how many came out well, by fault."""
    outcomes: dict[str, int] = {}
    for name, fault in FAULTS.items():

        def hook(_: RequestHead, fault: Fault | None = fault) -> Fault | None:
            return fault

        server.hook = hook
        try:
            async with AsyncContext(config) as context:
                outcomes[name] = await _story(context, listener)
        except BlobError as error:  # components that could not be deleted
            listener.see(error)
    return outcomes


async def _story(context: AsyncContext, listener: Witness) -> int:
    good = 0
    for verb in VERBS.values():
        try:
            await verb(context)
            good += 1
        except BlobError as error:
            listener.see(error)
    return good


async def test_a_key_that_signs_and_what_it_signed_are_not_told() -> None:
    with witness(1) as listener:
        async with StrictGcs() as server:
            server.make_bucket("secrets")
            config = server.config()
            key = json.loads(server.account.key_file(""))["private_key"].splitlines()[1]
            async with AsyncContext(listener.hears(config)) as context:
                await context.write_bytes(BLOB, b"content")
                url, _ = await context.get_url(BLOB)
                server.account.valid.clear()
                server.hook = lambda head: (
                    None if head.operation == "objects.get" else Fault(Strike.REFUSE, status=400)
                )
                with pytest.raises(BlobError) as caught:
                    await context.read_bytes(BLOB)
                listener.see(caught.value)
                listener.heard.append(repr(context) + repr(config))

    signature = url.partition("X-Goog-Signature=")[2]
    assert len(signature) == 512
    for secret in (key, signature, "strict-token-1"):
        assert not [text for text in listener.heard if secret in text]


async def test_a_store_that_repeats_a_token_is_not_repeated() -> None:
    canaries = Canaries()
    text = f"https://h/k?upload_id={canaries.query}&X-Goog-Signature={canaries.query} is refused"
    async with StrictGcs() as server:
        server.make_bucket("secrets")
        server.hook = lambda _: Fault(Strike.REFUSE, status=400, code=text)
        config = replace(server.config(), gcs=GcsConfig(endpoint_url=server.url, anonymous=True))
        async with AsyncContext(config) as context:
            with pytest.raises(BlobError) as caught:
                await context.read_bytes(BLOB)

    assert canaries.in_text("".join(told_by_error(caught.value).values())) == []
