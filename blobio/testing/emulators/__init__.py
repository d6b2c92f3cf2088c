"""Real servers on free loopback ports, as context managers, for tests, demos and benchmarks.

::

    with moto_server() as server:
        server.make_bucket("bucket")
        context = Context(server.config())

Every server is a process of its own, so its CPU time is not the caller's. It picks its own port, so
any number may start at once; it is killed when the `with` block ends and when the process that
started it dies, however that dies. A server that does not start raises `RuntimeError`: a test that
needs it fails instead of passing unseen. After a failure its log is kept and the error names it.
"""

from __future__ import annotations

from blobio.testing.emulators.azure import AzureServer, azure_server
from blobio.testing.emulators.gcs import GcsServer, gcs_server
from blobio.testing.emulators.http import HttpServer, http_server
from blobio.testing.emulators.s3 import S3Server, moto_server, rclone_server

__all__ = [
    "AzureServer",
    "GcsServer",
    "HttpServer",
    "S3Server",
    "azure_server",
    "gcs_server",
    "http_server",
    "moto_server",
    "rclone_server",
]
