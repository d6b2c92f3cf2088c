from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from blobio.drivers.s3.addressing import Endpoint
from blobio.drivers.s3.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Credentials,
    SigV4,
    payload_hash,
)
from blobio.transport.message import Request

# The keys, date and signatures of AWS's own worked examples.
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_TIME = datetime(2013, 5, 24, tzinfo=UTC).timestamp()

KEYS = st.one_of(
    st.sampled_from(
        [
            "a//b",
            "a/../b",
            "./a",
            "../",
            "/leading",
            "trailing/",
            "a b",
            "#?%*+&=;:@!$'()[],~",
            "a%2Fb",
            "😀/👩‍💻",
            "é" * 512,
            "k" * 1024,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
)
NAMES = st.text("abcxyzABC-._~ +%/&=", min_size=1, max_size=6)
PAIRS = st.lists(st.tuples(NAMES, st.text(max_size=8)), max_size=5)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["range", "content-type", "content-md5", "if-match", "x-amz-meta-a", "x-amz-acl", "expect"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)
TIMES = st.integers(0, 4_000_000_000)


def _frozen(now: float) -> Any:
    moment = datetime.fromtimestamp(now, UTC)
    return mock.patch("botocore.auth.get_current_datetime", return_value=moment)


def _query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in pairs)


@pytest.mark.slow
@given(
    key=KEYS,
    pairs=PAIRS,
    headers=HEADERS,
    now=TIMES,
    body=st.binary(max_size=40),
    token=st.sampled_from([None, "session/token+=="]),
    scheme=st.sampled_from(["http", "https"]),
)
def test_signature_is_botocores(
    *,
    key: str,
    pairs: list[tuple[str, str]],
    headers: dict[str, str],
    now: int,
    body: bytes,
    token: str | None,
    scheme: str,
) -> None:
    url = Endpoint(f"{scheme}://host.example:9000/bucket", "", "r").object_url(key, _query(pairs))
    request = Request(method="PUT", url=url, headers=headers, body=body)
    theirs = AWSRequest(method="PUT", url=url, headers=dict(headers), data=body)
    theirs.context["payload_signing_enabled"] = True
    with _frozen(now):
        S3SigV4Auth(BotoCredentials("id", "secret", token), "s3", "eu-west-1").add_auth(theirs)

    ours = SigV4().sign(
        request,
        Credentials("id", "secret", token),
        region="eu-west-1",
        now=float(now),
        payload=hashlib.sha256(body).hexdigest(),
    )

    assert ours.headers["authorization"] == theirs.headers["Authorization"]
    assert ours.headers["x-amz-date"] == theirs.headers["X-Amz-Date"]
    assert ours.url == url


@pytest.mark.slow
@given(key=KEYS, now=TIMES, expires=st.integers(1, 604_800), token=st.sampled_from([None, "t/+="]))
def test_signed_url_is_botocores(*, key: str, now: int, expires: int, token: str | None) -> None:
    url = Endpoint("https://bucket.s3.eu-west-1.amazonaws.com", "/", "r").object_url(key)
    theirs = AWSRequest(method="GET", url=url)
    with _frozen(now):
        S3SigV4QueryAuth(
            BotoCredentials("id", "secret", token), "s3", "eu-west-1", expires=expires
        ).add_auth(theirs)

    ours = SigV4().presign(
        "GET",
        url,
        Credentials("id", "secret", token),
        region="eu-west-1",
        now=float(now),
        expires_s=expires,
    )

    assert theirs.url is not None
    assert sorted(ours.split("?")[1].split("&")) == sorted(theirs.url.split("?")[1].split("&"))
    assert ours.split("?")[0] == url


def test_headers_are_signed_as_in_the_example_of_aws() -> None:
    request = Request(
        method="GET",
        url="https://examplebucket.s3.amazonaws.com/test.txt",
        headers={"range": "bytes=0-9"},
    )

    signed = SigV4().sign(request, EXAMPLE, region="us-east-1", now=EXAMPLE_TIME)

    assert signed.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    assert signed.headers["x-amz-date"] == "20130524T000000Z"
    assert signed.headers["x-amz-content-sha256"] == EMPTY_SHA256


def test_url_is_signed_as_in_the_example_of_aws() -> None:
    signed = SigV4().presign(
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        EXAMPLE,
        region="us-east-1",
        now=EXAMPLE_TIME,
        expires_s=86400,
    )

    assert signed == (
        "https://examplebucket.s3.amazonaws.com/test.txt"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_body_with_a_checksum_stays_unsigned_over_tls_only() -> None:
    headers = {"x-amz-checksum-crc32c": "AAAAAA=="}

    assert payload_hash("https://h/k", headers, b"body") == UNSIGNED_PAYLOAD
    assert payload_hash("http://h/k", headers, b"body") == hashlib.sha256(b"body").hexdigest()
    assert payload_hash("https://h/k", {}, b"body") == hashlib.sha256(b"body").hexdigest()
    assert payload_hash("https://h/k", headers, b"") == EMPTY_SHA256


def test_signature_changes_with_day_region_and_secret() -> None:
    """The derived key is kept, so it must be derived again when what it is made of changes."""
    signer = SigV4()
    request = Request(method="GET", url="https://h.example/k")

    def signature(secret: str, region: str, now: float) -> str:
        signed = signer.sign(request, Credentials("id", secret), region=region, now=now)
        return signed.headers["authorization"]

    first = signature("a", "r1", 0.0)
    others = [signature("b", "r1", 0.0), signature("a", "r2", 0.0), signature("a", "r1", 86400.0)]

    assert len({first, *others}) == 4
    assert signature("a", "r1", 0.0) == first


def test_secrets_stay_out_of_repr() -> None:
    assert repr(Credentials("id", "SECRET", "TOKEN")) == "Credentials(access_key_id='id')"


@pytest.mark.parametrize("url", ["https://host.example", "https://host.example?list-type=2"])
def test_url_without_a_path_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needs a path"):
        SigV4().sign(Request(method="GET", url=url), Credentials("id", "s"), region="r", now=0.0)
