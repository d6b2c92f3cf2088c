"""`memory://bucket/key`: the reference driver, simple enough to be the oracle of the others.

`store` holds the data and decides conditions; `driver` speaks the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blobio.drivers.memory.driver import MemoryDriver
from blobio.drivers.memory.store import MemoryStore
from blobio.forks import ForkLock
from blobio.url import BlobUrl

if TYPE_CHECKING:
    from blobio.drivers.registry import DriverServices

__all__ = ["MemoryDriver", "MemoryStore", "make"]

# Module state: contexts, threads and the sync and the async face of one process must all see the
# same data, as they would with a store outside. A fork waits for the lock and gets a whole copy.
_PROCESS_STORE: Final = MemoryStore(lock=ForkLock())


def make(url: BlobUrl, services: DriverServices) -> MemoryDriver:
    """Make the driver of the bucket of `url`, over the store that the whole process shares."""
    del services  # nothing to configure, nothing to connect to
    return MemoryDriver(url.authority, _PROCESS_STORE)
