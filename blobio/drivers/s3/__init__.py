"""S3 and every store that speaks it. Needs `botocore` for credentials and endpoint data only."""

from __future__ import annotations

from blobio.drivers.base import Driver
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import Unsupported
from blobio.url import BlobUrl

__all__ = ["make"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver for the bucket of `url`; no request is sent.

    Raises:
        Unsupported: The bucket is a directory bucket (S3 Express), which has its own sessions.
    """
    if url.authority.endswith("--x-s3"):
        message = f"{url}: directory buckets (S3 Express One Zone) are not supported"
        raise Unsupported(message, url=url)
    return S3Driver(url.authority, services)
