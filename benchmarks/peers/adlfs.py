"""adlfs: its blocking API, and its own coroutines for many reads at a time."""

from __future__ import annotations

from typing import Any, final

from adlfs import AzureBlobFileSystem

from benchmarks.peers.base import Place
from benchmarks.peers.fsspec import FsspecPeer

__all__ = ["open_peer"]


@final
class _Adlfs(FsspecPeer):
    def __init__(self, place: Place) -> None:
        settings = {"connection_string": place.connection_string}
        super().__init__(place, AzureBlobFileSystem, settings)

    async def _close(self, files: Any) -> None:
        await files.service_client.close()


open_peer = _Adlfs
