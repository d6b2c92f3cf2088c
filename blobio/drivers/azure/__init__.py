"""Azure Blob Storage. Needs `azure-identity` for tokens and `azure-storage-blob` for SAS only."""

from __future__ import annotations

from blobio.drivers.azure.buckets import AzureAccounts, AzureContainers
from blobio.drivers.azure.driver import AzureDriver
from blobio.drivers.base import Driver
from blobio.drivers.buckets import Buckets
from blobio.drivers.registry import DriverServices
from blobio.url import BlobUrl

__all__ = ["make", "make_buckets"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver for the container of `url`; no request is sent."""
    return AzureDriver(url.authority, services)


def make_buckets(authority: str, services: DriverServices) -> Buckets:
    """Make what lists the containers of an account, or the accounts that are configured."""
    if not authority:
        return AzureAccounts(services.config.azure)
    return AzureContainers(authority, services)
