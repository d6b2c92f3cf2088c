"""The groups of headers that S3 requests share: conditions, checksums, encryption, metadata. Pure.

Metadata values travel in headers, which are ASCII. Others are written as RFC 2047 encoded words,
which S3 decodes before it stores them and writes again when it sends them (described at
https://docs.rs/fakecloud-core/0.49.0/src/fakecloud_core/rfc2047.rs.html, read 2026-11-24); a store
that keeps headers as they come gives the same words back.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from blobio import checksum
from blobio.config import S3Config
from blobio.drivers.words import decode, encode
from blobio.errors import Unsupported
from blobio.values import CreateOnly, ReplaceIf, WriteMode

if TYPE_CHECKING:
    from blobio.values import Body

__all__ = [
    "CARRIED",
    "TOKEN_NAME",
    "body_checks",
    "conditions",
    "encryption",
    "metadata_headers",
    "new_object",
    "read_keys",
    "user_metadata",
    "write_token",
]

TOKEN_NAME: Final = "blobio-write"  # noqa: S105 - the name, not the token
"""Metadata name of the random token that lets a conditional write recognise its own success."""

CARRIED: Final = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
"""Headers of an object that a copy with new metadata must repeat, or they are lost."""

_META: Final = "x-amz-meta-"
_TOKEN_CHARACTERS: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


def conditions(mode: WriteMode) -> dict[str, str]:
    """Return the headers that make a write conditional, none for `Overwrite`."""
    if isinstance(mode, CreateOnly):
        return {"if-none-match": "*"}
    if isinstance(mode, ReplaceIf):
        return {"if-match": str(mode.version)}
    return {}


def body_checks(body: Body, config: S3Config) -> dict[str, str]:
    """Return the header that lets the store verify `body`: the only place that makes one.

    No trailers and no CRC64NVME: many stores that speak S3 refuse both.
    """
    if config.checksums == "crc32c":
        return {"x-amz-checksum-crc32c": checksum.to_base64(checksum.crc32c(body))}
    if config.checksums == "md5":
        return {"content-md5": content_md5(body)}
    return {}


def content_md5(body: Body) -> str:
    """Return the value of `Content-MD5`."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def new_object(config: S3Config) -> dict[str, str]:
    """Return encryption and storage class of an object about to be made, and who pays for it."""
    headers = encryption(config)
    if config.sse is not None:
        headers["x-amz-server-side-encryption"] = config.sse
    if config.sse_kms_key_id is not None:
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = config.sse_kms_key_id
    if config.storage_class is not None:
        headers["x-amz-storage-class"] = config.storage_class
    return headers


def encryption(config: S3Config, *, copy_source: bool = False) -> dict[str, str]:
    """Return the SSE-C key and who pays: what every request for an object or a part must carry.

    Args:
        config: The settings.
        copy_source: Also give the key that the source of a copy is read with.
    """
    headers: dict[str, str] = {}
    if config.requester_pays:
        headers["x-amz-request-payer"] = "requester"
    if config.sse_customer_key is not None:
        headers |= _customer_key("x-amz-", config.sse_customer_key)
        if copy_source:
            headers |= _customer_key("x-amz-copy-source-", config.sse_customer_key)
    return headers


def _customer_key(prefix: str, key: bytes) -> dict[str, str]:
    return {
        f"{prefix}server-side-encryption-customer-algorithm": "AES256",
        f"{prefix}server-side-encryption-customer-key": base64.b64encode(key).decode(),
        f"{prefix}server-side-encryption-customer-key-md5": content_md5(key),
    }


def read_keys(config: S3Config) -> dict[str, str]:
    """Return what a read of an object carries: encryption, payer, and the wish for a checksum."""
    headers = encryption(config)
    if config.checksums == "crc32c":
        headers["x-amz-checksum-mode"] = "ENABLED"
    return headers


def metadata_headers(metadata: Mapping[str, str], token: str | None = None) -> dict[str, str]:
    """Return the headers that store `metadata` and, if given, the write token.

    Raises:
        Unsupported: A name is not an HTTP token in lower case or is `blobio-write`, or a value
            holds CR, LF or NUL.
    """
    headers = {}
    for name, value in metadata.items():
        if _TOKEN_CHARACTERS.fullmatch(name) is None or name == TOKEN_NAME:
            message = (
                f"S3 cannot store metadata named {name!r}: names are header names in lower "
                f"case, and {TOKEN_NAME!r} is blobio's own"
            )
            raise Unsupported(message)
        headers[_META + name] = encode(name, value)
    if token is not None:
        headers[_META + TOKEN_NAME] = token
    return headers


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the user's metadata of a reply, decoded, without blobio's own token."""
    start = len(_META)
    return {
        name[start:]: decode(value)
        for name, value in headers.items()
        if name.startswith(_META) and name[start:] != TOKEN_NAME
    }


def write_token(headers: Mapping[str, str]) -> str | None:
    """Return the token that the write which made this object left in it, if it left one."""
    return headers.get(_META + TOKEN_NAME)
