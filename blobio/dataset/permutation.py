"""A shuffled order that is computed instead of stored: a keyed bijection of `range(size)`.

A Feistel network over the bits of an index, walked until it falls inside the range. Any index is
found without the ones before it and nothing is kept between two calls, so that an order is resumed
anywhere, by anyone who knows the key, and costs the same for ten rows as for 10**15.
"""

from __future__ import annotations

import hashlib
from typing import Final, final

__all__ = ["FIRST_FACTOR", "MIX_SHIFT", "SECOND_FACTOR", "Permutation", "derive_key"]

FIRST_FACTOR: Final = 0x9E3779B97F4A7C15  # the bits of the golden ratio; odd
SECOND_FACTOR: Final = 0x6A09E667F3BCC909  # the bits of the square root of two; odd
MIX_SHIFT: Final = 29
_WORD_BITS: Final = 64
_WORD: Final = (1 << _WORD_BITS) - 1
# A network over two or three bits knows a handful of permutations. With eight, a range of five is
# walked some fifty steps an index, which nobody notices, and all of its 120 orders come up.
_MIN_BITS: Final = 8


def derive_key(*parts: int | str) -> tuple[int, int, int, int]:
    """Return four words of 64 bits, one a round, that depend on each part and on their order."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=32).digest()
    first, second, third, fourth = (
        int.from_bytes(digest[at : at + 8], "little") for at in range(0, 32, 8)
    )
    return first, second, third, fourth


@final
class Permutation:
    """A bijection of `range(size)`, called with an index.

    Attributes:
        size: How many indices there are: 0 to 2**63.
        key: Of the four rounds, as `derive_key` makes it.
        low_bits: Of an index, in its lower half.
        high_bits: Of an index, in its upper half.
    """

    __slots__ = ("high_bits", "key", "low_bits", "size")

    def __init__(self, size: int, key: tuple[int, int, int, int]) -> None:
        if not 0 <= size <= 1 << 63:
            message = f"a permutation has 0 to 2**63 indices, not {size}"
            raise ValueError(message)
        bits = max(_MIN_BITS, (size - 1).bit_length())
        self.size: Final = size
        self.key: Final = key
        self.low_bits: Final = bits // 2
        self.high_bits: Final = bits - self.low_bits

    def __call__(self, index: int) -> int:
        """Return where `index` goes.

        Raises:
            IndexError: It is not in `range(size)`.
        """
        if not 0 <= index < self.size:
            message = f"index {index} of a permutation of {self.size}"
            raise IndexError(message)
        low_bits, low_mask = self.low_bits, (1 << self.low_bits) - 1
        to_high, to_low = _WORD_BITS - self.high_bits, _WORD_BITS - low_bits
        first, second, third, fourth = self.key
        while True:
            low, high = index & low_mask, index >> low_bits
            high ^= _mix(low + first) >> to_high
            low ^= _mix(high + second) >> to_low
            high ^= _mix(low + third) >> to_high
            low ^= _mix(high + fourth) >> to_low
            index = high << low_bits | low
            # What lies outside is on a cycle that started inside, and so comes back.
            if index < self.size:
                return index


def _mix(value: int) -> int:
    """Return a word whose upper bits depend on all bits of `value`."""
    value = value * FIRST_FACTOR & _WORD
    return (value ^ value >> MIX_SHIFT) * SECOND_FACTOR & _WORD
