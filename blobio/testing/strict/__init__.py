"""What the strict servers share: connections, the faults that strike them, and how to run them."""

from __future__ import annotations

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.connection import Connection, Desk
from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict.hosting import Listener, on_a_thread

__all__ = [
    "Answer",
    "Connection",
    "Desk",
    "Fault",
    "FaultHook",
    "Listener",
    "RequestHead",
    "Strike",
    "on_a_thread",
]
