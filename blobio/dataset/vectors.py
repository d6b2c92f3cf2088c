"""Arithmetic over many positions at once: what `permutation` does to one, by Arrow's kernels.

pyarrow needs no numpy, and so neither does this.
"""

from __future__ import annotations

import functools
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from blobio.dataset.permutation import FIRST_FACTOR, MIX_SHIFT, SECOND_FACTOR, Permutation

__all__ = ["count_from", "permute"]

_WORD_BITS: Final = 64


@functools.lru_cache(maxsize=2)
def _counted(size: int) -> pa.Array:
    return pa.array(range(size), pa.uint64())


def count_from(start: int, stop: int) -> pa.Array:
    """Return the numbers `start` to `stop`, half-open, as `uint64`.

    The numbers from 0 are kept for the longest run of late, so that a batch costs an addition.
    """
    size = 1 << max(10, (stop - start - 1).bit_length())
    return pc.add(_counted(size).slice(0, stop - start), _word(start))


def permute(permutation: Permutation, start: int, stop: int) -> pa.Array:
    """Return where the indices `start` to `stop` go, in order, as `uint64`."""
    found = _step(permutation, count_from(start, stop))
    size = _word(permutation.size)
    while True:
        outside = pc.greater_equal(found, size)
        if not pc.any(outside).as_py():
            return found
        found = pc.replace_with_mask(found, outside, _step(permutation, found.filter(outside)))


def _step(permutation: Permutation, index: pa.Array) -> pa.Array:
    low_bits = permutation.low_bits
    to_high, to_low = _word(_WORD_BITS - permutation.high_bits), _word(_WORD_BITS - low_bits)
    low = pc.bit_wise_and(index, _word((1 << low_bits) - 1))
    high = pc.shift_right(index, _word(low_bits))
    for round_, key in enumerate(permutation.key):
        if round_ % 2 == 0:
            high = pc.bit_wise_xor(high, pc.shift_right(_mix(low, key), to_high))
        else:
            low = pc.bit_wise_xor(low, pc.shift_right(_mix(high, key), to_low))
    return pc.bit_wise_or(pc.shift_left(high, _word(low_bits)), low)


def _mix(value: pa.Array, key: int) -> pa.Array:
    value = pc.multiply(pc.add(value, _word(key)), _word(FIRST_FACTOR))
    value = pc.bit_wise_xor(value, pc.shift_right(value, _word(MIX_SHIFT)))
    return pc.multiply(value, _word(SECOND_FACTOR))


def _word(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())
