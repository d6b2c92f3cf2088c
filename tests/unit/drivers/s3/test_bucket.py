from __future__ import annotations

import asyncio
import copy
from dataclasses import replace

import pytest

from blobio.drivers.s3.bucket import other_region
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import RequestFailed, Unauthenticated
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport, reply
from blobio.values import PutOptions
from tests.unit.drivers.s3.kit import AWS, STORE, error, found, scripted, wrote

UNKNOWN = replace(AWS, region=None)
EU = "https://bucket.s3.eu-west-1.amazonaws.com"
US = "https://bucket.s3.us-east-1.amazonaws.com"
LOCATION = "https://evil.example/steal"


def _region(request: Request) -> str:
    return request.headers["authorization"].split("Credential=")[1].split("/")[2]


def _in_eu(redirect: Response) -> tuple[S3Driver, MockTransport]:
    def store(request: Request) -> Response:
        if request.url.startswith(EU) and _region(request) == "eu-west-1":
            return wrote() if request.method == "PUT" else found()
        return copy.copy(redirect)

    return scripted(store, s3=UNKNOWN)


@pytest.mark.parametrize(
    "redirect",
    [
        error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1", location=LOCATION),
        error(307, "TemporaryRedirect", x_amz_bucket_region="eu-west-1", location=LOCATION),
        error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        error(400, "IllegalLocationConstraintException", x_amz_bucket_region="eu-west-1"),
    ],
    ids=["301", "307", "malformed", "illegal-location"],
)
async def test_bucket_is_followed_to_its_region(redirect: Response) -> None:
    driver, mock = _in_eu(redirect)

    result = await driver.put("a b", b"x", PutOptions())
    await driver.put("c", b"x", PutOptions())

    assert result.version == '"new"'
    urls = [request.url for request in mock.requests]
    assert urls == [f"{US}/a%20b", f"{EU}/a%20b", f"{EU}/c"]


async def test_bare_head_is_followed_too() -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}
    for status in (301, 400):
        driver, _ = _in_eu(Response(status=status, headers=headers))

        assert (await driver.head("k")).version == '"new"'


async def test_concurrent_requests_all_arrive() -> None:
    driver, mock = _in_eu(error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"))

    await asyncio.gather(*[driver.head(str(n)) for n in range(10)])

    assert len(mock.requests) <= 20


async def test_own_endpoint_keeps_its_host_and_changes_the_signature() -> None:
    def store(request: Request) -> Response:
        if _region(request) == "garage":
            return found()
        return Response(status=400, headers={"x-amz-bucket-region": "garage"})

    driver, mock = scripted(store, s3=STORE)

    await driver.head("k")

    assert {request.url for request in mock.requests} == {"https://store.example/bucket/k"}


async def test_regions_that_point_in_circles_end() -> None:
    def store(request: Request) -> Response:
        other = "eu-west-1" if "us-east-1" in request.url else "us-east-1"
        return error(301, "PermanentRedirect", x_amz_bucket_region=other)

    driver, mock = scripted(store, s3=UNKNOWN)

    with pytest.raises(RequestFailed, match="region"):
        await driver.put("k", b"x", PutOptions())
    assert len(mock.requests) == 3


async def test_location_is_never_followed() -> None:
    driver, mock = scripted([error(307, "TemporaryRedirect", location=LOCATION)], s3=UNKNOWN)

    with pytest.raises(RequestFailed):
        await driver.put("k", b"x", PutOptions())
    assert [request.url for request in mock.requests] == [f"{US}/k"]


@pytest.mark.parametrize("region", ["evil.example/", "a@b", "x" * 50, ""])
async def test_region_that_would_change_the_host_is_ignored(region: str) -> None:
    malformed = error(400, "AuthorizationHeaderMalformed", f"<Region>{region}</Region>")
    driver, mock = scripted([malformed], s3=UNKNOWN)

    with pytest.raises(Unauthenticated):
        await driver.put("k", b"x", PutOptions())
    assert len(mock.requests) == 1


@pytest.mark.parametrize(
    ("response", "region"),
    [
        (reply(200, b"", {"x-amz-bucket-region": "eu-west-1"}), None),
        (error(403, "AccessDenied", x_amz_bucket_region="eu-west-1"), None),
        (error(301, "PermanentRedirect", x_amz_bucket_region="us-east-1"), None),
        (error(301, "PermanentRedirect"), None),
        (error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"), "eu-west-1"),
    ],
)
def test_only_a_redirect_names_another_region(response: Response, region: str | None) -> None:
    assert other_region(response, "us-east-1") == region


async def test_attempts_are_counted_over_the_move() -> None:
    moved = error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
    driver, _ = scripted([moved, error(503, "SlowDown"), error(403, "AccessDenied")], s3=UNKNOWN)

    with pytest.raises(Exception, match="AccessDenied") as caught:
        await driver.put("k", b"x", PutOptions())
    assert getattr(caught.value, "attempts", 0) == 3


async def test_settings_of_one_bucket_replace_the_others() -> None:
    own = replace(STORE, endpoint_url="https://own.example", access_key_id="OWN")
    driver, mock = scripted([found()], s3=replace(STORE, buckets={"bucket": own}))

    await driver.head("k")

    assert mock.requests[0].url == "https://own.example/bucket/k"
    assert "Credential=OWN/" in mock.requests[0].headers["authorization"]
