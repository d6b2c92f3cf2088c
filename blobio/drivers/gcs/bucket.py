"""One bucket: its settings, the builder of its requests, and the stack that sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blobio.config import GcsConfig, RetryConfig
from blobio.drivers.gcs.wire import Wire
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Bucket"]


@final
@dataclass(frozen=True, slots=True)
class Bucket:
    """What the modules of this package need to work on one bucket.

    Attributes:
        name: The bucket.
        config: The settings that apply to it.
        retry: Limits of what is tried again above the transport: resumable uploads.
        wire: Builds requests.
        transport: Sends them: the stack with the signer and `judge`.
    """

    name: str
    config: GcsConfig
    retry: RetryConfig
    wire: Wire
    transport: Transport

    def subject(self, key: str) -> str:
        """Return the URL of `key` as the user writes it."""
        return f"gs://{self.name}/{key}"

    async def send(self, request: Request) -> Response:
        """Send a request; return the reply, of any status."""
        return await self.transport.send(request)
