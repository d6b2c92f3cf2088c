from __future__ import annotations

from dataclasses import replace

import pytest

from blobio.errors import (
    AlreadyExists,
    ChecksumMismatch,
    ConcurrentWrite,
    IsDirectory,
    NotFound,
    PermissionDenied,
    RequestFailed,
    TransportFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.mock import Step
from blobio.values import CreateOnly, PutOptions, PutResult, ReplaceIf, Version
from tests.unit.drivers.s3.kit import (
    STORE,
    error,
    found,
    lost,
    methods,
    scripted,
    token_of,
    wrote,
)

CREATE = PutOptions(mode=CreateOnly())
REPLACE = PutOptions(mode=ReplaceIf(Version('"old"')))
MD5 = "25f9e794323b453885f5181f1b624d0b"


class Store:
    """Commits the first PUT but loses its reply; then answers as a store that has the object."""

    def __init__(self, refusal: Response, *, fault: Step | None = None) -> None:
        self.token = ""
        self.refusal = refusal
        self.fault = lost() if fault is None else fault

    def __call__(self, request: Request) -> Step:
        if request.method == "HEAD":
            return found(self.token)
        if not self.token:
            self.token = token_of(request)
            return self.fault
        return self.refusal


async def test_put_sends_the_bytes_with_a_checksum() -> None:
    driver, mock = scripted([wrote(f'"{MD5}"')])

    result = await driver.put("k", b"123456789", PutOptions(metadata={"a": "1"}))

    assert result == PutResult(version=Version(f'"{MD5}"'), md5=MD5)
    (request,) = mock.requests
    assert request.body == b"123456789"
    assert request.headers["x-amz-checksum-crc32c"] == "4waSgw=="
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert "x-amz-meta-blobio-write" not in request.headers


async def test_put_over_plain_http_signs_the_payload() -> None:
    config = replace(STORE, endpoint_url="http://store.example")
    driver, mock = scripted([wrote(), wrote()], s3=config)
    big = bytes((1 << 20) + 1)

    await driver.put("k", b"", PutOptions())
    await driver.put("k", big, PutOptions())

    hashes = [request.headers["x-amz-content-sha256"] for request in mock.requests]
    assert hashes == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "2cb74edba754a81d121c9db6833704a8e7d417e5b13d1a19f4a52f007d644264",
    ]


async def test_lost_reply_to_an_overwrite_is_sent_again() -> None:
    driver, mock = scripted([lost(), wrote()])

    assert (await driver.put("k", b"x", PutOptions())).version == '"new"'
    assert methods(mock) == ["PUT", "PUT"]


@pytest.mark.parametrize("options", [CREATE, REPLACE], ids=["create", "replace"])
@pytest.mark.parametrize(
    "fault", [lost(), error(500, "InternalError"), error(504, "")], ids=["lost", "500", "504"]
)
@pytest.mark.parametrize(
    "refusal", [error(412, "PreconditionFailed"), error(404, "NoSuchKey")], ids=["412", "404"]
)
async def test_own_success_is_no_conflict(
    options: PutOptions, fault: Step, refusal: Response
) -> None:
    driver, mock = scripted(Store(refusal, fault=fault))

    assert (await driver.put("k", b"x", options)).version == '"new"'
    assert methods(mock) == ["PUT", "PUT", "HEAD"]


async def test_all_attempts_carry_the_same_token() -> None:
    driver, mock = scripted([lost(), wrote()])

    await driver.put("k", b"x", CREATE)

    assert token_of(mock.requests[0]) == token_of(mock.requests[1])


async def test_tokens_of_two_writes_differ() -> None:
    driver, mock = scripted([wrote(), wrote()])

    await driver.put("k", b"x", CREATE)
    await driver.put("k", b"x", CREATE)

    assert token_of(mock.requests[0]) != token_of(mock.requests[1])


