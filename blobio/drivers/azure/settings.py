"""Which endpoint and credentials an account gets: `AzureConfig` in its documented order. Pure.

The order and the names are blobfile's; what blobfile had no name for stands where it does least
harm: what was given in code first, what is searched for last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from blobio.azureconfig import account_of, connection_fields
from blobio.config import AzureConfig
from blobio.drivers.azure.sharedkey import SharedKey
from blobio.errors import InvalidConfig

__all__ = [
    "Access",
    "Anonymous",
    "Sas",
    "Tokens",
    "accounts_of",
    "choose",
    "chosen",
    "endpoint_of",
    "parse_sas",
]

# Query characters: no spaces, no `#`, nothing that could end the URL.
_SAS: Final = re.compile(r"[A-Za-z0-9%._~:/+=&,\-]+")
_LOOPBACK: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::|/|$)")


@final
@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nothing is sent."""


@final
@dataclass(frozen=True, slots=True)
class Sas:
    """A shared access signature, which is appended to every URL."""

    query: str

    def __repr__(self) -> str:
        return "Sas(REDACTED)"


@final
@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens, from where `tokens.source_of` finds them."""


Access: TypeAlias = "Anonymous | Sas | SharedKey | Tokens"
"""How requests to an account are authorised."""


def choose(config: AzureConfig, account: str) -> Access:
    """Return how to reach `account`.

    Raises:
        InvalidConfig: What comes first cannot be used; nothing after it is tried.
    """
    return chosen(config, account)[0]


def chosen(config: AzureConfig, account: str) -> tuple[Access, str]:
    """Return how to reach `account`, and where what is sent was set; "" for tokens.

    Raises:
        InvalidConfig: As `choose`.
    """
    if config.anonymous:
        return Anonymous(), "none (anonymous)"
    if config.sas_token is not None:
        sas = Sas(parse_sas(config.sas_token, "AzureConfig.sas_token"))
        return sas, "SAS token (AZURE_STORAGE_SAS_TOKEN or AzureConfig.sas_token)"
    if config.credential is not None or config.use_identity:
        return Tokens(), ""
    if config.account_key is not None and config.account in (None, account):
        key = SharedKey(account, config.account_key)
        return key, "account key (AZURE_STORAGE_KEY or AzureConfig.account_key)"
    return _of_connection(config, account) or (Tokens(), "")


def _of_connection(config: AzureConfig, account: str) -> tuple[Access, str] | None:
    parts = _own_connection(config, account)
    where = "of the connection string (AZURE_STORAGE_CONNECTION_STRING or AzureConfig)"
    if "AccountKey" in parts:
        return SharedKey(account, parts["AccountKey"]), f"account key {where}"
    if "SharedAccessSignature" in parts:
        sas = Sas(parse_sas(parts["SharedAccessSignature"], "the connection string"))
        return sas, f"SAS token {where}"
    return None


def accounts_of(config: AzureConfig) -> list[str]:
    """Return the names of the accounts that the settings speak of, each once, in order."""
    names = [name.partition("/")[0] for name in config.accounts]
    if config.account is not None:
        names.append(config.account)
    if config.connection_string is not None and (name := account_of(config.connection_string)):
        names.append(name)
    return sorted(set(names))


def endpoint_of(config: AzureConfig, account: str) -> str | None:
    """Return the endpoint that the settings give `account`, or None for public Azure."""
    if config.endpoint_url is not None:
        return config.endpoint_url
    parts = _own_connection(config, account)
    if "BlobEndpoint" in parts:
        return parts["BlobEndpoint"]
    if "EndpointSuffix" in parts:
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        return f"{protocol}://{account}.blob.{parts['EndpointSuffix']}"
    return None


def is_private(endpoint: str) -> bool:
    """Tell if nobody on the way can read a header: TLS, or this machine itself."""
    return endpoint.startswith("https:") or _LOOPBACK.match(endpoint) is not None


def parse_sas(text: str, where: str) -> str:
    """Return a SAS token as a query, without the `?` that portals put before it.

    Raises:
        InvalidConfig: It is not one. The message does not show it.
    """
    query = text.strip().removeprefix("?")
    if _SAS.fullmatch(query) is None or "sig=" not in query:
        message = f"{where} holds no SAS token: it is a query such as sv=...&sp=...&sig=..."
        raise InvalidConfig(message)
    return query


def _own_connection(config: AzureConfig, account: str) -> dict[str, str]:
    """Return the fields of the connection string if it is for `account`, else none."""
    if config.connection_string is None:
        return {}
    parts = connection_fields(config.connection_string)
    if not parts.keys() & {"AccountKey", "SharedAccessSignature", "BlobEndpoint"}:
        message = (
            "AzureConfig.connection_string is none: it is AccountName=...;AccountKey=... or "
            "BlobEndpoint=...;SharedAccessSignature=..."
        )
        raise InvalidConfig(message)
    return parts if account_of(config.connection_string) == account else {}
