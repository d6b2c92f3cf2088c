"""The objects that are read, and what each library must hand over of them."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Iterator
from typing import Final

from benchmarks.scale import BUCKET, MIB, Scale
from blobio.checksum import Crc32c

__all__ = ["BIG_KEY", "LIST_PREFIX", "UPLOAD_KEY", "WARM_KEY", "blocks", "crc_of", "list_size",
           "prepare", "small_body"]  # fmt: skip

BIG_KEY: Final = "big.bin"
WARM_KEY: Final = "warm.bin"
UPLOAD_KEY: Final = "upload.bin"
LIST_PREFIX: Final = "keys/"

_PATTERN: Final = random.Random(20261124).randbytes(MIB)  # noqa: S311 - content, no secret


def blocks(size: int, block_bytes: int) -> Iterator[bytes]:
    """Yield `size` bytes, each block with its number in front, so that none passes for another."""
    whole, rest = divmod(size, block_bytes)
    body = (_PATTERN * (block_bytes // MIB + 1))[8:block_bytes]
    for index in range(whole):
        yield index.to_bytes(8, "big") + body
    if rest:
        yield _PATTERN[:rest]


def small_body(scale: Scale, index: int) -> bytes:
    """Return the content of a small object."""
    return index.to_bytes(8, "big") + _PATTERN[8 : scale.small_bytes]


def list_size(index: int) -> int:
    """Return the size that the listing tells of a key."""
    return 434_234 + index


def prepare(directory: str, scale: Scale) -> dict[str, str]:
    """Write the objects below `directory`, as files that are served at their keys.

    Returns:
        The CRC32C of each object, as S3 writes it, by key.
    """
    root = os.path.join(directory, BUCKET)
    os.makedirs(os.path.join(root, "small"))
    found = {
        BIG_KEY: _write(os.path.join(root, BIG_KEY), blocks(scale.big_bytes, scale.block_bytes)),
        WARM_KEY: _write(os.path.join(root, WARM_KEY), iter([_PATTERN[: scale.small_bytes]])),
    }
    for index in range(scale.small_count):
        key = scale.small_key(index)
        found[key] = _write(os.path.join(root, key), iter([small_body(scale, index)]))
    return found


def _write(path: str, chunks: Iterator[bytes]) -> str:
    crc32c = Crc32c()
    with open(path, "wb") as file:
        for chunk in chunks:
            crc32c.update(chunk)
            file.write(chunk)
    return crc32c.base64()


def crc_of(chunks: Iterator[bytes]) -> int:
    """Return the CRC32 of all chunks, laid end to end."""
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
    return crc
