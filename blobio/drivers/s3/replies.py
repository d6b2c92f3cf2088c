"""What the headers of a reply say of an object. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from blobio import checksum
from blobio.config import S3Config
from blobio.drivers.dates import http_time
from blobio.drivers.s3.headers import user_metadata
from blobio.values import BlobMeta, PutResult, Version

__all__ = ["full_crc32c", "md5_of", "meta_of", "put_result", "quoted", "version_of"]

_HEX_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')


def quoted(etag: str) -> str:
    """Return an ETag with its quotes; a few stores leave them out here and there."""
    return etag if etag.endswith('"') else f'"{etag}"'


def version_of(headers: Mapping[str, str]) -> Version | None:
    """Return the version: the ETag, with quotes."""
    etag = headers.get("etag")
    return Version(quoted(etag)) if etag else None


def md5_of(headers: Mapping[str, str], config: S3Config) -> str | None:
    """Return the MD5 of the object in hex if its ETag is one, else None.

    It is for objects written in one piece, unencrypted or under SSE-S3; under KMS or SSE-C the
    ETag looks alike but is something else (https://pkg.go.dev/github.com/Davisanity/minio/
    internal/etag, read 2026-11-24). Listings do not tell how an object is encrypted, so there is
    no MD5 in them.
    """
    if not config.etag_is_md5:
        return None
    if headers.get("x-amz-server-side-encryption", "AES256") != "AES256":
        return None
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return None
    match = _HEX_MD5.fullmatch(headers.get("etag", ""))
    return match.group(1) if match else None


def full_crc32c(headers: Mapping[str, str]) -> int | None:
    """Return the CRC32C of the whole object, or None; a composite value (`...-N`) is not one."""
    value = headers.get("x-amz-checksum-crc32c")
    if value is None or headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    return checksum.from_base64(value)


def meta_of(
    key: str, headers: Mapping[str, str], config: S3Config, *, size: int, is_whole: bool = True
) -> BlobMeta:
    """Describe an object.

    Args:
        key: Its key.
        headers: Of a HEAD or GET reply.
        config: The settings.
        size: Of the whole object.
        is_whole: The reply is about the whole object, so a checksum in it is the object's; that of
            a ranged reply may be the range's.
    """
    mtime = http_time(headers.get("last-modified"))
    return BlobMeta(
        key=key,
        size=size,
        mtime=mtime,
        ctime=mtime,
        version=version_of(headers),
        md5=md5_of(headers, config),
        crc32c=full_crc32c(headers) if is_whole else None,
        content_type=headers.get("content-type"),
        metadata=user_metadata(headers),
    )


def put_result(headers: Mapping[str, str], config: S3Config) -> PutResult:
    """Return what a PUT left behind."""
    return PutResult(
        version=version_of(headers), md5=md5_of(headers, config), crc32c=full_crc32c(headers)
    )
