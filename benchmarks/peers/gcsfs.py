"""gcsfs: its blocking API, and its own coroutines for many reads at a time."""

from __future__ import annotations

from typing import Any, final

from gcsfs import GCSFileSystem

from benchmarks.peers.base import Place
from benchmarks.peers.fsspec import FsspecPeer

__all__ = ["open_peer"]


@final
class _Gcsfs(FsspecPeer):
    def __init__(self, place: Place) -> None:
        settings = {"endpoint_url": place.endpoint_url, "token": "anon"}
        super().__init__(place, GCSFileSystem, settings)

    async def _close(self, files: Any) -> None:
        await files.session.close()


open_peer = _Gcsfs
