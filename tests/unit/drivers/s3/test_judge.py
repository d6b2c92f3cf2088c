from __future__ import annotations

import pytest

from blobio.drivers.s3.judge import judge
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict

GET = Request(method="GET", url="https://h/k", stream=True)
LIST = Request(method="GET", url="https://h/?list-type=2")
HEAD = Request(method="HEAD", url="https://h/k")
PUT = Request(method="PUT", url="https://h/k")
CREATE = Request(method="PUT", url="https://h/k", headers={"if-none-match": "*"})
COPY = Request(method="PUT", url="https://h/k", headers={"x-amz-copy-source": "b/k"})
POST = Request(method="POST", url="https://h/k?uploadId=u")
COMPLETE = Request(method="POST", url="https://h/k?uploadId=u", headers={"if-none-match": "*"})


def _verdict(
    request: Request, status: int, code: str = "", headers: dict[str, str] | None = None
) -> Verdict:
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    return judge(request, Response(status=status, headers=headers or {}, body=body))


@pytest.mark.parametrize(
    ("request_", "status", "code", "verdict"),
    [
        (GET, 200, "", Verdict.DONE),
        (GET, 404, "NoSuchKey", Verdict.DONE),
        (GET, 500, "InternalError", Verdict.RETRY),
        (GET, 503, "SlowDown", Verdict.RETRY),
        (GET, 400, "RequestTimeout", Verdict.RETRY),
        (GET, 400, "SlowDown", Verdict.RETRY),
        (PUT, 400, "BadDigest", Verdict.RETRY),
        (PUT, 400, "InvalidDigest", Verdict.DONE),
        (GET, 501, "NotImplemented", Verdict.DONE),
        (GET, 429, "", Verdict.RETRY),
        (GET, 400, "ExpiredToken", Verdict.REAUTHENTICATE),
        (GET, 403, "ExpiredTokenException", Verdict.REAUTHENTICATE),
        (GET, 400, "InvalidToken", Verdict.REAUTHENTICATE),
        (GET, 403, "AccessDenied", Verdict.DONE),
        (GET, 403, "RequestTimeTooSkewed", Verdict.RESYNC),
        (GET, 301, "PermanentRedirect", Verdict.DONE),
        (PUT, 412, "PreconditionFailed", Verdict.DONE),
        (CREATE, 409, "ConditionalRequestConflict", Verdict.RETRY),
        (PUT, 409, "ConditionalRequestConflict", Verdict.DONE),
        (COMPLETE, 409, "ConditionalRequestConflict", Verdict.DONE),
        (HEAD, 404, "", Verdict.DONE),
        (HEAD, 400, "", Verdict.REAUTHENTICATE),
        (HEAD, 403, "", Verdict.RESYNC),
        (HEAD, 503, "", Verdict.RETRY),
        (HEAD, 412, "", Verdict.DONE),
    ],
)
def test_verdict_on_a_failure(request_: Request, status: int, code: str, verdict: Verdict) -> None:
    assert _verdict(request_, status, code) is verdict


def test_bare_400_that_names_a_region_is_about_the_region() -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}

    assert _verdict(HEAD, 400, headers=headers) is Verdict.DONE


@pytest.mark.parametrize("request_", [POST, COPY])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"<CopyObjectResult/>", Verdict.DONE),
        (b'<?xml version="1.0"?>\n<CopyObjectResult/>', Verdict.DONE),
        (b"<Error><Code>InternalError</Code></Error>", Verdict.RETRY),
        (b"   \n  <Error><Code>SlowDown</Code></Error>", Verdict.RETRY),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', Verdict.DONE),
        (b"", Verdict.RETRY),
        (b"     ", Verdict.RETRY),
        (b"garbage", Verdict.RETRY),
    ],
)
def test_success_that_hides_an_error_is_looked_into(
    request_: Request, body: bytes, verdict: Verdict
) -> None:
    assert judge(request_, Response(status=200, headers={}, body=body)) is verdict


def test_success_of_a_plain_put_needs_no_body() -> None:
    assert judge(PUT, Response(status=200, headers={})) is Verdict.DONE


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", Verdict.RETRY),
        (b'<?xml version="1', Verdict.RETRY),
        (b"<ListBucketResult><Name>b</Na", Verdict.RETRY),
        (b"<ListBucketResult><Name>b</Name>", Verdict.RETRY),
        (b"<ListBucketResult><Prefix/>", Verdict.RETRY),
        (b"<ListBucketResult><Name>b</Name></ListBucketResult>\n", Verdict.DONE),
        (b'<?xml version="1.0"?>\n<DeleteResult xmlns="n"/>', Verdict.DONE),
    ],
)
def test_document_that_breaks_off_is_asked_for_again(body: bytes, verdict: Verdict) -> None:
    assert judge(LIST, Response(status=200, headers={}, body=body)) is verdict


def test_completion_that_breaks_off_is_asked_for_again() -> None:
    body = b"<CompleteMultipartUploadResult><ETag>e</ETag>"

    assert judge(COMPLETE, Response(status=200, headers={}, body=body)) is Verdict.RETRY
