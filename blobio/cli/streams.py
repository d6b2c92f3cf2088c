"""Bytes from stdin and to stdout, past the loop: a pipe may block for as long as it likes.

A pipe is read and written on a thread that nobody waits for, without Python's buffers: Ctrl-C must
end the command at once, and not when the other end of the pipe does something.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Final, TypeVar

from blobio.config import ReadConfig
from blobio.core.reader import RangeReader, blocks
from blobio.core.writer import PartWriter
from blobio.values import PutResult

__all__ = ["STDIN", "chunks", "download", "upload"]

T = TypeVar("T")

STDIN: Final = 0
_STDOUT: Final = 1
_CHUNK_BYTES: Final = 64 << 10


async def download(reader: RangeReader, start: int, stop: int, config: ReadConfig) -> None:
    """Write bytes `start` to `stop` of a blob to stdout.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    sys.stdout.flush()
    async with contextlib.aclosing(blocks(reader, start, stop, config)) as parts:
        async for block in parts:
            data = memoryview(block)
            while data:
                data = data[await _unawaited(partial(os.write, _STDOUT, data)) :]


async def upload(writer: PartWriter) -> tuple[int, PutResult]:
    """Write stdin to a blob; return its size and what was written. Nothing appears before the end.

    A cancelled upload leaves nothing.
    """
    size = 0
    try:
        while True:
            wanted = writer.next_part_bytes
            part = await _read(wanted)
            size += len(part)
            if len(part) < wanted:
                return size, await writer.finish(part)
            await writer.write_part(part)
    except BaseException:
        await writer.abort()
        raise


async def chunks(descriptor: int) -> AsyncGenerator[bytes, None]:
    """Yield what a file or pipe gives, as it comes, up to 64 KiB at a time."""
    while data := await _unawaited(partial(os.read, descriptor, _CHUNK_BYTES)):
        yield data


async def _read(size: int) -> bytearray:
    """Read `size` bytes from stdin, fewer only at its end."""
    part = bytearray()
    while len(part) < size:
        more = await _unawaited(partial(os.read, STDIN, size - len(part)))
        if not more:
            break
        part += more
    return part


async def _unawaited(function: Callable[[], T]) -> T:
    """Run `function` on a thread that is left alone if this is cancelled, and at exit."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(deliver: Callable[[], None]) -> None:
        if not outcome.done():  # else cancelled
            deliver()

    def work() -> None:
        try:
            deliver = partial(outcome.set_result, function())
        except OSError as error:
            deliver = partial(outcome.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, deliver)

    threading.Thread(target=work, name="blobio-pipe", daemon=True).start()
    return await outcome
