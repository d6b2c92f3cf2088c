from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import S3Config
from blobio.drivers.s3 import headers as h
from blobio.errors import Unsupported
from blobio.values import CreateOnly, Overwrite, ReplaceIf, Version

KEY = bytes(range(32))


def test_conditions_of_each_write_mode() -> None:
    assert h.conditions(Overwrite()) == {}
    assert h.conditions(CreateOnly()) == {"if-none-match": "*"}
    assert h.conditions(ReplaceIf(Version('"abc"'))) == {"if-match": '"abc"'}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (S3Config(), {"x-amz-checksum-crc32c": "4waSgw=="}),
        (S3Config(checksums="md5"), {"content-md5": "JfnnlDI7RTiF9RgfG2JNCw=="}),
        (S3Config(checksums="off"), {}),
    ],
)
def test_checksum_header_is_the_one_configured(config: S3Config, expected: dict[str, str]) -> None:
    assert h.body_checks(b"123456789", config) == expected


def test_new_objects_get_encryption_and_storage_class() -> None:
    config = S3Config(
        sse="aws:kms", sse_kms_key_id="key-1", storage_class="STANDARD_IA", requester_pays=True
    )

    assert h.new_object(config) == {
        "x-amz-request-payer": "requester",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
        "x-amz-storage-class": "STANDARD_IA",
    }


def test_customer_key_goes_with_reads_and_for_copies_twice() -> None:
    config = S3Config(sse_customer_key=KEY, checksums="off")
    own = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": (
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        ),
        "x-amz-server-side-encryption-customer-key-md5": "tP/LI3N87DFaSk0aoqYgzg==",
    }
    source = {name.replace("x-amz-", "x-amz-copy-source-", 1): own[name] for name in own}

    assert h.read_keys(config) == own
    assert h.encryption(config, copy_source=True) == own | source


def test_reads_ask_for_a_checksum_only_with_crc32c() -> None:
    assert h.read_keys(S3Config()) == {"x-amz-checksum-mode": "ENABLED"}
    assert h.read_keys(S3Config(checksums="md5")) == {}


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("plain text, 1/2", "plain text, 1/2"),
        ("", ""),
        ("grün", "=?UTF-8?B?Z3LDvG4=?="),
        (" spaces ", "=?UTF-8?B?IHNwYWNlcyA=?="),
        ("=?UTF-8?B?Z3LDvG4=?=", "=?UTF-8?B?PT9VVEYtOD9CP1ozTER2RzQ9Pz0=?="),
        ("tab\there", "=?UTF-8?B?dGFiCWhlcmU=?="),
    ],
)
def test_metadata_value_in_a_header(value: str, header: str) -> None:
    assert h.metadata_headers({"name": value}) == {"x-amz-meta-name": header}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=200))
def test_metadata_survives_a_store_that_keeps_headers_as_they_come(value: str) -> None:
    headers = h.metadata_headers({"name": value})

    assert headers["x-amz-meta-name"].isascii()
    assert h.user_metadata(headers) == {"name": value}


def test_encoded_words_are_short_and_end_between_characters() -> None:
    header = h.metadata_headers({"name": "😀" * 100})["x-amz-meta-name"]

    assert all(len(word) <= 75 for word in header.split(" "))
    assert h.user_metadata({"x-amz-meta-name": header}) == {"name": "😀" * 100}


def test_metadata_from_s3_may_be_quoted_printable() -> None:
    assert h.user_metadata({"x-amz-meta-n": "=?UTF-8?Q?gr=C3=BCn?="}) == {"n": "grün"}


@pytest.mark.parametrize("value", ["=?no-such-charset?B?Z3I=?=", "=?UTF-8?X?abc?=", "a=?b"])
def test_text_that_only_looks_encoded_stays(value: str) -> None:
    assert h.user_metadata({"x-amz-meta-n": value}) == {"n": value}


@pytest.mark.parametrize("name", ["", "Upper", "a b", "a:b", "é", "a\r\nx", "blobio-write"])
def test_metadata_name_that_is_no_header_is_refused(name: str) -> None:
    with pytest.raises(Unsupported):
        h.metadata_headers({name: "value"})


@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\nb", "a\rb", "a\0b"])
def test_metadata_value_cannot_inject_a_header(value: str) -> None:
    with pytest.raises(Unsupported, match="'name'"):
        h.metadata_headers({"name": value})


def test_token_is_written_and_hidden() -> None:
    headers = h.metadata_headers({"a": "1"}, "t0ken")

    assert headers == {"x-amz-meta-a": "1", "x-amz-meta-blobio-write": "t0ken"}
    assert h.user_metadata(headers) == {"a": "1"}
    assert h.write_token(headers) == "t0ken"
    assert h.write_token({}) is None
