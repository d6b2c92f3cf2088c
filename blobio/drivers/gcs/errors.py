"""From a reply that means failure to the exception to raise: one table.

Reasons as listed at https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes, read
2026-11-27. Errors of the JSON API are JSON; those of downloads are plain text.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
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
from blobio.values import CreateOnly, Overwrite, WriteMode

__all__ = [
    "RETRYABLE_REASONS",
    "ErrorBody",
    "error_body",
    "error_for",
    "is_damage",
    "raise_for",
    "version_mismatch",
]

RETRYABLE_REASONS: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"}
)
"""Reasons that may pass, whatever the status they come with: some limits answer 403."""


class ErrorBody(NamedTuple):
    """What an error document says; empty strings for what it does not."""

    reason: str
    message: str


class _Entry(NamedTuple):
    kind: type[BlobError]
    hint: str = ""


_WHO: Final = "check which account the credentials are for"
_BILLING: Final = "the bucket's project has no billing account, or it is closed"
_PAYS: Final = "the requester pays for this bucket: set GcsConfig(user_project=...)"
_ROLE: Final = "the account needs a role such as roles/storage.objectUser on the bucket"
_AGAIN: Final = "the upload is gone; write again from byte 0"

_BY_REASON: Final = {
    "accountDisabled": _Entry(PermissionDenied, _BILLING),
    "authError": _Entry(Unauthenticated, _WHO),
    "backendError": _Entry(RequestFailed),
    "conditionNotMet": _Entry(VersionMismatch),
    "forbidden": _Entry(PermissionDenied, _ROLE),
    "insufficientPermissions": _Entry(PermissionDenied, "the token's scopes do not allow this"),
    "notFound": _Entry(NotFound),
    "projectAccessDenied": _Entry(PermissionDenied, _BILLING),
    "rateLimitExceeded": _Entry(RateLimited),
    "required": _Entry(Unauthenticated, "no credentials were sent, and the bucket is not public"),
    "retentionPolicyNotMet": _Entry(PermissionDenied, "a retention policy keeps the object"),
    "objectUnderActiveHold": _Entry(PermissionDenied, "a hold keeps the object"),
    "userProjectAccessDenied": _Entry(PermissionDenied, _PAYS),
    "userProjectMissing": _Entry(PermissionDenied, _PAYS),
    "userRateLimitExceeded": _Entry(RateLimited),
}

_BY_STATUS: Final = {
    401: _Entry(Unauthenticated, _WHO),
    403: _Entry(PermissionDenied, _ROLE),
    404: _Entry(NotFound),
    409: _Entry(ConcurrentWrite),
    410: _Entry(UploadLost, _AGAIN),
    412: _Entry(VersionMismatch),
    416: _Entry(RangeNotSatisfiable),
    429: _Entry(RateLimited),
    499: _Entry(UploadLost, _AGAIN),
    503: _Entry(RateLimited),
}

_CHANGES: Final = frozenset({"put", "copy", "patch", "delete"})
_RETRYABLE_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_BAD_REQUEST: Final = 400
_MAX_MESSAGE: Final = 500
# A word: what else comes may be anything, and reasons are shown as they are.
_REASON: Final = re.compile(r"[A-Za-z][A-Za-z _-]{0,99}")
_FIRST_FAILURE: Final = 300


def error_body(body: bytes) -> ErrorBody:
    """Read an error document leniently: it may be cut, lack parts, or be no JSON at all.

    What it says ends up in logs and on terminals, so control characters become spaces.
    """
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorBody("", _shown(body[: 4 * _MAX_MESSAGE].decode("utf-8", "replace")))
    error = _get(found, "error")
    details = _get(error, "errors")
    first: object = details[0] if isinstance(details, list) and details else None
    reason, message = _get(first, "reason"), _get(error, "message")
    return ErrorBody(
        reason if isinstance(reason, str) and _REASON.fullmatch(reason) else "",
        _shown(message) if isinstance(message, str) else "",
    )


def is_damage(response: Response) -> bool:
    """Tell if the store refused a body because it is not what its checksum says.

    Such a refusal has no reason of its own: it is a 400 "invalid" whose message compares the two,
    https://github.com/googleapis/google-cloud-cpp/issues/4156, read 2026-11-27.
    """
    if response.status != _BAD_REQUEST:
        return False
    message = error_body(response.body).message
    return "doesn't match calculated" in message and ("CRC32C" in message or "MD5" in message)


def error_for(
    response: Response, *, operation: str, subject: str, mode: WriteMode | None = None
) -> BlobError:
    """Return the exception that `response` stands for.

    Args:
        response: Any reply that is not the success it should be.
        operation: The driver verb.
        subject: The blob's URL.
        mode: The condition of the write, if it was one: decides what a refusal means.
    """
    said = error_body(response.body)
    entry = _BY_REASON.get(said.reason) or _BY_STATUS.get(response.status) or _Entry(RequestFailed)
    if is_damage(response):
        entry = _Entry(ChecksumMismatch, "the store received other bytes than were sent")
    kind = entry.kind
    if kind is VersionMismatch and isinstance(mode, CreateOnly):
        kind = AlreadyExists
    elif kind is VersionMismatch and isinstance(mode, Overwrite):
        kind = ConcurrentWrite
    answer = " ".join(filter(None, (str(response.status), said.reason)))
    message = f"{operation} of {subject}: Google Cloud Storage answered {answer}"
    if said.message:
        message += f": {redact(said.message)[:_MAX_MESSAGE]}"
    if entry.hint:
        message += f" ({entry.hint})"
    error = kind(
        message,
        url=subject,
        operation=operation,
        attempts=response.attempts,
        status=response.status,
        code=said.reason or None,
        request_id=response.headers.get("x-guploader-uploadid"),
        retryable=(
            kind.default_retryable
            or said.reason in RETRYABLE_REASONS
            or response.status in _RETRYABLE_STATUS
        ),
    )
    if operation in _CHANGES:
        error.ambiguous = response.ambiguous or (
            response.status in _RETRYABLE_STATUS and not is_refusal(response)
        )
    return error


def raise_for(
    response: Response, *, operation: str, subject: str, mode: WriteMode | None = None
) -> None:
    """Raise what `error_for` returns unless the status is a success."""
    if response.status >= _FIRST_FAILURE:
        raise error_for(response, operation=operation, subject=subject, mode=mode)


def version_mismatch(operation: str, subject: str, wanted: object, found: object) -> BlobError:
    """Return the error for a store that has another version than the one named."""
    message = f"{operation} of {subject}: version {wanted} was asked for, {found} is there"
    return VersionMismatch(message, url=subject, operation=operation)


def _get(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _shown(text: str) -> str:
    return "".join([char if char.isprintable() else " " for char in text]).strip()[:_MAX_MESSAGE]
