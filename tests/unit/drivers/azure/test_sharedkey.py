"""Our Shared Key against that of `azure-storage-blob`, and against one written out."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

from blobio.drivers.azure.sharedkey import SharedKey, string_to_sign
from blobio.errors import InvalidConfig
from blobio.transport.message import Request

ACCOUNT = "account"
KEY = base64.b64encode(b"some key of an account").decode()
DATE = "Fri, 27 Nov 2026 12:00:00 GMT"
HOST = "https://account.blob.core.windows.net"


def by_the_sdk(request: Request) -> str:
    """Return the Authorization header that `azure-storage-blob` would send."""
    headers = {**request.headers, "x-ms-date": DATE}
    if request.body:
        headers["Content-Length"] = str(len(request.body))
    theirs = HttpRequest(request.method, request.url, headers=headers)
    transport: Any = SimpleNamespace()
    policy: Any = SharedKeyCredentialPolicy
    policy(ACCOUNT, KEY).on_request(PipelineRequest(theirs, PipelineContext(transport)))
    return str(theirs.headers["Authorization"])


REQUESTS = {
    "get": Request(method="GET", url=f"{HOST}/c/key", headers={"x-ms-range": "bytes=0-9"}),
    "odd key": Request(method="GET", url=f"{HOST}/c/a%20b%2Bc/%C3%A9%3F%23"),
    "put": Request(
        method="PUT",
        url=f"{HOST}/c/key",
        headers={"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-ms-blob-type": "BlockBlob"},
        body=b"123",
    ),
    "empty put": Request(method="PUT", url=f"{HOST}/c/key", headers={"if-none-match": "*"}),
    "if-match": Request(method="GET", url=f"{HOST}/c/key", headers={"if-match": '"0x8D"'}),
    "block": Request(method="PUT", url=f"{HOST}/c/key?comp=block&blockid=YS8rYg%3D%3D", body=b"1"),
    "list": Request(
        method="GET",
        url=f"{HOST}/c?comp=list&delimiter=%2F&include=metadata&prefix=a%26b%3D&restype=container",
    ),
    "content type": Request(
        method="PUT",
        url=f"{HOST}/c/key?comp=blocklist",
        headers={"content-type": "application/xml", "x-ms-blob-content-type": "text/plain"},
        body=b"<BlockList/>",
    ),
    "metadata": Request(
        method="PUT",
        url=f"{HOST}/c/key?comp=metadata",
        headers={
            f"x-ms-meta-{name}": "v"
            for name in ("a", "a_b", "ab", "a1", "a_1", "a__", "_a", "blobio_write", "b", "a0b")
        }
        | {"x-ms-version": "2023-11-03", "x-ms-blob-type": "x", "x-ms-blob-content-type": "y"},
    ),
    "emulator": Request(method="GET", url="http://127.0.0.1:10000/account/c/key"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_signature_is_that_of_the_sdk(name: str) -> None:
    request = REQUESTS[name]

    signed = SharedKey(ACCOUNT, KEY).sign(request, DATE)

    assert signed.headers["authorization"] == by_the_sdk(request)
    assert signed.headers["x-ms-date"] == DATE


def test_string_to_sign_is_the_documented_one() -> None:
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    text = string_to_sign(
        "myaccount",
        "GET",
        "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata",
        {"x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT"},
        0,
    )

    assert text == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\n"
        "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container"
    )


def test_account_of_an_emulator_stands_twice() -> None:
    text = string_to_sign("devstoreaccount1", "GET", "http://h:1/devstoreaccount1/c", {}, 0)

    assert text.endswith("\n/devstoreaccount1/devstoreaccount1/c")


@pytest.mark.parametrize("key", ["", "no base64!", "YWJ"])
def test_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidConfig, match="not base64") as caught:
        SharedKey(ACCOUNT, key)

    assert not key or key not in str(caught.value)
