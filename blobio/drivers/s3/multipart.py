"""Requests and replies of an upload in parts, and the checksum of the whole. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from blobio import checksum
from blobio.drivers import markup
from blobio.drivers.s3 import headers as h
from blobio.drivers.s3.addressing import query_string
from blobio.drivers.s3.replies import quoted
from blobio.drivers.s3.wire import CopyPlan, Wire
from blobio.errors import ChecksumMismatch, RequestFailed
from blobio.transport.message import Request
from blobio.values import Body, PartToken, Span, WriteMode

__all__ = [
    "Part",
    "UploadTarget",
    "abort_request",
    "check_completion",
    "complete_request",
    "composite_crc32c",
    "create_request",
    "parse_created",
    "part_copy_request",
    "part_from_reply",
    "part_request",
    "whole_crc32c",
]

# The second is what rclone 1.75 answers.
_CREATED: Final = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")


@final
@dataclass(frozen=True, slots=True)
class Part:
    """What is kept of one uploaded part.

    Attributes:
        size: Bytes.
        etag: As the store gave it.
        crc32c: Of its bytes; None if checksums are off or the store copied the part.
    """

    size: int
    etag: str
    crc32c: int | None

    def token(self) -> PartToken:
        """Write the part as a token."""
        crc = "-" if self.crc32c is None else f"{self.crc32c:08x}"
        return PartToken(f"{self.size} {crc} {self.etag}")

    @classmethod
    def from_token(cls, token: PartToken) -> Part:
        """Read what `token` wrote."""
        size, crc, etag = token.split(" ", 2)
        return cls(int(size), etag, None if crc == "-" else int(crc, 16))


@final
@dataclass(frozen=True, slots=True)
class UploadTarget:
    """One upload under way.

    Attributes:
        key: Where the blob will be.
        upload_id: The store's name for the upload.
        has_crc32c: The store keeps a CRC32C of each part.
        is_full_object: It will check one CRC32C of the whole blob; else it makes a composite.
    """

    key: str
    upload_id: str
    has_crc32c: bool = False
    is_full_object: bool = False


def create_request(
    wire: Wire, key: str, description: Mapping[str, str], *, crc32c: bool
) -> Request:
    """CreateMultipartUpload.

    Args:
        wire: The bucket.
        key: Where the blob will be.
        description: Content type, metadata and write token.
        crc32c: Ask the store to keep CRC32C, and one of the whole object if it can.
    """
    headers = h.new_object(wire.config) | dict(description)
    if crc32c:
        headers["x-amz-checksum-algorithm"] = "CRC32C"
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return Request(
        method="POST",
        url=wire.endpoint.object_url(key, "uploads="),
        headers=headers,
        operation="put",
        subject=wire.subject(key),
        kind="BEGIN",
    )


def parse_created(
    key: str, body: bytes, headers: Mapping[str, str], *, crc32c: bool, subject: str
) -> UploadTarget:
    """Read the reply to `create_request`.

    Raises:
        RequestFailed: It is something else.
    """
    root = markup.parse(body, _CREATED, subject)
    upload_id = markup.child(root, "UploadId")
    if not upload_id:
        message = f"put of {subject}: the store began an upload without naming it"
        raise RequestFailed(message, url=subject, operation="put")
    has_crc32c = crc32c and headers.get("x-amz-checksum-algorithm") == "CRC32C"
    return UploadTarget(
        key,
        upload_id,
        has_crc32c=has_crc32c,
        is_full_object=has_crc32c and headers.get("x-amz-checksum-type") == "FULL_OBJECT",
    )


def part_request(
    wire: Wire, target: UploadTarget, index: int, body: Body, checks: Mapping[str, str]
) -> Request:
    """UploadPart. Part `index` counts from 0, S3's part numbers from 1."""
    return Request(
        method="PUT",
        url=wire.endpoint.object_url(target.key, _part_query(target, index)),
        headers=h.encryption(wire.config) | dict(checks),
        body=body,
        operation="put",
        subject=wire.subject(target.key),
        kind="PART",
    )


