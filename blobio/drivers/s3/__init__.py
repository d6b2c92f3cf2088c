"""S3 and every store that speaks it. Needs `botocore` for credentials and endpoint data only."""

from __future__ import annotations

from blobio.drivers.base import Driver
from blobio.drivers.buckets import Buckets
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3.buckets import S3Buckets
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import Unsupported
from blobio.url import BlobUrl

__all__ = ["make", "make_buckets"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver for the bucket of `url`; no request is sent.

    Raises:
        Unsupported: The bucket is a directory bucket (S3 Express), which has its own sessions.
    """
    if url.authority.endswith("--x-s3"):
        message = f"{url}: directory buckets (S3 Express One Zone) are not supported"
        raise Unsupported(message, url=url)
    return S3Driver(url.authority, services)


def make_buckets(authority: str, services: DriverServices) -> Buckets:
    """Make what lists the buckets of the credentials; see `blobio.drivers.buckets`."""
    del authority  # there is none
    return S3Buckets(services)
