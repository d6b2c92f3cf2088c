"""The async face: `AsyncContext`, and what its files are.

::

    async with AsyncContext() as bf:
        await bf.write_bytes("s3://bucket/key", b"...")
        async with bf.open("s3://bucket/key", "rb") as file:
            head = await file.read(100)
        async for entry in bf.scandir("s3://bucket/"):
            ...
"""

from __future__ import annotations

from blobio.core.compression import AsyncCompressedReader, AsyncCompressedWriter
from blobio.core.context import AsyncContext
from blobio.core.files import AsyncReader, AsyncWriter

__all__ = [
    "AsyncCompressedReader",
    "AsyncCompressedWriter",
    "AsyncContext",
    "AsyncReader",
    "AsyncWriter",
]
