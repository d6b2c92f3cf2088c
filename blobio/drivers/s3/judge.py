"""What to do with a reply before the driver sees it: done, again, new credentials, new clock."""

from __future__ import annotations

from typing import Final

from blobio.drivers.markup import is_cut, root_name
from blobio.drivers.s3.errors import RETRYABLE_CODES, error_body
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict, judge_status

__all__ = ["judge"]

_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
)
_RACES: Final = frozenset({"ConditionalRequestConflict", "OperationAborted"})
_OK: Final = 200
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_FIRST_FAILURE: Final = 300


def judge(request: Request, response: Response) -> Verdict:
    """Judge a reply of S3 by status and error code.

    A 409 that only means "another write is under way" is asked again for a create-only PUT: the
    answer then is success or 412. Completing an upload is not, since the store may have dropped
    the upload: https://docs.aws.amazon.com/sdk-for-kotlin/api/latest/s3/
    aws.sdk.kotlin.services.s3.model/-complete-multipart-upload-request/if-none-match.html, read
    2026-11-24.
    """
    if response.status < _FIRST_FAILURE:
        return _judge_success(request, response)
    if request.method == "HEAD":
        return _judge_bare(request, response)
    code = error_body(response.body).code
    is_create_only = request.method == "PUT" and "if-none-match" in request.headers
    if code in RETRYABLE_CODES or (code in _RACES and is_create_only):
        return Verdict.RETRY
    if code in _EXPIRED:
        return Verdict.REAUTHENTICATE
    if code == "RequestTimeTooSkewed":
        return Verdict.RESYNC
    return judge_status(request, response)


def _judge_success(request: Request, response: Response) -> Verdict:
    """Look into a 200 that may hold an error: a completion or a copy that took long.

    A document that breaks off, of a listing too, is asked for again.

    https://ibm.github.io/ibm-cos-sdk-js-v2/classes/clients_client-s3_src.
    CompleteMultipartUploadCommand.html, read 2026-11-24: the status goes out first, then white
    space while the store works, then the outcome.
    """
    if is_cut(response.body):
        return Verdict.RETRY
    is_listing = request.method == "GET" and not request.stream
    in_body = is_listing or request.method == "POST" or "x-amz-copy-source" in request.headers
    if not in_body or response.status != _OK:
        return Verdict.DONE
    root = root_name(response.body)
    if root is None or (root == "Error" and error_body(response.body).code in RETRYABLE_CODES):
        return Verdict.RETRY
    return Verdict.DONE


def _judge_bare(request: Request, response: Response) -> Verdict:
    """Judge the failure of a HEAD, which has no body to tell its code.

    An expired token answers a bare 400, as does a wrong region (then with the right one beside
    it); a skewed clock answers a bare 403, and the transport acts on `RESYNC` only if the Date of
    the reply differs from our clock.
    """
    if response.status == _BAD_REQUEST and "x-amz-bucket-region" not in response.headers:
        return Verdict.REAUTHENTICATE
    if response.status == _FORBIDDEN:
        return Verdict.RESYNC
    return judge_status(request, response)
