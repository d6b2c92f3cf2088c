"""CRC32C: of buffers, of streams, and of the whole from its parts, without reading it again.

`combine` is what lets parts that are uploaded or read out of order still be checked as one blob.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast, final

import google_crc32c

if TYPE_CHECKING:
    from blobio.values import Body

__all__ = ["Crc32c", "combine", "crc32c", "from_base64", "to_base64"]

_POLYNOMIAL: Final = 0x82F63B78  # Castagnoli, bit-reversed (RFC 3720, B.4)
_SLICE_BYTES: Final = 256 << 10
_CRC_BYTES: Final = 4


def crc32c(data: Body, crc: int = 0) -> int:
    """Return the CRC32C of `data`, continuing from `crc`, as an unsigned 32-bit int.

    `google_crc32c` takes only `bytes`; other buffers are copied in slices that stay in the
    processor's cache (8 MiB: 0.5 ms as bytes, 1.0 ms as a memoryview, 1.4 ms copied at once).
    """
    if isinstance(data, bytes):
        return cast("int", google_crc32c.extend(crc, data))
    with memoryview(data) as view, view.cast("B") as octets:
        for start in range(0, len(octets), _SLICE_BYTES):
            crc = google_crc32c.extend(crc, bytes(octets[start : start + _SLICE_BYTES]))
    return crc


@final
class Crc32c:
    """The CRC32C of bytes that come one buffer at a time.

    Attributes:
        value: CRC32C of everything given to `update` so far; 0 for nothing.
    """

    __slots__ = ("value",)

    def __init__(self, value: int = 0) -> None:
        self.value: int = value

    def update(self, data: Body) -> None:
        """Add `data` to what came before."""
        self.value = crc32c(data, self.value)

    def base64(self) -> str:
        """Return the value as the clouds write it: base64 of 4 big-endian bytes."""
        return to_base64(self.value)


def combine(first: int, second: int, second_bytes: int) -> int:
    """Return the CRC32C of two pieces laid end to end.

    Args:
        first: CRC32C of the first piece.
        second: CRC32C of the second piece.
        second_bytes: Length of the second piece.

    Appending n zero bytes is a linear map of the CRC's 32 bits; its matrix is kept for the
    lengths in use, so equal parts cost one product of a matrix and a vector each (4 microseconds).
    """
    if second_bytes < 0:
        message = f"a piece cannot have {second_bytes} bytes"
        raise ValueError(message)
    return _times(_append_zeros(second_bytes), first) ^ second


def to_base64(crc: int) -> str:
    """Return `crc` as base64 of its 4 big-endian bytes (`"AAAAAA=="` for 0)."""
    return base64.b64encode(crc.to_bytes(_CRC_BYTES, "big")).decode()


def from_base64(text: str) -> int | None:
    """Return the CRC32C that `text` spells, or None if it spells none."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)  # a third of the time of `b64decode`
    except ValueError:
        return None
    return int.from_bytes(raw, "big") if len(raw) == _CRC_BYTES else None


_Matrix = tuple[int, ...]  # column i is the image of bit i


def _times(matrix: _Matrix, vector: int) -> int:
    total = 0
    for column in matrix:
        if not vector:
            break
        if vector & 1:
            total ^= column
        vector >>= 1
    return total


def _product(left: _Matrix, right: _Matrix) -> _Matrix:
    return tuple(_times(left, column) for column in right)


_IDENTITY: Final[_Matrix] = tuple(1 << bit for bit in range(32))


@lru_cache(maxsize=64)
def _power_of_two_zeros(exponent: int) -> _Matrix:
    """Return the matrix that appends 2**exponent zero bytes."""
    if exponent:
        half = _power_of_two_zeros(exponent - 1)
        return _product(half, half)
    one_bit: _Matrix = (_POLYNOMIAL, *(1 << bit for bit in range(31)))
    matrix = one_bit
    for _ in range(3):
        matrix = _product(matrix, matrix)
    return matrix


@lru_cache(maxsize=256)
def _append_zeros(count: int) -> _Matrix:
    matrix = _IDENTITY
    exponent = 0
    while count:
        if count & 1:
            matrix = _product(_power_of_two_zeros(exponent), matrix)
        count >>= 1
        exponent += 1
    return matrix
