"""The stores: whose interface the server speaks, and which libraries are measured at it."""

from __future__ import annotations

import importlib.util
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
        driver: blobio's driver.
    """

    title: str
    others: tuple[str, ...]
    driver: str

    @property
    def peers(self) -> tuple[str, ...]:
        """All libraries, blobio first if it has the driver."""
        is_served = importlib.util.find_spec(f"blobio.drivers.{self.driver}") is not None
        return (OURS, *self.others) if is_served else self.others


STORES: Final = {
    "s3": Store(title="Amazon S3", others=("boto3", "s3fs", "obstore", "smart_open"), driver="s3"),
    "gcs": Store(
        title="Google Cloud Storage",
        others=("gcsfs", "google_cloud_storage", "obstore", "blobfile"),
        driver="gcs",
    ),
    "azure": Store(
        title="Azure Blob Storage",
        others=("adlfs", "azure_storage_blob", "obstore", "blobfile"),
        driver="azure",
    ),
}

PEERS: Final = tuple(
    dict.fromkeys([OURS, *(peer for store in STORES.values() for peer in store.others)])
)
