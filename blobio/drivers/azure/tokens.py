"""Where bearer tokens come from. Everything here blocks: it runs in a thread.

azure-identity does the work: client secrets, workload identity, managed identity, the az command
line. What the az command line left in its token cache is read through MSAL, as blobfile did, so
that it works without `az` too.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias, cast

from blobio.azureconfig import TokenCredential
from blobio.config import AzureConfig
from blobio.errors import Unauthenticated, redact

__all__ = ["SCOPE", "Found", "Get", "fetch", "source_of"]

SCOPE: Final = "https://storage.azure.com/.default"
"""The same in every cloud."""

_PUBLIC_AUTHORITY: Final = "login.microsoftonline.com"
_AZ_CLIENT: Final = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # the public id of the az command line
_AZ_CACHE: Final = "~/.azure/msal_token_cache.json"
_MAX_FILE_BYTES: Final = 4 << 20
_SHOWN: Final = 500


class Found(NamedTuple):
    """A token and the Unix time at which it expires."""

    token: str
    expires_on: float


Get: TypeAlias = Callable[[], Found | None]
"""Gets a token, or None if this is no source of one after all."""


class Source(NamedTuple):
    """A source of tokens.

    Attributes:
        identity: What tells it from others, without a secret; "" for one that is not ours to keep.
        get: Gets a token.
        close: Releases what it holds.
        name: Tells people what it is, once it has given a token; without a secret.
    """

    identity: str
    get: Get
    close: Callable[[], None]
    name: Callable[[], str] = str


def source_of(config: AzureConfig) -> list[Source]:
    """Return the sources that the settings name, in order; the last is what azure-identity finds.

    Raises:
        Unauthenticated: `application_credentials` cannot be read.
    """
    if config.credential is not None:
        return [_of_credential("", config.credential, "AzureConfig.credential")]
    if config.use_identity:
        return [_default(config)]
    secret = _client_secret(config)
    if secret is not None:
        return [secret]
    az = Source("az", lambda: _az_cache(config), _nothing, lambda: f"az login ({_AZ_CACHE})")
    return [az, _default(config)]


def fetch(sources: list[Source]) -> tuple[Found, str]:
    """Return a token of the first source that gives one, and the name of that source.

    Raises:
        Unauthenticated: None does; the message says where was looked.
    """
    from azure.core.exceptions import AzureError

    failure: Exception | None = None
    for source in sources:
        try:
            found = source.get()
        except (AzureError, OSError, ValueError, LookupError, TypeError) as error:
            failure = error
            continue
        if found is not None and found.token:
            return found, source.name()
    reason = "" if failure is None else redact(f": {type(failure).__name__}: {failure}"[:_SHOWN])
    message = (
        f"no Azure credentials could be had{reason}. Set AZURE_STORAGE_KEY, "
        "AZURE_STORAGE_CONNECTION_STRING or AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and "
        "AZURE_TENANT_ID, log in with 'az login', give some with AzureConfig(account_key=...), "
        "(sas_token=...) or (credential=...), or read public containers with "
        "AzureConfig(anonymous=True)"
    )
    # No cause: azure-identity's errors can hold whole replies of a token service.
    raise Unauthenticated(message)


def _of_credential(identity: str, credential: TokenCredential, name: str) -> Source:
    def get() -> Found:
        given = credential.get_token(SCOPE)
        return Found(given.token, float(given.expires_on))

    return Source(identity, get, _closer(credential), lambda: name)


def _closer(credential: object) -> Callable[[], None]:
    close = getattr(credential, "close", None)
    return cast("Callable[[], None]", close) if callable(close) else _nothing


def _nothing() -> None:
    pass


def _default(config: AzureConfig) -> Source:
    """Return all that azure-identity knows: workload and managed identity, az, and the rest."""
    from azure.identity import DefaultAzureCredential

    options: dict[str, Any] = {"authority": config.authority_host} if config.authority_host else {}
    if config.client_id is not None:
        options |= {
            "managed_identity_client_id": config.client_id,
            "workload_identity_client_id": config.client_id,
        }
    credential = DefaultAzureCredential(**options)

    def name() -> str:
        # azure-identity keeps to itself which of its credentials it was.
        found = getattr(credential, "_successful_credential", None)
        return "azure-identity" + (f" ({type(found).__name__})" if found is not None else "")

    source = _of_credential(f"default/{config.tenant_id}/{config.client_id}", credential, "")
    return source._replace(close=credential.close, name=name)


def _client_secret(config: AzureConfig) -> Source | None:
    tenant, client, secret = config.tenant_id, config.client_id, config.client_secret
    where = "AZURE_CLIENT_SECRET or AzureConfig.client_secret"
    if config.application_credentials is not None:
        tenant, client, secret = _application(config.application_credentials)
        where = f"{config.application_credentials}, AZURE_APPLICATION_CREDENTIALS"
    if not (tenant and client and secret):
        return None
    from azure.identity import ClientSecretCredential

    authority = config.authority_host or _PUBLIC_AUTHORITY
    credential = ClientSecretCredential(tenant, client, secret, authority=authority)
    name = f"secret of the application {client} ({where})"
    source = _of_credential(f"secret/{authority}/{tenant}/{client}", credential, name)
    return source._replace(close=credential.close)


def _application(path: str) -> tuple[str, str, str]:
    """Read a file as `az ad sp create-for-rbac` prints it."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            values = json.loads(file.read(_MAX_FILE_BYTES))
        return str(values["tenant"]), str(values["appId"]), str(values["password"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"AZURE_APPLICATION_CREDENTIALS names {path!r}, which is not a JSON file with appId, "
            f"password and tenant: {type(error).__name__}"
        )
        raise Unauthenticated(message) from None  # a cause could hold the file


def _az_cache(config: AzureConfig) -> Found | None:
    """Return a token for whoever logged in with `az login`, or None if nobody did."""
    import time

    path = os.path.expanduser(_AZ_CACHE)
    if not os.path.isfile(path):
        return None
    from msal import PublicClientApplication, SerializableTokenCache

    with open(path, encoding="utf-8") as file:
        text = file.read(_MAX_FILE_BYTES)
    cache = SerializableTokenCache()
    cache.deserialize(text)
    authority = config.authority_host or _PUBLIC_AUTHORITY
    tenant = config.tenant_id or "organizations"
    application = PublicClientApplication(
        _AZ_CLIENT, authority=f"https://{authority}/{tenant}", token_cache=cache
    )
    for account in application.get_accounts():
        with contextlib.suppress(ValueError):
            result = application.acquire_token_silent([SCOPE], account=account)
            if result and "access_token" in result:
                lives_s = float(result.get("expires_in", 0))
                return Found(str(result["access_token"]), time.time() + lives_s)
    return None