@pytest.mark.parametrize(("options", "kind"), [(CREATE, AlreadyExists), (REPLACE, VersionMismatch)])
async def test_lost_race_is_no_success(options: PutOptions, kind: type[Exception]) -> None:
    """The reply of an attempt that failed was lost; somebody else's object is there."""
    driver, _ = scripted([lost(), error(412, "PreconditionFailed"), found("theirs")])

    with pytest.raises(kind):
        await driver.put("k", b"x", options)


@pytest.mark.parametrize(("options", "kind"), [(CREATE, AlreadyExists), (REPLACE, VersionMismatch)])
async def test_plain_conflict_costs_no_second_request(
    options: PutOptions, kind: type[Exception]
) -> None:
    driver, mock = scripted([error(412, "PreconditionFailed")])

    with pytest.raises(kind):
        await driver.put("k", b"x", options)
    assert methods(mock) == ["PUT"]


async def test_outcome_that_cannot_be_found_out_is_called_unknown() -> None:
    driver, _ = scripted(
        [lost(), error(412, "PreconditionFailed"), Response(status=403, headers={})]
    )

    with pytest.raises(RequestFailed, match="outcome unknown") as caught:
        await driver.put("k", b"x", CREATE)
    assert caught.value.ambiguous


async def test_write_whose_every_reply_is_lost_is_looked_up() -> None:
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[0])
        tokens.append(token_of(request))
        return lost()

    driver, mock = scripted(store)

    assert (await driver.put("k", b"x", CREATE)).version == '"new"'
    assert methods(mock) == ["PUT"] * 4 + ["HEAD"]


@pytest.mark.parametrize("answer", [Response(status=404, headers={}), found("theirs"), None])
async def test_write_that_never_arrived_fails_as_it_did(answer: Response | None) -> None:
    def store(request: Request) -> Step:
        return lost() if request.method == "PUT" or answer is None else answer

    driver, _ = scripted(store)

    with pytest.raises(TransportFailed) as caught:
        await driver.put("k", b"x", CREATE)
    assert caught.value.ambiguous


async def test_server_error_to_the_end_is_looked_up_too() -> None:
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[0])
        tokens.append(token_of(request))
        return error(500, "InternalError")

    driver, _ = scripted(store)

    assert (await driver.put("k", b"x", CREATE)).version == '"new"'


async def test_concurrent_create_is_asked_again_until_it_is_decided() -> None:
    driver, mock = scripted(
        [error(409, "ConditionalRequestConflict"), error(412, "PreconditionFailed"), found("t")]
    )

    with pytest.raises(AlreadyExists):
        await driver.put("k", b"x", CREATE)
    assert methods(mock) == ["PUT", "PUT", "HEAD"]


async def test_concurrent_create_without_end_is_a_race() -> None:
    driver, mock = scripted(
        [*[error(409, "ConditionalRequestConflict")] * 4, Response(status=404, headers={})]
    )

    with pytest.raises(ConcurrentWrite):
        await driver.put("k", b"x", CREATE)
    assert methods(mock).count("PUT") == 4


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        (found(etag='"old"'), ConcurrentWrite),
        (found(etag='"other"'), VersionMismatch),
        (Response(status=404, headers={}), VersionMismatch),
    ],
    ids=["still", "replaced", "gone"],
)
async def test_concurrent_replace_tells_if_the_version_is_gone(
    there: Response, kind: type[Exception]
) -> None:
    driver, mock = scripted([error(409, "ConditionalRequestConflict"), there])

    with pytest.raises(kind):
        await driver.put("k", b"x", REPLACE)
    assert methods(mock) == ["PUT", "HEAD"]


async def test_replace_of_a_missing_blob_is_a_mismatch() -> None:
    driver, _ = scripted([error(404, "NoSuchKey")])

    with pytest.raises(VersionMismatch):
        await driver.put("k", b"x", REPLACE)


@pytest.mark.parametrize("options", [PutOptions(), CREATE, REPLACE])
async def test_missing_bucket_is_not_found(options: PutOptions) -> None:
    driver, _ = scripted([error(404, "NoSuchBucket")])

    with pytest.raises(NotFound):
        await driver.put("k", b"x", options)


