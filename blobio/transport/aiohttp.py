"""The adapter to aiohttp: pool, TLS, timeouts, proxies.

What aiohttp does by itself and we do not want is switched off here: redirects, decompression,
cookies, `.netrc`, total timeouts, and its own silent second try of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, final
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import yarl

from blobio.config import HttpConfig
from blobio.errors import InvalidConfig, TransportFailed
from blobio.transport.aiohttp_body import BodyStream, read_whole
from blobio.transport.exchange import Exchange, trace_config
from blobio.transport.faults import FAULTS, broken_exchange, without_secrets
from blobio.transport.message import MAX_ERROR_BYTES, MAX_REPLY_BYTES, Request, Response
from blobio.values import Body

__all__ = ["AiohttpTransport"]

_SUCCESS: Final = range(200, 300)
_PIECE_BYTES: Final = 256 << 10
_READ_BUFFER_BYTES: Final = 1 << 20
_RECEIVE_BYTES: Final = 1 << 20
_SEND_QUEUE_BYTES: Final = 256 << 10
_WITH_BODY: Final = frozenset({"PUT", "POST", "PATCH"})
_CLOSING_TURNS: Final = 12  # of the event loop
_SET_HERE: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@final
class AiohttpTransport:
    """HTTP/1.1 over a pool of connections, one request per `send`, no retries.

    The pool is made at the first request, on the running loop, and belongs to it. The number of
    connections is bounded by whoever stands outside (`LimitTransport`).
    """

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self._trust: ssl.SSLContext | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = False

    async def send(self, request: Request) -> Response:
        """Send one request, once.

        Returns:
            The reply: streamed if the request asks for it and the status is 2xx, else buffered (an
            error body cut at `MAX_ERROR_BYTES`).

        Raises:
            TransportFailed: No complete reply; see its `retryable` and `ambiguous`.
            InvalidConfig: The first request over TLS, and `HttpConfig.ca_file` is not there or
                holds no certificate.
        """
        session = self._open()
        proxy = self._proxy(request.url)
        tls = self._tls(request.url, proxy)
        exchange = Exchange(self._config, request.content_bytes)
        try:
            async with exchange.watch():
                reply = await self._request(session, request, exchange, tls, proxy)
        except FAULTS as error:
            raise broken_exchange(
                request,
                exchange.stalled or error,
                connected=exchange.connected,
                reused=exchange.reused,
            ) from without_secrets(error)
        if request.stream and reply.connection is not None:
            _receive_more(reply.connection.transport)
        stream = BodyStream(request, reply, self._config)
        response = Response(
            status=reply.status,
            headers=_flat(reply.headers),
            url=request.url,
        )
        success = reply.status in _SUCCESS
        if request.stream and success:
            response.stream = stream
        elif success:
            response.body = await read_whole(stream, MAX_REPLY_BYTES, cut=False)
        else:
            response.body = await read_whole(stream, MAX_ERROR_BYTES, cut=True)
        return response

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await self._end_unsent()

    async def _end_unsent(self) -> None:
        """End connections that are closed but wait for their peer to take the rest of a request.

        Those are of requests that were given up in the middle of their body. A peer that does not
        read would keep them open for ever.
        """
        for turn in range(_CLOSING_TURNS):
            left = [each for each in self._sockets if each.fileno() >= 0]
            if not left:
                return
            if turn > 1:  # what is closed in good order is gone by then
                for each in left:
                    with contextlib.suppress(OSError):  # the peer was faster
                        each.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0)

    async def _request(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        exchange: Exchange,
        tls: ssl.SSLContext | bool,  # noqa: FBT001 - aiohttp's word for its own
        proxy: str | None,
    ) -> aiohttp.ClientResponse:
        size = request.content_bytes
        headers = {"accept-encoding": "identity", "user-agent": self._config.user_agent}
        headers.update(request.headers)
        if size or request.method in _WITH_BODY:
            headers["content-length"] = str(size)
        # A small body travels in one segment with the headers; a large one in pieces, so that
        # the kernel's pace is seen and the loop is not held up.
        data: Body | AsyncIterator[Body] | None
        data = _pieces(request) if size > _PIECE_BYTES else request.content or None
        return await session.request(
            request.method,
            yarl.URL(request.url, encoded=True),
            headers=headers,
            data=data,
            allow_redirects=False,
            proxy=proxy,
            ssl=tls,
            trace_request_ctx=exchange,
            upload_tracker=exchange.tracker,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            message = "the context of this transport is closed"
            raise TransportFailed(message, retryable=False)
        if self._session is None:
            self._session = _session(self._config, self._socket)
        return self._session

    def _tls(self, url: str, proxy: str | None) -> ssl.SSLContext | bool:
        """Return whom to trust, or what stands for nobody where nothing is encrypted.

        Reading the authorities of the system takes 30 ms of CPU, so it waits until they are needed.
        """
        if all(each.startswith("http://") for each in (url, proxy or "http://")):
            return True
        if self._trust is None:
            self._trust = _tls(self._config)
        return self._trust

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        made = _socket(address)
        self._sockets.add(made)
        return made

    def _proxy(self, url: str) -> str | None:
        """Choose the proxy. aiohttp's own `trust_env` would read `.netrc` too."""
        if self._config.proxy is not None or not self._config.trust_env:
            return self._config.proxy
        scheme, _, rest = url.partition("://")
        if proxy_bypass(rest.partition("/")[0]):
            return None
        found = getproxies_environment().get(scheme)
        # `host:port` is how many write it; and without a scheme `redact` sees no password in it.
        return found if found is None or "://" in found else f"http://{found}"


