"""Replies of `StrictS3`, and the XML they are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from time import gmtime, strftime
from typing import Final, final
from xml.sax.saxutils import escape

from blobio.testing.strict_s3.store import S3Error, StoredObject

__all__ = [
    "Answer",
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
_BODILESS: Final = (204, 304)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply.

    Attributes:
        status: HTTP status.
        headers: Without those of the framing.
        body: The body; of a reply to HEAD the one that is not sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def head(self, *, length: int | None, closes: bool) -> bytes:
        """Return status line and headers.

        Args:
            length: Content-Length, or None to send none.
            closes: Say that the connection ends here.
        """
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", "Server: strict-s3"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if length is not None and self.status not in _BODILESS:
            lines.append(f"Content-Length: {length}")
        if closes:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


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
