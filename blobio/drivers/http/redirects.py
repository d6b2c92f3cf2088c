"""Where a redirect may lead, and what may travel along.

A URL from a stranger must not make this program read from its own network, nor hand the headers
that the user set for one host to another.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias, final
from urllib.parse import urljoin, urlsplit

from blobio.config import HttpConfig
from blobio.drivers.http.errors import bad_reply
from blobio.drivers.http.wire import legal
from blobio.errors import RequestFailed, redact
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response

__all__ = ["Origin", "Redirector", "Resolver", "is_private_address", "origin", "resolve_host"]

Resolver: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a host name; none if it has none."""

_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
# The conditions and the range describe the blob; everything else was meant for the first host.
_TRAVELLING: Final = frozenset({"range", "if-range"})
# NAT64 (RFC 6052) and the deprecated IPv4-compatible addresses (RFC 4291): the last 32 bits are an
# IPv4 address. That of `::1` is in 0.0.0.0/8, which is not public either.
_HOLD_IPV4: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# Called global by Python before 3.11.10 (CVE-2024-4032); the first has a cloud's metadata service.
_ALSO_PRIVATE: Final = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What must be the same for two URLs to be of one place."""

    scheme: str
    host: str
    port: int | None


async def resolve_host(host: str) -> Sequence[str]:
    """Ask the system for the addresses of `host`, which may be an address in any notation."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter for what cannot be a name at all
        return ()
    return [str(address[0]) for *_, address in found]


def is_private_address(text: str) -> bool:
    """Tell if an IP address is not one of the public internet."""
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return True
    return (
        not address.is_global
        or address.is_multicast
        or any(address in network for network in _ALSO_PRIVATE)
    )


def _is_link_local(text: str) -> bool:
    return _inner(ipaddress.ip_address(text.partition("%")[0])).is_link_local


def _inner(address: _Address) -> _Address:
    """Return the IPv4 address inside an IPv6 one that leads to it, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    found = address.ipv4_mapped or address.sixtofour
    if found is None and any(address in network for network in _HOLD_IPV4):
        found = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address if found is None else found


@final
class Redirector:
    """Sends a request and follows where the replies lead, within the rules of `HttpConfig`.

    At most `max_redirects` steps; never from https to http; from a public host to a private
    address, and from any other host to a link-local one, only with `private_redirects`. When
    scheme, host or port change, only range and condition travel on, and nothing comes back later. A
    name is judged by what it resolves to now: a resolver that answers differently a moment later is
    not caught.
    """

    def __init__(
        self, transport: Transport, config: HttpConfig, *, resolve: Resolver = resolve_host
    ) -> None:
        self._transport = transport
        self._config = config
        self._resolve = resolve

    async def send(self, request: Request) -> Response:
        """Send `request`; `Response.url` tells where the reply came from.

        Raises:
            RequestFailed: A redirect leads where it must not, or there are too many.
        """
        attempts = 0
        for _ in range(self._config.max_redirects + 1):
            response = await self._transport.send(request)
            attempts += response.attempts
            location = response.headers.get("location")
            if response.status not in _FOLLOWED or location is None:
                response.attempts = attempts
                response.url = request.url
                return response
            await response.aclose()
            request = await self.next(request, location)
        message = f"more than {self._config.max_redirects} redirects"
        raise bad_reply(message, request.operation, request.subject)

    async def next(self, request: Request, location: str) -> Request:
        """Return the request that follows a redirect of `request` to `location`; sends none.

        Raises:
            RequestFailed: It leads where it must not.
        """
        try:
            url = legal(urljoin(request.url, location))
            here, there = origin(request.url), origin(url)
            has_credentials = "@" in urlsplit(url).netloc
        except ValueError as error:
            raise _refused(request, location, "which is no URL") from error
        if there.scheme not in _DEFAULT_PORTS or not there.host:
            raise _refused(request, location, "which is not http(s)")
        if has_credentials:
            raise _refused(request, location, "which carries credentials")
        if (here.scheme, there.scheme) == ("https", "http"):
            raise _refused(request, location, "which is not encrypted")
        if here == there:
            return replace(request, url=url)
        if await self._leads_inside(here.host, there.host):
            reason = (
                "which is a private address; set HttpConfig.private_redirects=True to allow that"
            )
            raise _refused(request, location, reason)
        headers = {name: request.headers[name] for name in request.headers.keys() & _TRAVELLING}
        return replace(request, url=url, headers=headers)

    async def _leads_inside(self, here: str, there: str) -> bool:
        if self._config.private_redirects or here == there:
            return False
        addresses = await self._addresses(there)
        if any(map(_is_link_local, addresses)):  # where clouds hand out a machine's credentials
            return True
        if not any(map(is_private_address, addresses)):
            return False
        return not any(map(is_private_address, await self._addresses(here)))

    async def _addresses(self, host: str) -> Sequence[str]:
        name = host.rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return ("127.0.0.1",)
        return await self._resolve(host)


def origin(url: str) -> Origin:
    """Return scheme, host and port of a URL.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return Origin(scheme, (parts.hostname or ""), parts.port or _DEFAULT_PORTS.get(scheme))


def _refused(request: Request, location: str, why: str) -> RequestFailed:
    shown = redact(location[:200])
    return bad_reply(f"redirected to {shown!r}, {why}", request.operation, request.subject)
