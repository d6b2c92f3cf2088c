from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.checksum import crc32c, to_base64
from blobio.drivers.s3.multipart import (
    Part,
    check_completion,
    composite_crc32c,
    parse_created,
    part_from_reply,
    whole_crc32c,
)
from blobio.errors import ChecksumMismatch, RequestFailed
from blobio.values import PartToken

SUBJECT = "s3://bucket/k"


def _parts(*bodies: bytes) -> list[Part]:
    return [Part(len(body), '"e"', crc32c(body)) for body in bodies]


@pytest.mark.parametrize("part", [Part(5, '"a b c"', 0xE3069283), Part(0, '"e"', None)])
def test_part_survives_its_token(part: Part) -> None:
    assert Part.from_token(part.token()) == part


def test_token_holds_size_checksum_and_etag() -> None:
    assert Part(9, '"e"', 0xE3069283).token() == PartToken('9 e3069283 "e"')


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_checksum_of_the_whole_comes_from_the_parts(bodies: list[bytes]) -> None:
    assert whole_crc32c(_parts(*bodies)) == crc32c(b"".join(bodies))


def test_composite_checksum_is_that_of_the_checksums() -> None:
    """The CRC32C of 8a9136aa 62a8ab43, the values of RFC 3720, worked out by another library."""
    assert composite_crc32c(_parts(bytes(32), b"\xff" * 32)) == "a9RByA==-2"


def test_there_is_no_checksum_if_one_part_has_none() -> None:
    parts = [*_parts(b"a"), Part(1, '"e"', None)]

    assert whole_crc32c(parts) is None
    assert composite_crc32c(parts) is None
    check_completion("anything", parts, SUBJECT)


def test_both_checksums_of_a_completion_are_accepted() -> None:
    parts = _parts(b"one", b"two")

    check_completion(to_base64(crc32c(b"onetwo")), parts, SUBJECT)
    check_completion(composite_crc32c(parts), parts, SUBJECT)
    check_completion(None, parts, SUBJECT)


@pytest.mark.parametrize("announced", ["AAAAAA==", "AAAAAA==-2"])
def test_other_checksum_of_a_completion_is_an_error(announced: str) -> None:
    with pytest.raises(ChecksumMismatch, match=announced):
        check_completion(announced, _parts(b"one", b"two"), SUBJECT)


@pytest.mark.parametrize(
    ("headers", "has_crc32c", "is_full_object"),
    [
        (
            {"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"},
            True,
            True,
        ),
        ({"x-amz-checksum-algorithm": "CRC32C"}, True, False),
        ({"x-amz-checksum-algorithm": "CRC64NVME"}, False, False),
        ({}, False, False),
    ],
)
def test_store_says_which_checksum_it_keeps(
    headers: dict[str, str], has_crc32c: bool, is_full_object: bool
) -> None:
    body = (
        b"<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"
    )

    target = parse_created("k", body, headers, crc32c=True, subject=SUBJECT)

    assert target.upload_id == "u/1"
    assert (target.has_crc32c, target.is_full_object) == (has_crc32c, is_full_object)


@pytest.mark.parametrize(
    "body",
    [
        b"<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
        b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>",
        b"<Other><UploadId>u</UploadId></Other>",
        b"",
    ],
)
def test_upload_without_a_name_is_no_upload(body: bytes) -> None:
    with pytest.raises(RequestFailed):
        parse_created("k", body, {}, crc32c=True, subject=SUBJECT)


def test_part_without_an_etag_is_not_confirmed() -> None:
    assert part_from_reply({}, 3, None) is None
    assert part_from_reply({"etag": "abc"}, 3, None) == Part(3, '"abc"', None)
