"""Delete many objects: up to 100 requests travel as the parts of one. Pure.

https://docs.cloud.google.com/storage/docs/batch, read 2026-11-27.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Final

from blobio.drivers.gcs.wire import Wire
from blobio.errors import RequestFailed
from blobio.transport.message import Request, Response

__all__ = ["BATCH", "batch_request", "parse_batch"]

BATCH: Final = 100

_BOUNDARY: Final = re.compile(r'boundary="?([^";\s]{1,200})"?', re.IGNORECASE)
_ID: Final = re.compile(rb"(?im)^content-id:\s*<?response-[^>\r\n]*?(\d{1,3})>?\s*$")
_STATUS: Final = re.compile(rb"(?m)^HTTP/1\.[01] (\d{3})\b")


def batch_request(wire: Wire, keys: Sequence[str]) -> Request:
    """Return one request that deletes `keys`."""
    boundary = secrets.token_hex(16)
    payer = wire.payer()
    parts = [
        (
            f"--{boundary}\r\ncontent-type: application/http\r\ncontent-id: <{number}>\r\n\r\n"
            f"DELETE {wire.endpoint.object_path(key)} HTTP/1.1\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in payer.items())
            + "\r\n\r\n"
        )
        for number, key in enumerate(keys)
    ]
    return Request(
        method="POST",
        url=wire.endpoint.batch_url(),
        headers={**payer, "content-type": f"multipart/mixed; boundary={boundary}"},
        body="".join([*parts, f"--{boundary}--\r\n"]).encode(),
        operation="delete",
        subject=wire.subject(""),
    )


def parse_batch(response: Response, count: int, subject: str) -> list[Response]:
    """Return the reply to each of `count` requests, in their order.

    Raises:
        RequestFailed: The reply is none to all of them.
    """
    match = _BOUNDARY.search(response.headers.get("content-type", ""))
    pieces = response.body.split(b"--" + match.group(1).encode()) if match is not None else []
    replies: dict[int, Response] = {}
    for piece in pieces[1:]:
        number, status = _ID.search(piece), _STATUS.search(piece)
        if number is None or status is None:
            continue
        replies[int(number.group(1))] = Response(
            status=int(status.group(1)),
            headers=response.headers,
            body=piece[status.end() :].replace(b"\r\n", b"\n").partition(b"\n\n")[2].strip(),
            attempts=response.attempts,
            ambiguous=response.ambiguous,
        )
    if sorted(replies) != list(range(count)):
        message = f"delete of {count} keys in {subject}: the reply tells of {len(replies)}"
        raise RequestFailed(message, url=subject, operation="delete", retryable=True)
    return [replies[number] for number in range(count)]
