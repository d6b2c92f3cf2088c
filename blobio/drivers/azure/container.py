"""One container: a `send` that explains what Azure's hosts do when an account does not exist."""

from __future__ import annotations

import socket
from typing import final

from blobio.config import AzureConfig
from blobio.drivers.azure.auth import AzureSigner
from blobio.drivers.azure.place import Place
from blobio.drivers.azure.wire import Wire
from blobio.errors import TransportFailed
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Container"]


@final
class Container:
    """Sends requests for one container.

    Args:
        place: Where it is.
        config: The settings that apply to it.
        signer: Signs for it.
        transport: The stack with that signer and `judge`.
    """

    def __init__(
        self, place: Place, config: AzureConfig, signer: AzureSigner, transport: Transport
    ) -> None:
        self.place = place
        self.config = config
        self.signer = signer
        self.wire: Wire = Wire(place, config.access_tier)
        self._transport = transport

    def subject(self, key: str) -> str:
        """Return the URL of `key` as the user writes it."""
        return self.place.subject(key)

    async def send(self, request: Request) -> Response:
        """Send a request; return the reply, of any status.

        Raises:
            TransportFailed: There was no reply. An account that does not exist has no host name,
                which the message then says.
        """
        try:
            return await self._transport.send(request)
        except TransportFailed as error:
            if _is_unknown_host(error):
                error.message += f" (is there a storage account {self.place.account!r}?)"
            raise

    async def aclose(self) -> None:
        """Release what this container owns; the pool stays open."""
        await self.signer.aclose()
        await self._transport.aclose()


def _is_unknown_host(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
