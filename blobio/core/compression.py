"""The files of the async API that are compressed: `AsyncCompressedReader`, `AsyncCompressedWriter`.

The incremental coders of the standard library do the work, and those of backports.zstd and lz4 for
what it lacks; large pieces on a thread, for they would hold up the loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Final, Protocol, final

from blobio.core.files import AsyncReader, AsyncWriter
from blobio.core.formats import GZIP_LEVEL, explained
from blobio.url import BlobUrl
from blobio.values import Body, PutResult, Version

__all__ = ["AsyncCompressedReader", "AsyncCompressedWriter"]

_INPUT_BYTES: Final = 256 << 10  # decompressed at once, into at most:
_OUTPUT_BYTES: Final = 1 << 20
_THREAD_BYTES: Final = 64 << 10  # from here on a thread costs less than the loop's patience


class _Encoder(Protocol):
    def compress(self, data: Body, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@final
class _Gunzip:
    """zlib's decompressor with the words of all the others."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.needs_input: bool = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = len(output) < max_length and not self.eof
        return output


@final
class _Lz4Encoder:
    """lz4's compressor, which begins and ends a frame with calls of their own."""

    def __init__(self) -> None:
        import lz4.frame

        self._inner = lz4.frame.LZ4FrameCompressor()
        self._start: bytes = self._inner.begin()

    def compress(self, data: Body, /) -> bytes:
        start, self._start = self._start, b""
        return start + bytes(self._inner.compress(data))

    def flush(self) -> bytes:
        start, self._start = self._start, b""
        return start + bytes(self._inner.flush())


def _encoder(kind: str) -> _Encoder:
    if kind == "gzip":
        import zlib

        return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    if kind == "bz2":
        import bz2

        return bz2.BZ2Compressor()
    if kind == "xz":
        import lzma

        return lzma.LZMACompressor()
    if kind == "lz4":
        return _Lz4Encoder()
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdCompressor()


def _decoder(kind: str) -> _Decoder:
    if kind == "gzip":
        return _Gunzip()
    if kind == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind == "xz":
        import lzma

        return lzma.LZMADecompressor()
    if kind == "lz4":
        import lz4.frame

        decoder: _Decoder = lz4.frame.LZ4FrameDecompressor()
        return decoder
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor()


@final
class AsyncCompressedReader:
    """A compressed blob open for reading what it holds, from front to back.

    Use as an async context manager; iterating yields the rest in blocks of `bytes`.

    Raises, when it is read:
        EOFError: The data end before their format's end does.
        BlobError: They are not of that format, or damaged.
    """

    def __init__(self, reader: AsyncReader, kind: str | None) -> None:
        self._reader = reader
        self._kind = kind
        self._decoder = None if kind is None else _decoder(kind)
        self._members = 0  # that have ended
        self._is_fresh = True  # nothing was put into the decoder
        self._rest = b""
        self._position = 0

    @property
    def url(self) -> BlobUrl:
        """The blob."""
        return self._reader.url

    @property
    def version(self) -> Version | None:
        """The version that is read, or None if the store has no such thing."""
        return self._reader.version

    def tell(self) -> int:
        """Return the position in what the blob holds."""
        return self._position

    async def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; all that is left if `size` is negative."""
        pieces: list[bytes] = []
        left = size
        while left != 0 and (piece := await self._some()):
            if 0 <= left < len(piece):
                piece, self._rest = piece[:left], piece[left:]
            pieces.append(piece)
            self._position += len(piece)
            left -= len(piece) if left > 0 else 0
        return b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._some():
            self._position += len(piece)
            yield piece

    async def __aenter__(self) -> AsyncCompressedReader:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what is being fetched ahead. Idempotent."""
        await self._reader.aclose()

    async def _some(self) -> bytes:
        """Return at most a mebibyte, empty only at the end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._kind is None:
            return await self._reader.read(_INPUT_BYTES)
        try:
            return await self._decoded(self._kind)
        except Exception as error:
            told = explained(error, str(self.url), self._kind)
            if told is error:
                raise
            raise told from error

    async def _decoded(self, kind: str) -> bytes:
        while True:
            assert self._decoder is not None
            given = b""
            if self._decoder.eof:  # the next member, if there is one
                given = self._decoder.unused_data
                self._decoder, self._members = _decoder(kind), self._members + 1
                self._is_fresh = True
            if not given and self._decoder.needs_input:
                given = await self._reader.read(_INPUT_BYTES)
                if not given:
                    if self._is_fresh and self._members:
                        return b""
                    raise EOFError
            if self._is_fresh and self._members:
                given = given.lstrip(b"\0")  # what tapes and blocks are filled up with
                if not given:
                    continue
            self._is_fresh = False
            if output := await asyncio.to_thread(self._decoder.decompress, given, _OUTPUT_BYTES):
                return output


@final
class AsyncCompressedWriter:
    """A blob open for writing behind a compressor; see `AsyncWriter` for when it appears."""

    def __init__(self, writer: AsyncWriter, kind: str | None) -> None:
        self._writer = writer
        self._encoder = None if kind is None else _encoder(kind)
        self._position = 0
        self._closed = False

    @property
    def url(self) -> BlobUrl:
        """The blob."""
        return self._writer.url

    @property
    def result(self) -> PutResult | None:
        """What was published, once it is."""
        return self._writer.result

    def tell(self) -> int:
        """Return how many bytes were written, before compression."""
        return self._position

    async def write(self, data: Body) -> int:
        """Compress and write `data`, which may change once this has returned."""
        view = memoryview(data).cast("B")
        await self._writer.write(await self._encoded(view))
        self._position += len(view)
        return len(view)

    async def aclose(self) -> None:
        """Write what the compressor still holds and publish. Idempotent.

        Raises:
            BlobError: Nothing was published, see `PartWriter.finish`.
        """
        if self._closed:
            return
        self._closed = True
        if self._encoder is not None:
            try:
                await self._writer.write(self._encoder.flush())
            except BaseException:
                await self._writer.abort()
                raise
        await self._writer.aclose()

    async def abort(self) -> None:
        """Drop what was written. Idempotent; nothing after `aclose`."""
        self._closed = True
        await self._writer.abort()

    async def __aenter__(self) -> AsyncCompressedWriter:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            await self.aclose()
        else:
            await self.abort()

    async def _encoded(self, view: memoryview) -> Body:
        if self._encoder is None:
            return view
        if len(view) < _THREAD_BYTES:
            return self._encoder.compress(view)
        return await asyncio.to_thread(self._encoder.compress, view)
