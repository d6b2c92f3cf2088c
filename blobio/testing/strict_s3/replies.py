"""Replies of `StrictS3`, and the XML they are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate
from time import gmtime, strftime
from typing import Final
from xml.sax.saxutils import escape

from blobio.testing.strict.answers import Answer
from blobio.testing.strict_s3.store import S3Error, StoredObject

__all__ = [
    "describe",
    "document",
    "element",
    "error_document",
    "iso_time",
    "parse_range",
    "refusal",
]

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def element(name: str, content: object) -> str:
    """Return `<name>content</name>`, escaped."""
    return f"<{name}>{escape(str(content))}</{name}>"


def document(root: str, parts: Iterable[str]) -> bytes:
    """Return a document in S3's namespace."""
    return f"{_DECLARATION}<{root} {_NAMESPACE}>{''.join(parts)}</{root}>".encode()


def error_document(code: str, message: str) -> bytes:
    """Return an `<Error>` document."""
    fields = element("Code", code) + element("Message", message) + element("RequestId", "strict")
    return f"{_DECLARATION}<Error>{fields}</Error>".encode()


def refusal(error: S3Error) -> Answer:
    """Return the reply that says what `error` says."""
    return Answer(
        status=error.status,
        headers={"Content-Type": "application/xml", "x-amz-request-id": "strict", **error.headers},
        body=error_document(error.code, error.message),
    )


def describe(found: StoredObject) -> dict[str, str]:
    """Return the headers that tell of an object."""
    return {
        "ETag": found.etag,
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        **found.headers,
    }


def iso_time(seconds: float) -> str:
    """Return a time as S3's XML has it."""
    return strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime(seconds))


def parse_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a Range header means, or None for the whole.

    Raises:
        S3Error: 416.
    """
    match = _RANGE.fullmatch(text or "")
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if first:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    else:
        start, stop = max(0, size - int(last)), size
    if start >= stop or start >= size:
        headers = {"Content-Range": f"bytes */{size}"}
        raise S3Error(416, "InvalidRange", "The range is not satisfiable.", headers)
    return start, stop
