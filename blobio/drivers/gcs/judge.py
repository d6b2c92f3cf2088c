"""What to do with a reply before the driver sees it: done, again, or new credentials."""

from __future__ import annotations

from typing import Final

from blobio.drivers.gcs.errors import RETRYABLE_REASONS, error_body, is_damage
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict, judge_status

__all__ = ["judge"]

_FORBIDDEN: Final = 403
_FIRST_FAILURE: Final = 300


def judge(request: Request, response: Response) -> Verdict:
    """Judge a reply of Google Cloud Storage by its status, and where that says little its reason.

    A body that was damaged on its way is sent again from memory. Statuses that may pass, and the
    advice to raise the rate slowly, which the backoff and the limit per host do:
    https://docs.cloud.google.com/storage/docs/retry-strategy and
    https://docs.cloud.google.com/storage/docs/request-rate, read 2026-11-27.
    """
    if response.status >= _FIRST_FAILURE:
        is_limit = response.status == _FORBIDDEN and (
            error_body(response.body).reason in RETRYABLE_REASONS
        )
        if is_limit or is_damage(response):
            return Verdict.RETRY
    return judge_status(request, response)
