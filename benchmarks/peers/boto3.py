"""boto3: a client, its managed transfers for large uploads, threads for many reads at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, final

import boto3
from botocore.config import Config

from benchmarks.peers.base import ACCESS_KEY, REGION, SECRET_KEY, Eat, EatOne, Place
from benchmarks.peers.concurrent import in_threads
from benchmarks.scale import FULL

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["client", "open_peer"]


def client(place: Place) -> Any:
    """Return a client with enough connections for the concurrent job."""
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=place.ca_file,
        config=Config(max_pool_connections=FULL.concurrency),
    )


@final
class _Source(io.RawIOBase):
    """A file over blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        count = min(len(target), len(self._block))
        target[:count] = self._block[:count]
        self._block = self._block[count:]
        return count


@final
class _Boto3:
    def __init__(self, place: Place) -> None:
        self._bucket = place.bucket
        self._client = client(place)
        self._pool = ThreadPoolExecutor(FULL.concurrency)

    def read(self, key: str) -> Buffer:
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        while block := body.read(block_bytes):
            eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self.read(key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        assert concurrency == FULL.concurrency
        in_threads(self.read, keys, self._pool, eat)

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        source = io.BufferedReader(_Source(blocks), 1 << 20)
        self._client.upload_fileobj(source, self._bucket, key)

    def write_bytes(self, key: str, body: bytes) -> None:
        self._client.upload_fileobj(io.BytesIO(body), self._bucket, key)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for entry in page["Contents"]:
                yield entry["Size"]

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()


open_peer = _Boto3
