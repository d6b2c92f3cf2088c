"""s3fs: its blocking API, and its own coroutines for many reads at a time."""

from __future__ import annotations

from typing import Any, final

from s3fs import S3FileSystem

from benchmarks.peers.base import ACCESS_KEY, REGION, SECRET_KEY, Place
from benchmarks.peers.fsspec import FsspecPeer
from benchmarks.scale import FULL

__all__ = ["open_peer"]


@final
class _S3fs(FsspecPeer):
    def __init__(self, place: Place) -> None:
        settings = {
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "endpoint_url": place.endpoint_url,
            "client_kwargs": {"region_name": REGION, "verify": place.ca_file},
            "config_kwargs": {"max_pool_connections": FULL.concurrency},
        }
        super().__init__(place, S3FileSystem, settings)
        self._session: Any = None

    async def _connect(self, files: Any) -> None:
        self._session = await files.set_session()

    async def _close(self, files: Any) -> None:
        del files
        await self._session.close()


open_peer = _S3fs
