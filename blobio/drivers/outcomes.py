"""What a refused write means when it may be the echo of its own success.

A reply is lost, the request is sent again, and what the first one did refuses the second. A driver
then looks at the blob for the token of its write; here is what it makes of finding nothing.
"""

from __future__ import annotations

from blobio.errors import AlreadyExists, BlobError, Conflict, NotFound, RequestFailed
from blobio.transport.message import Response
from blobio.values import CreateOnly, WriteMode

__all__ = ["outcome_unknown", "unproven"]


def unproven(
    error: BlobError, response: Response, mode: WriteMode, failure: BlobError, subject: str
) -> BlobError:
    """Return what to raise for a refusal when our blob could not be seen.

    Where nothing is, what refused us may have been ours, and be removed since. That the version to
    replace is gone is true either way.

    Args:
        error: What the refusal means at face value.
        response: The refusal.
        mode: The condition of the write.
        failure: What looking at the blob met; `NotFound` if there is none.
        subject: The blob's URL.
    """
    may_be_gone = response.ambiguous and isinstance(mode, CreateOnly)
    is_clear = isinstance(failure, NotFound) and not may_be_gone
    if is_clear or not isinstance(error, (Conflict, AlreadyExists)):
        return error
    return outcome_unknown(error, subject)


def outcome_unknown(error: BlobError, subject: str) -> RequestFailed:
    """Return the error for a write of which nobody can tell whether it was done."""
    message = (
        f"{error.operation} of {subject}: outcome unknown. A reply was lost, then the store "
        f"answered {error.status} {error.code or '(no code)'}, which may be the echo of our own "
        "success, and reading back showed nothing: look at the blob before trying again"
    )
    unknown = RequestFailed(
        message,
        url=subject,
        operation=error.operation,
        attempts=error.attempts,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
    unknown.ambiguous = True
    return unknown
