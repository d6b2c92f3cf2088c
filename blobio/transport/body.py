"""Streams around streams: count the bytes, cut a slice, check a checksum."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import final

from blobio.transport.message import ByteStream
from blobio.transport.ranges import Served

__all__ = ["BytesStream", "ExactStream", "SliceStream", "VerifiedStream", "cut"]


def cut(stream: ByteStream, served: Served, *, subject: str = "") -> ByteStream:
    """Return the bytes of `served.span` out of a reply's body, counted."""
    raise NotImplementedError


@final
class BytesStream:
    """A body that is in memory already."""

    def __init__(self, body: bytes) -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Do nothing."""


@final
class ExactStream:
    """Yields exactly `expected_bytes` or raises `TransportFailed`."""

    def __init__(self, stream: ByteStream, expected_bytes: int, *, subject: str = "") -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner stream."""
        raise NotImplementedError


@final
class SliceStream:
    """Skips `skip` bytes, yields exactly `take`, then drops the rest."""

    def __init__(self, stream: ByteStream, skip: int, take: int, *, subject: str = "") -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner stream."""
        raise NotImplementedError


@final
class VerifiedStream:
    """Passes a body on and raises `ChecksumMismatch` after its last chunk if the CRC32C differs."""

    def __init__(self, stream: ByteStream, crc32c: int, *, subject: str = "") -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner stream."""
        raise NotImplementedError
