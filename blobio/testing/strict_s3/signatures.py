"""Verify Signature Version 4, from the request as it arrived: shares no code with the signer.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, read 2026-11-24.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_s3.store import S3Error

__all__ = ["verify"]

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_SKEW_S: Final = 900


def verify(head: RequestHead, body: bytes, *, access_key: str, secret: str, now: float) -> None:
    """Check who asks, that the head is what was signed, and that the body is what was hashed.

    Signed URLs are checked too, without their time of expiry.

    Raises:
        S3Error: It is not so.
    """
    if "X-Amz-Signature" in head.query:
        _verify_url(head, secret)
        return
    match = _AUTHORIZATION.fullmatch(head.headers.get("authorization", ""))
    if match is None:
        raise S3Error(403, "AccessDenied", "There is no signature of version 4.")
    key, day, region, names, signature = match.groups()
    if key != access_key:
        raise S3Error(403, "InvalidAccessKeyId", "The access key is unknown.")
    stamp = head.headers.get("x-amz-date", "")
    _check_time(stamp, now)
    payload = head.headers.get("x-amz-content-sha256", "")
    expected = _signature(secret, head, _Claim(stamp, day, region, names, payload))
    if not hmac.compare_digest(expected, signature):
        raise S3Error(403, "SignatureDoesNotMatch", "The signature is that of another request.")
    _check_names(head, names)
    if payload not in (_UNSIGNED, hashlib.sha256(body).hexdigest()):
        raise S3Error(400, "XAmzContentSHA256Mismatch", "The body is not the one that was signed.")


def _verify_url(head: RequestHead, secret: str) -> None:
    _, day, region, _, _ = head.query["X-Amz-Credential"].split("/")
    names = head.query["X-Amz-SignedHeaders"]
    claim = _Claim(head.query["X-Amz-Date"], day, region, names, _UNSIGNED)
    expected = _signature(secret, head, claim)
    if not hmac.compare_digest(expected, head.query["X-Amz-Signature"]):
        raise S3Error(403, "SignatureDoesNotMatch", "The signature is that of another URL.")


def _check_time(stamp: str, now: float) -> None:
    sent = _seconds(stamp)
    if sent is None:
        raise S3Error(403, "AccessDenied", "There is no x-amz-date.")
    if abs(sent - now) > _SKEW_S:
        raise S3Error(403, "RequestTimeTooSkewed", "The request is from another time.")


@lru_cache(maxsize=16)
def _seconds(stamp: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def _check_names(head: RequestHead, names: str) -> None:
    signed = set(names.split(";"))
    left = {name for name in head.headers if name.startswith("x-amz-")} - signed
    if left or "host" not in signed:
        raise S3Error(403, "AccessDenied", f"Headers that must be signed: {sorted(left)}")


def _lines(head: RequestHead, names: str) -> str:
    values = ((name, head.headers.get(name, "")) for name in names.split(";"))
    return "".join([f"{name}:{' '.join(value.split())}\n" for name, value in values])


class _Claim(NamedTuple):
    """What a signature says it signs."""

    stamp: str
    day: str
    region: str
    names: str
    payload: str


def _signature(secret: str, head: RequestHead, claim: _Claim) -> str:
    stamp, day, region, names, payload = claim
    lines = _lines(head, names)
    path, _, query = head.target.partition("?")
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    )
    search = "&".join([f"{name}={value}" for name, value in pairs])
    canonical = f"{head.method}\n{path}\n{search}\n{lines}\n{names}\n{payload}"
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{day}/{region}/s3/aws4_request\n{digest}"
    return hmac.digest(_key(secret, day, region), text.encode(), "sha256").hex()


@lru_cache(maxsize=16)
def _key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key
