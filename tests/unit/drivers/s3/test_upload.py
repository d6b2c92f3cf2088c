from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blobio.errors import (
    AlreadyExists,
    ChecksumMismatch,
    ConcurrentWrite,
    NotFound,
    PermissionDenied,
    RequestFailed,
    TransportFailed,
    UploadLost,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.mock import Step, reply
from blobio.values import CreateOnly, PutOptions, ReplaceIf, Version
from tests.unit.drivers.s3.kit import STORE, error, found, lost, methods, scripted, token_of

CREATE = PutOptions(mode=CreateOnly())
REPLACE = PutOptions(mode=ReplaceIf(Version('"old"')))
CRC = {"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"}
GONE = error(404, "NoSuchUpload")


def _done(extra: str = "") -> Response:
    body = f"<CompleteMultipartUploadResult><ETag>&quot;new-2&quot;</ETag>{extra}"
    return reply(200, f"{body}</CompleteMultipartUploadResult>".encode())


class Store:
    """Takes an upload of two parts; answers completions, HEADs and aborts as it is told."""

    def __init__(
        self,
        *completions: Step,
        head: Callable[[str], Step] | None = None,
        created: dict[str, str] | None = None,
    ) -> None:
        self.completions = list(completions)
        self.head = head or (lambda token: found(token, size=9))
        self.created = CRC if created is None else created
        self.token = ""

    def __call__(self, request: Request) -> Step:
        if request.method == "POST" and request.url.endswith("?uploads="):
            self.token = token_of(request)
            body = "<InitiateMultipartUploadResult><UploadId>UP</UploadId>"
            return reply(200, f"{body}</InitiateMultipartUploadResult>".encode(), self.created)
        if request.method == "PUT":
            return reply(200, b"", {"etag": f'"e{request.url.split("partNumber=")[1][0]}"'})
        if request.method == "POST":
            return self.completions.pop(0)
        if request.method == "DELETE":
            return reply(204)
        return self.head(self.token)


async def _upload(store: Any, options: PutOptions | None = None, **settings: Any) -> Any:
    """Upload "1234" and "56789"; return the result or the error, and the transport."""
    driver, mock = scripted(store, s3=replace(STORE, **settings))
    upload = await driver.begin_upload("k", options or PutOptions())
    second = await upload.put_part(1, 4, b"56789")
    first = await upload.put_part(0, 0, b"1234")
    return await upload.complete([first, second], size=9), mock


async def _fails(
    store: Any, kind: type[Exception], options: PutOptions | None = None
) -> tuple[Exception, list[str]]:
    """Upload as `_upload`, which must fail; return the error and the methods sent after parts."""
    driver, mock = scripted(store)
    upload = await driver.begin_upload("k", options or PutOptions())
    parts = [await upload.put_part(0, 0, b"1234"), await upload.put_part(1, 4, b"56789")]
    with pytest.raises(kind) as caught:
        await upload.complete(parts, size=9)
    return caught.value, methods(mock)[3:]


async def test_upload_is_created_filled_in_any_order_and_completed() -> None:
    result, mock = await _upload(Store(_done()))

    assert result.version == '"new-2"'
    assert result.md5 is None
    assert methods(mock) == ["POST", "PUT", "PUT", "POST"]
    create, second, first, complete = mock.requests
    assert create.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert second.url == "https://store.example/bucket/k?partNumber=2&uploadId=UP"
    assert first.headers["x-amz-checksum-crc32c"] == "9jr07g=="
    assert complete.headers["x-amz-checksum-crc32c"] == "4waSgw=="
    assert complete.headers["x-amz-mp-object-size"] == "9"
    assert b"<ETag>&quot;e1&quot;</ETag><PartNumber>1<" in bytes(complete.body)


@pytest.mark.parametrize("checksums", ["md5", "off"])
async def test_upload_without_crc32c_names_none(checksums: str) -> None:
    _, mock = await _upload(Store(_done(), created={}), checksums=checksums)

    names = {name for request in mock.requests for name in request.headers}
    assert not any("checksum" in name for name in names)
    assert ("content-md5" in names) == (checksums == "md5")


@pytest.mark.parametrize("value", ["4waSgw==", "wClZWQ==-2"], ids=["whole", "composite"])
async def test_right_checksum_of_the_completion_is_a_success(value: str) -> None:
    result, _ = await _upload(Store(_done(f"<ChecksumCRC32C>{value}</ChecksumCRC32C>")))

    assert result.version == '"new-2"'


@pytest.mark.parametrize("value", ["AAAAAA==", "AAAAAA==-2", "wClZWQ==-3", "wClZWQ=="])
async def test_wrong_checksum_of_the_completion_is_an_error(value: str) -> None:
    await _fails(Store(_done(f"<ChecksumCRC32C>{value}</ChecksumCRC32C>")), ChecksumMismatch)


async def test_part_that_arrived_damaged_is_an_error() -> None:
    store = Store()

    def damaging(request: Request) -> Step:
        step = store(request)
        if request.method == "PUT":
            return reply(200, b"", {"etag": '"e"', "x-amz-checksum-crc32c": "AAAAAA=="})
        return step

    driver, _ = scripted(damaging)
    upload = await driver.begin_upload("k", PutOptions())

    with pytest.raises(ChecksumMismatch):
        await upload.put_part(0, 0, b"1234")


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
async def test_error_hidden_in_a_success_is_retried(code: str) -> None:
    hidden = reply(200, b"  \n <Error><Code>" + code.encode() + b"</Code></Error>")

    result, mock = await _upload(Store(hidden, _done()))

    assert result.version == '"new-2"'
    assert methods(mock)[3:] == ["POST", "POST"]


async def test_error_hidden_in_every_success_is_loud() -> None:
    hidden = error(200, "InternalError")
    store = Store(*[hidden] * 4, head=lambda _: Response(status=404, headers={}))

    failure, _ = await _fails(store, RequestFailed)

    assert "InternalError" in str(failure)


async def test_other_document_than_a_result_is_no_success() -> None:
    await _fails(Store(reply(200, b"<html>proxy</html>")), RequestFailed)


@pytest.mark.parametrize("options", [PutOptions(), CREATE, REPLACE])
async def test_lost_reply_to_a_completion_is_sent_again(options: PutOptions) -> None:
    """S3 repeats the success."""
    result, mock = await _upload(Store(lost(), _done()), options)

    assert result.version == '"new-2"'
    assert methods(mock)[3:] == ["POST", "POST"]


@pytest.mark.parametrize("options", [PutOptions(), CREATE, REPLACE])
async def test_upload_forgotten_because_it_was_complete_is_a_success(
    options: PutOptions,
) -> None:
    result, mock = await _upload(Store(lost(), GONE), options)

    assert result.version == '"new"'
    assert methods(mock)[3:] == ["POST", "POST", "HEAD"]


@pytest.mark.parametrize(
    "refusal", [error(412, "PreconditionFailed"), error(409, "ConditionalRequestConflict")]
)
async def test_own_completion_is_no_conflict(refusal: Response) -> None:
    result, _ = await _upload(Store(lost(), refusal), CREATE)

    assert result.version == '"new"'


@pytest.mark.parametrize(
    "there",
    [
        lambda _: Response(status=404, headers={}),
        lambda _: found("theirs", size=9),
        lambda token: found(token, size=8),
    ],
    ids=["nothing", "other", "other-size"],
)
async def test_upload_that_is_really_gone_is_lost(there: Callable[[str], Step]) -> None:
    _, sent = await _fails(Store(GONE, head=there), UploadLost)

    assert sent == ["POST", "HEAD"]


async def test_upload_that_is_gone_and_cannot_be_looked_up_is_called_unknown() -> None:
    store = Store(lost(), GONE, head=lambda _: Response(status=403, headers={}))

    failure, _ = await _fails(store, RequestFailed)

    assert "outcome unknown" in str(failure)
    assert getattr(failure, "ambiguous", False)


async def test_unknown_upload_without_a_code_is_lost() -> None:
    bare = Response(status=404, headers={})

    await _fails(Store(bare, head=lambda _: bare), UploadLost)


@pytest.mark.parametrize(("options", "kind"), [(CREATE, AlreadyExists), (REPLACE, VersionMismatch)])
async def test_conflict_aborts_the_upload(options: PutOptions, kind: type[Exception]) -> None:
    _, sent = await _fails(Store(error(412, "PreconditionFailed")), kind, options)

    assert sent == ["POST", "DELETE"]


async def test_race_of_completions_is_told_and_aborts() -> None:
    conflict = error(409, "ConditionalRequestConflict")

    _, sent = await _fails(Store(conflict), ConcurrentWrite, CREATE)

    assert sent == ["POST", "DELETE"]


async def test_failed_abort_does_not_hide_the_conflict() -> None:
    store = Store(error(412, "PreconditionFailed"))

    def denying(request: Request) -> Step:
        return error(403, "AccessDenied") if request.method == "DELETE" else store(request)

    await _fails(denying, AlreadyExists, CREATE)


async def test_replace_of_a_version_that_is_gone_is_a_mismatch() -> None:
    await _fails(Store(error(404, "NoSuchKey")), VersionMismatch, REPLACE)


async def test_completion_without_any_reply_is_looked_up() -> None:
    result, mock = await _upload(Store(*[lost()] * 4), PutOptions())

    assert result.version == '"new"'
    assert methods(mock)[3:] == ["POST"] * 4 + ["HEAD"]


async def test_completion_that_never_arrived_fails_as_it_did() -> None:
    store = Store(*[lost()] * 4, head=lambda _: Response(status=404, headers={}))

    await _fails(store, TransportFailed)


async def test_upload_of_nothing_has_one_empty_part() -> None:
    driver, mock = scripted(Store(_done()))
    upload = await driver.begin_upload("k", PutOptions())

    await upload.complete([], size=0)

    assert methods(mock) == ["POST", "PUT", "POST"]


async def test_parts_that_do_not_add_up_are_refused_unsent() -> None:
    driver, mock = scripted(Store())
    upload = await driver.begin_upload("k", PutOptions())
    part = await upload.put_part(0, 0, b"1234")

    with pytest.raises(RequestFailed, match="5 bytes"):
        await upload.complete([part], size=5)
    assert methods(mock) == ["POST", "PUT"]


async def test_part_of_a_lost_upload_says_so() -> None:
    store = Store()
    driver, _ = scripted(lambda r: GONE if r.method == "PUT" else store(r))
    upload = await driver.begin_upload("k", PutOptions())

    with pytest.raises(UploadLost):
        await upload.put_part(0, 0, b"x")


async def test_part_without_an_etag_is_an_error() -> None:
    store = Store()
    driver, _ = scripted(lambda r: reply(200) if r.method == "PUT" else store(r))
    upload = await driver.begin_upload("k", PutOptions())

    with pytest.raises(RequestFailed, match="part 0 without an ETag"):
        await upload.put_part(0, 0, b"x")


async def test_abort_is_idempotent() -> None:
    driver, mock = scripted(Store())
    upload = await driver.begin_upload("k", PutOptions())

    await upload.abort()
    await upload.abort()

    assert methods(mock) == ["POST", "DELETE"]
    assert mock.requests[1].url == "https://store.example/bucket/k?uploadId=UP"


async def test_abort_of_an_upload_that_is_gone_is_fine() -> None:
    store = Store()
    driver, _ = scripted(lambda r: GONE if r.method == "DELETE" else store(r))
    upload = await driver.begin_upload("k", PutOptions())

    await upload.abort()


async def test_abort_that_is_refused_is_loud() -> None:
    store = Store()
    driver, _ = scripted(lambda r: error(403, "AccessDenied") if r.method == "DELETE" else store(r))
    upload = await driver.begin_upload("k", PutOptions())

    with pytest.raises(PermissionDenied):
        await upload.abort()


async def test_abort_after_completion_does_nothing() -> None:
    driver, mock = scripted(Store(_done()))
    upload = await driver.begin_upload("k", PutOptions())
    await upload.complete([await upload.put_part(0, 0, b"x")], size=1)

    await upload.abort()

    assert "DELETE" not in methods(mock)


async def test_missing_bucket_is_found_out_at_the_start() -> None:
    driver, _ = scripted([error(404, "NoSuchBucket")])

    with pytest.raises(NotFound):
        await driver.begin_upload("k", PutOptions())


async def test_cancelled_start_takes_the_upload_back() -> None:
    started, may_answer = asyncio.Event(), asyncio.Event()
    store = Store()

    async def slow(request: Request) -> Step:
        started.set()
        await may_answer.wait()
        return store(request)

    def handler(request: Request) -> Any:
        return slow(request) if request.method == "POST" else store(request)

    driver, mock = scripted(handler)
    begin = asyncio.create_task(driver.begin_upload("k", PutOptions()))
    await started.wait()
    begin.cancel()
    await asyncio.sleep(0)
    may_answer.set()

    with pytest.raises(asyncio.CancelledError):
        await begin
    assert methods(mock) == ["POST", "DELETE"]


async def test_write_token_and_metadata_are_on_the_upload() -> None:
    options = PutOptions(content_type="text/plain", metadata={"a": "1"})

    _, mock = await _upload(Store(_done()), options)

    headers = mock.requests[0].headers
    assert (headers["content-type"], headers["x-amz-meta-a"]) == ("text/plain", "1")
    assert len(token_of(mock.requests[0])) == 32
