"""A driver of Google Cloud Storage over scripted replies: the real stack, no network."""

from __future__ import annotations

import json
from collections.abc import Iterable

from blobio.config import Config, GcsConfig, RetryConfig
from blobio.drivers.gcs.driver import GcsDriver
from blobio.drivers.registry import DriverServices
from blobio.errors import TransportFailed
from blobio.transport.base import Transport
from blobio.transport.message import Response
from blobio.transport.mock import Handler, MockTransport, Step, reply
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import stack

__all__ = ["error", "lost", "media", "resource", "scripted"]

FAST = RetryConfig(attempts=3, base_s=0.0001, max_s=0.0001)


def scripted(
    script: Handler | Iterable[Step], gcs: GcsConfig | None = None
) -> tuple[GcsDriver, MockTransport]:
    """Return the driver of `gs://bucket/` and the transport that sees its requests."""
    config = Config(gcs=gcs or GcsConfig(anonymous=True), retry=FAST)
    mock = MockTransport(script)

    def connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(mock, config, RetryBudget(100), signer=signer, judge=judge)

    return GcsDriver("bucket", DriverServices(config, connect)), mock


def resource(status: int = 200, **fields: object) -> Response:
    """Return a reply that describes an object of 5 bytes."""
    described = {"name": "key", "size": "5", "generation": "7", "metageneration": "1", **fields}
    kept = {name: value for name, value in described.items() if value is not None}
    return reply(status, json.dumps(kept).encode())


def media(body: bytes = b"hello", status: int = 200, **headers: str) -> Response:
    """Return a reply that carries bytes."""
    sent = {"x-goog-generation": "7"} | {n.replace("_", "-"): headers[n] for n in headers}
    return reply(status, body, {name: value for name, value in sent.items() if value})


def error(status: int, reason: str = "", message: str = "m") -> Response:
    """Return an error reply."""
    document = {"error": {"message": message, "errors": [{"reason": reason}]}}
    return reply(status, json.dumps(document).encode())


def lost(*, ambiguous: bool = True) -> TransportFailed:
    """Return the fault of a reply that never came."""
    fault = TransportFailed("the reply was lost")
    fault.ambiguous = ambiguous
    return fault
