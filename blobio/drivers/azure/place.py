"""Where a container is, and how its URLs are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote, urlsplit

from blobio.errors import InvalidConfig, InvalidUrl, redact

__all__ = ["API_VERSION", "Place", "locate", "query_string", "quote_key"]

API_VERSION: Final = "2023-11-03"
"""Version of the REST API that every request names; the newest that older emulators know too."""

PUBLIC_ENDPOINT: Final = "https://{account}.blob.core.windows.net"
MAX_KEY_CHARACTERS: Final = 1024

# Names that cannot lead anywhere else, whatever they are put into: a host, a path.
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CONTAINER: Final = re.compile(r"\$root|\$web|\$logs|[a-z0-9](?:-?[a-z0-9]){0,62}")
_HOST: Final = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A container and the endpoint of its account.

    Attributes:
        account: Name of the account.
        container: Name of the container.
        endpoint: URL of the account's blob service, without a trailing `/`.
    """

    account: str
    container: str
    endpoint: str

    def subject(self, key: str) -> str:
        """Return the URL of `key` as the user writes it."""
        return f"az://{self.account}/{self.container}/{key}"

    def blob_url(self, key: str, query: str = "") -> str:
        """Return the URL of `key`, escaped once; `query` is escaped already."""
        url = f"{self.endpoint}/{self.container}/{quote_key(key)}"
        return f"{url}?{query}" if query else url

    def container_url(self, query: str) -> str:
        """Return the URL of the container with an escaped `query`."""
        return f"{self.endpoint}/{self.container}?{query}"


def locate(account: str, container: str, endpoint_url: str | None) -> Place:
    """Work out where a container is.

    Args:
        account: Name of the account.
        container: Name of the container.
        endpoint_url: As `AzureConfig.endpoint_url`; None for public Azure.

    Raises:
        InvalidUrl: A name is none that Azure gives.
        InvalidConfig: The endpoint is not a plain http(s) URL.
    """
    if not _ACCOUNT.fullmatch(account):
        message = f"{account!r} cannot be the name of a storage account"
        raise InvalidUrl(message)
    if not _CONTAINER.fullmatch(container):
        message = (
            f"{container!r} cannot be the name of a container: lower-case letters, digits and "
            "single hyphens, 63 at most"
        )
        raise InvalidUrl(message)
    text = (endpoint_url or PUBLIC_ENDPOINT).replace("{account}", account)
    parts = urlsplit(text)
    host = parts.netloc.lower()
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or parts.query:
        message = f"an Azure endpoint must be http(s)://host[:port][/path], not {redact(text)!r}"
        raise InvalidConfig(message)
    return Place(account, container, f"{parts.scheme}://{host}{parts.path.rstrip('/')}")


def quote_key(key: str) -> str:
    """Escape a key for a path: once, `/` kept.

    Raises:
        InvalidUrl: The key is longer than 1,024 characters or is not unicode text.
    """
    try:
        octets = key.encode()
    except UnicodeEncodeError as error:
        message = f"{key!r} is not unicode text, so Azure cannot store it as a key"
        raise InvalidUrl(message) from error
    if len(key) > MAX_KEY_CHARACTERS:
        message = f"an Azure key has at most {MAX_KEY_CHARACTERS} characters, this one {len(key)}"
        raise InvalidUrl(message)
    return quote(octets, safe="/")


def query_string(pairs: Iterable[tuple[str, str]]) -> str:
    """Escape a query.

    Raises:
        InvalidUrl: A value is not unicode text.
    """
    try:
        escaped = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]
    except UnicodeEncodeError as error:
        message = f"{error.object!r} is not unicode text, so no key in Azure has it"
        raise InvalidUrl(message) from error
    return "&".join(escaped)
