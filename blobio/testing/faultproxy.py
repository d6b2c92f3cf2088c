"""`FaultProxy`: stands between a client and an HTTP server and breaks what its rules name.

::

    with moto_server() as server, FaultProxy(server.url) as proxy:
        proxy.add(Rule(truncate(1000, End.RST), method="GET", path="/bucket/key", times=2))
        ...  # a client of proxy.url: the first two GETs of that key break off after 1,000 bytes
        assert proxy.count("GET") == 3

A rule meets requests by method and path, lets `skip` of them pass and then acts on `times`. Without
a rule a request passes unchanged, Host header included, so that signatures stay valid. Requests and
replies are held in memory whole.
"""

from __future__ import annotations

import http.client
import re
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, final

from blobio.testing.scripted import End, Received, Reply, ScriptedServer

__all__ = [
    "Action",
    "FaultProxy",
    "Forward",
    "Rule",
    "answer",
    "close_delimited",
    "corrupt",
    "drop_reply",
    "halve_request",
    "relength",
    "reset",
    "shorten",
    "stall",
    "strip_range",
    "trickle",
    "truncate",
]

Forward: TypeAlias = Callable[[Received], Reply]
"""Sends a request to the server behind the proxy and returns its reply."""

Action: TypeAlias = Callable[[Received, Forward], Reply]
"""What a rule does: it may change the request, not forward it, or spoil the reply."""

_TIMEOUT_S: Final = 60.0
_PER_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


def reset() -> Action:
    """Reset the connection before anything reaches the server."""
    return lambda request, forward: Reply(silent=True, end=End.RST)  # noqa: ARG005 - an `Action`


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Action:
    """Answer in the server's place, say with 503 and `{"Retry-After": "3"}`."""
    return lambda request, forward: Reply(  # noqa: ARG005 - an `Action`
        status=status, headers=headers or {}, body=body
    )


def drop_reply(end: End = End.RST) -> Action:
    """Let the server do its work, then end the connection without its reply."""

    def act(request: Received, forward: Forward) -> Reply:
        forward(request)
        return Reply(silent=True, end=end)

    return act


def truncate(size: int, end: End = End.FIN) -> Action:
    """End the connection after `size` bytes of a body announced in full."""
    return lambda request, forward: replace(forward(request), cut=size, end=end)


def stall(size: int) -> Action:
    """Fall silent after `size` bytes of the body."""
    return truncate(size, End.STALL)


def shorten(size: int) -> Action:
    """Send `size` bytes of the body, and a Content-Length that says that is all."""

    def act(request: Received, forward: Forward) -> Reply:
        reply = forward(request)
        return replace(reply, body=reply.body[:size])

    return act


def relength(difference: int) -> Action:
    """Send the whole body but announce `difference` bytes more, or fewer, then close."""

    def act(request: Received, forward: Forward) -> Reply:
        reply = forward(request)
        return replace(reply, announced=len(reply.body) + difference, end=End.FIN)

    return act


def close_delimited(size: int | None = None) -> Action:
    """Send the body, or its first `size` bytes, without a length: closing is what ends it."""
    return lambda request, forward: replace(forward(request), framing="close", cut=size)


def corrupt(offset: int) -> Action:
    """Flip the bits of the byte at `offset` of the body; past its end, do nothing."""

    def act(request: Received, forward: Forward) -> Reply:
        reply = forward(request)
        flipped = bytes(byte ^ 0xFF for byte in reply.body[offset : offset + 1])
        return replace(reply, body=reply.body[:offset] + flipped + reply.body[offset + 1 :])

    return act


def trickle(interval_s: float) -> Action:
    """Send the body one byte every `interval_s` seconds."""
    return lambda request, forward: replace(forward(request), trickle_s=interval_s)


def strip_range() -> Action:
    """Hide the Range header from the server, so that it sends everything."""
    return _without_headers("range", "if-range")


def halve_request() -> Action:
    """Forward the first half of the request's body only, as if it were all of it."""

    def act(request: Received, forward: Forward) -> Reply:
        return forward(replace(request, body=request.body[: len(request.body) // 2]))

    return act


def _without_headers(*names: str) -> Action:
    def act(request: Received, forward: Forward) -> Reply:
        kept = {name: value for name, value in request.headers.items() if name not in names}
        return forward(replace(request, headers=kept))

    return act


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """When to act, and how.

    Attributes:
        action: What to do.
        method: Regular expression for the whole method.
        path: Regular expression found in path and query, as they came over the wire.
        skip: Requests that pass before the first action.
        times: Requests acted on; None for all.
        needs: Headers, in lower case, that the request must have.
    """

    action: Action
    method: str = ".*"
    path: str = ""
    skip: int = 0
    times: int | None = 1
    needs: Sequence[str] = field(default_factory=tuple)

    def matches(self, request: Received) -> bool:
        """Tell whether `request` is one of those it counts."""
        return (
            re.fullmatch(self.method, request.method) is not None
            and re.search(self.path, request.target) is not None
            and all(name in request.headers for name in self.needs)
        )


@final
class FaultProxy:
    """The proxy; listens from entry to exit of its `with` block.

    Args:
        upstream: `http://host:port` of the server behind it.
        rules: Rules from the start; the first that meets a request acts.
    """

    def __init__(self, upstream: str, *rules: Rule) -> None:
        self._upstream = urllib.parse.urlsplit(upstream).netloc
        self._lock = threading.Lock()
        self._rules = list(rules)
        self._met: dict[int, int] = {}
        self._server = ScriptedServer(self._handle)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, for the client."""
        return self._server.url

    @property
    def requests(self) -> Sequence[Received]:
        """What clients sent, in order of arrival."""
        return self._server.requests

    def add(self, *rules: Rule) -> None:
        """Add rules after those that are there."""
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        """Forget all rules, and the requests seen."""
        with self._lock:
            self._rules.clear()
            self._met.clear()
            self._server.requests.clear()

    def count(self, method: str, path: str = "") -> int:
        """Return how many requests of `method` have come whose target holds the pattern `path`."""
        rule = Rule(reset(), re.escape(method), path)
        return sum(rule.matches(request) for request in list(self.requests))

    def __enter__(self) -> FaultProxy:
        self._server.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)

    def _handle(self, request: Received) -> Reply:
        action = self._action_for(request)
        return self._forward(request) if action is None else action(request, self._forward)

    def _action_for(self, request: Received) -> Action | None:
        with self._lock:
            for rule in self._rules:
                if not rule.matches(request):
                    continue
                met = self._met.get(id(rule), 0)
                self._met[id(rule)] = met + 1
                if met >= rule.skip and (rule.times is None or met < rule.skip + rule.times):
                    return rule.action
        return None

    def _forward(self, request: Received) -> Reply:
        connection = http.client.HTTPConnection(self._upstream, timeout=_TIMEOUT_S)
        try:
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name not in _PER_HOP:
                    connection.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            with connection.getresponse() as response:
                body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return Reply(status=502, body=f"the server behind the proxy: {error!r}".encode())
        finally:
            connection.close()
        headers = {
            name: value for name, value in response.getheaders() if name.lower() not in _PER_HOP
        }
        length = response.getheader("content-length")
        announced = int(length) if request.method == "HEAD" and length is not None else None
        return Reply(status=response.status, headers=headers, body=body, announced=announced)
