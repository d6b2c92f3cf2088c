"""Listings of `StrictS3`: a page of objects, of pending uploads, or of their parts. Pure."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from blobio.testing.strict_s3.replies import document, element, iso_time
from blobio.testing.strict_s3.store import Bucket, PendingUpload, S3Error

__all__ = ["list_objects", "list_parts", "list_uploads"]

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


def list_uploads(bucket: Bucket, query: Mapping[str, str]) -> bytes:
    """Return one page of pending uploads, by key and then by id."""
    most = min(_PAGE, int(query.get("max-uploads", _PAGE)))
    encode = query.get("encoding-type") == "url"
    after = (query.get("key-marker", ""), query.get("upload-id-marker", _AFTER_ALL_OTHERS))
    wanted = sorted(
        (
            upload
            for upload in bucket.uploads.values()
            if upload.key.startswith(query.get("prefix", ""))
            and (upload.key, upload.upload_id) > after
        ),
        key=lambda upload: (upload.key, upload.upload_id),
    )
    page = wanted[:most]
    parts = [element("Bucket", bucket.name)]
    if encode:
        parts.append(element("EncodingType", "url"))
    parts.append(element("IsTruncated", "true" if len(wanted) > most else "false"))
    if len(wanted) > most:
        parts.append(element("NextKeyMarker", _name(page[-1].key, encode=encode)))
        parts.append(element("NextUploadIdMarker", page[-1].upload_id))
    for upload in page:
        fields = (
            element("Key", _name(upload.key, encode=encode))
            + element("UploadId", upload.upload_id)
            + element("Initiated", iso_time(upload.begun))
        )
        parts.append(f"<Upload>{fields}</Upload>")
    return document("ListMultipartUploadsResult", parts)


def list_parts(upload: PendingUpload, query: Mapping[str, str]) -> bytes:
    """Return one page of the parts of an upload, by number."""
    most = min(_PAGE, int(query.get("max-parts", _PAGE)))
    after = int(query.get("part-number-marker", 0))
    numbers = sorted(number for number in upload.parts if number > after)
    rows = [element("Key", upload.key), element("UploadId", upload.upload_id)]
    rows.append(element("IsTruncated", "true" if len(numbers) > most else "false"))
    if len(numbers) > most:
        rows.append(element("NextPartNumberMarker", numbers[most - 1]))
    for number in numbers[:most]:
        part = upload.parts[number]
        fields = element("PartNumber", number) + element("ETag", part.etag)
        fields += element("Size", len(part.body))
        if part.crc32c is not None:
            fields += element("ChecksumCRC32C", part.crc32c)
        rows.append(f"<Part>{fields}</Part>")
    return document("ListPartsResult", rows)


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
