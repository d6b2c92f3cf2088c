"""Replies of `StrictAzure`, and the XML they are made of. Pure."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from blobio.testing.strict import Answer
from blobio.testing.strict_azure.store import Refusal

__all__ = ["XML", "element", "refused"]

XML: Final = {"Content-Type": "application/xml"}


def element(name: str, content: object) -> str:
    """Return `<name>content</name>`, escaped."""
    return f"<{name}>{escape(str(content))}</{name}>"


def refused(error: Refusal) -> Answer:
    """Return the reply that says what `error` says."""
    message = f"{error.message}\nRequestId:strict\nTime:now"
    fields = element("Code", error.code) + element("Message", message)
    return Answer(
        status=error.status,
        headers={
            **XML,
            "x-ms-error-code": error.code,
            "x-ms-request-id": "strict",
            **error.headers,
        },
        body=f'<?xml version="1.0" encoding="utf-8"?><Error>{fields}</Error>'.encode(),
    )
