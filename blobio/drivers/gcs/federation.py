"""Whom a file of workload identity federation may make us send tokens to. Pure.

Such a file names the servers where a token is fetched, exchanged and traded for another. One that
comes from somebody else could name their own, and so get the tokens of this machine. The rule is
that of the project's list of security checks; google-auth leaves it to its callers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from blobio.errors import InvalidConfig, redact

__all__ = ["check_hosts"]

_TYPES: Final = frozenset({"external_account", "external_account_authorized_user"})
_GOOGLE_FIELDS: Final = (
    "token_url",
    "token_info_url",
    "revoke_url",
    "service_account_impersonation_url",
)
_GOOGLE: Final = re.compile(r"(?:[a-z0-9-]+\.)+googleapis\.com", re.ASCII)
_METADATA: Final = frozenset({"169.254.169.254", "fd00:ec2::254"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", "metadata.google.internal"})
_AWS_FIELDS: Final = ("url", "region_url", "imdsv2_session_token_url")
_ODD: Final = re.compile(r"[\s\\@\x00-\x20\x7f]")
_SHOWN: Final = 80


def check_hosts(info: Mapping[str, object], where: str) -> None:
    """Refuse a federation whose servers are not those they have to be; pass any other file.

    Tokens are exchanged at hosts of googleapis.com over https. The token to be exchanged comes from
    the metadata server of the machine (for AWS always), from this machine, or over https.

    Args:
        info: The file's content.
        where: The file, for the error.

    Raises:
        InvalidConfig: A URL leads elsewhere.
    """
    if info.get("type") not in _TYPES:
        return
    for name in _GOOGLE_FIELDS:
        url = info.get(name)
        if url is not None and not _is_google(url):
            raise _refusal(where, name, url, "an https URL of googleapis.com")
    source = info.get("credential_source")
    if not isinstance(source, Mapping):
        return
    is_aws = str(source.get("environment_id", "")).startswith("aws")
    for name in _AWS_FIELDS:
        url = source.get(name)
        if url is None or (is_aws and name == "url" and url == ""):
            continue
        if is_aws and not _is_at(url, _METADATA):
            raise _refusal(where, f"credential_source.{name}", url, "AWS's metadata server")
        if not is_aws and not _is_at(url, _METADATA | _LOCAL) and not _is_https(url):
            raise _refusal(where, f"credential_source.{name}", url, "an https URL or this machine")


def _is_google(url: object) -> bool:
    return _is_https(url) and _GOOGLE.fullmatch(_host(url)) is not None


def _is_https(url: object) -> bool:
    return isinstance(url, str) and url.startswith("https://") and _host(url) != ""


def _is_at(url: object, hosts: frozenset[str]) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://")) and _host(url) in hosts


def _host(url: object) -> str:
    """Return the host; "" for a URL that two parsers could read differently."""
    if not isinstance(url, str) or _ODD.search(url):
        return ""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _refusal(where: str, name: str, url: object, wanted: str) -> InvalidConfig:
    shown = redact(str(url))[:_SHOWN]
    return InvalidConfig(f"{where}: its {name} must be {wanted}, not {shown!r}")
