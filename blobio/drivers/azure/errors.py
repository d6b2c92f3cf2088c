"""From a reply that means failure to the exception to raise: one table.

Codes as listed at https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and
https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes, read 2026-11-27.
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
    DirectoryNotEmpty,
    InvalidUrl,
    IsDirectory,
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
    "LOST_BLOCKS",
    "RETRYABLE_CODES",
    "ErrorBody",
    "code_of",
    "error_body",
    "error_for",
    "raise_for",
    "upload_lost",
    "version_mismatch",
]

RETRYABLE_CODES: Final = frozenset(
    {
        "InternalError",
        "Md5Mismatch",  # the body was damaged on the way; it is sent again from memory
        "OperationTimedOut",
        "PendingCopyOperation",  # another copy is still being made into this blob
        "ServerBusy",
    }
)
"""Codes that may pass, whatever the status they come with."""

LOST_BLOCKS: Final = "InvalidBlockList"
"""What a commit is told whose blocks are gone, because another writer committed, or are its own."""


class ErrorBody(NamedTuple):
    """What an `<Error>` document says; empty strings for what it does not."""

    code: str
    message: str
    detail: str


class _Entry(NamedTuple):
    kind: type[BlobError]
    hint: str = ""


_LEASED: Final = _Entry(
    ConcurrentWrite,
    "somebody holds a lease on the blob: until it is released, expires or is broken, only the "
    "holder can change the blob",
)
_CHECK_KEY: Final = "check the account's name and key, or the SAS token and the time it is good for"
_OTHER_TYPE: Final = (
    "the blob there is an append or page blob, which cannot be written in blocks; remove it first"
)
_BUSY_ACCOUNT: Final = "the account is over its limits"

_BY_CODE: Final = {
    "BlobNotFound": _Entry(NotFound),
    "ContainerNotFound": _Entry(NotFound, "there is no such container"),
    "ContainerBeingDeleted": _Entry(NotFound, "the container is being deleted"),
    "ResourceNotFound": _Entry(NotFound),
    "CannotVerifyCopySource": _Entry(RequestFailed),
    "BlobAlreadyExists": _Entry(AlreadyExists),
    "PathAlreadyExists": _Entry(AlreadyExists),
    "ConditionNotMet": _Entry(VersionMismatch),
    "TargetConditionNotMet": _Entry(VersionMismatch),
    "SourceConditionNotMet": _Entry(VersionMismatch, "the source changed"),
    LOST_BLOCKS: _Entry(
        ConcurrentWrite,
        "the blocks of this write are gone: another writer published first, which drops the "
        "unpublished blocks of everybody else; write again if yours should win",
    ),
    "BlockCountExceedsLimit": _Entry(
        RequestFailed,
        "unpublished blocks of other writes fill the blob's limit of 100,000; they go when a "
        "write is published, or a week after the last of them",
    ),
    "InvalidBlobOrBlock": _Entry(
        ConcurrentWrite,
        "another program's unpublished blocks have names of another length; they go when a write "
        "to the blob is published, or a week after the last of them",
    ),
    "InvalidBlobType": _Entry(RequestFailed, _OTHER_TYPE),
    "InvalidBlockId": _Entry(RequestFailed),
    "LeaseAlreadyPresent": _LEASED,
    "LeaseIdMissing": _LEASED,
    "LeaseIdMismatchWithBlobOperation": _LEASED,
    "LeaseIdMismatchWithContainerOperation": _LEASED,
    "LeaseLost": _LEASED,
    "PendingCopyOperation": _Entry(ConcurrentWrite, "a copy into this blob is under way"),
    "SnapshotsPresent": _Entry(RequestFailed, "the blob has snapshots"),
    "DirectoryIsNotEmpty": _Entry(DirectoryNotEmpty),
    "ResourceTypeMismatch": _Entry(IsDirectory, "a directory has that name"),
    "AuthenticationFailed": _Entry(Unauthenticated, _CHECK_KEY),
    "InvalidAuthenticationInfo": _Entry(Unauthenticated, "the token is not one for this account"),
    "NoAuthenticationInformation": _Entry(
        Unauthenticated, "no credentials were sent and the container is not public"
    ),
    "KeyBasedAuthenticationNotPermitted": _Entry(
        PermissionDenied, "the account takes no keys: use a token credential"
    ),
    "PublicAccessNotPermitted": _Entry(Unauthenticated, "the account allows no public access"),
    "AuthorizationFailure": _Entry(
        PermissionDenied, "not allowed, or not from this network address"
    ),
    "AuthorizationPermissionMismatch": _Entry(
        PermissionDenied,
        "the credentials are known but lack a right; a role such as Storage Blob Data "
        "Contributor, or letters in the SAS token's sp",
    ),
    "AuthorizationResourceTypeMismatch": _Entry(
        PermissionDenied, "the SAS token is not for this kind of resource"
    ),
    "InsufficientAccountPermissions": _Entry(PermissionDenied),
    "AccountIsDisabled": _Entry(PermissionDenied, "the account is disabled"),
    "BlobArchived": _Entry(PermissionDenied, "the blob is archived; rehydrate it first"),
    "BlobBeingRehydrated": _Entry(PermissionDenied, "the blob is being rehydrated"),
    "BlobImmutableDueToPolicy": _Entry(PermissionDenied, "a policy keeps the blob from changing"),
    "InvalidRange": _Entry(RangeNotSatisfiable),
    "Md5Mismatch": _Entry(ChecksumMismatch, "the store received other bytes than were sent"),
    "InvalidMd5": _Entry(RequestFailed),
    "OutOfRangeInput": _Entry(InvalidUrl),
    "InvalidResourceName": _Entry(InvalidUrl),
    "InvalidUri": _Entry(InvalidUrl),
    "ServerBusy": _Entry(RateLimited, _BUSY_ACCOUNT),
    "OperationTimedOut": _Entry(RequestFailed),
}

_BY_STATUS: Final = {
    401: _Entry(Unauthenticated, _CHECK_KEY),
    403: _Entry(PermissionDenied),
    404: _Entry(NotFound),
    409: _Entry(ConcurrentWrite),
    412: _Entry(VersionMismatch),
    416: _Entry(RangeNotSatisfiable),
    429: _Entry(RateLimited),
    503: _Entry(RateLimited),
}

_CHANGES: Final = frozenset({"put", "copy", "patch", "delete"})
_RETRYABLE_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_FAILURE: Final = 300
_MAX_FIELD_BYTES: Final = 2_000
_MAX_CODE: Final = 100
_FIELDS: Final = {
    name: re.compile(rb"<" + name.encode() + rb">([^<]*)</" + name.encode() + rb">")
    for name in ("Code", "Message", "AuthenticationErrorDetail")
}
# The texts end in lines that repeat the request id and the time.
_TRAILER: Final = re.compile(r"\s*RequestId:.*", re.DOTALL)
# What the details of AuthenticationFailed hold beside their reason: signatures, strings to sign.
_SHOWN_DETAIL: Final = re.compile(
    r"(?i)signature not valid in the specified time frame|signature fields not well formed"
    r"|signature did not match|date header|lifetime validation failed|audience validation failed"
    r"|issuer validation failed"
)


def error_body(body: bytes) -> ErrorBody:
    """Read an error document leniently: it may be cut, lack parts, or be no XML at all.

    What it says ends up in logs and on terminals, so control characters become spaces and a field
    has at most 2,000 bytes.
    """

    def field(name: str) -> str:
        match = _FIELDS[name].search(body)
        # Cut before it is unescaped: Python refuses to read a character number of 5,000 digits.
        text = match.group(1)[:_MAX_FIELD_BYTES].decode("utf-8", "replace") if match else ""
        text = _TRAILER.sub("", unescape(text))
        return "".join([char if char.isprintable() else " " for char in text])

    return ErrorBody(
        field("Code")[:_MAX_CODE], field("Message"), field("AuthenticationErrorDetail")
    )


def code_of(response: Response) -> str:
    """Return the store's error code: of the header, which a HEAD has too, else of the body."""
    code = response.headers.get("x-ms-error-code", "")[:_MAX_CODE]
    return code or error_body(response.body).code


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
    code = code_of(response)
    entry = _BY_CODE.get(code) or _BY_STATUS.get(response.status) or _Entry(RequestFailed)
    kind = _under(entry.kind, code, mode)
    error = kind(
        _message(response, said, entry.hint, f"{operation} of {subject}"),
        url=subject,
        operation=operation,
        attempts=response.attempts,
        status=response.status,
        code=code or None,
        request_id=response.headers.get("x-ms-request-id") or None,
        retryable=(
            kind.default_retryable
            or code in RETRYABLE_CODES
            or response.status in _RETRYABLE_STATUS
        ),
    )
    if operation in _CHANGES:
        error.ambiguous = response.ambiguous or _may_have_acted(response)
    return error


