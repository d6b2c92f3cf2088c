from __future__ import annotations

import pytest

from blobio.config import S3Config
from blobio.drivers.dates import http_time
from blobio.drivers.s3.replies import full_crc32c, md5_of, meta_of, version_of
from blobio.values import BlobMeta

MD5 = "25f9e794323b453885f5181f1b624d0b"
PLAIN = {"etag": f'"{MD5}"'}


def test_head_becomes_metadata() -> None:
    headers = {
        "content-length": "9",
        "content-type": "text/plain",
        "etag": f'"{MD5}"',
        "last-modified": "Wed, 12 Oct 2009 17:50:00 GMT",
        "x-amz-checksum-crc32c": "4waSgw==",
        "x-amz-meta-colour": "green",
        "x-amz-meta-blobio-write": "secret",
    }

    assert meta_of("k", headers, S3Config(), size=9) == BlobMeta(
        key="k",
        size=9,
        mtime=1255369800.0,
        ctime=1255369800.0,
        version=version_of(headers),
        md5=MD5,
        crc32c=0xE3069283,
        content_type="text/plain",
        metadata={"colour": "green"},
    )
    assert version_of(headers) == f'"{MD5}"'


def test_checksum_of_a_range_is_not_that_of_the_object() -> None:
    headers = {"x-amz-checksum-crc32c": "4waSgw=="}

    assert meta_of("k", headers, S3Config(), size=100, is_whole=False).crc32c is None


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": f'"{MD5}-3"'},
        {"etag": f'"{MD5.upper()}"'},
        {"etag": '"abc"'},
        {},
        PLAIN | {"x-amz-server-side-encryption": "aws:kms"},
        PLAIN | {"x-amz-server-side-encryption": "aws:kms:dsse"},
        PLAIN | {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
)
def test_etag_that_is_no_md5_is_not_taken_for_one(headers: dict[str, str]) -> None:
    assert md5_of(headers, S3Config()) is None


def test_etag_of_plain_and_sse_s3_objects_is_the_md5() -> None:
    assert md5_of(PLAIN, S3Config()) == MD5
    assert md5_of(PLAIN | {"x-amz-server-side-encryption": "AES256"}, S3Config()) == MD5


def test_etag_is_no_md5_where_the_settings_say_so() -> None:
    assert md5_of(PLAIN, S3Config(etag_is_md5=False)) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-checksum-crc32c": "4waSgw=="}, 0xE3069283),
        (
            {"x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-type": "FULL_OBJECT"},
            0xE3069283,
        ),
        ({"x-amz-checksum-crc32c": "4waSgw==-2"}, None),
        ({"x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-crc32c": "garbage"}, None),
        ({}, None),
    ],
)
def test_only_a_full_object_checksum_counts(headers: dict[str, str], expected: int | None) -> None:
    assert full_crc32c(headers) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 12 Oct 2009 17:50:00 GMT", 1255369800.0),
        ("Wed, 12 Oct 2009 17:50:00 +0000", 1255369800.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("yesterday", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_http_dates(text: str | None, expected: float) -> None:
    assert http_time(text) == expected


def test_version_gets_the_quotes_a_store_left_out() -> None:
    assert version_of({"etag": "abc"}) == '"abc"'
    assert version_of({}) is None
