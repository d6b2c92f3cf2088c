"""Replies of `StrictHub`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from blobio.testing.strict.answers import Answer
from blobio.testing.strict_hub.store import HubError

__all__ = ["as_json", "media", "refusal"]

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def as_json(document: object, **headers: str) -> Answer:
    """Return a JSON document."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(headers=kind | headers, body=json.dumps(document).encode())


def refusal(error: HubError) -> Answer:
    """Return the reply that says what `error` says."""
    headers = {"X-Error-Message": error.message, "Content-Type": "application/json"}
    if error.code:
        headers["X-Error-Code"] = error.code
    body = json.dumps({"error": error.message}).encode()
    return Answer(status=error.status, headers=headers, body=body)


def media(data: bytes, wanted: str | None, headers: Mapping[str, str]) -> Answer:
    """Return bytes, or the range of them that is wanted."""
    kind = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(wanted or "")
    if match is None or match.group(0) == "bytes=-":
        return Answer(headers={**kind, **headers}, body=data)
    first, last = match.groups()
    if first:
        start, stop = int(first), min(len(data), int(last) + 1 if last else len(data))
    else:
        start, stop = max(0, len(data) - int(last)), len(data)
    if start >= stop:
        return Answer(status=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
    span = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
    return Answer(status=206, headers={**kind, **headers, **span}, body=data[start:stop])
