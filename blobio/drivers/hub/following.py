"""Sends requests to the Hub, and follows where it leads: without the token to any other host."""

from __future__ import annotations

from typing import Final, NamedTuple, final

from blobio.config import HttpConfig
from blobio.drivers.http.redirects import Redirector, Resolver, origin
from blobio.drivers.hub.errors import bad_reply
from blobio.drivers.hub.wire import Facts
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Follower", "Reached"]

_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})


class Reached(NamedTuple):
    """Where a request has led.

    Attributes:
        response: The last reply: of the Hub, or of the host that delivers.
        facts: What the Hub has told on the way.
        link: URL at the other host, if it has led to one.
    """

    response: Response
    facts: Facts
    link: str | None


@final
class Follower:
    """Two ways to send: to the Hub with the token, and to any other host without.

    Where a redirect may lead is decided as for http(s) URLs, see `Redirector`. Who has left the
    Hub does not come back with a token.

    Args:
        hub: Signs what it sends.
        other: Does not.
        config: How many redirects, and where they may lead.
        resolve: Finds the addresses of hosts.
    """

    def __init__(
        self, hub: Transport, other: Transport, config: HttpConfig, *, resolve: Resolver
    ) -> None:
        self._hub = hub
        self._limit = config.max_redirects
        self._redirector = Redirector(other, config, resolve=resolve)

    async def send(self, request: Request, *, leave: bool = True) -> Reached:
        """Send a request to the Hub.

        Args:
            request: The first one.
            leave: Go to another host if that is where a redirect leads; False returns the redirect.

        Raises:
            RequestFailed: A redirect leads where it must not, or there are too many.
        """
        facts = Facts()
        attempts = 0
        for _ in range(self._limit + 1):
            response = await self._hub.send(request)
            attempts += response.attempts
            response.attempts = attempts
            facts = facts.with_reply(response.status, response.headers)
            location = response.headers.get("location")
            if response.status not in _FOLLOWED or location is None:
                return Reached(response, facts, None)
            await response.aclose()
            following = await self._redirector.next(request, location)
            if origin(following.url) == origin(request.url):
                request = following
                continue
            if not leave:
                return Reached(response, facts, following.url)
            response = await self._redirector.send(following)
            response.attempts += attempts
            return Reached(response, facts, following.url)
        message = f"more than {self._limit} redirects"
        raise bad_reply(message, request.operation, request.subject)

    async def deliver(self, request: Request) -> Response:
        """Send a request of a link to the host that delivers, without the token."""
        return await self._redirector.send(request)
