"""What `StrictAzure` accepts as authorised: `azure-storage-blob` computes what must have come."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qs

from blobio.testing.strict import RequestHead
from blobio.testing.strict_azure.store import Refusal

__all__ = ["KEY", "check_sas", "verify"]

KEY: Final = base64.b64encode(b"the key of every account here").decode()

_MAX_SKEW_S: Final = 900
_RIGHTS: Final = {"GET": "r", "HEAD": "r", "DELETE": "d", "PUT": "cw"}


def verify(head: RequestHead, body_bytes: int, *, url: str, now: float) -> None:
    """Check the signature of a request.

    Raises:
        Refusal: It has none, a wrong one, or one of another time.
    """
    account, _, container = head.bucket.partition("/")
    if "sig" in head.query:
        check_sas(account, container, head.key, head.query, right=_RIGHTS[head.method], now=now)
        return
    try:
        date = parsedate_to_datetime(head.headers["x-ms-date"]).timestamp()
    except (KeyError, ValueError):
        raise Refusal(403, "AuthenticationFailed", "There is no date.") from None
    if abs(date - now) > _MAX_SKEW_S:
        raise Refusal(403, "AuthenticationFailed", "The date is not now.")
    if head.headers.get("authorization") != _shared_key(account, url, head, body_bytes):
        raise Refusal(403, "AuthenticationFailed", "The signature is wrong.")


def check_sas(
    account: str,
    container: str,
    key: str,
    query: Mapping[str, str],
    *,
    right: str,
    now: float,
) -> None:
    """Check a shared access signature of one blob.

    Raises:
        Refusal: It is wrong, over, or gives none of the rights in `right`.
    """
    from azure.storage.blob import generate_blob_sas

    theirs = generate_blob_sas(
        account,
        container,
        key,
        account_key=KEY,
        permission=query.get("sp"),
        expiry=query.get("se"),
        protocol=query.get("spr"),
    )
    if parse_qs(theirs)["sig"] != [query.get("sig")]:
        raise Refusal(403, "AuthenticationFailed", "The signature is wrong.")
    if datetime.fromisoformat(query["se"]).timestamp() < now:
        raise Refusal(403, "AuthenticationFailed", "The signature is over.")
    if not set(right) & set(query["sp"]):
        raise Refusal(403, "AuthorizationPermissionMismatch", "The right is not given.")


def _shared_key(account: str, url: str, head: RequestHead, body_bytes: int) -> str:
    from azure.core.pipeline import PipelineContext, PipelineRequest
    from azure.core.pipeline.transport import HttpRequest
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

    headers = {n: v for n, v in head.headers.items() if n != "authorization"}
    if body_bytes:
        headers["content-length"] = str(body_bytes)
    request = HttpRequest(head.method, url + head.target, headers=headers)
    transport: Any = SimpleNamespace()
    policy: Any = SharedKeyCredentialPolicy
    policy(account, KEY).on_request(PipelineRequest(request, PipelineContext(transport)))
    return str(request.headers["Authorization"])
