"""Where a bucket and its objects are, as escaped URLs. Pure.

Names follow https://docs.cloud.google.com/storage/docs/objects#naming, read 2026-11-27: 1 to 1,024
bytes of UTF-8, no carriage return or line feed, neither `.` nor `..`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote

from blobio.errors import InvalidConfig, InvalidUrl, redact

__all__ = ["GOOGLE", "Endpoint", "check_key", "locate", "query_string", "service_url"]

GOOGLE: Final = "https://storage.googleapis.com"
MAX_KEY_BYTES: Final = 1024

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BASE: Final = re.compile(
    r"(?:https?)://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?"
)
_LOOPBACK: Final = re.compile(r"http://(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?(?:/|$)")


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests for one bucket go.

    Attributes:
        base: `https://storage.googleapis.com`, or that of another endpoint, without a trailing `/`.
        bucket: Name of the bucket.
    """

    base: str
    bucket: str

    @property
    def is_private(self) -> bool:
        """Nobody on the way can read a header: TLS, or this machine itself."""
        return _is_private(self.base)

    def object_url(self, key: str, query: str = "", action: str = "") -> str:
        """Return the URL of an object, or of an `action` on it, with an escaped `query`."""
        return _with_query(f"{self.base}{self.object_path(key)}{action}", query)

    def object_path(self, key: str) -> str:
        """Return the path of an object's URL at the JSON API."""
        return f"/storage/v1/b/{self.bucket}/o/{quote(check_key(key), safe='')}"

    def list_url(self, query: str) -> str:
        """Return the URL of the bucket's objects."""
        return _with_query(f"{self.base}/storage/v1/b/{self.bucket}/o", query)

    def upload_url(self, query: str) -> str:
        """Return the URL that takes new objects."""
        return _with_query(f"{self.base}/upload/storage/v1/b/{self.bucket}/o", query)

    def batch_url(self) -> str:
        """Return the URL that takes many requests in one."""
        return f"{self.base}/batch/storage/v1"

    def plain_path(self, key: str) -> str:
        """Return the path of an object's URL at the XML API, which signed URLs are for."""
        return f"/{self.bucket}/{quote(check_key(key), safe='/~')}"


def check_key(key: str) -> bytes:
    """Return a key as it is stored: UTF-8.

    Raises:
        InvalidUrl: Google Cloud Storage has no such names.
    """
    try:
        octets = key.encode()
    except UnicodeEncodeError as error:
        message = f"{key!r} is not unicode text, so Google Cloud Storage has no such key"
        raise InvalidUrl(message) from error
    if len(octets) > MAX_KEY_BYTES:
        message = f"a key has at most {MAX_KEY_BYTES} bytes of UTF-8, this one {len(octets)}"
        raise InvalidUrl(message)
    if key in (".", "..") or "\r" in key or "\n" in key:
        message = f"Google Cloud Storage has no keys with line breaks, '.' or '..': {key!r}"
        raise InvalidUrl(message)
    return octets


def query_string(pairs: Iterable[tuple[str, str]]) -> str:
    """Escape a query.

    Raises:
        InvalidUrl: A value is not unicode text.
    """
    try:
        return "&".join([f"{name}={quote(value, safe='')}" for name, value in pairs])
    except UnicodeEncodeError as error:
        message = f"{error.object!r} is not unicode text, so Google Cloud Storage has no such key"
        raise InvalidUrl(message) from error


def locate(bucket: str, endpoint_url: str | None) -> Endpoint:
    """Work out where `bucket` is.

    Raises:
        InvalidUrl: `bucket` holds `/`, `?` or the like, and would be more than a name.
        InvalidConfig: `endpoint_url` is more than scheme, host and path.
    """
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        message = f"{bucket!r} cannot be the name of a bucket"
        raise InvalidUrl(message)
    return Endpoint(service_url(endpoint_url)[0], bucket)


def service_url(endpoint_url: str | None) -> tuple[str, bool]:
    """Return the URL of the store, without a trailing `/`, and whether it is private.

    Raises:
        InvalidConfig: `endpoint_url` is more than scheme, host and path.
    """
    base = (endpoint_url or GOOGLE).rstrip("/")
    if not _BASE.fullmatch(base):
        message = f"GcsConfig.endpoint_url must be http(s)://host[:port], not {redact(base)!r}"
        raise InvalidConfig(message)
    return base, _is_private(base)


def _is_private(base: str) -> bool:
    return base.startswith("https:") or _LOOPBACK.match(base) is not None


def _with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url
