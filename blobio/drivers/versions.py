"""The old versions of blobs, which some stores keep. Optional: not one of the verbs of `base`.

A driver that has these two methods is `Versioned`. Whether a bucket keeps versions at all is the
store's business: one that keeps none lists each blob once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from blobio.values import DeleteResult

__all__ = ["BlobVersion", "VersionPage", "Versioned"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BlobVersion:
    """One version of one blob.

    Attributes:
        key: The exact key.
        id: What the store calls it among the versions of this key: an S3 version id (`null` for
            what was written without versioning), a generation, an Azure version id. "" for a blob
            of a store that has given it none.
        size: Bytes stored; 0 for a marker.
        mtime: Seconds since the epoch: when it was written.
        is_current: A read without a version gets it; for a marker: gets that nothing is there.
        is_marker: It has no bytes and says that the blob was deleted (S3).
    """

    key: str
    id: str
    size: int
    mtime: float
    is_current: bool
    is_marker: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """One page of a listing of versions.

    Attributes:
        versions: In the order of their keys.
        token: What to pass for the next page, or None after the last.
    """

    versions: Sequence[BlobVersion] = ()
    token: str | None = None


@runtime_checkable
class Versioned(Protocol):
    """A driver that knows of versions."""

    async def list_versions(self, prefix: str, token: str | None) -> VersionPage:
        """List all versions of the keys that start with `prefix`, one page: 1 request.

        Raises:
            NotFound: The bucket itself does not exist.
            Unsupported: This server knows no versions.
        """
        ...

    async def delete_versions(self, wanted: Sequence[BlobVersion]) -> Sequence[DeleteResult]:
        """Delete these versions for good, up to `capabilities.delete_batch`; one result each.

        One that is not there counts as deleted.
        """
        ...
