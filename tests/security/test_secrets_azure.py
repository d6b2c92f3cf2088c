"""No secret of Azure comes to light, whatever happens to a request (row 5)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest

from blobio.config import AzureConfig, Config, RetryConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.drivers.azure.settings import choose
from blobio.errors import BlobError
from blobio.testing.emulators.azure import FixedToken, Token
from blobio.testing.strict_azure import Fault, StrictAzure, Strike
from blobio.testing.strict_azure.signatures import KEY
from tests.security.canaries import Canaries, witness

ROOT: Final = "az://account/secrets"
BLOB: Final = f"{ROOT}/dir/blob"


async def _upload(context: AsyncContext) -> None:
    async with context.open(f"{ROOT}/parts", "wb") as file:
        await file.write(bytes(100))


async def _listed(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir(f"{ROOT}/dir")]


Verb = Callable[[AsyncContext], Awaitable[object]]
VERBS: Final[Mapping[str, Verb]] = {
    "write": lambda context: context.write_bytes(BLOB, b"content"),
    "create what is there": lambda context: context.write_bytes(BLOB, b"x", overwrite=False),
    "replace a version": lambda context: context.write_bytes(BLOB, b"x", version='"gone"'),
    "read": lambda context: context.read_bytes(BLOB),
    "read nothing": lambda context: context.read_bytes(f"{ROOT}/missing"),
    "stat": lambda context: context.stat(BLOB),
    "list": _listed,
    "copy": lambda context: context.copy(BLOB, f"{ROOT}/copy", overwrite=True),
    "copy from afar": lambda context: context.copy(
        "az://other/secrets/blob", f"{ROOT}/copy", overwrite=True
    ),
    "patch": lambda context: context.set_mtime(BLOB, 1.5),
    "upload": _upload,
    "sign": lambda context: context.get_url(BLOB),
    "remove": lambda context: context.remove(f"{ROOT}/copy"),
    "remove a tree": lambda context: context.rmtree(f"{ROOT}/dir"),
}
FAULTS: Final[Mapping[str, Fault | None]] = {
    "none": None,
    "denied": Fault(Strike.REFUSE, status=403, code="AuthenticationFailed"),
    "unknown": Fault(Strike.REFUSE, status=401, code="InvalidAuthenticationInfo"),
    "down": Fault(Strike.REFUSE, status=503, code="ServerBusy"),
    "reset": Fault(Strike.RESET),
    "lost": Fault(Strike.DROP_REPLY),
    "cut": Fault(Strike.CUT, at=0.5),
    "damaged": Fault(Strike.DAMAGE, at=0.5),
}


def _access(canaries: Canaries, kind: str, endpoint: str) -> AzureConfig:
    if kind == "key":
        return AzureConfig(endpoint_url=endpoint, account_key=canaries.secret_key)
    if kind == "sas":
        return AzureConfig(endpoint_url=endpoint, sas_token=f"sp=r&se=2099&sig={canaries.query}")
    token = Token(canaries.header.removeprefix("Bearer "), 1 << 40)
    return AzureConfig(endpoint_url=endpoint, credential=FixedToken(token))


@pytest.mark.parametrize("kind", ["key", "sas", "token"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_verb_tells_a_secret(kind: str, fault: str) -> None:
    canaries = Canaries(secret_key=KEY)
    good = 0
    async with StrictAzure() as server:
        server.make_container("secrets")
        server.make_container("secrets", account="other")
        server.hook = lambda _: FAULTS[fault]
        with witness(logging.DEBUG) as listener:
            config = Config(
                azure=_access(canaries, kind, server.url + "/{account}"),
                retry=RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4),
                write=WriteConfig(part_bytes=40),
            )
            async with AsyncContext(listener.hears(config)) as context:
                for verb in VERBS.values():
                    try:
                        await verb(context)
                        good += 1
                    except BlobError as error:
                        listener.see(error)

        assert listener.events
        assert listener.heard_of(canaries) == []
        assert (good > 8) == (kind == "key" and fault == "none") or fault in ("damaged", "cut")


@pytest.mark.parametrize("kind", ["key", "sas", "token"])
def test_no_repr_tells_a_secret(kind: str) -> None:
    canaries = Canaries(secret_key=KEY)
    azure = _access(canaries, kind, "https://{account}.example")
    strings = replace(azure, connection_string=f"AccountKey={KEY}", client_secret=canaries.query)
    nested = AzureConfig(accounts={"one": strings})
    access = choose(azure, "account")

    for thing in (azure, strings, nested, Config(azure=strings), AsyncContext(Config(azure=azure))):
        assert canaries.in_text(repr(thing)) == []
    assert canaries.in_text(repr(access)) == []
