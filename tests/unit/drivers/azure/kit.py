"""An Azure driver over scripted replies: the real stack of retries and signatures, no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from blobio.config import AzureConfig, Config, RetryConfig
from blobio.drivers.azure.copying import CopyLimits
from blobio.drivers.azure.driver import AzureDriver
from blobio.drivers.registry import DriverServices
from blobio.errors import TransportFailed
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response
from blobio.transport.mock import Handler, MockTransport, Step, reply
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import stack

KEY = base64.b64encode(b"the key of an account").decode()
STORE = AzureConfig(account_key=KEY)
FAST = RetryConfig(attempts=4, base_s=0.0001, max_s=0.0001)


def scripted(
    script: Handler | Iterable[Step],
    *,
    azure: AzureConfig = STORE,
    retry: RetryConfig = FAST,
    limits: CopyLimits | None = None,
) -> tuple[AzureDriver, MockTransport]:
    """Return the driver of `az://account/container/` and what sees its signed requests."""
    config = Config(azure=azure, retry=retry)
    mock = MockTransport(script)

    def connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(mock, config, RetryBudget(100), signer=signer, judge=judge)

    return AzureDriver("account/container", DriverServices(config, connect), limits=limits), mock


def error(status: int, code: str, detail: str = "", **headers: str) -> Response:
    """Return an error reply of Azure."""
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    body = f"<Error><Code>{code}</Code><Message>m\nRequestId:1\nTime:2</Message>{more}</Error>"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return reply(status, body.encode(), {"x-ms-error-code": code} | names)


def lost(*, ambiguous: bool = True) -> TransportFailed:
    """Return the fault of a reply that never came."""
    fault = TransportFailed("the reply was lost")
    fault.ambiguous = ambiguous
    return fault


def wrote(etag: str = '"new"', **headers: str) -> Response:
    """Return the reply to a successful write."""
    return reply(201, b"", {"etag": etag} | {n.replace("_", "-"): headers[n] for n in headers})


def found(
    token: str | None = None, *, etag: str = '"new"', size: int = 4, **extra: str
) -> Response:
    """Return the reply to a HEAD of a blob that carries `token`."""
    headers = {"etag": etag, "content-length": str(size), "x-ms-blob-type": "BlockBlob"}
    headers |= {name.replace("_", "-"): extra[name] for name in extra}
    if token is not None:
        headers["x-ms-meta-blobio_write"] = token
    return Response(status=200, headers=headers)


def served(data: bytes, *, etag: str = '"v"', start: int = 0, size: int | None = None) -> Response:
    """Return the reply to a ranged GET."""
    total = len(data) if size is None else size
    headers = {
        "etag": etag,
        "content-length": str(len(data)),
        "content-range": f"bytes {start}-{start + len(data) - 1}/{total}",
        "x-ms-blob-type": "BlockBlob",
    }
    return reply(206, data, headers)


def token_of(request: Request) -> str:
    """Return the write token that a request carries."""
    return request.headers["x-ms-meta-blobio_write"]


def md5(data: bytes) -> str:
    """Return a base64 MD5."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def sent(mock: MockTransport) -> list[str]:
    """Return method and `comp` of all requests sent."""
    return [
        f"{r.method} {r.url.partition('comp=')[2].partition('&')[0]}".strip() for r in mock.requests
    ]
