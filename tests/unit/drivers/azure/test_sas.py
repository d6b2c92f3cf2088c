from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from blobio.config import AzureConfig
from blobio.errors import InvalidConfig, Unsupported
from blobio.testing.emulators.azure import FixedToken, Token
from blobio.transport.mock import reply
from tests.unit.drivers.azure.kit import scripted

DELEGATED = (
    b'<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>oid</SignedOid>'
    b"<SignedTid>tid</SignedTid><SignedStart>2026-11-27T00:00:00Z</SignedStart>"
    b"<SignedExpiry>2026-11-30T00:00:00Z</SignedExpiry><SignedService>b</SignedService>"
    b"<SignedVersion>2023-11-03</SignedVersion><Value>a2V5</Value></UserDelegationKey>"
)


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(
    ("method", "permission"), [("GET", "r"), ("HEAD", "r"), ("PUT", "cw"), ("DELETE", "d")]
)
async def test_key_signs_without_a_request(method: str, permission: str) -> None:
    driver, mock = scripted([])

    signed = await driver.sign_url("a b", method, 60)

    fields = query(signed.url)
    assert signed.url.startswith("https://account.blob.core.windows.net/container/a%20b?")
    assert (fields["sp"], fields["sr"], fields["spr"]) == (permission, "b", "https")
    assert signed.expires_at is not None
    assert 55 < signed.expires_at - time.time() <= 60
    assert not mock.requests


async def test_token_signs_with_a_key_that_is_asked_for_once() -> None:
    credential = FixedToken(Token("token", 1 << 40))
    driver, mock = scripted([reply(200, DELEGATED)], azure=AzureConfig(credential=credential))

    signed = [await driver.sign_url("key", "GET", 60) for _ in range(2)]

    (request,) = mock.requests
    assert request.url.endswith("/?restype=service&comp=userdelegationkey")
    assert b"<Expiry>" in bytes(request.body)
    fields = query(signed[0].url)
    assert (fields["skoid"], fields["sktid"], fields["sks"]) == ("oid", "tid", "b")
    assert "sig" in query(signed[1].url)
    assert "token" not in signed[0].url
    await driver.aclose()


async def test_anonymous_url_is_plain_and_never_ends() -> None:
    driver, _ = scripted([], azure=AzureConfig(anonymous=True))

    signed = await driver.sign_url("key", "GET", 60)

    assert signed.expires_at is None
    assert "?" not in signed.url


async def test_method_without_a_right_is_unsupported() -> None:
    driver, _ = scripted([])

    with pytest.raises(Unsupported):
        await driver.sign_url("key", "POST", 60)


@pytest.mark.parametrize("expires_s", [0, -1, 8 * 86_400])
async def test_time_out_of_bounds_is_refused(expires_s: float) -> None:
    driver, _ = scripted([])

    with pytest.raises(InvalidConfig):
        await driver.sign_url("key", "GET", expires_s)
