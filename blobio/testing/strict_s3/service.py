"""The operations of `StrictS3`: a request and its body become an answer. Pure but for the store."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from html import unescape
from typing import Final, TypeAlias, final
from urllib.parse import unquote

from blobio import checksum
from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_s3.listing import list_objects, list_parts, list_uploads
from blobio.testing.strict_s3.replies import (
    describe,
    document,
    element,
    iso_time,
    parse_range,
    refusal,
)
from blobio.testing.strict_s3.store import (
    Bucket,
    PartRow,
    S3Error,
    StoredObject,
    StoredPart,
    etag_of,
)

__all__ = ["Service"]

_XML: Final = {"Content-Type": "application/xml"}
_KEPT: Final = frozenset(
    {
        "content-type",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "expires",
    }
)
_META: Final = "x-amz-meta-"
_BATCH: Final = 1000
_FIELD: Final = r"<{0}>([^<]*)</{0}>"

_Operation: TypeAlias = Callable[[Bucket, RequestHead, bytes], Answer]


@final
class Service:
    """Answers requests for the objects of its buckets.

    Args:
        open_bucket: Makes a bucket of that name.

    Attributes:
        buckets: By name.
    """

    def __init__(self, open_bucket: Callable[[str], Bucket]) -> None:
        self.buckets: Final[dict[str, Bucket]] = {}
        self._open_bucket = open_bucket
        self._operations: Final[Mapping[str, _Operation]] = {
            "GetObject": _get,
            "HeadObject": _get,
            "PutObject": _put,
            "CopyObject": self._copy,
            "DeleteObject": _delete,
            "DeleteObjects": _delete_many,
            "ListObjectsV2": _list,
            "ListMultipartUploads": _list_uploads,
            "GetObjectTagging": _tags,
            "CreateMultipartUpload": _begin,
            "UploadPart": _put_part,
            "ListParts": _list_parts,
            "UploadPartCopy": self._copy_part,
            "CompleteMultipartUpload": _complete,
            "AbortMultipartUpload": _abort,
            "HeadBucket": _head_bucket,
        }

    def answer(self, head: RequestHead, body: bytes) -> Answer:
        """Do what the request asks for, or refuse it."""
        try:
            return self._answer(head, body)
        except S3Error as error:
            return refusal(error)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            S3Error: 404.
        """
        found = self.buckets.get(name)
        if found is None:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist.")
        return found

    def _answer(self, head: RequestHead, body: bytes) -> Answer:
        if head.operation == "CreateBucket":
            self.buckets.setdefault(head.bucket, self._open_bucket(head.bucket))
            return Answer()
        if head.operation == "ListBuckets":
            names = [f"<Bucket>{element('Name', name)}</Bucket>" for name in self.buckets]
            listed = document("ListAllMyBucketsResult", ["<Buckets>", *names, "</Buckets>"])
            return Answer(headers=_XML, body=listed)
        operation = self._operations.get(head.operation)
        if operation is None:
            raise S3Error(501, "NotImplemented", f"{head.method} {head.target} is not served.")
        return operation(self.bucket(head.bucket), head, body)

    def _source(self, head: RequestHead) -> StoredObject:
        name, _, key = unquote(head.headers["x-amz-copy-source"]).lstrip("/").partition("/")
        found = self.bucket(name).get(key)
        wanted = head.headers.get("x-amz-copy-source-if-match")
        if wanted is not None and wanted.strip('"') != found.etag.strip('"'):
            raise S3Error(412, "PreconditionFailed", "The source has another ETag.")
        return found

    def _copy(self, bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
        del body
        source = self._source(head)
        replaces = head.headers.get("x-amz-metadata-directive") == "REPLACE"
        if source is bucket.objects.get(head.key) and not replaces:
            raise S3Error(400, "InvalidRequest", "A copy onto itself must change something.")
        bucket.check(head.key, head.headers)
        headers = _described(head) if replaces else source.headers
        made = bucket.put(head.key, source.body, headers, crc32c=source.crc32c)
        return _copied("CopyObjectResult", made.etag, made.modified)

    def _copy_part(self, bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
        del body
        source = self._source(head)
        upload = bucket.upload(head.key, head.query["uploadId"])
        span = parse_range(head.headers.get("x-amz-copy-source-range"), len(source.body))
        data = source.body if span is None else source.body[span[0] : span[1]]
        part = StoredPart(data, etag_of(data), _crc32c(data) if upload.has_crc32c else None)
        upload.parts[int(head.query["partNumber"])] = part
        return _copied("CopyPartResult", part.etag, source.modified)


def _get(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    found = bucket.get(head.key)
    match = head.headers.get("if-match", found.etag)
    if match.strip('"') != found.etag.strip('"'):
        raise S3Error(412, "PreconditionFailed", "The ETag is another.")
    headers = describe(found)
    span = parse_range(head.headers.get("range"), len(found.body))
    if span is not None:
        start, stop = span
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(found.body)}"
        return Answer(status=206, headers=headers, body=found.body[start:stop])
    if head.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED" and found.crc32c:
        headers |= {"x-amz-checksum-crc32c": found.crc32c, "x-amz-checksum-type": "FULL_OBJECT"}
    return Answer(headers=headers, body=found.body)


def _put(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    crc = _checked(head, body)
    bucket.check(head.key, head.headers)
    made = bucket.put(head.key, body, _described(head), crc32c=crc)
    return Answer(headers={"ETag": made.etag, **_crc_headers(crc)})


def _delete(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    bucket.delete(head.key)
    return Answer(status=204)


def _delete_many(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    if "content-md5" not in head.headers and not any("checksum" in name for name in head.headers):
        raise S3Error(400, "InvalidRequest", "DeleteObjects needs a checksum of its body.")
    _checked(head, body)
    text = body.decode()
    keys = [unescape(key) for key in re.findall(_FIELD.format("Key"), text)]
    if not 0 < len(keys) <= _BATCH:
        raise S3Error(400, "MalformedXML", "DeleteObjects takes 1 to 1000 keys.")
    for key in keys:
        bucket.delete(key)
    quiet = "<Quiet>true</Quiet>" in text
    rows = [] if quiet else [f"<Deleted>{element('Key', key)}</Deleted>" for key in keys]
    return Answer(headers=_XML, body=document("DeleteResult", rows))


def _list(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    return Answer(headers=_XML, body=list_objects(bucket, head.query))


def _list_uploads(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    return Answer(headers=_XML, body=list_uploads(bucket, head.query))


def _list_parts(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    upload = bucket.upload(head.key, head.query["uploadId"])
    return Answer(headers=_XML, body=list_parts(upload, head.query))


def _tags(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    bucket.get(head.key)
    return Answer(headers=_XML, body=document("Tagging", ["<TagSet></TagSet>"]))


def _head_bucket(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del bucket, head, body
    return Answer(headers={"x-amz-bucket-region": "us-east-1"})


def _begin(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    kind = {
        name: head.headers[name]
        for name in ("x-amz-checksum-algorithm", "x-amz-checksum-type")
        if name in head.headers
    }
    has_crc32c = kind.get("x-amz-checksum-algorithm", "").upper() == "CRC32C"
    if has_crc32c and kind.get("x-amz-checksum-type") != "FULL_OBJECT":
        raise S3Error(501, "NotImplemented", "Only checksums of the full object are made here.")
    upload = bucket.begin(head.key, _described(head), has_crc32c=has_crc32c)
    fields = [
        element("Bucket", bucket.name),
        element("Key", head.key),
        element("UploadId", upload.upload_id),
    ]
    body = document("InitiateMultipartUploadResult", fields)
    return Answer(headers={**_XML, **(kind if has_crc32c else {})}, body=body)


def _put_part(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    upload = bucket.upload(head.key, head.query["uploadId"])
    crc = _checked(head, body)
    if upload.has_crc32c and crc is None:
        raise S3Error(400, "InvalidRequest", "This upload wants a CRC32C of each part.")
    number = int(head.query["partNumber"])
    if not 1 <= number <= 10_000:
        raise S3Error(400, "InvalidArgument", "Part numbers are 1 to 10000.")
    part = StoredPart(body, etag_of(body), crc)
    upload.parts[number] = part
    return Answer(headers={"ETag": part.etag, **_crc_headers(crc)})


def _complete(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    upload_id = head.query["uploadId"]
    made = bucket.completed(head.key, upload_id)
    if made is None:
        upload = bucket.upload(head.key, upload_id)
        made = bucket.complete(upload, _rows(body.decode()), head.headers)
    fields = [
        element("Bucket", bucket.name),
        element("Key", head.key),
        element("ETag", made.etag),
    ]
    if made.crc32c is not None:
        fields.append(element("ChecksumCRC32C", made.crc32c))
        fields.append(element("ChecksumType", "FULL_OBJECT"))
    return Answer(headers=_XML, body=document("CompleteMultipartUploadResult", fields))


def _abort(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    upload = bucket.upload(head.key, head.query["uploadId"])
    del bucket.uploads[upload.upload_id]
    return Answer(status=204)


def _rows(text: str) -> list[PartRow]:
    rows = []
    for row in re.findall(r"<Part>(.*?)</Part>", text, re.DOTALL):
        number = re.search(_FIELD.format("PartNumber"), row)
        etag = re.search(_FIELD.format("ETag"), row)
        crc = re.search(_FIELD.format("ChecksumCRC32C"), row)
        if number is None or etag is None:
            raise S3Error(400, "MalformedXML", "A part needs a number and an ETag.")
        rows.append(PartRow(int(number[1]), unescape(etag[1]), crc[1] if crc else None))
    return rows


def _checked(head: RequestHead, body: bytes) -> str | None:
    """Compare the checksums sent with the body; return the CRC32C if one was sent.

    Raises:
        S3Error: 400, they do not match.
    """
    md5 = head.headers.get("content-md5")
    if md5 is not None:
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        if md5 != base64.b64encode(digest).decode():
            raise S3Error(400, "BadDigest", "The Content-MD5 does not match.")
    crc = head.headers.get("x-amz-checksum-crc32c")
    if crc is not None and crc != _crc32c(body):
        raise S3Error(400, "BadDigest", "The CRC32C does not match.")
    return crc


def _crc32c(body: bytes) -> str:
    return checksum.to_base64(checksum.crc32c(body))


def _crc_headers(crc: str | None) -> dict[str, str]:
    if crc is None:
        return {}
    return {"x-amz-checksum-crc32c": crc, "x-amz-checksum-type": "FULL_OBJECT"}


def _described(head: RequestHead) -> dict[str, str]:
    return {
        name: value
        for name, value in head.headers.items()
        if name in _KEPT or name.startswith(_META)
    }


def _copied(root: str, etag: str, modified: float) -> Answer:
    fields = [element("LastModified", iso_time(modified)), element("ETag", etag)]
    return Answer(headers=_XML, body=document(root, fields))
