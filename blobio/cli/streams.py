"""Bytes from stdin and to stdout, past the loop: a pipe may block for as long as it likes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator

from blobio.cli.output import Output
from blobio.config import Config, ReadConfig
from blobio.core.flow import ordered_map
from blobio.core.reader import RangeReader
from blobio.core.writer import PartWriter
from blobio.values import PutResult

__all__ = ["blocks", "download", "upload"]


def blocks(
    reader: RangeReader, start: int, stop: int, config: ReadConfig
) -> AsyncGenerator[bytes, None]:
    """Yield bytes `start` to `stop` in order, `config.window` parts ahead."""
    part = config.part_bytes

    async def block(offset: int) -> bytes:
        return await reader.read(offset, min(offset + part, stop))

    return ordered_map(block, range(start, stop, part), window=config.window)


async def download(reader: RangeReader, config: Config, output: Output) -> int:
    """Write a blob to stdout; return its size."""
    size = reader.size or 0
    async for block in blocks(reader, 0, size, config.read):
        await asyncio.to_thread(output.data, block)
    output.flush()
    return size


async def upload(writer: PartWriter) -> tuple[int, PutResult]:
    """Write stdin to a blob; return what was written once it ends. Nothing appears before that.

    A cancelled upload leaves nothing, though a thread may go on waiting for the pipe.
    """
    size = 0
    try:
        while True:
            block = await asyncio.to_thread(sys.stdin.buffer.read, writer.next_part_bytes)
            size += len(block)
            if len(block) < writer.next_part_bytes:
                return size, await writer.finish(block)
            await writer.write_part(block)
    except BaseException:
        await writer.abort()
        raise
