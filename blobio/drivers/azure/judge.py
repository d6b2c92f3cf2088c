"""What to do with a reply before the driver sees it: done, again, new token, new clock."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Final

from blobio.drivers.azure.errors import RETRYABLE_CODES, code_of
from blobio.drivers.markup import is_cut, root_name
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict, judge_status

__all__ = ["judge"]

_FIRST_FAILURE: Final = 300
_UNAUTHORIZED: Final = 401
# What a date that is too far from the store's own is answered with.
_SKEWED: Final = frozenset({"AuthenticationFailed", "InvalidHeaderValue"})


def judge(request: Request, response: Response) -> Verdict:
    """Judge a reply of Azure by status and error code.

    A key, a SAS token or a right that is wrong stays wrong: it is never asked again. A token that
    the store calls invalid is fetched anew once, and a signature of another time than the store's
    is made again once with its time.
    """
    if response.status < _FIRST_FAILURE:
        return Verdict.RETRY if _is_broken(request, response) else Verdict.DONE
    code = code_of(response)
    if code == "PendingCopyOperation" and "x-ms-copy-source" in request.headers:
        return Verdict.DONE  # it may be this very copy, which is waited for in another way
    if code in RETRYABLE_CODES:
        return Verdict.RETRY
    if response.status == _UNAUTHORIZED:
        return Verdict.REAUTHENTICATE
    if code in _SKEWED:
        return Verdict.RESYNC
    return judge_status(request, response)


def _is_broken(request: Request, response: Response) -> bool:
    """Tell if a success should hold a document, of a listing for one, and it breaks off."""
    if request.stream:
        return False
    body = response.body.removeprefix(BOM_UTF8)
    has_document = request.method == "GET"  # every other one than that of a blob
    return is_cut(body) or (has_document and root_name(body) is None)
