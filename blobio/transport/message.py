"""`Request` and `Response`: one HTTP exchange as values, with secrets out of their repr."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, final

from blobio.errors import redact
from blobio.values import Body

__all__ = ["MAX_ERROR_BYTES", "MAX_REPLY_BYTES", "ByteStream", "Request", "Response"]

MAX_REPLY_BYTES: Final = 64 << 20
"""Bound of a reply that is buffered whole (a list page, an XML result)."""

MAX_ERROR_BYTES: Final = 64 << 10
"""How much of an error body is kept."""


class ByteStream(Protocol):
    """The body of a reply, as it comes off the socket."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body in chunks, none empty.

        Raises:
            TransportFailed: The connection broke, the read stalled or the rate fell below the
                minimum; also if the body ended before its Content-Length.
        """
        ...

    async def aclose(self) -> None:
        """Give the connection back (body read whole) or drop it (anything left). Idempotent."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        method: `"GET"`, `"PUT"`, ...
        url: Absolute and fully percent-encoded; sent byte for byte.
        headers: Names in lower case. `host` and `content-length` are left to the transport.
        body: Held in memory, so that the request can be sent again.
        before: What is sent ahead of `body`, as part of the same content. A large body that has to
            be wrapped is not copied for it. No signature covers it.
        after: What is sent behind `body`, likewise.
        idempotent: Sending it twice has the effect of sending it once, or the driver reconciles.
        stream: Leave the body of a success (status below 300) on the socket; otherwise, and for
            every failure, it is buffered inside the retry loop, within `MAX_REPLY_BYTES` and
            `MAX_ERROR_BYTES`.
        operation: The driver verb, for events and errors.
        subject: The blob's URL as the user knows it, for events and errors.
        kind: Under which word it is counted, if not under that of `operation` (`"PART"`).
        credential: What it was signed with, if that can be renewed; for comparison only.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = b""
    before: bytes = b""
    after: bytes = b""
    idempotent: bool = True
    stream: bool = False
    operation: str = ""
    subject: str = ""
    kind: str = ""
    credential: object = None

    def __repr__(self) -> str:
        return (
            f"Request({self.method} {redact(self.url)}, headers={sorted(self.headers)}, "
            f"body={self.content_bytes} bytes)"
        )

    @property
    def content_bytes(self) -> int:
        """Size of all that is sent behind the headers."""
        return len(self.before) + len(self.body) + len(self.after)

    @property
    def content(self) -> Body:
        """All that is sent behind the headers; a copy if `body` is wrapped."""
        if self.before or self.after:
            return b"".join((self.before, self.body, self.after))
        return self.body


@final
@dataclass(slots=True, kw_only=True)
class Response:
    """One HTTP reply.

    Attributes:
        status: Any status; the transport raises only if there is no reply.
        headers: Names in lower case; of repeated headers the last, or for those that start with
            `x-` all of them with commas between.
        body: The buffered body; empty while `stream` holds it.
        stream: The unread body, if the request asked for it and the status is a success. Whoever
            receives it must close it.
        attempts: Requests sent for this reply, counting retries.
        ambiguous: An earlier attempt broke off after the store may have acted on it, so a refusal
            of this one may be the echo of our own success.
        url: Where the reply came from, after redirects if the transport was told to follow them.
        credential: `Request.credential` of the request that was sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: ByteStream | None = None
    attempts: int = 1
    ambiguous: bool = False
    url: str = ""
    credential: object = None

    def __repr__(self) -> str:
        return f"Response({self.status}, headers={sorted(self.headers)}, attempts={self.attempts})"

    async def aclose(self) -> None:
        """Close the stream, if there is one."""
        if self.stream is not None:
            await self.stream.aclose()
