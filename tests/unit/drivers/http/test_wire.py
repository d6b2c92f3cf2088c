from __future__ import annotations

import pytest

from blobio.drivers.http.wire import (
    describe,
    host_headers,
    is_version,
    legal,
    read_request,
    version_of,
)
from blobio.values import BlobMeta, From, Span, Version

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BY_DATE = Version(f"last-modified:{DATE}")


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://h/a b", "https://h/a%20b"),
        ("https://h/a%20b%2Fc%c3%a4", "https://h/a%20b%2Fc%c3%a4"),
        ("https://h/ä", "https://h/%C3%A4"),
        ("https://h/100%/%zz", "https://h/100%25/%25zz"),
        ("https://h/a?b=c&d=[1]:@!$'()*+,;=~#part", "https://h/a?b=c&d=[1]:@!$'()*+,;=~"),
        ("https://h//a/../b/./", "https://h//a/../b/./"),
        ('https://h/"<>\\^`{|}\t\n', "https://h/%22%3C%3E%5C%5E%60%7B%7C%7D%09%0A"),
        ("https://[::1]:80/", "https://[::1]:80/"),
    ],
)
def test_only_what_is_illegal_is_escaped(url: str, sent: str) -> None:
    assert legal(url) == sent


@pytest.mark.parametrize(
    ("authority", "headers"),
    [
        ("data.example", {"x-token": "a"}),
        ("data.example:8443", {"x-token": "b"}),
        ("data.example:99", {"x-token": "a"}),
        ("other.example", {}),
    ],
)
def test_headers_belong_to_a_host(authority: str, headers: dict[str, str]) -> None:
    configured = {"data.example": {"X-Token": "a"}, "data.example:8443": {"X-Token": "b"}}

    assert host_headers(configured, authority) == headers


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"etag": '"abc"', "last-modified": DATE}, '"abc"'),
        ({"etag": 'W/"abc"', "last-modified": DATE}, BY_DATE),
        ({"etag": 'W/"abc"'}, None),
        ({"last-modified": "yesterday"}, None),
        ({}, None),
    ],
)
def test_version_needs_a_strong_validator(headers: dict[str, str], version: str | None) -> None:
    assert version_of(headers) == version


@pytest.mark.parametrize(
    ("headers", "version", "partial", "same"),
    [
        ({"etag": '"a"'}, '"a"', False, True),
        ({"etag": '"b"'}, '"a"', True, False),
        ({"etag": 'W/"a"'}, '"a"', True, False),
        ({}, '"a"', True, False),
        ({"last-modified": DATE}, BY_DATE, False, True),
        ({}, BY_DATE, True, True),
        ({}, BY_DATE, False, False),
        ({"last-modified": DATE.replace("14", "15")}, BY_DATE, True, False),
    ],
)
def test_is_version(headers: dict[str, str], version: str, *, partial: bool, same: bool) -> None:
    assert is_version(headers, Version(version), partial=partial) is same


def test_pinned_range_is_conditional() -> None:
    request = read_request("GET", "https://h/", Span(1, 3), Version('"a"'), "s")

    assert request.headers == {"range": "bytes=1-2", "if-range": '"a"'}
    assert request.stream


def test_range_pinned_by_date_is_conditional() -> None:
    request = read_request("GET", "https://h/", From(1), BY_DATE, "s")

    assert request.headers == {"range": "bytes=1-", "if-range": DATE}


def test_whole_is_asked_for_as_a_range() -> None:
    request = read_request("GET", "https://h/", None, Version('"a"'), "s")

    assert request.headers == {"range": "bytes=0-", "if-range": '"a"'}


def test_head_has_no_condition() -> None:
    assert read_request("HEAD", "https://h/", None, Version('"a"'), "s").headers == {}


def test_describe() -> None:
    headers = {
        "etag": '"a"',
        "last-modified": DATE,
        "content-type": "text/plain",
        "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    }

    assert describe("k", headers, 3) == BlobMeta(
        key="k",
        size=3,
        mtime=1_700_000_000.0,
        ctime=1_700_000_000.0,
        version=Version('"a"'),
        md5="d41d8cd98f00b204e9800998ecf8427e",
        content_type="text/plain",
    )


def test_md5_of_a_part_is_not_that_of_the_blob() -> None:
    headers = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "content-range": "bytes 0-0/9"}

    assert describe("k", headers, 9).md5 is None


@pytest.mark.parametrize("text", ["", "x", "AAAA", "ä"])
def test_unreadable_md5_is_none(text: str) -> None:
    assert describe("k", {"content-md5": text}, 0).md5 is None
