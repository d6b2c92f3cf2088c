"""A strict Azure Blob server in this process: fast, exact, and broken on command.

::

    async with StrictAzure(hook=lambda head: Fault(Strike.DROP_REPLY)) as server:
        server.make_container("container")
        async with AsyncContext(server.config()) as context: ...

`strict_azure` runs it on a thread for programs without an event loop. It refuses what Azure
refuses: wrong signatures and dates, MD5s that do not match, failed conditions, block ids of unequal
length, empty blocks, lists that name blocks which are not there, writes to a leased blob or to one
that a copy is being made into, sources of copies in another account without a SAS. A commit drops
every unpublished block of the blob, whoever sent it. Copies can be kept pending, and made to fail.

Not modelled: versions and snapshots, access control, encryption, hierarchical accounts.
"""

from __future__ import annotations

from blobio.testing.strict import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict_azure.server import StrictAzure, strict_azure
from blobio.testing.strict_azure.store import Container, StoredBlob

__all__ = [
    "Container",
    "Fault",
    "FaultHook",
    "RequestHead",
    "StoredBlob",
    "StrictAzure",
    "Strike",
    "strict_azure",
]