def part_copy_request(
    wire: Wire, target: UploadTarget, index: int, plan: CopyPlan, span: Span
) -> Request:
    """UploadPartCopy of bytes `span` of the source."""
    return Request(
        method="PUT",
        url=wire.endpoint.object_url(target.key, _part_query(target, index)),
        headers=(
            h.encryption(wire.config, copy_source=True)
            | wire.copy_source(plan)
            | {"x-amz-copy-source-range": f"bytes={span.start}-{span.stop - 1}"}
        ),
        operation="copy",
        subject=wire.subject(target.key),
        kind="COPY-PART",
    )


def complete_request(
    wire: Wire, target: UploadTarget, parts: Sequence[Part], mode: WriteMode, operation: str = "put"
) -> Request:
    """CompleteMultipartUpload, under the condition of the write."""
    rows = []
    for number, part in enumerate(parts, 1):
        crc = ""
        if target.has_crc32c and part.crc32c is not None:
            crc = f"<ChecksumCRC32C>{checksum.to_base64(part.crc32c)}</ChecksumCRC32C>"
        rows.append(
            f"<Part>{crc}<ETag>{markup.escape(part.etag)}</ETag>"
            f"<PartNumber>{number}</PartNumber></Part>"
        )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{''.join(rows)}</CompleteMultipartUpload>"
    ).encode()
    headers = h.encryption(wire.config) | h.conditions(mode)
    headers["content-type"] = "application/xml"
    headers["x-amz-mp-object-size"] = str(sum(part.size for part in parts))
    whole = whole_crc32c(parts)
    if target.is_full_object and whole is not None:
        headers["x-amz-checksum-crc32c"] = checksum.to_base64(whole)
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return Request(
        method="POST",
        url=wire.endpoint.object_url(target.key, _upload_query(target)),
        headers=headers,
        body=body,
        operation=operation,
        subject=wire.subject(target.key),
        kind="COMMIT",
    )


def abort_request(wire: Wire, target: UploadTarget) -> Request:
    """AbortMultipartUpload."""
    headers = {"x-amz-request-payer": "requester"} if wire.config.requester_pays else {}
    return Request(
        method="DELETE",
        url=wire.endpoint.object_url(target.key, _upload_query(target)),
        headers=headers,
        operation="put",
        subject=wire.subject(target.key),
    )


def whole_crc32c(parts: Sequence[Part]) -> int | None:
    """Return the CRC32C of all parts laid end to end, or None if one has none."""
    whole = 0
    for part in parts:
        if part.crc32c is None:
            return None
        whole = checksum.combine(whole, part.crc32c, part.size)
    return whole


def composite_crc32c(parts: Sequence[Part]) -> str | None:
    """Return S3's checksum of checksums, `base64-N`, or None if a part has none."""
    octets = b"".join([part.crc32c.to_bytes(4, "big") for part in parts if part.crc32c is not None])
    if len(octets) != 4 * len(parts):
        return None
    return f"{base64.b64encode(checksum.crc32c(octets).to_bytes(4, 'big')).decode()}-{len(parts)}"


def check_completion(announced: str | None, parts: Sequence[Part], subject: str) -> None:
    """Compare the checksum in a completion's reply, whole or composite, with that of the parts.

    Raises:
        ChecksumMismatch: The store put together something else. It is published.
    """
    if not announced:
        return
    whole = whole_crc32c(parts)
    if whole is None:
        return
    expected = composite_crc32c(parts) if "-" in announced else checksum.to_base64(whole)
    if announced != expected:
        message = (
            f"put of {subject}: the store says CRC32C {announced} of the object it put together, "
            f"the parts sent give {expected}; write it again"
        )
        raise ChecksumMismatch(message, url=subject, operation="put")


def part_from_reply(
    response_headers: Mapping[str, str], size: int, crc32c: int | None
) -> Part | None:
    """Return the part a reply to `part_request` confirms, or None without an ETag."""
    etag = response_headers.get("etag")
    return Part(size, quoted(etag), crc32c) if etag else None


def _upload_query(target: UploadTarget) -> str:
    return query_string([("uploadId", target.upload_id)])


def _part_query(target: UploadTarget, index: int) -> str:
    return query_string([("partNumber", str(index + 1)), ("uploadId", target.upload_id)])
