"""A strict Google Cloud Storage server in this process: fast, exact, and broken on command.

::

    async with StrictGcs(hook=lambda head: Fault(Strike.DROP_REPLY)) as server:
        server.make_bucket("bucket")
        async with AsyncContext(server.config()) as context: ...

It listens on a real loopback socket of the running event loop, holds everything in memory and
refuses what Google Cloud Storage refuses: tokens that it did not give or took back, signed URLs
that its account did not sign, checksums that do not match, failed conditions on every verb, more
than 32 sources of a compose, chunks of a resumable session that are out of place. Before each
request it asks its hook for a `Fault`; see `blobio.testing.strict`.

Not modelled: versioning, access lists, encryption keys, holds, retention and storage classes.
"""

from __future__ import annotations

from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict_gcs.server import StrictGcs, strict_gcs

__all__ = ["Fault", "FaultHook", "RequestHead", "StrictGcs", "Strike", "strict_gcs"]
