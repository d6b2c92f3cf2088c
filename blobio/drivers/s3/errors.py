"""From a reply that means failure to the exception to raise: one table.

Codes as listed at https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, read
2026-11-24, and as other stores were seen to send them.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final, NamedTuple

from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    InvalidUrl,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    Unauthenticated,
    UploadLost,
    VersionMismatch,
    redact,
)
from blobio.transport.message import Response
from blobio.transport.retry import is_refusal
from blobio.values import CreateOnly, Overwrite, ReplaceIf, WriteMode

__all__ = [
    "RETRYABLE_CODES",
    "ErrorBody",
    "error_body",
    "error_for",
    "raise_for",
    "version_mismatch",
]


RETRYABLE_CODES: Final = frozenset(
    {
        "BadDigest",  # the body was damaged on the way; it is sent again from memory
        "InternalError",
        "RequestTimeout",  # a 400
        "ServiceUnavailable",
        "SlowDown",
        "TooManyRequests",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
"""Codes that may pass, whatever the status they come with."""


class ErrorBody(NamedTuple):
    """What an `<Error>` document says; empty strings for what it does not."""

    code: str
    message: str
    region: str
    request_id: str


class _Entry(NamedTuple):
    kind: type[BlobError]
    hint: str = ""


_CHECK_KEYS: Final = "check the credentials and that they belong to this store"
_CHECKSUM_HINT: Final = (
    'if this store does not know newer checksum headers, set S3Config(checksums="md5")'
)

_BY_CODE: Final = {
    "NoSuchKey": _Entry(NotFound),
    "NoSuchBucket": _Entry(NotFound, "there is no such bucket"),
    "NoSuchVersion": _Entry(NotFound),
    "NoSuchUpload": _Entry(UploadLost, "the upload is gone; write again from byte 0"),
    "AccessDenied": _Entry(PermissionDenied),
    "AllAccessDisabled": _Entry(PermissionDenied),
    "AccountProblem": _Entry(PermissionDenied),
    "InvalidObjectState": _Entry(PermissionDenied, "the object is archived; restore it first"),
    "InvalidAccessKeyId": _Entry(Unauthenticated, _CHECK_KEYS),
    "SignatureDoesNotMatch": _Entry(Unauthenticated, _CHECK_KEYS),
    "AuthorizationHeaderMalformed": _Entry(Unauthenticated, "check the region"),
    "ExpiredToken": _Entry(Unauthenticated, "the credentials have expired"),
    "ExpiredTokenException": _Entry(Unauthenticated, "the credentials have expired"),
    "InvalidToken": _Entry(Unauthenticated, _CHECK_KEYS),
    "TokenRefreshRequired": _Entry(Unauthenticated, "the credentials have expired"),
    "NotSignedUp": _Entry(Unauthenticated),
    "RequestTimeTooSkewed": _Entry(Unauthenticated, "set this machine's clock"),
    "PreconditionFailed": _Entry(VersionMismatch),
    "ConditionalRequestConflict": _Entry(ConcurrentWrite, "another write is under way"),
    "OperationAborted": _Entry(ConcurrentWrite, "another write is under way"),
    "InvalidRange": _Entry(RangeNotSatisfiable),
    "BadDigest": _Entry(ChecksumMismatch, "the store received other bytes than were sent"),
    "InvalidDigest": _Entry(RequestFailed, _CHECKSUM_HINT),
    "XAmzContentChecksumMismatch": _Entry(ChecksumMismatch),
    "XAmzContentSHA256Mismatch": _Entry(ChecksumMismatch),
    "KeyTooLongError": _Entry(InvalidUrl),
    "NotImplemented": _Entry(RequestFailed, _CHECKSUM_HINT),
    "SlowDown": _Entry(RateLimited),
    "TooManyRequests": _Entry(RateLimited),
    "ServiceUnavailable": _Entry(RateLimited),
    "PermanentRedirect": _Entry(RequestFailed, "set S3Config(region=...) to the bucket's region"),
}

_BY_STATUS: Final = {
    301: _Entry(RequestFailed, "set S3Config(region=...) to the bucket's region"),
    307: _Entry(RequestFailed, "set S3Config(region=...) to the bucket's region"),
    401: _Entry(Unauthenticated),
    403: _Entry(PermissionDenied),
    404: _Entry(NotFound),
    409: _Entry(ConcurrentWrite),
    412: _Entry(VersionMismatch),
    416: _Entry(RangeNotSatisfiable),
    429: _Entry(RateLimited),
    501: _Entry(RequestFailed, _CHECKSUM_HINT),
    503: _Entry(RateLimited),
}

_CHANGES: Final = frozenset({"put", "copy", "patch", "delete"})
_RETRYABLE_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})

_MAX_FIELD_BYTES: Final = 2_000
_MAX_CODE: Final = 100
_FIELDS: Final = {
    name: re.compile(rb"<" + name.encode() + rb">([^<]*)</" + name.encode() + rb">")
    for name in ("Code", "Message", "Region", "RequestId")
}


def error_body(body: bytes) -> ErrorBody:
    """Read an error document leniently: it may be cut, lack parts, or be no XML at all.

    What it says ends up in logs and on terminals, so control characters become spaces and a field
    has at most 2,000 bytes.
    """

    def field(name: str) -> str:
        match = _FIELDS[name].search(body)
        # Cut before it is unescaped: Python refuses to read a character number of 5,000 digits.
        text = match.group(1)[:_MAX_FIELD_BYTES].decode("utf-8", "replace") if match else ""
        return "".join([char if char.isprintable() else " " for char in unescape(text)])

    return ErrorBody(
        field("Code")[:_MAX_CODE], field("Message"), field("Region"), field("RequestId")[:_MAX_CODE]
    )


def error_for(
    response: Response, *, operation: str, subject: str, mode: WriteMode | None = None
) -> BlobError:
    """Return the exception that `response` stands for.

    Args:
        response: Any reply that is not the success it should be; a 200 with an error in it too.
        operation: The driver verb.
        subject: The blob's URL.
        mode: The condition of the write, if it was one: decides what a refusal means.
    """
    said = error_body(response.body)
    entry = _BY_CODE.get(said.code) or _BY_STATUS.get(response.status) or _Entry(RequestFailed)
    kind = entry.kind
    if kind is VersionMismatch and isinstance(mode, CreateOnly):
        kind = AlreadyExists
    elif kind is NotFound and isinstance(mode, ReplaceIf) and said.code != "NoSuchBucket":
        # If-Match on a key that is gone answers 404: the version named is not there.
        kind = VersionMismatch
    elif kind is VersionMismatch and isinstance(mode, Overwrite):
        kind = ConcurrentWrite
    answer = " ".join(filter(None, (str(response.status), said.code)))
    detail = redact(said.message)[:500]
    message = f"{operation} of {subject}: S3 answered {answer}" + (f": {detail}" if detail else "")
    if entry.hint:
        message += f" ({entry.hint})"
    error = kind(
        message,
        url=subject,
        operation=operation,
        attempts=response.attempts,
        status=response.status,
        code=said.code or None,
        request_id=response.headers.get("x-amz-request-id") or said.request_id or None,
        retryable=(
            kind.default_retryable
            or said.code in RETRYABLE_CODES
            or response.status in _RETRYABLE_STATUS
        ),
    )
    if operation in _CHANGES:
        error.ambiguous = response.ambiguous or _may_have_acted(response)
    return error


def _may_have_acted(response: Response) -> bool:
    """Tell if a reply that means failure leaves open whether the store did what was asked."""
    if response.status < 300 or response.status in _RETRYABLE_STATUS:  # noqa: PLR2004 - a success
        return not is_refusal(response)
    return False


def raise_for(
    response: Response, *, operation: str, subject: str, mode: WriteMode | None = None
) -> None:
    """Raise what `error_for` returns unless the status is a success."""
    if response.status >= 300:  # noqa: PLR2004 - first status that is none
        raise error_for(response, operation=operation, subject=subject, mode=mode)


def version_mismatch(operation: str, subject: str, wanted: object, found: object) -> BlobError:
    """Return the error for a store that served another version than the one named."""
    message = f"{operation} of {subject}: version {wanted} was asked for, {found} is there"
    return VersionMismatch(message, url=subject, operation=operation)
