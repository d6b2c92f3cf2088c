"""V4 signed URLs: what is signed, and the URL that comes out. Pure.

https://docs.cloud.google.com/storage/docs/authentication/canonical-requests and
https://docs.cloud.google.com/storage/docs/authentication/signatures, read 2026-11-27.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, final
from urllib.parse import quote

__all__ = ["MAX_EXPIRES_S", "Draft"]

MAX_EXPIRES_S: Final = 7 * 24 * 3600

_ALGORITHM: Final = "GOOG4-RSA-SHA256"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A URL before it is signed.

    Attributes:
        method: `"GET"`, `"PUT"`, ...
        base: `https://storage.googleapis.com`, without a trailing `/`.
        path: Escaped path of the object, from `/bucket/` on.
        email: The service account that signs.
        now: Unix seconds.
        expires_s: How long the URL works, at most 7 days.
        headers: Headers that whoever uses the URL has to send, names in lower case.
        query: More query parameters.
    """

    method: str
    base: str
    path: str
    email: str
    now: float
    expires_s: int
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def canonical_request(self) -> str:
        """The request in the one form that both sides hash."""
        headers = sorted(self._headers().items())
        lines = [f"{name}:{' '.join(value.split())}\n" for name, value in headers]
        return (
            f"{self.method}\n{self.path}\n{self._query()}\n{''.join(lines)}\n"
            f"{self._signed_headers()}\nUNSIGNED-PAYLOAD"
        )

    @property
    def string_to_sign(self) -> str:
        """What the service account signs with RSA-SHA256."""
        digest = hashlib.sha256(self.canonical_request.encode()).hexdigest()
        return f"{_ALGORITHM}\n{self._stamp()}\n{self._scope()}\n{digest}"

    def url(self, signature: bytes) -> str:
        """Return the URL with its signature."""
        return f"{self.base}{self.path}?{self._query()}&X-Goog-Signature={signature.hex()}"

    def _headers(self) -> dict[str, str]:
        host = self.base.partition("://")[2].partition("/")[0]
        return {**self.headers, "host": host}

    def _signed_headers(self) -> str:
        return ";".join(sorted(self._headers()))

    def _query(self) -> str:
        pairs = {
            **self.query,
            "X-Goog-Algorithm": _ALGORITHM,
            "X-Goog-Credential": f"{self.email}/{self._scope()}",
            "X-Goog-Date": self._stamp(),
            "X-Goog-Expires": str(self.expires_s),
            "X-Goog-SignedHeaders": self._signed_headers(),
        }
        escaped = [(quote(name, safe="~"), quote(pairs[name], safe="~")) for name in pairs]
        return "&".join([f"{name}={value}" for name, value in sorted(escaped)])

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y%m%dT%H%M%SZ")

    def _scope(self) -> str:
        return f"{self._stamp()[:8]}/auto/storage/goog4_request"
