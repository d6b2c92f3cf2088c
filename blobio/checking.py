"""Checks that settings make when they are made."""

from __future__ import annotations

from blobio.errors import InvalidConfig

__all__ = ["is_web_url", "require"]


def require(ok: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise `InvalidConfig` with `message` unless `ok`."""
    if not ok:
        raise InvalidConfig(message)


def is_web_url(text: str) -> bool:
    """Tell if this is an http or https URL with a host."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False
