"""Who asks: the signer of a container."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Final, final

from blobio.config import AzureConfig
from blobio.drivers.azure import tokenfile, tokens
from blobio.drivers.azure.settings import Access, Anonymous, Sas, Tokens, chosen, is_private
from blobio.drivers.azure.sharedkey import SharedKey
from blobio.drivers.azure.tokens import Found, Source
from blobio.drivers.dates import http_time
from blobio.errors import InvalidConfig
from blobio.transport.message import Request
from blobio.transport.signing import SingleFlight

__all__ = ["AzureSigner", "TokenCache"]

_REFRESH_BEFORE_S: Final = 300.0
_REFRESH_PAUSE_S: Final = 1.0
_SKEW_S: Final = 60.0
_IN_FLIGHT_S: Final = 300.0  # a large block on a slow line


@final
class AzureSigner:
    """Signs the requests for one container; a `Signer` of the transport.

    Args:
        config: Says what to sign with.
        account: The account.
        clock: Unix seconds.

    Attributes:
        access: How requests are authorised.
    """

    def __init__(
        self, config: AzureConfig, account: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.access: Access
        self.access, self._name = chosen(config, account)
        self._clock = clock
        self._offset_s = 0.0
        self._learnt_at: float | None = None
        self._tokens = TokenCache(config, clock=clock)

    async def sign(self, request: Request) -> Request:
        """Return `request` authorised for now; as it is, if anonymous.

        Raises:
            Unauthenticated: There is no token to be had.
            InvalidConfig: A token would travel in the open.
        """
        access = self.access
        if isinstance(access, SharedKey):
            return access.sign(request, formatdate(self._now(), usegmt=True))
        if isinstance(access, Sas):
            separator = "&" if "?" in request.url else "?"
            return replace(request, url=f"{request.url}{separator}{access.query}")
        if isinstance(access, Anonymous):
            return request
        if not is_private(request.url):
            message = "a bearer token is sent only over https; AzureConfig.endpoint_url is http"
            raise InvalidConfig(message)
        token = await self._tokens.get()
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return replace(request, headers=headers, credential=token)

    async def refresh(self, failed: object = None) -> None:
        """Drop the token: the store called it expired or unknown."""
        if isinstance(self.access, Tokens):
            self._tokens.invalidate(failed)

    def learn_time(self, server_date: str) -> bool:
        """Take the Date of a reply as the true time, if it is a minute or more from ours.

        Returns:
            Whether a request that was refused should be signed again. Only the signature of a key
            has a date.
        """
        server = http_time(server_date)
        if not server or not isinstance(self.access, SharedKey):
            return False
        now = self._clock()
        if abs(server - self._now()) >= _SKEW_S:
            self._offset_s = server - now
            self._learnt_at = now
            return True
        return self._learnt_at is not None and 0 <= now - self._learnt_at < _IN_FLIGHT_S

    def now(self) -> float:
        """Return the store's time, as far as it is known."""
        return self._now()

    async def source(self) -> str:
        """Tell where the credentials come from, never what they are.

        Raises:
            Unauthenticated: There is no token to be had.
        """
        if not isinstance(self.access, Tokens):
            return self._name
        await self._tokens.get()
        return self._tokens.source

    async def aclose(self) -> None:
        """Stop a fetch of a token that is under way. Idempotent."""
        await self._tokens.aclose()

    def _now(self) -> float:
        return self._clock() + self._offset_s


@final
class TokenCache:
    """The token of a container's settings: in memory, and on disk if the settings want that.

    Args:
        config: Says where tokens come from.
        clock: Unix seconds.

    Attributes:
        source: What gave the token at hand.
    """

    def __init__(self, config: AzureConfig, *, clock: Callable[[], float] = time.time) -> None:
        self.source: str = ""
        self._config = config
        self._clock = clock
        self._sources: list[Source] | None = None
        self._may_load = config.save_access_token_to_disk
        self._refreshed_at: float | None = None
        self._flight = SingleFlight(self._fetch, refresh_before_s=_REFRESH_BEFORE_S, clock=clock)

    async def get(self) -> str:
        """Return a token, fetched once however many ask, and early."""
        return await self._flight.get()

    def invalidate(self, failed: object = None) -> None:
        """Forget the token.

        All requests in flight find out at about the same time that it is no good, so calls that
        follow within a second do nothing: the first has brought another on its way. Nor do those of
        requests that were signed with an older token than the one at hand.
        """
        if not self._flight.is_current(failed):
            return
        now = self._clock()
        if self._refreshed_at is not None and 0 <= now - self._refreshed_at < _REFRESH_PAUSE_S:
            return
        self._refreshed_at = now
        self._may_load = False
        self._flight.invalidate()

    async def aclose(self) -> None:
        """Stop a fetch that is under way and close what azure-identity holds. Idempotent."""
        await self._flight.aclose()
        sources, self._sources = self._sources, None
        if sources is not None and self._config.credential is None:
            await asyncio.to_thread(_close, sources)

    async def _fetch(self) -> tuple[str, float | None]:
        found = await asyncio.to_thread(self._find)
        return found.token, found.expires_on

    def _find(self) -> Found:
        if self._sources is None:
            self._sources = tokens.source_of(self._config)
        identity = self._sources[0].identity
        keeps = self._config.save_access_token_to_disk and identity
        if keeps and self._may_load:
            kept = tokenfile.load(identity, self._clock())
            if kept is not None:
                self.source = tokenfile.PATH
                return kept
        found, self.source = tokens.fetch(self._sources)
        if keeps:
            tokenfile.save(identity, found, self._clock())
        return found


def _close(sources: list[Source]) -> None:
    for source in sources:
        source.close()
