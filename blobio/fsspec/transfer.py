"""Bytes between a store and the local disk, with news for fsspec's callbacks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import IO, TYPE_CHECKING

from blobio.core.context import AsyncContext
from blobio.core.files import AsyncReader, AsyncWriter
from blobio.core.flow import each
from blobio.core.opening import Opening

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

__all__ = ["download", "each_deepest_first", "pour", "upload"]


async def upload(
    context: AsyncContext, path: str, target: Opening[AsyncWriter], callback: Callback
) -> None:
    """Copy the local file `path`, whose parts go out side by side."""
    local = await asyncio.to_thread(os.path.abspath, path)
    async with context.open(local) as source:
        callback.set_size(source.size)
        async with target as writer:
            async for block in source:
                await writer.write(block)
                callback.relative_update(len(block))


async def download(
    context: AsyncContext, source: AsyncReader, path: str, callback: Callback
) -> None:
    """Copy a blob to the local file `path`, which appears whole, with its directories."""
    local = await asyncio.to_thread(os.path.abspath, path)
    async with source:
        callback.set_size(source.size)
        async with context.open(local, "wb") as writer:
            async for block in source:
                await writer.write(block)
                callback.relative_update(len(block))


async def pour(source: AsyncReader, target: IO[bytes], callback: Callback) -> None:
    """Copy a blob into an open file."""
    async with source:
        callback.set_size(source.size)
        async for block in source:
            await asyncio.to_thread(target.write, block)
            callback.relative_update(len(block))


async def each_deepest_first(
    function: Callable[[str], Awaitable[None]], names: Iterable[str], window: int
) -> None:
    """Call `function` with each name, those in a directory before the directory."""
    levels: dict[int, list[str]] = {}
    for name in names:
        levels.setdefault(name.count("/"), []).append(name)
    for depth in sorted(levels, reverse=True):
        await each(function, levels[depth], window=window)
