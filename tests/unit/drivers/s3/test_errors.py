from __future__ import annotations

import pytest

from blobio import errors as e
from blobio.drivers.s3.errors import error_body, error_for, raise_for
from blobio.transport.message import Response
from blobio.values import CreateOnly, Overwrite, ReplaceIf, Version, WriteMode

SUBJECT = "s3://bucket/key"
REPLACE = ReplaceIf(Version('"v"'))


def _reply(status: int, code: str = "", message: str = "") -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else ""
    headers = {"x-amz-request-id": "REQ"}
    return Response(status=status, headers=headers, body=body.encode(), attempts=3)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", e.NotFound),
        (404, "NoSuchBucket", e.NotFound),
        (404, "NoSuchUpload", e.UploadLost),
        (404, "", e.NotFound),
        (403, "AccessDenied", e.PermissionDenied),
        (403, "InvalidAccessKeyId", e.Unauthenticated),
        (403, "SignatureDoesNotMatch", e.Unauthenticated),
        (400, "ExpiredToken", e.Unauthenticated),
        (403, "RequestTimeTooSkewed", e.Unauthenticated),
        (403, "InvalidObjectState", e.PermissionDenied),
        (403, "", e.PermissionDenied),
        (401, "", e.Unauthenticated),
        (412, "PreconditionFailed", e.VersionMismatch),
        (412, "", e.VersionMismatch),
        (409, "ConditionalRequestConflict", e.ConcurrentWrite),
        (409, "OperationAborted", e.ConcurrentWrite),
        (416, "InvalidRange", e.RangeNotSatisfiable),
        (400, "BadDigest", e.ChecksumMismatch),
        (503, "SlowDown", e.RateLimited),
        (429, "", e.RateLimited),
        (503, "", e.RateLimited),
        (500, "InternalError", e.RequestFailed),
        (501, "NotImplemented", e.RequestFailed),
        (301, "PermanentRedirect", e.RequestFailed),
        (400, "KeyTooLongError", e.InvalidUrl),
        (418, "Teapot", e.RequestFailed),
        (200, "InternalError", e.RequestFailed),
    ],
)
def test_reply_becomes_the_most_specific_error(
    status: int, code: str, kind: type[e.BlobError]
) -> None:
    assert type(error_for(_reply(status, code), operation="get", subject=SUBJECT)) is kind


@pytest.mark.parametrize(
    ("status", "code", "mode", "kind"),
    [
        (412, "PreconditionFailed", CreateOnly(), e.AlreadyExists),
        (412, "PreconditionFailed", REPLACE, e.VersionMismatch),
        (412, "PreconditionFailed", Overwrite(), e.ConcurrentWrite),
        (404, "NoSuchKey", REPLACE, e.VersionMismatch),
        (404, "", REPLACE, e.VersionMismatch),
        (404, "NoSuchBucket", REPLACE, e.NotFound),
        (404, "NoSuchKey", CreateOnly(), e.NotFound),
        (409, "ConditionalRequestConflict", CreateOnly(), e.ConcurrentWrite),
        (403, "AccessDenied", CreateOnly(), e.PermissionDenied),
    ],
)
def test_condition_decides_what_a_refusal_means(
    status: int, code: str, mode: WriteMode, kind: type[e.BlobError]
) -> None:
    error = error_for(_reply(status, code), operation="put", subject=SUBJECT, mode=mode)

    assert type(error) is kind


def test_error_tells_what_was_asked_and_what_came_back() -> None:
    error = error_for(
        _reply(403, "AccessDenied", "Access &lt;Denied&gt;"), operation="get", subject=SUBJECT
    )

    assert str(error) == "get of s3://bucket/key: S3 answered 403 AccessDenied: Access <Denied>"
    assert error.url == SUBJECT
    assert error.operation == "get"
    assert (error.attempts, error.status, error.code, error.request_id) == (
        3,
        403,
        "AccessDenied",
        "REQ",
    )
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(500, "", True), (503, "SlowDown", True), (200, "InternalError", True), (400, "X", False)],
)
def test_error_knows_if_it_may_pass(status: int, code: str, retryable: bool) -> None:
    error = error_for(_reply(status, code), operation="get", subject=SUBJECT)

    assert error.retryable is retryable


def test_error_body_is_read_even_if_cut_or_no_xml() -> None:
    assert error_body(b"<Error><Code>SlowDown</Code><Mess").code == "SlowDown"
    assert error_body(b"<html>nginx</html>") == ("", "", "", "")
    assert error_body(b"<Code>\xff</Code>").code == "\ufffd"


def test_message_of_the_store_is_redacted_and_bounded() -> None:
    secret = "https://h/k?X-Amz-Signature=c4nary&amp;x=1 " + "y" * 5000
    text = str(error_for(_reply(400, "X", secret), operation="get", subject=SUBJECT))

    assert "c4nary" not in text
    assert len(text) < 700


def test_success_raises_nothing() -> None:
    raise_for(Response(status=206, headers={}), operation="get", subject=SUBJECT)
    with pytest.raises(e.NotFound):
        raise_for(_reply(404), operation="get", subject=SUBJECT)


@pytest.mark.parametrize(
    ("status", "code", "lost_before", "ambiguous"),
    [
        (500, "InternalError", False, True),
        (503, "", False, True),
        (200, "InternalError", False, True),
        (400, "BadDigest", False, False),
        (501, "NotImplemented", False, False),
        (301, "PermanentRedirect", False, False),
        (403, "AccessDenied", False, False),
        (403, "AccessDenied", True, True),
        (400, "BadDigest", True, True),
    ],
)
def test_error_tells_whether_the_store_may_have_acted(
    status: int, code: str, lost_before: bool, ambiguous: bool
) -> None:
    response = _reply(status, code)
    response.ambiguous = lost_before

    assert error_for(response, operation="put", subject=SUBJECT).ambiguous is ambiguous


def test_refusal_that_says_when_to_come_back_leaves_nothing_open() -> None:
    response = Response(status=503, headers={"retry-after": "0"})

    assert not error_for(response, operation="put", subject=SUBJECT).ambiguous


def test_failed_read_leaves_nothing_open() -> None:
    response = _reply(500, "InternalError")
    response.ambiguous = True

    assert not error_for(response, operation="get", subject=SUBJECT).ambiguous
