"""What a GET or HEAD looks like, and what the headers of a reply say of a blob. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from blobio.transport.message import Request
from blobio.transport.ranges import range_header
from blobio.values import BlobMeta, From, Range, Version

__all__ = ["describe", "host_headers", "is_version", "legal", "read_request", "version_of"]

# What RFC 3986 lets stand in a URL, and `%` for the escapes that are there already.
_LEGAL: Final = "%:/?#[]@!$&'()*+,;=-._~"
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BY_DATE: Final = "last-modified:"
_MD5_BYTES: Final = 16


def legal(url: str) -> str:
    """Escape what may not stand in a URL and drop the fragment; leave all else as it is."""
    without_fragment = url.partition("#")[0]
    escaped = _LONE_PERCENT.sub("%25", without_fragment)
    return quote(escaped, safe=_LEGAL, errors="surrogateescape")


def host_headers(configured: Mapping[str, Mapping[str, str]], authority: str) -> dict[str, str]:
    """Return the user's headers for `authority`: those of `host:port`, or else of the host."""
    host = re.sub(r":\d+$", "", authority)
    found = configured.get(authority, configured.get(host, {}))
    return {name.lower(): value for name, value in found.items()}


def read_request(
    method: str, url: str, wanted: Range | None, version: Version | None, subject: str
) -> Request:
    """Build a HEAD, or a GET of `wanted` that the server answers in full if `version` is gone.

    The whole is asked for as a range from byte 0, since the reply to that tells the size beside the
    length of the body: a body that was cut on its way, and its length with it, would look whole.
    """
    headers: dict[str, str] = {}
    if method == "GET":
        headers["range"] = range_header(From(0) if wanted is None else wanted)
        if version is not None:
            headers["if-range"] = version.removeprefix(_BY_DATE)
    return Request(
        method=method,
        url=url,
        headers=headers,
        stream=method == "GET",
        operation="head" if method == "HEAD" else "get",
        subject=subject,
    )


def version_of(headers: Mapping[str, str]) -> Version | None:
    """Return what identifies the bytes: a strong ETag, else the time of the last change.

    A weak ETag promises an equal meaning, not equal bytes, so parts read under it may not fit.
    """
    etag = headers.get("etag", "")
    if etag.startswith('"'):
        return Version(etag)
    date = headers.get("last-modified", "")
    return Version(_BY_DATE + date) if _unix_time(date) is not None else None


def is_version(headers: Mapping[str, str], version: Version, *, partial: bool) -> bool:
    """Tell if a reply is of `version`.

    Args:
        headers: Of the reply.
        version: The one asked for.
        partial: The reply is a 206 to a request with `If-Range`. Such a reply may leave out
            `Last-Modified` (RFC 9110, 15.3.7, https://www.rfc-editor.org/rfc/rfc9110#status.206,
            read 2026-11-24), but not the ETag.
    """
    if not version.startswith(_BY_DATE):
        return headers.get("etag") == version
    date = headers.get("last-modified")
    if date is None:
        return partial
    return date == version.removeprefix(_BY_DATE)


def describe(
    key: str, headers: Mapping[str, str], size: int, *, version: Version | None = None
) -> BlobMeta:
    """Return what a reply says of a blob of `size` bytes.

    Times are 0 where the server tells none. `version` stands in for one the reply leaves out.
    """
    mtime = _unix_time(headers.get("last-modified", "")) or 0.0
    whole = headers.get("content-range") in (None, f"bytes 0-{size - 1}/{size}")
    return BlobMeta(
        key=key,
        size=size,
        mtime=mtime,
        ctime=mtime,
        version=version_of(headers) if version is None else version,
        md5=_hex_md5(headers.get("content-md5", "")) if whole else None,
        content_type=headers.get("content-type"),
    )


def _unix_time(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, OverflowError):
        return None


def _hex_md5(text: str) -> str | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == _MD5_BYTES else None
