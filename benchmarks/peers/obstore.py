"""obstore: Rust's object_store, bound to Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import obstore
from obstore.store import AzureStore, GCSStore, S3Store

from benchmarks.peers.base import ACCESS_KEY, ACCOUNT_KEY, REGION, SECRET_KEY, Eat, EatOne, Place
from benchmarks.peers.concurrent import in_tasks
from benchmarks.scale import ACCOUNT

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]

_PAGE_KEYS = 1000


def _store(place: Place) -> Any:
    options: dict[str, Any] = {
        "client_options": {
            "allow_http": True,
            "root_certificate": Path(place.ca_file).read_bytes(),
            "timeout": "10 minutes",
        }
    }
    if place.store == "gcs":
        return GCSStore(place.bucket, base_url=place.endpoint_url, bearer_token="none", **options)
    if place.store == "azure":
        return AzureStore(
            place.bucket,
            endpoint=place.account_url,
            account_name=ACCOUNT,
            account_key=ACCOUNT_KEY,
            **options,
        )
    return S3Store(
        place.bucket,
        endpoint=place.endpoint_url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        virtual_hosted_style_request=False,
        **options,
    )


@final
class _Obstore:
    def __init__(self, place: Place) -> None:
        self._store = _store(place)
        self._runner = asyncio.Runner()

    def read(self, key: str) -> Buffer:
        body: Buffer = obstore.get(self._store, key).bytes()
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        for block in obstore.get(self._store, key).stream(min_chunk_size=block_bytes):
            eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, obstore.get(self._store, key).bytes())

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        self._runner.run(in_tasks(self._read, keys, concurrency, eat))

    async def _read(self, key: str) -> Buffer:
        result: Any = await obstore.get_async(self._store, key)
        body: Buffer = await result.bytes_async()
        return body

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with obstore.open_writer(self._store, key) as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        obstore.put(self._store, key, body)

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for page in obstore.list(self._store, prefix, chunk_size=_PAGE_KEYS):
            for entry in page:
                yield entry["size"]

    def close(self) -> None:
        self._runner.close()


open_peer = _Obstore
