from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from blobio.config import AzureConfig
from blobio.errors import (
    BlobError,
    ConcurrentWrite,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestFailed,
    TransportFailed,
    Unauthenticated,
)
from blobio.transport.mock import reply
from blobio.values import PutOptions
from tests.unit.drivers.azure.kit import KEY, STORE, error, found, scripted, wrote

WRONG_KEY = (
    "The MAC signature found in the HTTP request 'c2VjcmV0' is not the same as any computed "
    "signature. Server used following string to sign: 'GET'."
)
EXPIRED_SAS = (
    "Signature not valid in the specified time frame: Start [Thu] - Expiry [Fri] - Current [Sat]"
)


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (404, "ContainerNotFound", NotFound, "no such container"),
        (403, "AccountIsDisabled", PermissionDenied, "account is disabled"),
        (403, "AuthorizationFailure", PermissionDenied, "network address"),
        (403, "AuthorizationPermissionMismatch", PermissionDenied, "Storage Blob Data"),
        (409, "PublicAccessNotPermitted", Unauthenticated, "public access"),
        (409, "BlobArchived", PermissionDenied, "rehydrate"),
        (409, "InvalidBlobType", RequestFailed, "append or page blob"),
        (400, "InvalidBlobOrBlock", ConcurrentWrite, "another length"),
        (409, "BlockCountExceedsLimit", RequestFailed, "100,000"),
        (403, "KeyBasedAuthenticationNotPermitted", PermissionDenied, "takes no keys"),
        (418, "SomethingNew", RequestFailed, "SomethingNew"),
    ],
)
async def test_code_is_one_clear_error_after_one_request(
    status: int, code: str, kind: type[BlobError], text: str
) -> None:
    driver, mock = scripted([error(status, code, x_ms_request_id="id-1")])

    with pytest.raises(kind, match=text) as caught:
        await driver.put("key", b"data", PutOptions())

    assert len(mock.requests) == 1
    assert (caught.value.code, caught.value.request_id) == (code, "id-1")
    assert "RequestId" not in str(caught.value)


@pytest.mark.parametrize("code", ["ServerBusy", "OperationTimedOut", "InternalError"])
async def test_busy_store_is_asked_again(code: str) -> None:
    driver, mock = scripted([error(503, code), error(500, code), wrote()])

    await driver.put("key", b"data", PutOptions())

    assert len(mock.requests) == 3


async def test_busy_for_ever_is_rate_limited() -> None:
    driver, mock = scripted(lambda _: error(503, "ServerBusy"))

    with pytest.raises(RateLimited):
        await driver.head("key")

    assert len(mock.requests) == 4


async def test_wrong_key_is_told_once_and_shows_no_signature() -> None:
    driver, mock = scripted([error(403, "AuthenticationFailed", WRONG_KEY)])

    with pytest.raises(Unauthenticated, match="account's name and key") as caught:
        await driver.head("key")

    assert len(mock.requests) == 1
    assert "c2VjcmV0" not in str(caught.value)
    assert KEY not in str(caught.value)


async def test_expired_sas_says_so_without_the_token() -> None:
    azure = AzureConfig(sas_token="?sv=2023-11-03&se=2020-01-01&sig=c2VjcmV0")
    driver, mock = scripted([error(403, "AuthenticationFailed", EXPIRED_SAS)], azure=azure)

    with pytest.raises(Unauthenticated, match="specified time frame") as caught:
        await driver.head("key")

    assert len(mock.requests) == 1
    assert "sig=c2VjcmV0" in mock.requests[0].url
    assert "c2VjcmV0" not in str(caught.value)
    assert "c2VjcmV0" not in repr(mock.requests[0])


async def test_clock_that_is_wrong_is_set_by_the_reply_once() -> None:
    date = "Fri, 27 Nov 2020 12:00:00 GMT"
    skewed = error(403, "AuthenticationFailed", "Date header too old", date=date)
    driver, mock = scripted([skewed, found()])

    await driver.head("key")

    assert mock.requests[1].headers["x-ms-date"].startswith("Fri, 27 Nov 2020 12:00:0")
    await driver.aclose()


async def test_clock_that_is_right_makes_no_second_attempt() -> None:
    from email.utils import formatdate

    refused = error(403, "AuthenticationFailed", date=formatdate(usegmt=True))
    driver, mock = scripted([refused])

    with pytest.raises(Unauthenticated):
        await driver.head("key")

    assert len(mock.requests) == 1


async def test_account_without_a_host_is_named() -> None:
    fault = TransportFailed("no reply: the host name could not be resolved")
    fault.__cause__ = OSError("cannot connect")
    fault.__cause__.__cause__ = socket.gaierror(-2, "Name or service not known")
    driver, _ = scripted(lambda _: fault)

    with pytest.raises(TransportFailed, match="storage account 'account'"):
        await driver.head("key")


async def test_bare_failure_of_a_head_is_told_by_its_header() -> None:
    driver, _ = scripted([reply(404, b"", {"x-ms-error-code": "ContainerNotFound"})])

    with pytest.raises(NotFound, match="no such container"):
        await driver.head("key")


async def test_token_that_stays_refused_is_fetched_again_once() -> None:
    from blobio.testing.emulators.azure import FixedToken, Token

    azure = AzureConfig(credential=FixedToken(Token("hunter2", 1 << 40)))
    refused = error(401, "InvalidAuthenticationInfo", "Lifetime validation failed. hunter2")
    driver, mock = scripted(lambda _: refused, azure=azure)

    with pytest.raises(Unauthenticated, match="Lifetime validation failed") as caught:
        await driver.head("key")

    assert len(mock.requests) == 2
    assert "hunter2" not in str(caught.value)
    await driver.aclose()


async def test_bearer_token_is_not_sent_in_the_open() -> None:
    from blobio.errors import InvalidConfig
    from blobio.testing.emulators.azure import FixedToken, Token

    azure = replace(
        STORE,
        account_key=None,
        endpoint_url="http://store.example/{account}",
        credential=FixedToken(Token("token", 1 << 40)),
    )
    driver, mock = scripted([], azure=azure)

    with pytest.raises(InvalidConfig, match="only over https"):
        await driver.head("key")

    assert not mock.requests