def _flat(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their name in lower case, of repeated ones the last.

    Repeated extension headers are lists (`x-goog-hash` is sent once for each hash), and joined as
    RFC 9110, 5.3 allows: https://www.rfc-editor.org/rfc/rfc9110#section-5.3, read 2026-11-27.
    """
    flat = {name.lower(): value for name, value in headers.items()}
    if len(flat) < len(headers):
        lists: dict[str, list[str]] = {}
        for name, value in headers.items():
            if name.lower().startswith("x-"):
                lists.setdefault(name.lower(), []).append(value)
        flat.update({name: ", ".join(values) for name, values in lists.items()})
    return flat


def _receive_more(transport: asyncio.Transport | None) -> None:
    """Let one `recv` bring up to `_RECEIVE_BYTES`, where asyncio would stop at 256 KiB.

    A body that comes fast is then fewer chunks: `stream` of the benchmarks took 1.57 s of CPU
    before and 1.30 s with it, `read` 2.11 s and 1.97 s (medians of 7 on a busy machine).
    """
    with contextlib.suppress(AttributeError):  # another loop's transport, which has no such limit
        setattr(transport, "max_size", _RECEIVE_BYTES)  # noqa: B010 - typeshed does not know it


async def _pieces(request: Request) -> AsyncIterator[Body]:
    if request.before:
        yield request.before
    view = memoryview(request.body)
    for start in range(0, len(view), _PIECE_BYTES):
        yield view[start : start + _PIECE_BYTES]
    if request.after:
        yield request.after


def _session(
    config: HttpConfig, socket_factory: Callable[[aiohttp.AddrInfoType], socket.socket]
) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=config.idle_s,
        socket_factory=socket_factory,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_SET_HERE,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None, connect=config.connect_timeout_s),
        read_bufsize=_READ_BUFFER_BYTES,
        trace_configs=[trace_config()],
    )
    # aiohttp sends GET, HEAD, PUT and DELETE a second time when a pooled connection turns out to be
    # closed, and has no public switch (https://github.com/aio-libs/aiohttp/issues/10790, read
    # 2026-11-24). A second create-only PUT would be refused by the first one's success.
    if hasattr(session, "_retry_connection"):
        session._retry_connection = False  # noqa: SLF001 - see above
    return session


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket that keeps little unsent data in the kernel.

    Otherwise megabytes of a body can sit there, unseen, and on a slow line the wait for the reply
    would look like a stall.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _SEND_QUEUE_BYTES)
    return made


def _tls(config: HttpConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        message = f"HttpConfig.ca_file {config.ca_file!r} cannot be used: {error}"
        raise InvalidConfig(message) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.verify_tls:
        warnings.warn(
            "HttpConfig.verify_tls is False: anybody on the way can read and change every request",
            RuntimeWarning,
            stacklevel=2,
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
