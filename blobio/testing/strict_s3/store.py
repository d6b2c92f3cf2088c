"""Buckets, objects and uploads of `StrictS3`: what S3 stores and refuses. Pure, in memory."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from blobio import checksum

__all__ = ["Bucket", "PartRow", "PendingUpload", "S3Error", "StoredObject", "StoredPart"]

_REMEMBERED_COMPLETIONS: Final = 1000
_NO_HEADERS: Final[Mapping[str, str]] = {}


@final
class S3Error(Exception):
    """A refusal.

    Attributes:
        status: HTTP status.
        code: S3's error code.
        message: For people.
        headers: Further headers of the reply.
    """

    def __init__(
        self, status: int, code: str, message: str = "", headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object.

    Attributes:
        body: Its bytes.
        etag: With quotes.
        modified: Seconds since the epoch.
        headers: Content type, user metadata and the like, as they were sent.
        crc32c: CRC32C of the whole in base64, if it was sent with one.
    """

    body: bytes
    etag: str
    modified: float
    headers: Mapping[str, str] = field(default_factory=dict)
    crc32c: str | None = None


@final
@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of an upload: its bytes, ETag with quotes, and CRC32C in base64 if it has one."""

    body: bytes
    etag: str
    crc32c: str | None


@final
@dataclass(frozen=True, slots=True)
class PartRow:
    """One row of a completion: the number, ETag and CRC32C that the client names."""

    number: int
    etag: str
    crc32c: str | None


@final
@dataclass(slots=True, kw_only=True)
class PendingUpload:
    """An upload that is neither completed nor aborted.

    Attributes:
        upload_id: Its name.
        key: Where the object will be.
        headers: Of the object.
        has_crc32c: Parts need a CRC32C, and the object gets one of the whole.
        begun: When, in seconds since the epoch.
        parts: What has arrived, by number.
        is_known: The client was told of it: the reply to its beginning was not lost.
    """

    upload_id: str
    key: str
    headers: Mapping[str, str]
    has_crc32c: bool
    begun: float
    parts: dict[int, StoredPart] = field(default_factory=dict)
    is_known: bool = True


@final
class Bucket:
    """One bucket.

    Attributes:
        name: Its name.
        objects: Every object, by key.
        keys: Their keys in order.
        uploads: Pending uploads, by id.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Callable[[], float],
        min_part_bytes: int,
        repeats_completion: bool,
    ) -> None:
        self.name: Final = name
        self.objects: Final[dict[str, StoredObject]] = {}
        self.keys: Final[list[str]] = []
        self.uploads: Final[dict[str, PendingUpload]] = {}
        self._clock = clock
        self._min_part_bytes = min_part_bytes
        self._repeats_completion = repeats_completion
        self._completed: OrderedDict[str, StoredObject] = OrderedDict()
        self._serial = itertools.count(1)

    def get(self, key: str) -> StoredObject:
        """Return an object.

        Raises:
            S3Error: 404.
        """
        found = self.objects.get(key)
        if found is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        return found

    def put(
        self,
        key: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        crc32c: str | None = None,
        etag: str | None = None,
    ) -> StoredObject:
        """Store an object, whatever was there."""
        made = StoredObject(
            body=body,
            etag=etag or etag_of(body),
            modified=self._clock(),
            headers=dict(headers),
            crc32c=crc32c,
        )
        if key not in self.objects:
            bisect.insort(self.keys, key)
        self.objects[key] = made
        return made

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed all the same."""
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]

    def check(self, key: str, headers: Mapping[str, str]) -> None:
        """Decide the conditions of a write.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html, read
        2026-11-24: a taken name and another ETag are 412, If-Match on a missing key is 404.

        Raises:
            S3Error: It must not happen.
        """
        found = self.objects.get(key)
        none_match = headers.get("if-none-match")
        if none_match is not None and none_match != "*":
            raise S3Error(501, "NotImplemented", "If-None-Match takes only *.")
        match = headers.get("if-match")
        if none_match is not None and found is not None:
            raise S3Error(412, "PreconditionFailed", "The name is taken.")
        if match is not None and found is None:
            raise S3Error(404, "NoSuchKey", "There is nothing to replace.")
        if match is not None and found is not None and match.strip('"') != found.etag.strip('"'):
            raise S3Error(412, "PreconditionFailed", "The ETag is another.")

    def begin(self, key: str, headers: Mapping[str, str], *, has_crc32c: bool) -> PendingUpload:
        """Start an upload."""
        upload = PendingUpload(
            upload_id=f"{self.name}-{next(self._serial)}",
            key=key,
            headers=dict(headers),
            has_crc32c=has_crc32c,
            begun=self._clock(),
        )
        self.uploads[upload.upload_id] = upload
        return upload

    def upload(self, key: str, upload_id: str) -> PendingUpload:
        """Return a pending upload of `key`.

        Raises:
            S3Error: 404.
        """
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise S3Error(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def completed(self, key: str, upload_id: str) -> StoredObject | None:
        """Return what an upload that is complete has made, if a repeated completion succeeds."""
        if upload_id in self.uploads or not self._repeats_completion:
            return None
        del key  # the id is enough
        return self._completed.get(upload_id)

    def complete(
        self, upload: PendingUpload, rows: Sequence[PartRow], headers: Mapping[str, str]
    ) -> StoredObject:
        """Publish an upload under the conditions and checks in `headers`.

        Raises:
            S3Error: Nothing is published, and the upload is still there.
        """
        parts = self._chosen(upload, rows)
        body = b"".join([part.body for part in parts])
        size = headers.get("x-amz-mp-object-size")
        if size is not None and size != str(len(body)):
            raise S3Error(400, "InvalidRequest", "The parts do not add up to the size announced.")
        crc = checksum.to_base64(checksum.crc32c(body)) if upload.has_crc32c else None
        if headers.get("x-amz-checksum-crc32c", crc) != crc:
            raise S3Error(400, "BadDigest", "The CRC32C of the whole does not match.")
        self.check(upload.key, headers)
        digests = b"".join([bytes.fromhex(part.etag.strip('"')) for part in parts])
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
        made = self.put(upload.key, body, upload.headers, crc32c=crc, etag=etag)
        del self.uploads[upload.upload_id]
        self._completed[upload.upload_id] = made
        if len(self._completed) > _REMEMBERED_COMPLETIONS:
            self._completed.popitem(last=False)
        return made

    def _chosen(self, upload: PendingUpload, rows: Sequence[PartRow]) -> list[StoredPart]:
        if not rows:
            raise S3Error(400, "MalformedXML", "A completion names at least one part.")
        if any(one.number >= other.number for one, other in itertools.pairwise(rows)):
            raise S3Error(400, "InvalidPartOrder", "Parts must be in ascending order.")
        parts = []
        for row in rows:
            part = upload.parts.get(row.number)
            if part is None or part.etag.strip('"') != row.etag.strip('"'):
                raise S3Error(400, "InvalidPart", f"Part {row.number} is not the one named.")
            if row.crc32c is not None and row.crc32c != part.crc32c:
                raise S3Error(400, "InvalidPart", f"Part {row.number} has another CRC32C.")
            if upload.has_crc32c and row.crc32c is None:
                raise S3Error(400, "InvalidRequest", f"Part {row.number} is named without CRC32C.")
            parts.append(part)
        if any(len(part.body) < self._min_part_bytes for part in parts[:-1]):
            raise S3Error(400, "EntityTooSmall", "Only the last part may be that small.")
        return parts


def etag_of(body: bytes) -> str:
    """Return the ETag of bytes stored in one piece: their MD5, in quotes."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
