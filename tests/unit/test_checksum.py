from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.checksum import Crc32c, combine, crc32c, from_base64, to_base64

# RFC 3720, B.4: the CRC32C of 32 zero bytes, 32 bytes of ones, and of 0 to 31.
VECTORS = {
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
}


@pytest.mark.parametrize(("data", "expected"), VECTORS.items())
def test_crc32c_of_known_vectors(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_has_the_crc_of_its_bytes(
    kind: type[bytes | bytearray | memoryview],
) -> None:
    data = bytes(range(256)) * 2100

    assert crc32c(kind(data)) == crc32c(data)


def test_memoryview_of_wide_items_counts_bytes() -> None:
    data = bytes(range(64))

    assert crc32c(memoryview(data).cast("I")) == crc32c(data)


def test_incremental_crc_is_that_of_all_bytes() -> None:
    crc = Crc32c()
    crc.update(b"1234")
    crc.update(memoryview(b"56789"))

    assert crc.value == 0xE3069283
    assert crc.base64() == "4waSgw=="


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_combined_crc_is_that_of_the_pieces_end_to_end(first: bytes, second: bytes) -> None:
    assert combine(crc32c(first), crc32c(second), len(second)) == crc32c(first + second)


def test_combine_handles_lengths_beyond_memory() -> None:
    """Appending n zeros, then m, is appending n + m."""
    start = crc32c(b"start")
    far = combine(combine(start, 0, 5 << 40), 0, 12345)

    assert far == combine(start, 0, (5 << 40) + 12345)


def test_combine_refuses_a_negative_length() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        combine(1, 2, -1)


def test_base64_is_of_four_big_endian_bytes() -> None:
    assert to_base64(0xE3069283) == "4waSgw=="
    assert from_base64("4waSgw==") == 0xE3069283


@pytest.mark.parametrize("text", ["", "4waSgw", "4waSgw==-2", "!!!!", "AAAA", "AAAAAAAAAAA="])
def test_text_that_is_no_crc_gives_none(text: str) -> None:
    assert from_base64(text) is None
