"""Google Cloud Storage over its JSON API. Needs `google-auth` for credentials only."""

from __future__ import annotations

from blobio.drivers.base import Driver
from blobio.drivers.buckets import Buckets
from blobio.drivers.gcs.buckets import GcsBuckets
from blobio.drivers.gcs.driver import GcsDriver
from blobio.drivers.registry import DriverServices
from blobio.url import BlobUrl

__all__ = ["make", "make_buckets"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver for the bucket of `url`; no request is sent.

    Raises:
        InvalidUrl: The bucket's name could be no name.
        InvalidConfig: A token would travel in the open.
    """
    return GcsDriver(url.authority, services)


def make_buckets(authority: str, services: DriverServices) -> Buckets:
    """Make what lists the buckets of a project; see `blobio.drivers.buckets`."""
    del authority  # there is none
    return GcsBuckets(services)
