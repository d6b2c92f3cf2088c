"""What the headers of a reply say of a blob. Pure."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Final

from blobio.drivers.azure.headers import META, user_metadata
from blobio.drivers.dates import http_time
from blobio.values import BlobMeta, PutResult, Version

__all__ = ["FOLDER_NAME", "is_folder", "md5_hex", "md5_of", "meta_of", "put_result", "version_of"]

FOLDER_NAME: Final = "hdi_isfolder"
"""Metadata name by which Hadoop, and accounts with real directories, mark a directory."""

_MD5_BYTES: Final = 16
_PARTIAL: Final = "content-range"


def version_of(headers: Mapping[str, str]) -> Version | None:
    """Return the version: the ETag, with quotes."""
    etag = headers.get("etag")
    if not etag:
        return None
    return Version(etag if etag.endswith('"') else f'"{etag}"')


def md5_hex(text: str | None) -> str | None:
    """Return a base64 MD5 in hex, or None if it is none."""
    try:
        digest = binascii.a2b_base64(text or "", strict_mode=True)  # a third of `b64decode`
    except ValueError:
        return None
    return digest.hex() if len(digest) == _MD5_BYTES else None


def md5_of(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 of the whole blob in hex, if the store keeps one that can be believed.

    A block blob's was checked by the service or left by whoever published the blocks. That of an
    append or page blob stays what it was when bytes are added, so it is not looked at. The reply to
    a ranged read has the blob's MD5 in a header of its own:
    https://learn.microsoft.com/rest/api/storageservices/get-blob, read 2026-11-27.
    """
    if headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        return None
    own = headers.get("x-ms-blob-content-md5")
    if own is None and _PARTIAL not in headers:
        own = headers.get("content-md5")
    return md5_hex(own)


def is_folder(headers: Mapping[str, str]) -> bool:
    """Tell if the reply describes a directory."""
    return (
        headers.get(META + FOLDER_NAME, "").lower() == "true"
        or headers.get("x-ms-resource-type", "").lower() == "directory"
    )


def meta_of(key: str, headers: Mapping[str, str], *, size: int) -> BlobMeta:
    """Describe a blob.

    Args:
        key: Its key.
        headers: Of a HEAD or GET reply.
        size: Of the whole blob.
    """
    mtime = http_time(headers.get("last-modified"))
    return BlobMeta(
        key=key,
        size=size,
        mtime=mtime,
        ctime=http_time(headers.get("x-ms-creation-time")) or mtime,
        version=version_of(headers),
        md5=md5_of(headers),
        content_type=headers.get("content-type"),
        metadata=kept_metadata(user_metadata(headers), headers.get("x-ms-blob-type")),
    )


def kept_metadata(metadata: dict[str, str], blob_type: str | None) -> dict[str, str]:
    """Return metadata without an `md5` that may be of other bytes: see `md5_of`."""
    if blob_type not in (None, "BlockBlob"):
        metadata.pop("md5", None)
    return metadata


def put_result(headers: Mapping[str, str], md5: str | None = None) -> PutResult:
    """Return what a write left behind.

    Args:
        headers: Of the reply.
        md5: Hex MD5 of the bytes written, if it was computed here.
    """
    return PutResult(version=version_of(headers), md5=md5)
