from __future__ import annotations

import pytest

from blobio.config import HttpConfig
from blobio.drivers.http.redirects import is_private_address, resolve_host
from blobio.errors import NotFound, RequestFailed
from blobio.transport.message import Response
from blobio.transport.mock import reply
from blobio.values import GetOptions, Span, Version
from tests.unit.drivers.http.bench import read, scripted

SECRETS = HttpConfig(headers={"h.example": {"Authorization": "Bearer CANARY", "X-Key": "CANARY"}})


def to(location: str, status: int = 302) -> Response:
    return reply(status, headers={"location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_followed(status: int) -> None:
    driver, mock = scripted([to("/b?x=%2F#part", status), reply(200, b"data")])

    assert await read(await driver.get("a", GetOptions())) == b"data"
    assert mock.requests[1].url == "https://h.example/b?x=%2F"


async def test_same_host_keeps_all_headers() -> None:
    driver, mock = scripted([to("other"), reply(200, b"")], SECRETS)

    await read(await driver.get("dir/a", GetOptions()))

    assert mock.requests[1].url == "https://h.example/dir/other"
    assert mock.requests[1].headers == mock.requests[0].headers
    assert mock.requests[0].headers["authorization"] == "Bearer CANARY"


@pytest.mark.parametrize(
    "location",
    [
        "https://cdn.example/k",
        "https://h.example:8443/k",
        "//cdn.example/k",
        "https://sub.h.example/k",
        "https://h.example.cdn.example/k",
    ],
)
async def test_other_origin_gets_range_and_condition_only(location: str) -> None:
    part = reply(206, b"12", {"content-range": "bytes 1-2/9", "etag": '"a"'})
    driver, mock = scripted(
        [to(location), part], HttpConfig(headers=SECRETS.headers, private_redirects=True)
    )

    options = GetOptions(range=Span(1, 3), version=Version('"a"'))
    assert await read(await driver.get("a", options)) == b"12"

    assert mock.requests[1].headers == {"range": "bytes=1-2", "if-range": '"a"'}


async def test_dropped_headers_do_not_come_back() -> None:
    script = [to("https://cdn.example/"), to("https://h.example/b"), reply(200, b"")]
    driver, mock = scripted(script, SECRETS)

    await read(await driver.get("a", GetOptions()))

    assert mock.requests[2].headers == {"range": "bytes=0-"}


async def test_change_of_scheme_drops_headers() -> None:
    driver, mock = scripted([to("https://h.example/"), reply(200, b"")], SECRETS, scheme="http")

    await read(await driver.get("a", GetOptions()))

    assert mock.requests[1].headers == {"range": "bytes=0-"}


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://h.example/k", "not encrypted"),
        ("ftp://h.example/k", "not http"),
        ("file:///etc/passwd", "not http"),
        ("//:80/k", "not http"),
        ("https://user:CANARY@cdn.example/k", "credentials"),
        ("https://h.example:99999/k", "no URL"),
        ("https://[::1/k", "no URL"),
    ],
)
async def test_forbidden_redirect(location: str, why: str) -> None:
    driver, mock = scripted([to(location)])

    with pytest.raises(RequestFailed, match=why) as caught:
        await driver.get("a", GetOptions())

    assert len(mock.requests) == 1
    assert "CANARY" not in str(caught.value)
    assert not caught.value.retryable


PRIVATE = [
    "https://127.0.0.1/k",
    "https://localhost/k",
    "https://db.localhost./k",
    "https://10.1.2.3/k",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/k",
    "https://[::ffff:10.0.0.1]/k",
    "https://[fd00::1]/k",
    "https://0.0.0.0/k",
    "https://inside.example/k",
]


@pytest.mark.parametrize("location", PRIVATE)
async def test_public_host_cannot_lead_inside(location: str) -> None:
    driver, mock = scripted([to(location)])

    with pytest.raises(RequestFailed, match="private_redirects"):
        await driver.get("a", GetOptions())
    assert len(mock.requests) == 1


@pytest.mark.parametrize("location", PRIVATE)
async def test_public_host_may_lead_inside_with_permission(location: str) -> None:
    driver, _ = scripted([to(location), reply(200, b"x")], HttpConfig(private_redirects=True))

    assert await read(await driver.get("a", GetOptions())) == b"x"


async def test_private_host_may_lead_inside() -> None:
    driver, _ = scripted([to("https://10.1.2.3/k"), reply(200, b"x")], authority="inside.example")

    assert await read(await driver.get("a", GetOptions())) == b"x"


async def test_detour_over_a_public_host_does_not_lead_inside() -> None:
    driver, _ = scripted(
        [to("https://cdn.example/k"), to("https://10.1.2.3/k")], authority="inside.example"
    )

    with pytest.raises(RequestFailed, match="private address"):
        await driver.get("a", GetOptions())


async def test_unknown_host_is_left_to_the_transport() -> None:
    driver, _ = scripted([to("https://nowhere.example/k"), reply(404)])

    with pytest.raises(NotFound):
        await driver.get("a", GetOptions())


async def test_too_many_redirects() -> None:
    driver, mock = scripted([to("/again")] * 3, HttpConfig(max_redirects=2))

    with pytest.raises(RequestFailed, match="more than 2 redirects"):
        await driver.get("a", GetOptions())
    assert len(mock.requests) == 3


async def test_redirect_without_a_location_is_an_error() -> None:
    driver, _ = scripted([reply(302)])

    with pytest.raises(RequestFailed, match="answered 302"):
        await driver.get("a", GetOptions())


async def test_head_is_redirected_as_a_head() -> None:
    driver, mock = scripted([to("/b", 303), reply(headers={"content-length": "3"})])

    assert (await driver.head("a")).size == 3
    assert [each.method for each in mock.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("192.168.0.1", True),
        ("100.64.0.1", True),
        ("224.0.0.1", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_is_private_address(address: str, *, private: bool) -> None:
    assert is_private_address(address) is private


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433"])
async def test_odd_spellings_of_an_address_are_seen_through(host: str) -> None:
    assert set(await resolve_host(host)) == {"127.0.0.1"}


async def test_what_cannot_be_a_name_has_no_address() -> None:
    assert await resolve_host("a..b") == ()
