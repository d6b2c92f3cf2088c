"""Blobs at `http://` and `https://` URLs, to read."""

from __future__ import annotations

from blobio.drivers.base import Driver
from blobio.drivers.http.driver import HttpDriver
from blobio.drivers.registry import DriverServices
from blobio.url import BlobUrl

__all__ = ["HttpDriver", "make"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver of one scheme and host. No request is sent."""
    return HttpDriver(url.scheme, url.authority, services)
