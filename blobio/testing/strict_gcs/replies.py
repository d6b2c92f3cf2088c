"""Replies of `StrictGcs`. Pure."""

from __future__ import annotations

import json
import re
from email.utils import formatdate
from typing import Final

from blobio.testing.strict.answers import Answer
from blobio.testing.strict_gcs.store import GcsError, Resource, StoredObject

__all__ = ["as_json", "media", "refusal"]

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def as_json(document: Resource, status: int = 200, **headers: str) -> Answer:
    """Return a JSON document."""
    kind = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status=status, headers=kind | headers, body=json.dumps(document).encode())


def refusal(error: GcsError) -> Answer:
    """Return the reply that says what `error` says."""
    detail = {"domain": "global", "reason": error.reason, "message": error.message}
    document: Resource = {
        "error": {"code": error.status, "message": error.message, "errors": [detail]}
    }
    return as_json(document, error.status)


def media(found: StoredObject, wanted: str | None) -> Answer:
    """Return the bytes of an object, or the range of them that is wanted."""
    md5 = "" if found.md5 is None else f",md5={found.md5}"
    headers = {
        "Content-Type": str(found.resource["contentType"]),
        "Last-Modified": formatdate(found.updated, usegmt=True),
        "x-goog-generation": str(found.generation),
        "x-goog-metageneration": str(found.metageneration),
        "x-goog-hash": f"crc32c={found.crc32c}{md5}",
        "x-goog-stored-content-length": str(len(found.body)),
    }
    if "contentEncoding" in found.resource:
        headers["Content-Encoding"] = str(found.resource["contentEncoding"])
    span = _span(wanted, len(found.body))
    if span is None:
        return Answer(headers=headers, body=found.body)
    start, stop = span
    if start >= stop:
        headers = {"Content-Range": f"bytes */{len(found.body)}"}
        return Answer(status=416, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(found.body)}"
    return Answer(status=206, headers=headers, body=found.body[start:stop])


def _span(text: str | None, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(text or "")
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)
