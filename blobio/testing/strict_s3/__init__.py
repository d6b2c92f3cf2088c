"""A strict S3 server in this process: fast, exact, and broken on command.

::

    async with StrictS3(hook=lambda head: Fault(Strike.DROP_REPLY)) as server:
        server.make_bucket("bucket")
        async with AsyncContext(server.config()) as context: ...

It listens on a real loopback socket of the running event loop, holds everything in memory and
refuses what S3 refuses: wrong signatures and payload hashes, checksums that do not match, failed
conditions on PUT, completion and copy, parts that are unknown, too small or out of order. Before
each request it asks its hook for a `Fault`, which strikes before the store acts, after it did, or
in the middle of a body. `strict_s3` runs it on a thread for programs without an event loop.

Not modelled: versioning, access lists, encryption, tags and storage classes (taken and ignored),
bodies sent in `aws-chunked` coding.
"""

from __future__ import annotations

from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict_s3.server import StrictS3, strict_s3

__all__ = ["Fault", "FaultHook", "RequestHead", "StrictS3", "Strike", "strict_s3"]
