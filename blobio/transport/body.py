"""Streams around streams: count the bytes, cut a slice, check a checksum."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol, final

import google_crc32c

from blobio.errors import ChecksumMismatch, TransportFailed, redact
from blobio.transport.message import ByteStream
from blobio.transport.ranges import Served

__all__ = [
    "BytesStream",
    "Digest",
    "DigestStream",
    "ExactStream",
    "SliceStream",
    "VerifiedStream",
    "cut",
]


def cut(stream: ByteStream, served: Served, *, subject: str = "") -> ByteStream:
    """Return the bytes of `served.span` out of a reply's body, counted."""
    if len(served.span) == served.body_bytes:
        return ExactStream(stream, served.body_bytes, subject=subject)
    return SliceStream(stream, served.skip, len(served.span), subject=subject)


@final
class BytesStream:
    """A body that is in memory already: one chunk, or none."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        body, self._body = self._body, b""
        if not body:
            raise StopAsyncIteration
        return body

    async def aclose(self) -> None:
        """Drop what was not read."""
        self._body = b""


@final
class ExactStream:
    """Yields exactly `expected_bytes` or raises `TransportFailed`."""

    __slots__ = ("_chunks", "_expected", "_received", "_stream", "_subject")

    def __init__(self, stream: ByteStream, expected_bytes: int, *, subject: str = "") -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._expected = expected_bytes
        self._received = 0
        self._subject = subject

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            if self._received < self._expected:
                raise _wrong_length(self._received, self._expected, self._subject) from None
            raise
        received = self._received + len(chunk)
        if received > self._expected:
            raise _wrong_length(received, self._expected, self._subject)
        self._received = received
        return chunk

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._stream.aclose()


@final
class SliceStream:
    """Skips `skip` bytes, yields exactly `take`, then drops the rest."""

    __slots__ = ("_chunks", "_skip", "_stream", "_subject", "_take")

    def __init__(self, stream: ByteStream, skip: int, take: int, *, subject: str = "") -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._skip = skip
        self._take = take
        self._subject = subject

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = b""
        while not piece:
            if self._take == 0:
                await self._stream.aclose()
                raise StopAsyncIteration
            try:
                chunk = await self._chunks.__anext__()
            except StopAsyncIteration:
                missing = self._skip + self._take
                raise _wrong_length(-missing, 0, self._subject) from None
            piece = chunk[self._skip : self._skip + self._take]
            self._skip = max(0, self._skip - len(chunk))
            self._take -= len(piece)
        return piece

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._stream.aclose()


@final
class VerifiedStream:
    """Passes a body on and raises `ChecksumMismatch` after its last chunk if the CRC32C differs."""

    __slots__ = ("_chunks", "_crc32c", "_expected", "_stream", "_subject")

    def __init__(self, stream: ByteStream, crc32c: int, *, subject: str = "") -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._expected = crc32c
        self._crc32c = 0
        self._subject = subject

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            if self._crc32c != self._expected:
                name = redact(self._subject) or "a blob"
                message = (
                    f"the bytes of {name} have CRC32C {self._crc32c:08x}, "
                    f"but the store says {self._expected:08x}: they changed on the way, read again"
                )
                url = self._subject or None
                raise ChecksumMismatch(message, url=url, operation="get") from None
            raise
        self._crc32c = google_crc32c.extend(self._crc32c, chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._stream.aclose()


class Digest(Protocol):
    """What `hashlib` makes, as far as it is needed here."""

    @property
    def update(self) -> Callable[[bytes], None]:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all of them."""
        ...


@final
class DigestStream:
    """Passes a body on and raises `ChecksumMismatch` after its last chunk if the digest differs.

    Args:
        stream: The body.
        digest: An empty one.
        expected: What `digest` must say in the end.
        subject: The blob's URL.
        hint: What else may be the matter, for the message.
    """

    __slots__ = ("_chunks", "_digest", "_expected", "_hint", "_stream", "_subject")

    def __init__(
        self, stream: ByteStream, digest: Digest, expected: str, *, subject: str, hint: str = ""
    ) -> None:
        self._stream = stream
        self._chunks = stream.__aiter__()
        self._digest = digest
        self._expected = expected
        self._subject = subject
        self._hint = hint

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._chunks.__anext__()
        except StopAsyncIteration:
            found = self._digest.hexdigest()
            if found != self._expected:
                message = (
                    f"the bytes of {redact(self._subject)} have checksum {found}, but the store "
                    f"says {self._expected}: they changed on the way, read again{self._hint}"
                )
                raise ChecksumMismatch(message, url=self._subject, operation="get") from None
            raise
        self._digest.update(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the inner stream."""
        await self._stream.aclose()


def _wrong_length(received: int, expected: int, subject: str) -> TransportFailed:
    difference = received - expected
    fault = f"{difference} bytes too many" if difference > 0 else f"{-difference} bytes are missing"
    message = f"the body of {redact(subject) or 'a blob'} has the wrong length: {fault}"
    return TransportFailed(message, url=subject or None, operation="get", attempts=1)
