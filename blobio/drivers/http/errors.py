"""From a status that means failure to the exception to raise: one table."""

from __future__ import annotations

from typing import Final

from blobio.errors import (
    BlobError,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    Unauthenticated,
    Unsupported,
    VersionMismatch,
    redact,
)
from blobio.transport.message import Response
from blobio.transport.observe import request_id

__all__ = ["bad_reply", "error_for", "read_only", "version_mismatch"]

_BY_STATUS: Final[dict[int, type[BlobError]]] = {
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    412: VersionMismatch,
    416: RangeNotSatisfiable,
    429: RateLimited,
    503: RateLimited,
}
_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
_HINTS: Final = {
    401: "set headers for this host in HttpConfig.headers",
    403: "set headers for this host in HttpConfig.headers if it needs some",
}


def error_for(response: Response, operation: str, subject: str) -> BlobError:
    """Return the exception that a reply stands for, which is not the success it should be."""
    kind = _BY_STATUS.get(response.status, RequestFailed)
    message = f"{operation} of {redact(subject)}: the server answered {response.status}"
    hint = _HINTS.get(response.status)
    return kind(
        f"{message} ({hint})" if hint else message,
        url=subject,
        operation=operation,
        attempts=response.attempts,
        status=response.status,
        request_id=request_id(response),
        retryable=response.status in _RETRYABLE,
    )


def bad_reply(what: str, operation: str, subject: str) -> RequestFailed:
    """Return the error for a reply that cannot be used."""
    message = f"{operation} of {redact(subject)}: {what}"
    return RequestFailed(message, url=subject, operation=operation)


def version_mismatch(operation: str, subject: str, wanted: str, found: str | None) -> BlobError:
    """Return the error for a blob that is no longer the version that was named."""
    message = f"{operation} of {redact(subject)}: version {wanted} was asked for, {found} is there"
    return VersionMismatch(message, url=subject, operation=operation)


def read_only(operation: str, subject: str) -> Unsupported:
    """Return the error for a verb that HTTP has no standard for."""
    message = f"{operation} of {redact(subject)}: http(s) URLs can only be read"
    return Unsupported(message, url=subject, operation=operation)
