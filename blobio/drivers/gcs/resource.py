"""What replies say of an object: its JSON resource, or the headers beside its bytes. Pure."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias, cast

from blobio import checksum
from blobio.drivers.dates import http_time
from blobio.errors import RequestFailed, Unsupported, VersionMismatch
from blobio.transport.message import Response
from blobio.values import BlobMeta, CreateOnly, PutResult, ReplaceIf, Version, WriteMode

__all__ = [
    "FIELDS",
    "TOKEN_NAME",
    "Resource",
    "conditions",
    "generation_of",
    "hashes",
    "md5_hex",
    "media_meta",
    "meta_of",
    "new_metadata",
    "own_metadata",
    "parse",
    "put_result",
    "time_of",
    "token_of",
]

TOKEN_NAME: Final = "blobio-write"  # noqa: S105 - the name, not the token
"""Metadata name of the random token by which a write recognises its own success."""

FIELDS: Final = (
    "name,size,generation,metageneration,updated,timeCreated,md5Hash,crc32c,contentType,metadata"
)
"""The fields of a resource that are asked for."""

Resource: TypeAlias = "dict[str, object]"

_META: Final = "x-goog-meta-"
_GENERATION: Final = re.compile(r"[1-9][0-9]{0,18}")
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_SHOWN: Final = 200


def parse(body: bytes, subject: str, operation: str) -> Resource:
    """Read a JSON object.

    Raises:
        RequestFailed: It is none, or broke off.
    """
    try:
        found: object = json.loads(body)
    except ValueError as error:
        message = f"{operation} of {subject}: the reply is no JSON"
        raise RequestFailed(message, url=subject, operation=operation, retryable=True) from error
    if not isinstance(found, dict):
        message = f"{operation} of {subject}: the reply is no JSON object"
        raise RequestFailed(message, url=subject, operation=operation)
    return cast("Resource", found)


def generation_of(version: Version, operation: str, subject: str) -> str:
    """Return the generation that `version` names.

    Raises:
        VersionMismatch: It names none: it comes from another store.
    """
    if _GENERATION.fullmatch(version) is None:
        message = f"{operation} of {subject}: {str(version)[:_SHOWN]!r} is no generation"
        raise VersionMismatch(message, url=subject, operation=operation)
    return str(version)


def conditions(mode: WriteMode, operation: str, subject: str) -> list[tuple[str, str]]:
    """Return the query parameters that make a write conditional, none for `Overwrite`."""
    if isinstance(mode, CreateOnly):
        return [("ifGenerationMatch", "0")]
    if isinstance(mode, ReplaceIf):
        return [("ifGenerationMatch", generation_of(mode.version, operation, subject))]
    return []


def meta_of(resource: Resource, key: str, subject: str, operation: str = "head") -> BlobMeta:
    """Describe an object by its resource.

    Raises:
        RequestFailed: It does not tell size or generation.
    """
    size, generation = _text(resource, "size"), _text(resource, "generation")
    if not _DIGITS.fullmatch(size) or not _GENERATION.fullmatch(generation):
        message = f"{operation} of {subject}: the reply does not tell size and generation"
        raise RequestFailed(message, url=subject, operation=operation)
    updated = time_of(_text(resource, "updated"))
    return BlobMeta(
        key=key,
        size=int(size),
        mtime=updated,
        ctime=time_of(_text(resource, "timeCreated")) or updated,
        version=Version(generation),
        md5=md5_hex(_text(resource, "md5Hash")),
        crc32c=checksum.from_base64(_text(resource, "crc32c")),
        content_type=_text(resource, "contentType") or None,
        metadata=own_metadata(resource),
    )


def own_metadata(resource: Resource) -> dict[str, str]:
    """Return the user's metadata, without blobio's own token."""
    return {
        name.lower(): value for name, value in _metadata(resource).items() if name != TOKEN_NAME
    }


def token_of(resource: Resource) -> str | None:
    """Return the token that the write which made this object left in it, if it left one."""
    return _metadata(resource).get(TOKEN_NAME)


def put_result(resource: Resource) -> PutResult:
    """Return what a write left behind."""
    generation = _text(resource, "generation")
    return PutResult(
        version=Version(generation) if _GENERATION.fullmatch(generation) else None,
        md5=md5_hex(_text(resource, "md5Hash")),
        crc32c=checksum.from_base64(_text(resource, "crc32c")),
    )


def new_metadata(metadata: Mapping[str, str], token: str | None) -> dict[str, str]:
    """Return the metadata of a new object.

    Raises:
        Unsupported: A name is no header name in lower case, as which reads may bring it back, or is
            `blobio-write`.
    """
    for name in metadata:
        if _NAME.fullmatch(name) is None or name == TOKEN_NAME:
            message = (
                f"Google Cloud Storage cannot store metadata named {name!r}: names are header "
                f"names in lower case, and {TOKEN_NAME!r} is blobio's own"
            )
            raise Unsupported(message)
    return dict(metadata) if token is None else {**metadata, TOKEN_NAME: token}


def hashes(headers: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Return CRC32C and hex MD5 of `x-goog-hash`: those of the stored bytes of the whole object."""
    found = dict(
        item.strip().partition("=")[::2] for item in headers.get("x-goog-hash", "").split(",")
    )
    return checksum.from_base64(found.get("crc32c", "")), md5_hex(found.get("md5", ""))


def media_meta(key: str, response: Response, size: int) -> BlobMeta:
    """Describe an object by the headers that came with its bytes, or with some of them."""
    headers = response.headers
    crc32c, md5 = hashes(headers)
    generation = headers.get("x-goog-generation", "")
    mtime = http_time(headers.get("last-modified"))
    return BlobMeta(
        key=key,
        size=size,
        mtime=mtime,
        ctime=mtime,
        version=Version(generation) if _GENERATION.fullmatch(generation) else None,
        md5=md5,
        crc32c=crc32c,
        content_type=headers.get("content-type"),
        metadata={
            name[len(_META) :]: value
            for name, value in headers.items()
            if name.startswith(_META) and name != _META + TOKEN_NAME
        },
    )


def _metadata(resource: Resource) -> Mapping[str, str]:
    found = resource.get("metadata")
    if not isinstance(found, dict):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def _text(resource: Resource, name: str) -> str:
    found = resource.get(name)
    return found if isinstance(found, str) else ""


def md5_hex(text: str) -> str | None:
    """Return a base64 MD5 in hex, or None if it is none."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)  # a third of the time of `b64decode`
    except ValueError:
        return None
    return raw.hex() if len(raw) == 16 else None  # noqa: PLR2004 - bytes of an MD5


def time_of(text: str) -> float:
    """Return a time of a resource as seconds since the epoch, 0.0 if it cannot be read."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0
