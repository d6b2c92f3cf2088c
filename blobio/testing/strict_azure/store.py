"""Containers, blobs and unpublished blocks of `StrictAzure`. Pure."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

__all__ = ["Container", "Refusal", "StoredBlob", "md5_base64"]

_MAX_BLOCKS: Final = 50_000
_MAX_UNCOMMITTED: Final = 100_000
_MAX_ID_BYTES: Final = 64


@final
class Refusal(Exception):
    """A refusal.

    Attributes:
        status: HTTP status.
        code: Azure's error code.
        message: For people.
        headers: Further headers of the reply.
    """

    def __init__(
        self, status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers: Mapping[str, str] = headers or {}


def md5_base64(data: bytes) -> str:
    """Return an MD5 as Azure writes it."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


@final
@dataclass(slots=True, kw_only=True)
class StoredBlob:
    """One blob.

    Attributes:
        body: Its bytes.
        etag: With quotes.
        created: Seconds since the epoch.
        modified: Seconds since the epoch.
        headers: Type and its like, as a reply names them (`content-type`, `content-md5`, ...).
        metadata: By name.
        tags: A query, as in `x-ms-tags`.
        blob_type: `"BlockBlob"`, `"AppendBlob"` or `"PageBlob"`.
        tier: Given tier, or None.
        lease: Id of the lease that somebody holds, or None.
        copy: `x-ms-copy-...` headers of the copy that made it.
        source: What a copy that is pending will make of it.
    """

    body: bytes
    etag: str = ""
    created: float = 0.0
    modified: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: str = ""
    blob_type: str = "BlockBlob"
    tier: str | None = None
    lease: str | None = None
    copy: dict[str, str] = field(default_factory=dict)
    source: bytes = b""

    @property
    def is_pending(self) -> bool:
        """Whether a copy is still being made into it."""
        return self.copy.get("x-ms-copy-status") == "pending"


@final
class Container:
    """One container.

    Args:
        name: `account/container`.
        clock: Unix seconds.

    Attributes:
        name: See above.
        blobs: By key.
        uncommitted: Unpublished blocks by key and id.
        is_hierarchical: A blob marked `hdi_isfolder` cannot be deleted before what lies in it.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.blobs: Final[dict[str, StoredBlob]] = {}
        self.uncommitted: Final[dict[str, dict[str, bytes]]] = {}
        self.is_hierarchical: bool = False
        self._clock = clock
        self._etags = itertools.count(1)

    def find(self, key: str) -> StoredBlob:
        """Return a blob. Raises a 404."""
        blob = self.blobs.get(key)
        if blob is None:
            raise Refusal(404, "BlobNotFound", "The specified blob does not exist.")
        return blob

    def check_read(self, key: str, headers: Mapping[str, str]) -> StoredBlob:
        """Return a blob if it is the one that a read asks for."""
        blob = self.find(key)
        if headers.get("if-match", blob.etag) not in (blob.etag, "*"):
            raise Refusal(412, "ConditionNotMet", "The condition is not met.")
        return blob

    def check_write(self, key: str, headers: Mapping[str, str]) -> StoredBlob | None:
        """Return what is there if a write may replace it."""
        blob = self.blobs.get(key)
        if headers.get("if-none-match") == "*" and blob is not None:
            raise Refusal(409, "BlobAlreadyExists", "The specified blob already exists.")
        wanted = headers.get("if-match")
        if wanted is not None and (blob is None or wanted != blob.etag):
            raise Refusal(412, "ConditionNotMet", "The condition is not met.")
        self.check_lease(blob, headers)
        if blob is not None and blob.is_pending:
            raise Refusal(409, "PendingCopyOperation", "There is a pending copy operation.")
        return blob

    def check_lease(self, blob: StoredBlob | None, headers: Mapping[str, str]) -> None:
        """Refuse a change of a leased blob by anybody but the holder."""
        if blob is None or blob.lease is None:
            return
        lease = headers.get("x-ms-lease-id")
        if lease is None:
            raise Refusal(412, "LeaseIdMissing", "There is a lease and no id was given.")
        if lease != blob.lease:
            raise Refusal(412, "LeaseIdMismatchWithBlobOperation", "The lease id is another.")

    def store(self, key: str, blob: StoredBlob) -> StoredBlob:
        """Publish a blob, which drops every unpublished block of that key."""
        old = self.blobs.get(key)
        now = self._clock()
        blob.created = now if old is None else old.created
        blob.lease = None if old is None else old.lease
        self.touch(blob)
        self.blobs[key] = blob
        self.uncommitted.pop(key, None)
        return blob

    def remove(self, key: str) -> None:
        """Delete a blob."""
        is_folder = self.blobs[key].metadata.get("hdi_isfolder") == "true"
        if self.is_hierarchical and is_folder and any(k.startswith(key + "/") for k in self.blobs):
            raise Refusal(409, "DirectoryIsNotEmpty", "The directory is not empty.")
        del self.blobs[key]

    def touch(self, blob: StoredBlob) -> None:
        """Give a blob that was changed another ETag and time."""
        blob.etag = f'"0x8D{next(self._etags):013X}"'
        blob.modified = self._clock()

    def add_block(self, key: str, block: str, body: bytes) -> None:
        """Keep a block that nobody sees yet."""
        blob = self.blobs.get(key)
        if blob is not None and blob.blob_type != "BlockBlob":
            raise Refusal(409, "InvalidBlobType", "The blob type is invalid for this operation.")
        _check_id(block)
        blocks = self.uncommitted.setdefault(key, {})
        if blocks and len(next(iter(blocks))) != len(block):
            raise Refusal(400, "InvalidBlobOrBlock", "The specified block is invalid.")
        if not body:
            raise Refusal(400, "InvalidHeaderValue", "A block is not empty.")
        if block not in blocks and len(blocks) >= _MAX_UNCOMMITTED:
            raise Refusal(409, "BlockCountExceedsLimit", "There are too many blocks.")
        blocks[block] = body

    def joined(self, key: str, blocks: Sequence[str]) -> bytes:
        """Return the bytes of unpublished blocks. Raises if one is not there."""
        there = self.uncommitted.get(key, {})
        if len(blocks) > _MAX_BLOCKS or not all(block in there for block in blocks):
            raise Refusal(400, "InvalidBlockList", "The specified block list is invalid.")
        return b"".join([there[block] for block in blocks])


def _check_id(block: str) -> None:
    try:
        size = len(base64.b64decode(block, validate=True))
    except ValueError:
        size = 0
    if not 1 <= size <= _MAX_ID_BYTES:
        raise Refusal(400, "InvalidQueryParameterValue", "The block id is not valid.")
