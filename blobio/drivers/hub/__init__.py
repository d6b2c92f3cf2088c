"""Datasets of the Hugging Face Hub at `hf://datasets/namespace/name[@revision]/path`, to read."""

from __future__ import annotations

from blobio.drivers.base import Driver
from blobio.drivers.hub.driver import HubDriver
from blobio.drivers.registry import DriverServices
from blobio.url import BlobUrl

__all__ = ["HubDriver", "make"]


def make(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver of one dataset at one revision. No request is sent.

    Raises:
        Unsupported: It is a model, a space or a bucket.
    """
    return HubDriver(url.authority, services)
