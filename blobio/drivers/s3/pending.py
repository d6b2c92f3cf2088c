"""Ask what is pending, and read the reply: parts of an upload, uploads of a bucket. Pure.

Paging is that of https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html and
API_ListMultipartUploads.html, as the SDKs' own documentation repeats it
(https://boto3.amazonaws.com/v1/documentation/api/1.28.10/reference/services/s3/client/list_parts.html
and https://docs.oracle.com/en/storage/zfs-storage/zfs-appliance/os8-8-x/amazon-s3-api-guide/
list-multipart-uploads.html, read 2026-11-28): at most 1,000 entries, then the markers of the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_plus

from blobio import checksum
from blobio.drivers import markup
from blobio.drivers.resumable import SentPart
from blobio.drivers.s3 import headers as h
from blobio.drivers.s3.addressing import query_string
from blobio.drivers.s3.multipart import Part, UploadTarget
from blobio.drivers.s3.replies import quoted
from blobio.drivers.s3.wire import Wire
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.errors import RequestFailed
from blobio.transport.message import Request

__all__ = [
    "KIND",
    "are_same",
    "parse_parts",
    "parse_uploads",
    "parts_request",
    "state_of",
    "target_of",
    "uploads_request",
]

KIND: Final = "multipart upload"

_PARTS: Final = ("ListPartsResult", "ListPartsResponse")  # the second is what moto 5 answers
_CHECKS: Final = ("none", "parts", "whole")


def state_of(target: UploadTarget, token: str) -> dict[str, str]:
    """Return what finds an upload again."""
    check = _CHECKS[target.has_crc32c + target.is_full_object]
    return {"upload_id": target.upload_id, "token": token, "crc32c": check}


def target_of(key: str, state: Mapping[str, str]) -> tuple[UploadTarget, str] | None:
    """Read what `state_of` wrote, and return the upload and its token; None if it is no such."""
    upload_id, token, check = (state.get(name, "") for name in ("upload_id", "token", "crc32c"))
    if not upload_id or not token or check not in _CHECKS:
        return None
    target = UploadTarget(
        key, upload_id, has_crc32c=check != "none", is_full_object=check == "whole"
    )
    return target, token


def parts_request(wire: Wire, target: UploadTarget, marker: str) -> Request:
    """ListParts, those behind the part number `marker`, or from the first if it is ""."""
    pairs = [("max-parts", "1000"), ("uploadId", target.upload_id)]
    if marker:
        pairs.insert(1, ("part-number-marker", marker))
    return Request(
        method="GET",
        url=wire.endpoint.object_url(target.key, query_string(pairs)),
        headers=h.encryption(wire.config),
        operation="put",
        subject=wire.subject(target.key),
    )


def parse_parts(body: bytes, subject: str) -> tuple[dict[int, Part], str]:
    """Return the parts of one page by index, from 0, and the marker of the next, or "".

    Raises:
        RequestFailed: It is something else.
    """
    root = markup.parse(body, _PARTS, subject)
    found: dict[int, Part] = {}
    try:
        for row in markup.children(root, "Part"):
            crc = markup.child(row, "ChecksumCRC32C")
            found[int(markup.child(row, "PartNumber") or "") - 1] = Part(
                int(markup.child(row, "Size") or ""),
                quoted(markup.child(row, "ETag") or ""),
                checksum.from_base64(crc) if crc else None,
            )
    except ValueError as error:
        message = f"the parts of the upload to {subject} cannot be read: {error}"
        raise RequestFailed(message, url=subject, operation="put") from error
    marker = markup.child(root, "NextPartNumberMarker") or ""
    return found, marker if markup.child(root, "IsTruncated") == "true" else ""


def are_same(sent: SentPart, there: Part | None) -> bool:
    """Tell whether the store has the part that was sent, by all that it tells of it."""
    if there is None:
        return False
    wanted = Part.from_token(sent.token)
    return (
        there.size == sent.size
        and there.etag == wanted.etag
        and there.crc32c in (None, sent.crc32c)
        and wanted.crc32c in (None, sent.crc32c)
    )


def uploads_request(wire: Wire, prefix: str, token: str | None) -> Request:
    """ListMultipartUploads; `token` is that of the page before."""
    markers = [] if token is None else [(str(name), str(text)) for name, text in json.loads(token)]
    pairs = [("encoding-type", "url"), ("max-uploads", "1000"), *markers]
    if prefix:
        pairs.append(("prefix", prefix))
    return Request(
        method="GET",
        url=wire.endpoint.bucket_url(query_string([*sorted(pairs), ("uploads", "")])),
        headers={"x-amz-request-payer": "requester"} if wire.config.requester_pays else {},
        operation="list",
        subject=wire.subject(prefix),
    )


def parse_uploads(body: bytes, subject: str) -> LeftoverPage:
    """Read the reply to `uploads_request`.

    Raises:
        RequestFailed: It is something else, or goes on without saying where.
    """
    root = markup.parse(body, "ListMultipartUploadsResult", subject)
    is_encoded = markup.child(root, "EncodingType") == "url"
    found = []
    for row in markup.children(root, "Upload"):
        key, upload_id = markup.child(row, "Key") or "", markup.child(row, "UploadId") or ""
        if not key or not upload_id:
            message = f"the uploads of {subject} cannot be read: one has no key or no id"
            raise RequestFailed(message, url=subject, operation="list")
        name = unquote_plus(key) if is_encoded else key
        begun = _seconds(markup.child(row, "Initiated"))
        found.append(Leftover(key=name, kind=KIND, name=upload_id, since=begun))
    if markup.child(root, "IsTruncated") != "true":
        return LeftoverPage(found)
    key_marker = markup.child(root, "NextKeyMarker")
    if not key_marker:
        message = f"the list of uploads of {subject} goes on, but the store does not say where"
        raise RequestFailed(message, url=subject, operation="list")
    marker = unquote_plus(key_marker) if is_encoded else key_marker
    markers = [("key-marker", marker)]
    if upload_marker := markup.child(root, "NextUploadIdMarker"):
        markers.append(("upload-id-marker", upload_marker))
    return LeftoverPage(found, json.dumps(markers))


def _seconds(text: str | None) -> float | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
