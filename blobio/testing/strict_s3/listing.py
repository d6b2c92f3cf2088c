"""Listings of `StrictS3`: one page of ListObjectsV2, and of pending uploads. Pure."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from blobio.testing.strict_s3.replies import document, element, iso_time
from blobio.testing.strict_s3.store import Bucket, S3Error

__all__ = ["list_objects", "list_uploads"]

_PAGE: Final = 1000
_AFTER_ALL_OTHERS: Final = "\U0010ffff"


def list_objects(bucket: Bucket, query: Mapping[str, str]) -> bytes:
    """Return one page, in key order; a common prefix counts as one entry."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(_PAGE, int(query.get("max-keys", _PAGE)))
    encode = query.get("encoding-type") == "url"
    keys = bucket.keys
    at = _start(keys, prefix, query)
    contents: list[str] = []
    prefixes: list[str] = []
    last = ""
    while at < len(keys) and keys[at].startswith(prefix):
        key = keys[at]
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if len(contents) + len(prefixes) >= most:
            break
        if cut >= 0:
            last = key[: cut + len(delimiter)]
            prefixes.append(element("Prefix", _name(last, encode=encode)))
            at = bisect.bisect_left(keys, last + _AFTER_ALL_OTHERS, at)
        else:
            last = key
            contents.append(_entry(bucket, key, encode=encode))
            at += 1
    is_cut = at < len(keys) and keys[at].startswith(prefix)
    parts = [
        element("Name", bucket.name),
        element("Prefix", _name(prefix, encode=encode)),
        element("MaxKeys", most),
        element("KeyCount", len(contents) + len(prefixes)),
        element("IsTruncated", "true" if is_cut else "false"),
    ]
    if encode:
        parts.append(element("EncodingType", "url"))
    if is_cut:
        token = base64.urlsafe_b64encode(last.encode()).decode()
        parts.append(element("NextContinuationToken", token))
    parts += [f"<Contents>{entry}</Contents>" for entry in contents]
    parts += [f"<CommonPrefixes>{entry}</CommonPrefixes>" for entry in prefixes]
    return document("ListBucketResult", parts)


def list_uploads(bucket: Bucket) -> bytes:
    """Return every pending upload, on one page."""
    parts = [element("Bucket", bucket.name), element("IsTruncated", "false")]
    for upload in bucket.uploads.values():
        fields = element("Key", upload.key) + element("UploadId", upload.upload_id)
        parts.append(f"<Upload>{fields}</Upload>")
    return document("ListMultipartUploadsResult", parts)


def _start(keys: list[str], prefix: str, query: Mapping[str, str]) -> int:
    token = query.get("continuation-token")
    if token is None:
        after = query.get("start-after", "")
    else:
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            raise S3Error(400, "InvalidArgument", "The continuation token is wrong.") from None
        if query.get("delimiter") and after.endswith(query["delimiter"]):
            after += _AFTER_ALL_OTHERS
    at = bisect.bisect_left(keys, prefix)
    return max(at, bisect.bisect_right(keys, after)) if after else at


def _entry(bucket: Bucket, key: str, *, encode: bool) -> str:
    found = bucket.objects[key]
    return (
        element("Key", _name(key, encode=encode))
        + element("LastModified", iso_time(found.modified))
        + element("ETag", found.etag)
        + element("Size", len(found.body))
        + element("StorageClass", "STANDARD")
    )


def _name(text: str, *, encode: bool) -> str:
    return quote_plus(text, safe="/") if encode else text
