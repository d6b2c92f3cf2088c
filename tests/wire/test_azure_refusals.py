"""What Azure refuses for good: one clear error, as few requests as can be, and no secret told.

With a key, and with a SAS token as the environment gives it. Time passes on the server's clock.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace

import pytest

from blobio.config import AzureConfig, Config
from blobio.drivers.base import Driver
from blobio.errors import BlobError, NotFound, PermissionDenied, TransportFailed
from blobio.testing.conformance import open_harness
from blobio.testing.strict_azure import Fault, StrictAzure, Strike
from blobio.url import BlobUrl
from blobio.values import GetOptions, ListOptions, PutOptions
from tests.wire.gcs import FAST

SECRET = "c2VjcmV0LWNhbmFyeQ=="
SAS = "sv=2024-11-04&sig=canary-signature&se=2020-01-01T00%3A00%3A00Z"
VERBS = ("head", "get", "put", "list", "delete")


async def call(driver: Driver, verb: str) -> None:
    if verb == "head":
        await driver.head("blob")
    elif verb == "get":
        await driver.get("blob", GetOptions())
    elif verb == "put":
        await driver.put("blob", b"bytes", PutOptions())
    elif verb == "list":
        await driver.list_page("", ListOptions(), None)
    else:
        (result,) = await driver.delete(["blob"])
        if result.error is not None:
            raise result.error


def settings(server: StrictAzure, *, account_key: str = "", sas_token: str = "") -> Config:
    azure = AzureConfig(
        endpoint_url=server.url + "/{account}",
        account_key=account_key or None,
        sas_token=sas_token or None,
    )
    return Config(azure=azure, retry=FAST)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ((403, "AuthenticationFailed"), PermissionDenied),
        ((403, "AuthorizationFailure"), PermissionDenied),
        ((403, "AccountIsDisabled"), PermissionDenied),
        ((404, "ContainerNotFound"), NotFound),
    ],
)
@pytest.mark.parametrize("credentials", [{"account_key": SECRET}, {"sas_token": SAS}])
async def test_refusal_is_one_error_and_one_request(
    verb: str,
    refusal: tuple[int, str],
    kind: type[BlobError],
    credentials: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    fault = Fault(Strike.REFUSE, status=refusal[0], code=refusal[1])
    async with StrictAzure(hook=lambda _: fault) as server:
        config = settings(server, **credentials)
        async with open_harness(BlobUrl("az", "account/container", ""), config) as harness:
            with pytest.raises(kind) as caught:
                await call(harness.driver, verb)

        assert server.requests.total() == 1
    told = f"{caught.value} {caught.value!r} {caplog.text}"
    assert "az://account/container" in str(caught.value)
    assert not re.search("canary|" + re.escape(SECRET), told)


async def test_key_of_another_account_is_one_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with StrictAzure() as server:
        server.make_container("container")
        config = settings(server, account_key=SECRET)
        async with open_harness(BlobUrl("az", "account/container", ""), config) as harness:
            with pytest.raises(PermissionDenied) as caught:
                await harness.driver.put("blob", b"bytes", PutOptions())

        assert server.requests.total() == 1
    assert SECRET not in f"{caught.value} {caught.value!r} {caplog.text}"


async def test_account_that_nobody_has_is_an_error_within_the_attempts() -> None:
    """Its name cannot be resolved; nobody else is asked whether it exists."""
    azure = AzureConfig(endpoint_url="http://{account}.blob.invalid", account_key=SECRET)
    retry = replace(FAST, attempts=2)
    root = BlobUrl("az", "nobody/container", "")
    async with open_harness(root, Config(azure=azure, retry=retry)) as harness:
        with pytest.raises((TransportFailed, BlobError), match="nobody") as caught:
            await harness.driver.head("blob")

    assert caught.value.attempts <= 2


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_wrong_clock_costs_one_refusal_and_no_more(minutes: int) -> None:
    async with StrictAzure(clock=lambda: time.time() + 60 * minutes) as server:
        server.make_container("container")
        root = BlobUrl("az", "account/container", "")
        async with open_harness(root, replace(server.config(), retry=FAST)) as harness:
            await harness.driver.put("blob", b"bytes", PutOptions())
            await harness.driver.put("blob", b"bytes", PutOptions())

        assert server.requests["PutBlob"] == 3
