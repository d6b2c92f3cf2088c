"""Credential files by their type. Blocks on disk.

google-auth's loader of any type is deprecated in favour of one call for each
(https://docs.cloud.google.com/docs/authentication/external/externally-sourced-credentials, read
2026-11-27).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from blobio.drivers.gcs.federation import check_hosts
from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

__all__ = ["check_file", "from_file"]

_Info: TypeAlias = "dict[str, object]"
_Loader: TypeAlias = "Callable[[_Info, list[str]], object]"


def from_file(path: str, scope: str) -> Credentials:
    """Return the credentials that a file describes.

    Raises:
        InvalidConfig: It cannot be read, is no JSON object, of a type that nobody knows, or names
            servers that are not to be trusted with tokens.
        ValueError: It lacks something that credentials of its type need.
    """
    try:
        with open(path, encoding="utf-8") as file:
            info: object = json.load(file)
    except OSError as error:
        message = f"GcsConfig.credentials_file {path!r} cannot be read: {error.strerror}"
        raise InvalidConfig(message) from error
    except ValueError:
        info = None  # no cause: it shows what the file holds
    kind = info.get("type") if isinstance(info, dict) else None
    loader = _LOADERS.get(kind) if isinstance(kind, str) else None
    if loader is None:
        message = (
            f'GcsConfig.credentials_file {path!r} is no credential file of Google: its "type" '
            f"must be one of {', '.join(_LOADERS)}"
        )
        raise InvalidConfig(message)
    check_hosts(cast("_Info", info), f"GcsConfig.credentials_file {path!r}")
    return cast("Credentials", loader(cast("_Info", info), [scope]))


def check_file(path: str) -> None:
    """Check the hosts of a file that google-auth is going to load; what is wrong else it will say.

    Raises:
        InvalidConfig: See `check_hosts`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            info: object = json.load(file)
    except (OSError, ValueError):
        return
    if isinstance(info, dict):
        check_hosts(info, f"GOOGLE_APPLICATION_CREDENTIALS {path!r}")


def _service_account(info: _Info, scopes: list[str]) -> object:
    from google.oauth2 import service_account

    return service_account.Credentials.from_service_account_info(info, scopes=scopes)


def _authorized_user(info: _Info, scopes: list[str]) -> object:
    """Load a refresh token, which has scopes of its own."""
    del scopes
    from google.oauth2 import credentials

    return credentials.Credentials.from_authorized_user_info(info)


def _impersonated(info: _Info, scopes: list[str]) -> object:
    from google.auth import impersonated_credentials

    return impersonated_credentials.Credentials.from_impersonated_service_account_info(
        info, scopes=scopes
    )


def _external(info: _Info, scopes: list[str]) -> object:
    """Load a workload identity federation: the source of its subject tokens decides the class."""
    from google.auth import aws, identity_pool, pluggable

    source = info.get("credential_source")
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        return aws.Credentials.from_info(info, scopes=scopes)
    if isinstance(source, dict) and "executable" in source:
        return pluggable.Credentials.from_info(info, scopes=scopes)
    return identity_pool.Credentials.from_info(info, scopes=scopes)


def _external_user(info: _Info, scopes: list[str]) -> object:
    from google.auth import external_account_authorized_user

    return external_account_authorized_user.Credentials.from_info({"scopes": scopes, **info})


_LOADERS: Final[Mapping[str, _Loader]] = {
    "service_account": _service_account,
    "authorized_user": _authorized_user,
    "impersonated_service_account": _impersonated,
    "external_account": _external,
    "external_account_authorized_user": _external_user,
}
