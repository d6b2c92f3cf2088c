from __future__ import annotations

import pytest

from blobio.config import S3Config
from blobio.drivers.s3.addressing import Endpoint
from blobio.drivers.s3.deleting import batch_request, fits_batch, parse_batch
from blobio.errors import InvalidUrl, PermissionDenied, RateLimited, RequestFailed
from blobio.transport.message import Response

ENDPOINT = Endpoint("https://bucket.s3.us-east-1.amazonaws.com", "/", "us-east-1")


def _reply(inner: str) -> Response:
    body = f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</DeleteResult>'
    return Response(status=200, headers={"x-amz-request-id": "R1"}, body=body.encode())


def test_batch_names_keys_escaped_and_is_quiet() -> None:
    request = batch_request(ENDPOINT, S3Config(), ["a<&>\"'", " b\r\n"], "s3://bucket/")

    assert request.method == "POST"
    assert request.url == "https://bucket.s3.us-east-1.amazonaws.com/?delete="
    assert bytes(request.body) == (
        b'<?xml version="1.0" encoding="UTF-8"?>'
        b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Object><Key>a&lt;&amp;&gt;&quot;'</Key></Object>"
        b"<Object><Key> b&#13;&#10;</Key></Object>"
        b"<Quiet>true</Quiet></Delete>"
    )
    assert request.headers == {
        "content-type": "application/xml",
        "content-md5": "aN6tv6AFnLSoc50FXPDEwQ==",
    }


@pytest.mark.parametrize("checksums", ["crc32c", "md5", "off"])
def test_batch_always_has_the_md5_it_needs(checksums: str) -> None:
    config = {
        "crc32c": S3Config(),
        "md5": S3Config(checksums="md5"),
        "off": S3Config(checksums="off", requester_pays=True),
    }[checksums]

    assert "content-md5" in batch_request(ENDPOINT, config, ["a"], "s3://bucket/").headers


@pytest.mark.parametrize("key", ["a\x01b", "\x00", "\ufffe", "\x0b", "\x1f"])
def test_keys_that_xml_cannot_carry_do_not_fit(key: str) -> None:
    assert not fits_batch(key)


@pytest.mark.parametrize("key", ["a", "a\tb", "a\nb", "a\rb", "😀", "<&>", "\x7f"])
def test_other_keys_fit(key: str) -> None:
    assert fits_batch(key)


def test_batch_refuses_a_key_that_is_too_long() -> None:
    with pytest.raises(InvalidUrl):
        batch_request(ENDPOINT, S3Config(), ["a", "x" * 1025], "s3://bucket/")


def test_keys_without_an_error_are_gone() -> None:
    results = parse_batch(_reply(""), ["a", "b"], "bucket")

    assert [(result.key, result.error) for result in results] == [("a", None), ("b", None)]


def test_each_error_belongs_to_its_key() -> None:
    reply = _reply(
        "<Error><Key>b&amp;</Key><Code>AccessDenied</Code><Message>no &lt;way&gt;</Message></Error>"
        "<Error><Key>c</Key><Code>SlowDown</Code><Message>later</Message></Error>"
    )

    gone, denied, slow = parse_batch(reply, ["a", "b&", "c"], "bucket")

    assert gone.error is None
    assert isinstance(denied.error, PermissionDenied)
    assert "no <way>" in str(denied.error)
    assert denied.error.url == "s3://bucket/b&"
    assert denied.error.request_id == "R1"
    assert isinstance(slow.error, RateLimited)
    assert slow.error.retryable


def test_error_of_a_key_nobody_asked_for_is_not_swallowed() -> None:
    reply = _reply("<Error><Key>other</Key><Code>AccessDenied</Code></Error>")

    with pytest.raises(PermissionDenied):
        parse_batch(reply, ["a"], "bucket")


def test_reply_that_is_no_result_is_no_success() -> None:
    with pytest.raises(RequestFailed):
        parse_batch(Response(status=200, headers={}, body=b"<html/>"), ["a"], "bucket")
