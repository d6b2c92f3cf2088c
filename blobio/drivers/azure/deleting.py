"""Delete many blobs with one request: build a batch and read what became of each. Pure.

https://learn.microsoft.com/rest/api/storageservices/blob-batch, read 2026-11-27: at most 256
requests, each signed for itself, as parts of one MIME document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from blobio.transport.message import Request, Response

__all__ = ["BATCH", "batch_body", "parse_batch"]

BATCH: Final = 256

_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})")
_ID: Final = re.compile(rb"content-id:[ \t]*([0-9]{1,3})\s", re.IGNORECASE)
_CODE: Final = re.compile(rb"x-ms-error-code:[ \t]*([A-Za-z0-9]{1,100})", re.IGNORECASE)


class Outcome(NamedTuple):
    """What the service answered to one part."""

    status: int
    code: str


def batch_body(requests: Sequence[Request], boundary: str) -> bytes:
    """Return the document that holds `requests`, each signed already."""
    parts = []
    for index, request in enumerate(requests):
        parts_of = urlsplit(request.url)
        target = parts_of.path + (f"?{parts_of.query}" if parts_of.query else "")
        lines = [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {index}",
            "",
            f"{request.method} {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in request.headers.items()),
            "Content-Length: 0",
            "",
            "",
        ]
        parts.append("\r\n".join(lines))
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


def parse_batch(response: Response, count: int) -> list[Outcome | None]:
    """Return what became of each of `count` requests; None for one that the reply leaves out."""
    outcomes: list[Outcome | None] = [None] * count
    match = _BOUNDARY.search(response.headers.get("content-type", ""))
    if match is None:
        return outcomes
    for part in response.body.split(b"--" + match.group(1).encode())[1:]:
        number, status = _ID.search(part), _STATUS.search(part)
        if number is None or status is None or int(number.group(1)) >= count:
            continue
        code = _CODE.search(part)
        outcomes[int(number.group(1))] = Outcome(
            int(status.group(1)), code.group(1).decode() if code else ""
        )
    return outcomes
