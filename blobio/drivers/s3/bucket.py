"""One bucket: where it is, a `send` that follows it to its region, and the uploads open in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol, TypeAlias, final

from blobio.config import S3Config
from blobio.drivers.s3 import settings
from blobio.drivers.s3.addressing import Endpoint, is_region, locate
from blobio.drivers.s3.auth import S3Signer
from blobio.drivers.s3.errors import error_body
from blobio.drivers.s3.wire import Wire
from blobio.errors import BlobError, InvalidConfig
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Bucket", "Build", "Unfinished", "other_region"]

Build: TypeAlias = Callable[[Wire], Request]
"""Makes a request for wherever the bucket turns out to be."""

_logger: Final = logging.getLogger("blobio.drivers.s3")

_MOVES: Final = 2
_REDIRECTS: Final = frozenset({301, 302, 307, 308, 400})


def other_region(response: Response, current: str) -> str | None:
    """Return the region a reply points to, if it is not `current`.

    Older regions redirect, newer ones answer 400 (https://github.com/boto/boto3/issues/2728, read
    2026-11-24). `Location` is never looked at: a host comes only from our own rules.
    """
    if response.status not in _REDIRECTS:
        return None
    region = response.headers.get("x-amz-bucket-region") or error_body(response.body).region
    return region if region and region != current and is_region(region) else None


class Unfinished(Protocol):
    """An upload that is begun, and neither published nor taken back."""

    def abort(self) -> Awaitable[None]:
        """Take it back."""
        ...


@final
class Bucket:
    """Sends requests for one bucket.

    Attributes:
        unfinished: Uploads that the store keeps parts of; `aclose` takes back those that could not
            be taken back before, because the store refused it or somebody cancelled it.

    Args:
        name: The bucket.
        config: The settings that apply to it.
        signer: Signs for it.
        transport: The stack with that signer and `judge`; None while it is being built.
    """

    def __init__(self, name: str, config: S3Config, signer: S3Signer, transport: Transport) -> None:
        self.name = name
        self.config = config
        self.signer = signer
        self.unfinished: set[Unfinished] = set()
        self._transport = transport
        self._wire: Wire | None = None
        self._endpoint_url = config.endpoint_url
        self._is_confirmed = False
        self._lock = asyncio.Lock()

    async def wire(self) -> Wire:
        """Return the request builder for where the bucket is, as far as is known.

        Raises:
            InvalidConfig: Endpoint, region or bucket name do not fit together, or an SSE-C key
                would travel in the open.
        """
        if self._wire is None:
            async with self._lock:
                if self._wire is None:
                    self._wire = await asyncio.to_thread(self._find)
                    self.signer.region = self._wire.endpoint.region
        return self._wire

    async def send(self, build: Build) -> Response:
        """Build a request and send it; if the store names another region, there.

        Returns:
            The reply, of any status.
        """
        attempts = 0
        is_ambiguous = False
        moves = 0
        while True:
            wire = await self.wire()
            response = await self._transport.send(build(wire))
            response.attempts = attempts = attempts + response.attempts
            response.ambiguous = is_ambiguous = is_ambiguous or response.ambiguous
            region = other_region(response, wire.endpoint.region)
            if region is None:
                self._is_confirmed = True
                return response
            if moves == _MOVES:
                return response
            moves += 1
            self._move(wire, region)

    async def confirmed_wire(self) -> Wire:
        """Return the request builder once the region is certain: 0 or 1 HEAD of the bucket.

        A signed URL is used by others, who cannot follow the bucket.
        """
        wire = await self.wire()
        if wire.endpoint.regional and self.config.region is None and not self._is_confirmed:
            await self.send(_head_bucket)
        return await self.wire()

    async def aclose(self) -> None:
        """Take back what is unfinished and release what this bucket owns; the pool stays open."""
        for upload in list(self.unfinished):
            try:
                await upload.abort()
            except BlobError as error:
                _logger.warning("an upload to s3://%s is left behind: %s", self.name, error)
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(self._transport.aclose)
            closing.push_async_callback(self.signer.aclose)

    def _find(self) -> Wire:
        place = settings.look_up(self.config)
        self._endpoint_url = place.endpoint_url
        endpoint = self._locate(place.region)
        if self.config.sse_customer_key is not None and not endpoint.is_private:
            message = f"an SSE-C key is sent only over https, not to {endpoint.base}"
            raise InvalidConfig(message)
        return Wire(self.name, endpoint, self.config)

    def _locate(self, region: str | None) -> Endpoint:
        return locate(
            self.name,
            endpoint_url=self._endpoint_url,
            region=region,
            addressing=self.config.addressing,
            dns_suffix=settings.dns_suffix,
        )

    def _move(self, old: Wire, region: str) -> None:
        """Remember another region, unless somebody else did while this request was under way."""
        if self._wire is old:
            self._wire = replace(old, endpoint=self._locate(region))
            self.signer.region = region


def _head_bucket(wire: Wire) -> Request:
    return Request(
        method="HEAD",
        url=wire.endpoint.bucket_url("").removesuffix("?"),
        operation="sign_url",
        subject=wire.subject(""),
    )