async def test_refused_body_is_sent_again() -> None:
    driver, mock = scripted([error(400, "BadDigest"), wrote()])

    await driver.put("k", b"x", PutOptions())

    assert methods(mock) == ["PUT", "PUT"]


async def test_other_checksum_in_the_reply_is_an_error() -> None:
    driver, _ = scripted([wrote(x_amz_checksum_crc32c="AAAAAA==")])

    with pytest.raises(ChecksumMismatch, match="AAAAAA=="):
        await driver.put("k", b"x", PutOptions())


async def test_md5_is_sent_and_compared_with_the_etag() -> None:
    config = replace(STORE, checksums="md5")
    driver, mock = scripted([wrote(f'"{MD5}"'), wrote(f'"{"0" * 32}"'), wrote('"x-1"')], s3=config)

    await driver.put("k", b"123456789", PutOptions())
    with pytest.raises(ChecksumMismatch):
        await driver.put("k", b"123456789", PutOptions())
    await driver.put("k", bytes(1 << 21), PutOptions())

    assert mock.requests[0].headers["content-md5"] == "JfnnlDI7RTiF9RgfG2JNCw=="
    assert "x-amz-checksum-crc32c" not in mock.requests[0].headers


async def test_permission_is_not_retried() -> None:
    driver, mock = scripted([error(403, "AccessDenied")])

    with pytest.raises(PermissionDenied):
        await driver.put("k", b"x", CREATE)
    assert methods(mock) == ["PUT"]


async def test_body_too_large_for_one_request_is_refused_unsent() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return (5 << 30) + 1

    driver, mock = scripted([])

    with pytest.raises(Unsupported, match="5 GiB"):
        await driver.put("k", Huge(), PutOptions())
    assert mock.requests == []


async def test_bucket_itself_cannot_be_written() -> None:
    driver, _ = scripted([])

    with pytest.raises(IsDirectory):
        await driver.put("", b"x", PutOptions())


async def test_refused_overwrite_after_a_lost_reply_leaves_the_outcome_open() -> None:
    driver, _ = scripted([lost(), error(403, "AccessDenied")])

    with pytest.raises(PermissionDenied) as caught:
        await driver.put("k", b"data", PutOptions())

    assert caught.value.ambiguous


async def test_conflict_with_another_blob_may_hide_a_success_that_was_replaced() -> None:
    driver, _ = scripted([lost(), error(412, "PreconditionFailed"), found("another")])

    with pytest.raises(VersionMismatch) as caught:
        await driver.put("k", b"data", REPLACE)

    assert caught.value.ambiguous


async def test_conflict_without_a_lost_reply_leaves_nothing_open() -> None:
    driver, _ = scripted([error(412, "PreconditionFailed"), found("another")])

    with pytest.raises(VersionMismatch) as caught:
        await driver.put("k", b"data", REPLACE)

    assert not caught.value.ambiguous


@pytest.mark.parametrize("refusal", [(404, "NoSuchKey"), (412, "PreconditionFailed")])
async def test_nothing_to_replace_after_a_lost_reply_is_a_conflict(
    refusal: tuple[int, str],
) -> None:
    gone = Response(status=404, headers={})
    driver, _ = scripted([lost(), error(*refusal), gone])

    with pytest.raises(VersionMismatch) as caught:
        await driver.put("k", b"data", REPLACE)

    assert caught.value.ambiguous


async def test_own_success_that_was_removed_since_is_no_conflict() -> None:
    """The first attempt may have been done, have refused the second and be gone by now."""
    gone = Response(status=404, headers={})
    driver, _ = scripted([lost(), error(412, "PreconditionFailed"), gone])

    with pytest.raises(RequestFailed, match="outcome unknown") as caught:
        await driver.put("k", b"data", PutOptions(mode=CreateOnly()))

    assert caught.value.ambiguous
