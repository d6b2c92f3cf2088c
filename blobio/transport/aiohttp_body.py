"""The body of a reply as it comes off the socket, with a watch on its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, final

from blobio.config import HttpConfig
from blobio.errors import TransportFailed
from blobio.transport.faults import FAULTS, broken_body
from blobio.transport.message import Request
from blobio.transport.pace import Pace

if TYPE_CHECKING:
    import aiohttp

__all__ = ["BodyStream", "read_whole"]


@final
class BodyStream:
    """A `ByteStream` over aiohttp's reader: one timer a body, none a chunk.

    The clock of the watch runs only while a reader waits for bytes.
    """

    __slots__ = ("_content", "_loop", "_pace", "_received", "_reply", "_request", "_timer",
                 "_waited_s", "_waiting_since", "_wrong")  # fmt: skip

    def __init__(self, request: Request, reply: aiohttp.ClientResponse, config: HttpConfig) -> None:
        self._request = request
        self._reply = reply
        self._content = reply.content
        self._loop = asyncio.get_running_loop()
        # A store may keep a connection alive with single spaces while it completes an upload
        # (S3 does); only what is read for its content has to come at some rate.
        rate = config.min_bytes_per_s if request.method == "GET" else 0
        self._pace = Pace(config.stall_timeout_s, rate, 0.0)
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self._wrong: str | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = b""
            while not chunk:
                # `readchunk` hands over what one `recv` brought; `readany` would join pieces.
                if self._content.total_bytes > self._received:
                    chunk, _ = await self._content.readchunk()
                else:
                    chunk = await self._wait()
                if not chunk and self._content.at_eof():
                    self._disarm()
                    raise StopAsyncIteration
        except FAULTS as error:
            self._drop()
            cause = TimeoutError(self._wrong) if self._wrong is not None else error
            raise broken_body(self._request, cause, self._received) from error
        except asyncio.CancelledError:
            self._drop()
            raise
        self._received += len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Give the connection back if the body was read whole, else drop it. Idempotent."""
        if self._content.at_eof() and self._content.exception() is None:
            self._disarm()
            self._reply.release()
        else:
            self._drop()

    async def _wait(self) -> bytes:
        if self._timer is None:
            self._arm()
        started = self._waiting_since = self._loop.time()
        try:
            chunk, _ = await self._content.readchunk()
        finally:
            self._waiting_since = None
            self._waited_s += self._loop.time() - started
        return chunk

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self._pace.check_every_s, self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        waited = self._waited_s
        if self._waiting_since is not None:
            waited += self._loop.time() - self._waiting_since
        self._wrong = self._pace.check(waited, self._content.total_bytes)
        if self._wrong is None:
            self._arm()
        else:
            self._drop()  # wakes the reader with an exception

    def _drop(self) -> None:
        self._disarm()
        self._reply.close()


async def read_whole(stream: BodyStream, most_bytes: int, *, cut: bool) -> bytes:
    """Read a body to its end and close it.

    Args:
        stream: The body.
        most_bytes: Its bound.
        cut: Keep the first `most_bytes` of a longer body and drop the rest; False raises.

    Raises:
        TransportFailed: The body broke off, or is longer than allowed.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in stream:
            chunks.append(chunk)
            size += len(chunk)
            if size > most_bytes:
                break
    finally:
        await stream.aclose()
    if size > most_bytes and not cut:
        message = f"a reply of more than {most_bytes} bytes does not fit in memory"
        raise TransportFailed(message, retryable=False)
    return b"".join(chunks)[:most_bytes]
