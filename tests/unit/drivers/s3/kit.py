"""An S3 driver over scripted replies: the real stack of retries and signatures, no network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from blobio.config import Config, RetryConfig, S3Config
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3.copying import CopyLimits
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import TransportFailed
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response
from blobio.transport.mock import Handler, MockTransport, Step, reply
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import stack

STORE = S3Config(
    endpoint_url="https://store.example",
    region="us-east-1",
    access_key_id="AKID",
    secret_access_key="SECRET",
)
AWS = replace(STORE, endpoint_url=None)
FAST = RetryConfig(attempts=4, base_s=0.0001, max_s=0.0001)


def scripted(
    script: Handler | Iterable[Step],
    *,
    s3: S3Config = STORE,
    retry: RetryConfig = FAST,
    limits: CopyLimits | None = None,
) -> tuple[S3Driver, MockTransport]:
    """Return the driver of `s3://bucket/` and the transport that sees its signed requests."""
    config = Config(s3=s3, retry=retry)
    mock = MockTransport(script)

    def connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(mock, config, RetryBudget(100), signer=signer, judge=judge)

    return S3Driver("bucket", DriverServices(config, connect), limits=limits), mock


def error(status: int, code: str, extra: str = "", **headers: str) -> Response:
    """Return an error reply of S3."""
    body = f"<Error><Code>{code}</Code><Message>m</Message>{extra}</Error>".encode()
    return reply(status, body, {name.replace("_", "-"): headers[name] for name in headers})


def lost(*, ambiguous: bool = True) -> TransportFailed:
    """Return the fault of a reply that never came."""
    fault = TransportFailed("the reply was lost")
    fault.ambiguous = ambiguous
    return fault


def wrote(etag: str = '"new"', **headers: str) -> Response:
    """Return the reply to a successful PUT."""
    return reply(200, b"", {"etag": etag} | {n.replace("_", "-"): headers[n] for n in headers})


def found(
    token: str | None = None, *, etag: str = '"new"', size: int = 4, **extra: str
) -> Response:
    """Return the reply to a HEAD of an object that carries `token`."""
    headers = {"etag": etag, "content-length": str(size)}
    headers |= {name.replace("_", "-"): extra[name] for name in extra}
    if token is not None:
        headers["x-amz-meta-blobio-write"] = token
    return Response(status=200, headers=headers)


def token_of(request: Request) -> str:
    """Return the write token that a request carries."""
    return request.headers["x-amz-meta-blobio-write"]


def methods(mock: MockTransport) -> list[str]:
    """Return the methods of all requests sent."""
    return [request.method for request in mock.requests]