def _under(kind: type[BlobError], code: str, mode: WriteMode | None) -> type[BlobError]:
    """Return what a refusal means to a write under `mode`."""
    if code == "SourceConditionNotMet":
        return kind
    if kind is VersionMismatch and isinstance(mode, CreateOnly):
        return AlreadyExists
    if kind is VersionMismatch and isinstance(mode, Overwrite):
        return ConcurrentWrite
    return kind


def _message(response: Response, said: ErrorBody, hint: str, what: str) -> str:
    answer = " ".join(filter(None, (str(response.status), code_of(response))))
    detail = redact(said.message)[:500]
    message = f"{what}: Azure answered {answer}" + (f": {detail}" if detail else "")
    reason = _SHOWN_DETAIL.search(said.detail)
    if reason is not None:
        message += f": {reason.group(0)}"
    return f"{message} ({hint})" if hint else message


def _may_have_acted(response: Response) -> bool:
    """Tell if a reply that means failure leaves open whether the store did what was asked."""
    if response.status < _FIRST_FAILURE or response.status in _RETRYABLE_STATUS:
        return not is_refusal(response)
    return False


def raise_for(
    response: Response, *, operation: str, subject: str, mode: WriteMode | None = None
) -> None:
    """Raise what `error_for` returns unless the status is a success."""
    if response.status >= _FIRST_FAILURE:
        raise error_for(response, operation=operation, subject=subject, mode=mode)


def version_mismatch(operation: str, subject: str, wanted: object, found: object) -> BlobError:
    """Return the error for a version that is not the one named."""
    message = f"{operation} of {subject}: version {wanted} was asked for, {found} is there"
    return VersionMismatch(message, url=subject, operation=operation)


def upload_lost(subject: str) -> UploadLost:
    """Return the error for blocks that are gone although nobody published anything."""
    message = (
        f"put of {subject}: its unpublished blocks are gone, and no blob is there; write again "
        "from byte 0"
    )
    return UploadLost(message, url=subject, operation="put")
