"""From the head of a request to the S3 operation it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from blobio.testing.strict.faults import RequestHead

__all__ = ["understand"]

_OBJECT: Final = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}
_BUCKET: Final = {
    "GET": "ListObjectsV2",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
}
_UPLOAD: Final = {
    "GET": "ListParts",
    "PUT": "UploadPart",
    "POST": "CompleteMultipartUpload",
    "DELETE": "AbortMultipartUpload",
}


def understand(method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
    """Find out what a request asks for; names of `headers` are in lower case."""
    path, _, search = target.partition("?")
    query = dict(parse_qsl(search, keep_blank_values=True)) if search else {}
    bucket, _, key = path[1:].partition("/")
    return RequestHead(
        method=method,
        target=target,
        headers=headers,
        operation=_operation(method, bucket, key, query, headers),
        bucket=unquote(bucket),
        key=unquote(key),
        query=query,
    )


def _operation(
    method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    if not bucket:
        return "ListBuckets"
    if not key:
        return _bucket_operation(method, query)
    copies = method == "PUT" and "x-amz-copy-source" in headers
    if "uploadId" in query:
        return "UploadPartCopy" if copies else _UPLOAD.get(method, "")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else ""
    if "tagging" in query:
        return "GetObjectTagging" if method == "GET" else ""
    return "CopyObject" if copies else _OBJECT.get(method, "")


def _bucket_operation(method: str, query: Mapping[str, str]) -> str:
    if method == "POST":
        return "DeleteObjects" if "delete" in query else ""
    if method == "GET" and "uploads" in query:
        return "ListMultipartUploads"
    if method == "GET" and query.get("list-type") != "2":
        return ""
    return _BUCKET.get(method, "")
