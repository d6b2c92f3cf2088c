"""One reply of a strict server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, final

__all__ = ["Answer"]

_BODILESS: Final = (204, 304)
_PHRASES: Final = {308: "Resume Incomplete", 499: "Client Closed Request"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply.

    Attributes:
        status: HTTP status.
        headers: Without those of the framing.
        body: The body; of a reply to HEAD the one that is not sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self, *, length: int | None, closes: bool) -> bytes:
        """Return status line and headers.

        Args:
            length: Content-Length, or None to send none.
            closes: Say that the connection ends here.
        """
        phrase = _PHRASES.get(self.status) or HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}", "Server: strict"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if length is not None and self.status not in _BODILESS:
            lines.append(f"Content-Length: {length}")
        if closes:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
