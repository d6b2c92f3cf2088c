"""google-cloud-storage, Google's own client; threads for many reads at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

from google.cloud.storage import Client
from requests.adapters import HTTPAdapter

from benchmarks.peers.base import Eat, EatOne, Place
from benchmarks.peers.concurrent import in_threads
from benchmarks.scale import FULL

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_peer"]


@final
class _GoogleCloudStorage:
    def __init__(self, place: Place) -> None:
        self._client = Client(
            project="benchmark",
            client_options={"api_endpoint": place.endpoint_url},
            use_auth_w_custom_endpoint=False,
        )
        # Enough connections for the concurrent job; the client has no setting for it.
        self._client._http.mount("http://", HTTPAdapter(pool_maxsize=FULL.concurrency))  # noqa: SLF001 - see above
        self._bucket = self._client.bucket(place.bucket)
        self._pool = ThreadPoolExecutor(FULL.concurrency)

    def read(self, key: str) -> Buffer:
        body: bytes = self._bucket.blob(key).download_as_bytes()
        return body

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        with self._bucket.blob(key).open("rb") as file:
            while block := file.read(block_bytes):
                eat(block)

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        for key in keys:
            eat(key, self.read(key))

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        assert concurrency == FULL.concurrency
        in_threads(self.read, keys, self._pool, eat)

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002 - not needed
        with self._bucket.blob(key).open("wb") as file:
            for block in blocks:
                file.write(block)

    def write_bytes(self, key: str, body: bytes) -> None:
        self._bucket.blob(key).upload_from_string(body, content_type="application/octet-stream")

    def list_sizes(self, prefix: str) -> Iterator[int]:
        for blob in self._client.list_blobs(self._bucket, prefix=prefix):
            yield blob.size

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()


open_peer = _GoogleCloudStorage
