from __future__ import annotations

import pytest

from blobio.errors import ChecksumMismatch, TransportFailed
from blobio.transport.body import BytesStream, ExactStream, SliceStream, VerifiedStream, cut
from blobio.transport.message import ByteStream
from blobio.transport.mock import ScriptedStream
from blobio.transport.ranges import Served
from blobio.values import Span


async def read(stream: ByteStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_exact_passes_the_right_length() -> None:
    inner = ScriptedStream([b"abc", b"de"])
    stream = ExactStream(inner, 5)

    assert await read(stream) == b"abcde"
    await stream.aclose()
    assert inner.closed


async def test_exact_passes_nothing() -> None:
    assert await read(ExactStream(ScriptedStream([]), 0)) == b""


@pytest.mark.parametrize(
    ("chunks", "what"),
    [([b"abc"], "2 bytes are missing"), ([], "5 bytes are missing"), ([b"abcdef"], "1 bytes too")],
)
async def test_exact_refuses_another_length(chunks: list[bytes], what: str) -> None:
    with pytest.raises(TransportFailed, match=what) as caught:
        await read(ExactStream(ScriptedStream(chunks), 5, subject="s3://b/k"))

    assert caught.value.url == "s3://b/k"
    assert caught.value.retryable


async def test_exact_never_yields_a_byte_too_many() -> None:
    chunks = ExactStream(ScriptedStream([b"abcde", b"f"]), 5).__aiter__()

    assert await anext(chunks) == b"abcde"
    with pytest.raises(TransportFailed):
        await anext(chunks)


@pytest.mark.parametrize(
    ("skip", "take", "expected"), [(0, 3, b"abc"), (2, 4, b"cdef"), (4, 0, b""), (5, 4, b"fghi")]
)
@pytest.mark.parametrize("size", [1, 2, 4, 20])
async def test_slice_of_any_chunks(skip: int, take: int, expected: bytes, size: int) -> None:
    body = b"abcdefghijkl"
    inner = ScriptedStream([body[at : at + size] for at in range(0, len(body), size)])

    assert await read(SliceStream(inner, skip, take)) == expected


async def test_slice_drops_the_rest_unread() -> None:
    inner = ScriptedStream([b"abc", b"def", b"ghi"])

    await read(SliceStream(inner, 1, 2))

    assert inner.closed
    assert inner.delivered == 3


@pytest.mark.parametrize("skip", [1, 6])
async def test_slice_of_a_short_body_fails(skip: int) -> None:
    with pytest.raises(TransportFailed, match="bytes are missing"):
        await read(SliceStream(ScriptedStream([b"abc"]), skip, 3))


async def test_verified_passes_matching_bytes() -> None:
    # 0xE3069283 is the check value of CRC-32C in RFC 3720 and elsewhere.
    stream = VerifiedStream(ScriptedStream([b"1234", b"56789"]), 0xE3069283)

    assert await read(stream) == b"123456789"


async def test_verified_fails_after_the_last_chunk() -> None:
    chunks = VerifiedStream(ScriptedStream([b"12345678x"]), 0xE3069283).__aiter__()

    assert await anext(chunks) == b"12345678x"
    with pytest.raises(ChecksumMismatch, match="e3069283"):
        await anext(chunks)


async def test_verified_passes_a_fault_on() -> None:
    stream = VerifiedStream(ScriptedStream([b"1"], TransportFailed("reset")), 0)

    with pytest.raises(TransportFailed):
        await read(stream)


async def test_verified_closes() -> None:
    inner = ScriptedStream([b"1"])

    await VerifiedStream(inner, 0).aclose()

    assert inner.closed


async def test_bytes_are_one_chunk() -> None:
    assert [chunk async for chunk in BytesStream(b"abc")] == [b"abc"]
    assert [chunk async for chunk in BytesStream(b"")] == []


async def test_closed_bytes_are_gone() -> None:
    stream = BytesStream(b"abc")

    await stream.aclose()

    assert await read(stream) == b""


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (Served(Span(0, 6), 6, 6), b"abcdef"),
        (Served(Span(7, 13), 20, 6), b"abcdef"),
        (Served(Span(2, 4), 6, 6, skip=2), b"cd"),
        (Served(Span(0, 4), 6, 6), b"abcd"),
    ],
)
async def test_cut(served: Served, expected: bytes) -> None:
    assert await read(cut(ScriptedStream([b"abc", b"def"]), served)) == expected
