"""The stores: whose interface the server speaks, and which libraries are measured at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

__all__ = ["OURS", "PEERS", "STORES", "Store"]

OURS: Final = "blobio"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One store.

    Attributes:
        title: What it is called.
        others: Modules of `benchmarks.peers`, each named as the package it measures.
    """

    title: str
    others: tuple[str, ...]

    @property
    def peers(self) -> tuple[str, ...]:
        """All libraries, blobio first."""
        return (OURS, *self.others)


STORES: Final = {
    "s3": Store(title="Amazon S3", others=("boto3", "s3fs", "obstore", "smart_open")),
    "gcs": Store(
        title="Google Cloud Storage",
        others=("gcsfs", "google_cloud_storage", "obstore", "blobfile"),
    ),
    "azure": Store(
        title="Azure Blob Storage",
        others=("adlfs", "azure_storage_blob", "obstore", "blobfile"),
    ),
}

PEERS: Final = tuple(
    dict.fromkeys([OURS, *(peer for store in STORES.values() for peer in store.others)])
)
