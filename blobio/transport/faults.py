"""The one place where exceptions of aiohttp, ssl, asyncio and sockets become `TransportFailed`."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, NamedTuple

import aiohttp

from blobio.errors import TransportFailed, redact
from blobio.transport.message import Request
from blobio.transport.retry import StaleConnection

__all__ = ["FAULTS", "broken_body", "broken_exchange", "without_secrets"]

_BUSY: Final = 500

FAULTS: Final = (
    aiohttp.ClientError,
    asyncio.TimeoutError,
    OSError,
    EOFError,
    # aiohttp says so of a closed session or reader, and of a header value with a line break
    RuntimeError,
    ValueError,
)
"""What sending and reading may raise, apart from cancellation."""


class _Rule(NamedTuple):
    """What an exception means. `sent` None: it depends on whether there was a connection."""

    kinds: tuple[type[BaseException], ...]
    what: str
    retryable: bool = True
    sent: bool | None = None


# The first rule that matches counts: subclasses stand before their bases.
_RULES: Final = (
    _Rule(
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "the server's certificate was not accepted",
        retryable=False,
        sent=False,
    ),
    _Rule((aiohttp.ConnectionTimeoutError,), "no connection in time", sent=False),
    _Rule((aiohttp.ClientConnectorDNSError,), "the host name could not be resolved", sent=False),
    _Rule((aiohttp.ClientConnectorSSLError,), "TLS failed", sent=False),
    _Rule((aiohttp.ClientProxyConnectionError,), "the proxy could not be reached", sent=False),
    _Rule((aiohttp.ClientConnectorError,), "no connection", sent=False),
    _Rule((aiohttp.ClientHttpProxyError,), "the proxy refused", retryable=False, sent=False),
    _Rule((aiohttp.InvalidURL,), "not a URL that can be sent", retryable=False, sent=False),
    _Rule((aiohttp.ServerDisconnectedError,), "the server closed the connection"),
    _Rule((aiohttp.ClientPayloadError,), "the body ended early"),
    _Rule((aiohttp.ClientResponseError,), "the reply is not HTTP"),
    _Rule((ssl.SSLError,), "TLS failed"),
    _Rule((asyncio.TimeoutError,), "no progress"),
    _Rule((aiohttp.ClientError, OSError, EOFError), "the connection broke"),
    _Rule((RuntimeError,), "the connection is closed"),
    _Rule((ValueError,), "the request cannot be sent", retryable=False, sent=False),
)


def broken_exchange(
    request: Request, error: BaseException, *, connected: bool, reused: bool
) -> TransportFailed:
    """Return what to raise when no reply came.

    Args:
        request: What was being sent.
        error: What was raised.
        connected: A connection had been found, so that bytes may have left.
        reused: That connection had served a request before.
    """
    rule = _match(error)
    dropped = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    proxy_is_busy = isinstance(error, aiohttp.ClientHttpProxyError) and error.status >= _BUSY
    kind = StaleConnection if connected and reused and dropped else TransportFailed
    failed = kind(
        f"no reply to {request.method} {redact(request.url)}: {_describe(rule, error)}",
        url=request.subject or request.url,
        operation=request.operation or None,
        attempts=1,
        retryable=rule.retryable or proxy_is_busy,
    )
    failed.ambiguous = connected if rule.sent is None else rule.sent
    return failed


def without_secrets(error: BaseException) -> BaseException:
    """Return what may stand in a traceback for `error`, as the cause of ours.

    aiohttp's errors about a reply or a URL show the whole URL as text, and the request's headers in
    their repr.
    """
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return ConnectionError(f"{type(error).__name__}: {redact(str(error))}")
    return error


def broken_body(request: Request, error: BaseException, received_bytes: int) -> TransportFailed:
    """Return what to raise when a reply broke off after `received_bytes` of its body."""
    rule = _match(error)
    failed = TransportFailed(
        f"the reply to {request.method} {redact(request.url)} broke off after "
        f"{received_bytes} bytes: {_describe(rule, error)}",
        url=request.subject or request.url,
        operation=request.operation or None,
        attempts=1,
    )
    failed.ambiguous = True
    return failed


def _match(error: BaseException) -> _Rule:
    for rule in _RULES:
        if isinstance(error, rule.kinds):
            return rule
    return _Rule((), "it failed")


def _describe(rule: _Rule, error: BaseException) -> str:
    # The text of proxy and URL errors can hold a whole URL, with its secrets.
    detail = redact(str(error)).strip()
    return f"{rule.what} ({type(error).__name__}{': ' if detail else ''}{detail})"
