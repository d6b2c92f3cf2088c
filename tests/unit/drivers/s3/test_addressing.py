from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.drivers.s3.addressing import (
    Endpoint,
    is_region,
    locate,
    query_string,
    quote_key,
)
from blobio.errors import InvalidConfig, InvalidUrl


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _locate(
    bucket: str = "bucket",
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    virtual: bool | None = None,
) -> Endpoint:
    return locate(
        bucket,
        endpoint_url=endpoint_url,
        region=region,
        addressing="auto" if virtual is None else "virtual" if virtual else "path",
        dns_suffix=_suffix,
    )


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (_locate(), "https://bucket.s3.us-east-1.amazonaws.com/k"),
        (_locate(region="eu-west-1"), "https://bucket.s3.eu-west-1.amazonaws.com/k"),
        (_locate(region="cn-north-1"), "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"),
        (_locate("a.b", region="eu-west-1"), "https://s3.eu-west-1.amazonaws.com/a.b/k"),
        (_locate("Upper_case"), "https://s3.us-east-1.amazonaws.com/Upper_case/k"),
        (_locate(virtual=False), "https://s3.us-east-1.amazonaws.com/bucket/k"),
        (_locate(endpoint_url="http://127.0.0.1:9000"), "http://127.0.0.1:9000/bucket/k"),
        (_locate(endpoint_url="https://S3.Example:443/"), "https://s3.example/bucket/k"),
        (_locate(endpoint_url="https://h.example/base/"), "https://h.example/base/bucket/k"),
        (
            _locate(endpoint_url="https://s3.example", virtual=True),
            "https://bucket.s3.example/k",
        ),
        (_locate(endpoint_url="http://[::1]:9000"), "http://[::1]:9000/bucket/k"),
    ],
)
def test_bucket_is_found(endpoint: Endpoint, url: str) -> None:
    assert endpoint.object_url("k") == url


def test_requests_for_the_bucket_itself_have_a_path() -> None:
    assert _locate().bucket_url("list-type=2") == (
        "https://bucket.s3.us-east-1.amazonaws.com/?list-type=2"
    )
    assert _locate(virtual=False).bucket_url("list-type=2") == (
        "https://s3.us-east-1.amazonaws.com/bucket?list-type=2"
    )


@pytest.mark.parametrize(
    "endpoint_url",
    [
        "https://user:pass@h.example",
        "https://",
        "https://h.example?x=1",
        "https://h\\.example",
        "https://h.example:port",
    ],
)
def test_endpoint_that_is_more_than_a_host_is_refused(endpoint_url: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        _locate(endpoint_url=endpoint_url)

    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("region", ["evil.example/", "a b", "x@y", "", "-a", "r" * 60])
def test_text_that_would_change_the_host_is_no_region(region: str) -> None:
    assert not is_region(region)


def test_region_that_would_change_the_host_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="evil"):
        _locate(region="x.evil.example#")


def test_bucket_that_cannot_be_a_host_is_refused_as_one() -> None:
    with pytest.raises(InvalidConfig, match="addressing='path'"):
        _locate("Upper_case", virtual=True)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a//b", "a//b"),
        ("a/../b", "a/../b"),
        ("./a", "./a"),
        ("/a", "/a"),
        ("a b", "a%20b"),
        ("#?%*+&=", "%23%3F%25%2A%2B%26%3D"),
        ("a%2Fb", "a%252Fb"),
        ("~-_.", "~-_."),
        ("ä😀", "%C3%A4%F0%9F%98%80"),
        ("\n\x01", "%0A%01"),
    ],
)
def test_key_is_escaped_once(key: str, path: str) -> None:
    assert quote_key(key) == path


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_escaped_key_says_the_same(key: str) -> None:
    assert unquote(quote_key(key)) == key


def test_key_of_1024_bytes_is_the_longest() -> None:
    assert len(quote_key("é" * 512)) == 6 * 512
    with pytest.raises(InvalidUrl, match="1025"):
        quote_key("é" * 512 + "x")


def test_key_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidUrl, match="unicode"):
        quote_key("a\udc80")


def test_query_escapes_names_and_values() -> None:
    query = query_string([("prefix", "a/b c+&=é"), ("uploads", "")])

    assert query == "prefix=a%2Fb%20c%2B%26%3D%C3%A9&uploads="


def test_query_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidUrl, match="unicode"):
        query_string([("prefix", "a\udc80")])


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://s3.example/bucket", True),
        ("http://127.0.0.1:9000/bucket", True),
        ("http://localhost/bucket", True),
        ("http://[::1]:9000/bucket", True),
        ("http://127.0.0.1.evil.example/bucket", False),
        ("http://localhost.evil.example/bucket", False),
        ("http://s3.example/bucket", False),
    ],
)
def test_only_tls_and_this_machine_are_private(base: str, expected: bool) -> None:
    assert Endpoint(base, "", "r").is_private is expected
