"""`StrictAzure` as the ground of a campaign. Its requests go by the names of S3's, as plans do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Final, final
from urllib.parse import urlsplit

from blobio.config import Config
from blobio.core.context import AsyncContext
from blobio.drivers.azure.copying import CopyLimits
from blobio.drivers.azure.driver import AzureDriver
from blobio.testing.strict_azure import Fault, RequestHead, StrictAzure, Strike
from blobio.transport.retry import RetryTransport
from blobio.url import BlobUrl
from tests.campaign.faultplan import Switchboard
from tests.campaign.grounds import PART_BYTES, Traits, small
from tests.campaign.model import Violation

__all__ = ["AzureGround", "azure_ground"]

_ROOT: Final = BlobUrl("az", "account/campaign", "")
_NAMES: Final = {
    "GetBlob": "GetObject",
    "GetBlobProperties": "HeadObject",
    "PutBlob": "PutObject",
    "PutBlock": "UploadPart",
    "PutBlockList": "CompleteMultipartUpload",
    "CopyBlob": "CopyObject",
    "ListBlobs": "ListObjectsV2",
    "BlobBatch": "DeleteObjects",
}
# Azure puts no errors into a 200; the range that gets lost would be in another header.
_ABSENT: Final = (Strike.ERROR_IN_200, Strike.IGNORE_RANGE)
_WHOLE: Final = "bytes=0-"
_DRAIN_TURNS: Final = 12


@final
class AzureGround:
    """`StrictAzure`, with every fault that Azure has."""

    def __init__(self, server: StrictAzure, board: Switchboard) -> None:
        self.traits: Final = Traits(strikes=[one for one in Strike if one not in _ABSENT])
        self.board: Final = board
        self._server = server
        self._container = server.make_container("campaign")

    def url(self, key: str) -> str:
        return str(_ROOT.with_key(key))

    def key(self, url: str) -> str:
        return BlobUrl.parse(url).key

    def config(self, agent: str) -> Config:
        return small(self._server.config(), agent)

    def tune(self, context: AsyncContext, rng: Random) -> None:
        driver = context.stores.driver(_ROOT)
        assert isinstance(driver, AzureDriver)
        driver._limits = CopyLimits(block_bytes=PART_BYTES, window=3, poll_s=0.0)
        transport = driver._container._transport
        assert isinstance(transport, RetryTransport)
        transport._random = rng

    def is_checked(self, key: str) -> bool:
        found = self._container.blobs.get(key)
        return found is not None and "content-md5" in found.headers

    async def settle(self, agent: str) -> None:
        # A request that was cancelled may still be in the socket: let the server meet it.
        for _ in range(_DRAIN_TURNS):
            await asyncio.sleep(0)
        self._server.land(lambda head: head.headers.get("user-agent") == agent)

    def check_clean(self) -> None:
        if self._server.connections:
            message = f"{len(self._server.connections)} connections were left open"
            raise Violation(message)


@asynccontextmanager
async def azure_ground(seed: int) -> AsyncIterator[AzureGround]:
    """Run the strict server."""
    del seed
    board = Switchboard()

    def judge(head: RequestHead) -> Fault | None:
        fault = board.judge(_as_of_s3(head))
        if fault is not None and fault.code == "RequestTimeout":
            return replace(fault, status=500, code="OperationTimedOut")
        return fault

    async with StrictAzure(hook=judge) as server:
        yield AzureGround(server, board)


def _as_of_s3(head: RequestHead) -> RequestHead:
    """Return the head as a plan knows it."""
    headers = dict(head.headers)
    if headers.get("x-ms-range", _WHOLE) != _WHOLE:
        headers["range"] = headers["x-ms-range"]
    if "x-ms-copy-source" in headers:
        headers["x-amz-copy-source"] = urlsplit(headers["x-ms-copy-source"]).path
    name = _NAMES.get(head.operation, head.operation)
    return replace(head, operation=name, headers=headers)
