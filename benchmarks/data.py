"""The objects that are read, and what each library must hand over of them."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from benchmarks.scale import BUCKET, MIB, Scale
from blobio.checksum import Crc32c

__all__ = ["BIG_KEY", "LIST_PREFIX", "UPLOAD_KEY", "WARM_KEY", "Checksums", "blocks", "crc_of",
           "list_size", "prepare", "small_body"]  # fmt: skip

BIG_KEY: Final = "big.bin"
WARM_KEY: Final = "warm.bin"
UPLOAD_KEY: Final = "upload.bin"
LIST_PREFIX: Final = "keys/"

_PATTERN: Final = random.Random(20261124).randbytes(MIB)  # noqa: S311 - content, no secret


@final
@dataclass(frozen=True, slots=True)
class Checksums:
    """Checksums of objects by key, as the stores write them: in base64."""

    crc32c: dict[str, str] = field(default_factory=dict)
    md5: dict[str, str] = field(default_factory=dict)


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


def prepare(directory: str, scale: Scale, more: Mapping[str, bytes]) -> Checksums:
    """Write the objects below `directory`, and `more` by key, as files served at their keys."""
    root = os.path.join(directory, BUCKET)
    os.makedirs(os.path.join(root, "small"))
    found = Checksums()
    _write(found, root, BIG_KEY, blocks(scale.big_bytes, scale.block_bytes))
    _write(found, root, WARM_KEY, iter([_PATTERN[: scale.small_bytes]]))
    for index in range(scale.small_count):
        _write(found, root, scale.small_key(index), iter([small_body(scale, index)]))
    if scale.large_count:
        os.makedirs(os.path.join(root, "large"))
    for index in range(scale.large_count):
        _write(found, root, f"large/{index}.bin", blocks(scale.large_bytes, MIB))
    for key, body in more.items():
        os.makedirs(os.path.dirname(os.path.join(root, key)), exist_ok=True)
        _write(found, root, key, iter([body]))
    return found


def _write(found: Checksums, root: str, key: str, chunks: Iterator[bytes]) -> None:
    crc32c, md5 = Crc32c(), hashlib.md5(usedforsecurity=False)
    with open(os.path.join(root, key), "wb") as file:
        for chunk in chunks:
            crc32c.update(chunk)
            md5.update(chunk)
            file.write(chunk)
    found.crc32c[key] = crc32c.base64()
    found.md5[key] = base64.b64encode(md5.digest()).decode()


def crc_of(chunks: Iterator[bytes]) -> int:
    """Return the CRC32 of all chunks, laid end to end."""
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
    return crc
