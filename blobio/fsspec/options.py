"""fsspec's storage options as a `Config`: our names, and those other file systems have. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from blobio.config import (
    AzureConfig,
    Config,
    GcsConfig,
    HttpConfig,
    ReadConfig,
    RetryConfig,
    S3Config,
    WriteConfig,
)
from blobio.errors import InvalidConfig
from blobio.hubconfig import HubConfig

__all__ = ["to_config"]

Options = Mapping[str, object]

_SECTIONS: Final = {
    "retry": RetryConfig,
    "http": HttpConfig,
    "read": ReadConfig,
    "write": WriteConfig,
    "s3": S3Config,
    "gcs": GcsConfig,
    "azure": AzureConfig,
    "hub": HubConfig,
}
"""Settings with fields of their own: given as such, or as a dictionary that JSON can carry."""

_FLAT: Final = {
    "s3": "s3",
    "gs": "gcs",
    "az": "azure",
    "http": "http",
    "https": "http",
    "hf": "hub",
}
"""By scheme: the section whose fields may be given directly."""

# What s3fs calls our fields (https://s3fs.readthedocs.io/en/latest/api.html, read 2026-11-27).
_S3FS: Final = {
    "key": "access_key_id",
    "username": "access_key_id",
    "secret": "secret_access_key",
    "password": "secret_access_key",
    "token": "session_token",
    "anon": "anonymous",
}
_CLIENT_KWARGS: Final = {
    "endpoint_url": "endpoint_url",
    "region_name": "region",
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
# What adlfs calls our fields (https://github.com/fsspec/adlfs, README, read 2026-11-27).
_ADLFS: Final = {
    "account_name": "account",
    "anon": "anonymous",
}
# What HfFileSystem calls our fields
# (https://huggingface.co/docs/huggingface_hub/package_reference/hf_file_system, read 2026-11-28).
_HUB: Final = {
    "endpoint": "endpoint_url",
}
# Options that ask for what we do not have and nobody misses: a cache of listings, a choice of
# read caches, sizes of pools.
_IDLE: Final = frozenset(
    {
        "use_listings_cache",
        "listings_expiry_time",
        "max_paths",
        "skip_instance_cache",
        "default_fill_cache",
        "default_cache_type",
        "cache_regions",
        "max_concurrency",
        "fixed_upload_size",
        "project",
        "access",
        "consistency",
        "block_size",
        "version_aware",
        "expand_info",
    }
)


def to_config(scheme: str, options: Options) -> Config:
    """Return the settings that `options` describe, over those of the environment.

    Args:
        scheme: What the file system serves.
        options: Fields of `Config`; fields of the scheme's own settings (of `S3Config` for `s3`);
            a whole `Config` under `config`; and the names that s3fs, gcsfs, adlfs and
            HfFileSystem use.

    Raises:
        InvalidConfig: An option is unknown, or its value is refused.
    """
    given = dict(options)
    base = given.pop("config", None)
    config = Config.from_env() if base is None else cast("Config", base)
    changes: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    top: dict[str, Any] = {}
    if (translate := _DIALECTS.get(scheme)) is not None:
        translate(given, changes, top)
    flat = _FLAT.get(scheme)
    for name, value in given.items():
        if name in _SECTIONS and isinstance(value, Mapping):
            changes[name].update(cast("dict[str, object]", value))
        elif flat is not None and name in _fields(_SECTIONS[flat]):
            changes[flat][name] = value
        elif name in _fields(Config):
            top[name] = value
        elif name not in _IDLE:
            raise _unknown(scheme, name)
    for name, fields in changes.items():
        if fields:
            section = top.get(name, getattr(config, name))
            for unknown in fields.keys() - _fields(_SECTIONS[name]):
                raise _unknown(scheme, f"{name}.{unknown}")
            top[name] = dataclasses.replace(section, **fields)
    return dataclasses.replace(config, **top)


def _translate_s3fs(
    given: dict[str, Any], changes: dict[str, dict[str, Any]], top: dict[str, Any]
) -> None:
    """Take what s3fs users write out of `given` and put it where it belongs."""
    for theirs, ours in _S3FS.items():
        if theirs in given:
            changes["s3"][ours] = given.pop(theirs)
    client = dict(given.pop("client_kwargs", None) or {})
    if (verify := client.pop("verify", None)) is not None:
        name = "ca_file" if isinstance(verify, str) else "verify_tls"
        changes["http"][name] = verify
    if client.pop("use_ssl", True) is False or given.pop("use_ssl", True) is False:
        _require_plain_endpoint(given, client)
    for theirs, value in client.items():
        if theirs not in _CLIENT_KWARGS:
            raise _unknown("s3", f"client_kwargs.{theirs}")
        changes["s3"].setdefault(_CLIENT_KWARGS[theirs], value)
    boto = dict(given.pop("config_kwargs", None) or {})
    style = dict(boto.pop("s3", None) or {}).get("addressing_style")
    if style is not None:
        changes["s3"]["addressing"] = style
    boto.pop("signature_version", None)  # ours is version 4, the only one AWS takes
    for theirs in boto:
        raise _unknown("s3", f"config_kwargs.{theirs}")
    if (block_bytes := given.pop("default_block_size", None)) is not None:
        top["buffer_bytes"] = block_bytes


def _translate_gcsfs(
    given: dict[str, Any], changes: dict[str, dict[str, Any]], top: dict[str, Any]
) -> None:
    """Take what gcsfs users write: `token`, `project`, `requester_pays`."""
    del top
    token = given.pop("token", None)
    if token == "anon":  # noqa: S105 - gcsfs's word for none
        changes["gcs"]["anonymous"] = True
    elif isinstance(token, str) and token.endswith(".json"):
        changes["gcs"]["credentials_file"] = token
    elif token not in _GCSFS_CHAIN:
        message = (
            "token: give the path of a JSON file, 'google_default' or 'anon'; a token itself "
            "goes into access_token"
        )
        raise InvalidConfig(message)
    pays = given.pop("requester_pays", None)
    if pays:
        changes["gcs"]["user_project"] = given.get("project") if pays is True else pays


def _translate_adlfs(
    given: dict[str, Any], changes: dict[str, dict[str, Any]], top: dict[str, Any]
) -> None:
    """Take what adlfs users write."""
    del top
    for theirs, ours in _ADLFS.items():
        if theirs in given:
            changes["azure"][ours] = given.pop(theirs)


def _translate_hub(
    given: dict[str, Any], changes: dict[str, dict[str, Any]], top: dict[str, Any]
) -> None:
    """Take what users of `huggingface_hub.HfFileSystem` write."""
    del top
    for theirs, ours in _HUB.items():
        if theirs in given:
            changes["hub"][ours] = given.pop(theirs)
    if given.get("token") is True:  # "there must be one": what a private dataset says anyway
        del given["token"]


_GCSFS_CHAIN: Final = (None, "google_default", "cloud", "cache")
_DIALECTS: Final = {
    "s3": _translate_s3fs,
    "gs": _translate_gcsfs,
    "az": _translate_adlfs,
    "hf": _translate_hub,
}
_ALIASES: Final = {
    "s3": _S3FS.keys(),
    "gs": {"token", "project", "requester_pays"},
    "az": _ADLFS.keys(),
    "hf": _HUB.keys(),
}


def _require_plain_endpoint(given: Options, client: Options) -> None:
    if not (given.get("endpoint_url") or client.get("endpoint_url")):
        message = "use_ssl=False: name the store with an endpoint_url without TLS instead"
        raise InvalidConfig(message)


def _fields(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))


def _unknown(scheme: str, name: str) -> InvalidConfig:
    known: Iterable[str] = sorted(_fields(Config) | _ALIASES.get(scheme, frozenset()))
    flat = _FLAT.get(scheme)
    own = f", and the fields of {_SECTIONS[flat].__name__}" if flat is not None else ""
    message = f"unknown storage option {name!r} for {scheme}://; known are {', '.join(known)}{own}"
    return InvalidConfig(message)
