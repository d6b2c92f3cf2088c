"""blobio itself, with its default settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, final

import blobio as bf
from benchmarks.peers.base import ACCESS_KEY, ACCOUNT_KEY, REGION, SECRET_KEY, Eat, EatOne, Place
from benchmarks.peers.concurrent import in_tasks
from benchmarks.scale import ACCOUNT
from blobio.aio import AsyncContext
from blobio.config import AzureConfig, Config, GcsConfig, HttpConfig, S3Config

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


def _settings(place: Place) -> tuple[str, Config]:
    """Return the URL of the bucket, and how to reach it."""
    http = HttpConfig(ca_file=place.ca_file)
    if place.store == "gcs":
        gcs = GcsConfig(endpoint_url=place.endpoint_url, anonymous=True)
        return f"gs://{place.bucket}/", Config(gcs=gcs, http=http)
    if place.store == "azure":
        endpoint_url = place.endpoint_url + "/{account}"
        azure = AzureConfig(endpoint_url=endpoint_url, account_key=ACCOUNT_KEY)
        return f"az://{ACCOUNT}/{place.bucket}/", Config(azure=azure, http=http)
    s3 = S3Config(
        endpoint_url=place.endpoint_url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    return f"s3://{place.bucket}/", Config(s3=s3, http=http)


@final
class _Blobio:
    def __init__(self, place: Place) -> None:
        self._base, config = _settings(place)
        self._context = bf.Context(config)
        self._runner = asyncio.Runner()
        self._async = AsyncContext(config)

    def read(self, key: str) -> Buffer:
        return self._context.read_bytes(self._base + key)

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        with self._context.BlobFile(self._base + key, "rb") as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self._context.read_bytes(self._base + key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        self._runner.run(in_tasks(self._read, keys, concurrency, eat))

    async def _read(self, key: str) -> Buffer:
        return await self._async.read_bytes(self._base + key)

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with self._context.BlobFile(self._base + key, "wb") as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        self._context.write_bytes(self._base + key, body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for entry in self._context.scandir(self._base + prefix):
            assert entry.stat is not None
            yield entry.stat.size

    def close(self) -> None:
        self._context.close()
        self._runner.run(self._async.aclose())
        self._runner.close()


open_peer = _Blobio
