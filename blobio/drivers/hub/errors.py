"""From a refusal of the Hub to the exception to raise: one table."""

from __future__ import annotations

from typing import Final, NamedTuple

from blobio.drivers.hub.repository import Repository
from blobio.errors import (
    BlobError,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    TransportFailed,
    Unauthenticated,
    Unsupported,
    VersionMismatch,
    redact,
)
from blobio.transport.message import Response
from blobio.transport.observe import request_id
from blobio.transport.retry import quota_wait_s

__all__ = [
    "bad_reply",
    "error_for",
    "is_unknown_token",
    "no_such_name",
    "offline",
    "read_only",
    "version_mismatch",
]

_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNKNOWN_TOKEN: Final = "Invalid credentials in Authorization header"  # noqa: S105 - no secret
_DISABLED: Final = "Access to this resource is disabled."
_SET_A_TOKEN: Final = "set a token with HF_TOKEN, HubConfig.token or 'hf auth login'"  # noqa: S105


class _Meaning(NamedTuple):
    kind: type[BlobError]
    hint: str = ""


# By status and X-Error-Code, which a reply to HEAD has as well. `{page}` is the dataset's.
_BY_CODE: Final[dict[tuple[int, str], _Meaning]] = {
    (401, "RepoNotFound"): _Meaning(
        Unauthenticated,
        f"there is no such dataset, or it is private: check its name, or {_SET_A_TOKEN}",
    ),
    (404, "RepoNotFound"): _Meaning(
        NotFound, "there is no such dataset, or the token is not of somebody who may see it"
    ),
    (404, "RevisionNotFound"): _Meaning(
        NotFound, "the dataset has no such branch, tag, reference or commit"
    ),
    (404, "EntryNotFound"): _Meaning(NotFound),
    (401, "GatedRepo"): _Meaning(
        Unauthenticated, f"the dataset is gated: ask for access at {{page}}, then {_SET_A_TOKEN}"
    ),
    (403, "GatedRepo"): _Meaning(
        PermissionDenied, "the dataset is gated: ask for access at {page}"
    ),
}
_BY_STATUS: Final[dict[int, _Meaning]] = {
    401: _Meaning(Unauthenticated, _SET_A_TOKEN),
    403: _Meaning(PermissionDenied, "the token, if there is one, does not allow it"),
    404: _Meaning(NotFound),
    410: _Meaning(NotFound),
    416: _Meaning(RangeNotSatisfiable),
    429: _Meaning(RateLimited),
    503: _Meaning(RateLimited),
}


def error_for(
    response: Response, operation: str, subject: str, repository: Repository
) -> BlobError:
    """Return the exception that a reply stands for, which is not the success it should be."""
    code = response.headers.get("x-error-code", "")
    kind, hint = _meaning(response, code)
    what = f"the Hub answered {response.status}{f' {code}' if code else ''}"
    hint = hint.replace("{page}", repository.page)
    message = f"{operation} of {redact(subject)}: {what}"
    return kind(
        f"{message} ({hint})" if hint else message,
        url=subject,
        operation=operation,
        attempts=response.attempts,
        status=response.status,
        code=code or None,
        request_id=request_id(response),
        retryable=response.status in _RETRYABLE,
    )


def _meaning(response: Response, code: str) -> _Meaning:
    found = _BY_CODE.get((response.status, code))
    if found is not None:
        return found
    kind, hint = _BY_STATUS.get(response.status, _Meaning(RequestFailed))
    if is_unknown_token(response):
        hint = "the Hub does not know the token: it may have expired or been revoked"
    elif response.headers.get("x-error-message") == _DISABLED:
        hint = "the Hub has disabled this dataset for everybody"
    elif response.status == _TOO_MANY:
        hint = _about_quota(response)
    return _Meaning(kind, hint)


def _about_quota(response: Response) -> str:
    wait = quota_wait_s(response.headers)
    when = "" if wait is None else f", and starts anew in {wait:.0f} s"
    way = "" if response.credential else f"; who logs in has a larger one: {_SET_A_TOKEN}"
    return f"the quota of requests is spent{when}{way}"


def is_unknown_token(response: Response) -> bool:
    """Tell if the Hub does not know the token that it was sent."""
    return (
        response.status == _UNAUTHORIZED
        and response.headers.get("x-error-message") == _UNKNOWN_TOKEN
    )


def bad_reply(what: str, operation: str, subject: str) -> RequestFailed:
    """Return the error for a reply that cannot be used."""
    message = f"{operation} of {redact(subject)}: {what}"
    return RequestFailed(message, url=subject, operation=operation)


def version_mismatch(operation: str, subject: str, wanted: str, found: str | None) -> BlobError:
    """Return the error for a file that is not the version that was named."""
    message = f"{operation} of {redact(subject)}: version {wanted} was asked for, {found} is there"
    return VersionMismatch(message, url=subject, operation=operation)


def no_such_name(operation: str, subject: str) -> NotFound:
    """Return the error for a key that no file of git can have."""
    message = f"{operation} of {redact(subject)}: no file of a dataset can have that name"
    return NotFound(message, url=subject, operation=operation)


def read_only(operation: str, subject: str) -> Unsupported:
    """Return the error for what is not done here."""
    message = f"{operation} of {redact(subject)}: datasets of the Hub can only be read"
    return Unsupported(message, url=subject, operation=operation)


def offline(operation: str, subject: str) -> TransportFailed:
    """Return the error for everything that would send a request while that is not wanted."""
    message = (
        f"{operation} of {redact(subject)}: no request is sent to the Hub while offline "
        "(HubConfig.offline, BLOBIO_OFFLINE, HF_DATASETS_OFFLINE or HF_HUB_OFFLINE)"
    )
    return TransportFailed(message, url=subject, operation=operation, retryable=False)
