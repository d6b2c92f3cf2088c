"""The headers that Azure requests share: conditions, types, metadata. Pure.

Azure takes identifiers of C# as names of metadata and nothing else
(https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata,
read 2026-11-27). Other names, such as S3 has, are written as `blobio_x_` and the name with `_` and
two hex digits for each character that is no lower-case letter or digit.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from blobio.drivers.words import decode, encode
from blobio.errors import Unsupported
from blobio.values import CreateOnly, ReplaceIf, WriteMode

if TYPE_CHECKING:
    from blobio.values import Body

__all__ = [
    "CARRIED",
    "META",
    "TOKEN_NAME",
    "conditions",
    "content_md5",
    "described",
    "metadata_headers",
    "stored_name",
    "user_metadata",
    "user_name",
    "write_token",
]

META: Final = "x-ms-meta-"
TOKEN_NAME: Final = "blobio_write"  # noqa: S105 - the name, not the token
"""Metadata name of the random token that lets a write recognise its own success."""

CARRIED: Final = (
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
)
"""Headers of a blob that a write repeats as `x-ms-blob-...`."""

MTIME_NAME: Final = "blobfile-mtime"
_STORED_MTIME: Final = "blobfilemtime"  # as blobfile calls it on Azure
_ESCAPED: Final = "blobio_x_"
_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]*")
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_SPECIAL: Final = re.compile(r"[^a-z0-9]")
_HEX: Final = re.compile(r"_([0-9a-f]{2})")


def conditions(mode: WriteMode) -> dict[str, str]:
    """Return the headers that make a write conditional, none for `Overwrite`."""
    if isinstance(mode, CreateOnly):
        return {"if-none-match": "*"}
    if isinstance(mode, ReplaceIf):
        return {"if-match": str(mode.version)}
    return {}


def content_md5(body: Body) -> str:
    """Return the value of `Content-MD5`."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def stored_name(name: str) -> str:
    """Return the name under which Azure keeps the metadata `name`.

    Raises:
        Unsupported: It is not an HTTP token in lower case, or it is blobio's own.
    """
    if name == MTIME_NAME:
        return _STORED_MTIME
    if _NAME.fullmatch(name) is None or name in (TOKEN_NAME, _STORED_MTIME):
        message = (
            f"Azure cannot store metadata named {name!r}: names are header names in lower case, "
            f"and {TOKEN_NAME!r} and {_STORED_MTIME!r} are taken"
        )
        raise Unsupported(message)
    if _IDENTIFIER.fullmatch(name) and not name.startswith(_ESCAPED):
        return name
    return _ESCAPED + _SPECIAL.sub(lambda match: f"_{ord(match[0]):02x}", name)


def user_name(name: str) -> str:
    """Return the user's name of the metadata that Azure keeps under `name`."""
    if name == _STORED_MTIME:
        return MTIME_NAME
    if not name.startswith(_ESCAPED):
        return name
    return _HEX.sub(lambda match: chr(int(match[1], 16)), name[len(_ESCAPED) :])


def metadata_headers(metadata: Mapping[str, str], token: str | None = None) -> dict[str, str]:
    """Return the headers that store `metadata` and, if given, the write token.

    Raises:
        Unsupported: A name or a value cannot be stored.
    """
    headers = {META + stored_name(name): encode(name, value) for name, value in metadata.items()}
    if token is not None:
        headers[META + TOKEN_NAME] = token
    return headers


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the user's metadata of a reply, decoded, without blobio's own token."""
    start = len(META)
    return {
        user_name(name[start:]): decode(value)
        for name, value in headers.items()
        if name.startswith(META) and name[start:] != TOKEN_NAME
    }


def write_token(headers: Mapping[str, str]) -> str | None:
    """Return the token that the write which made this blob left in it, if it left one."""
    return headers.get(META + TOKEN_NAME)


def described(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what a write repeats of a blob that a reply describes, but for its metadata."""
    return {f"x-ms-blob-{name}": headers[name] for name in CARRIED if headers.get(name)}
