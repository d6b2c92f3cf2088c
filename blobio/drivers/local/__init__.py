"""The local file system: a key is a path, relative or absolute, exactly as given.

`staging` publishes files atomically and is also what the blocking file object writes through;
`special` is for what cannot be replaced (pipes, devices, descriptors); `tree` lists; `reading` and
`writing` are the verbs as functions that block; `threads` runs those; `driver` speaks the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobio.url import BlobUrl

if TYPE_CHECKING:
    from blobio.drivers.local.driver import LocalDriver
    from blobio.drivers.registry import DriverServices

__all__ = ["make"]


def make(url: BlobUrl, services: DriverServices) -> LocalDriver:
    """Make the driver of this machine's files."""
    # Imported here: the blocking files use `staging` without a loop, and so without asyncio.
    from blobio.drivers.local.driver import LocalDriver

    del url  # there is one file system
    config = services.config
    return LocalDriver(durable=config.write.durable, on_loop_s=config.disk_on_loop_s)
