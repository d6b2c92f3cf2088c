from __future__ import annotations

import asyncio
import hashlib
import re

import pytest

from blobio.drivers.azure import writing
from blobio.errors import (
    AlreadyExists,
    ChecksumMismatch,
    ConcurrentWrite,
    ConcurrentWriteFailure,
    RequestFailed,
    TransportFailed,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.transport.message import Request
from blobio.transport.mock import Step, reply
from blobio.values import Body, CreateOnly, Overwrite, PutOptions, PutResult, ReplaceIf, Version
from tests.unit.drivers.azure.kit import error, found, lost, md5, scripted, sent, token_of, wrote

CREATE = PutOptions(mode=CreateOnly())
REPLACE = PutOptions(mode=ReplaceIf(Version('"old"')))
NOTHING = error(404, "BlobNotFound")
TAKEN = error(409, "BlobAlreadyExists")
NO_BLOCKS = error(400, "InvalidBlockList")


async def test_put_is_one_request_with_its_md5() -> None:
    driver, mock = scripted([wrote(content_md5=md5(b"data"))])

    result = await driver.put("key", b"data", PutOptions(content_type="text/plain"))

    (request,) = mock.requests
    assert (request.method, request.url) == (
        "PUT",
        "https://account.blob.core.windows.net/container/key",
    )
    assert request.headers["content-md5"] == md5(b"data")
    assert request.headers["x-ms-blob-content-type"] == "text/plain"
    assert request.headers["x-ms-blob-type"] == "BlockBlob"
    assert (result.version, result.md5) == ('"new"', "8d777f385d3dfec8815d20f7496026dc")


async def test_put_that_the_store_holds_otherwise_is_an_error() -> None:
    driver, _ = scripted([wrote(content_md5=md5(b"other"))])

    with pytest.raises(ChecksumMismatch):
        await driver.put("key", b"data", PutOptions())


async def test_body_that_was_damaged_is_sent_again() -> None:
    driver, mock = scripted([error(400, "Md5Mismatch"), wrote()])

    await driver.put("key", b"data", PutOptions())

    assert len(mock.requests) == 2


@pytest.mark.parametrize("options", [CREATE, REPLACE], ids=["create", "replace"])
async def test_own_success_behind_a_lost_reply_is_no_conflict(options: PutOptions) -> None:
    tokens: list[str] = []

    def answer(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[0])
        tokens.append(token_of(request))
        refused = TAKEN if options is CREATE else error(412, "ConditionNotMet")
        return lost() if len(tokens) == 1 else refused

    driver, mock = scripted(answer)

    result = await driver.put("key", b"data", options)

    assert result.version == '"new"'
    assert sent(mock) == ["PUT", "PUT", "HEAD"]
    assert len(set(tokens)) == 1


async def test_rivals_success_behind_a_lost_reply_is_a_conflict() -> None:
    driver, _ = scripted([lost(), TAKEN, found("other token")])

    with pytest.raises(AlreadyExists) as caught:
        await driver.put("key", b"data", CREATE)

    assert caught.value.ambiguous  # ours may have been there before


async def test_outcome_that_cannot_be_found_out_is_said_to_be_unknown() -> None:
    driver, _ = scripted([lost(), TAKEN, *[error(403, "AuthorizationFailure")] * 4])

    with pytest.raises(RequestFailed, match="outcome unknown") as caught:
        await driver.put("key", b"data", CREATE)

    assert caught.value.ambiguous


async def test_upload_sends_blocks_and_publishes_them_once() -> None:
    driver, mock = scripted([wrote()] * 4)
    upload = await driver.begin_upload("key", PutOptions(metadata={"a": "b"}))

    parts = [await upload.put_part(0, 0, b"one"), await upload.put_part(1, 3, b"two")]
    result = await upload.complete(parts, size=6)

    assert sent(mock) == ["PUT block", "PUT block", "PUT blocklist"]
    ids = re.findall(rb"<Uncommitted>([^<]*)</Uncommitted>", bytes(mock.requests[2].body))
    assert len(ids) == 2
    assert len({len(one) for one in ids}) == 1
    assert mock.requests[0].headers["content-md5"] == md5(b"one")
    commit = mock.requests[2].headers
    assert commit["x-ms-blob-content-md5"] == md5(b"onetwo")
    assert commit["x-ms-meta-a"] == "b"
    assert result.md5 == "5b9164ad6f496d9dee12ec7634ce253f"


async def test_blocks_of_two_uploads_have_other_ids_of_one_length() -> None:
    driver, mock = scripted([wrote()] * 2)
    for _ in range(2):
        upload = await driver.begin_upload("key", PutOptions())
        await upload.put_part(0, 0, b"one")

    first, second = (r.url.partition("blockid=")[2] for r in mock.requests)
    assert first != second
    assert len(first) == len(second)


async def test_blocks_out_of_order_leave_out_the_whole_md5() -> None:
    driver, mock = scripted([wrote()] * 3)
    upload = await driver.begin_upload("key", PutOptions())
    second = await upload.put_part(1, 3, b"two")
    first = await upload.put_part(0, 0, b"one")

    await upload.complete([first, second], size=6)

    assert "x-ms-blob-content-md5" not in mock.requests[2].headers


@pytest.mark.parametrize(("again", "keeps"), [(b"one", True), (b"ONE", False)])
async def test_block_sent_again_keeps_the_md5_if_it_is_the_same(again: bytes, keeps: bool) -> None:
    driver, mock = scripted([wrote()] * 3)
    upload = await driver.begin_upload("key", PutOptions())
    await upload.put_part(0, 0, b"one")
    token = await upload.put_part(0, 0, again)

    await upload.complete([token], size=3)

    assert ("x-ms-blob-content-md5" in mock.requests[2].headers) is keeps


async def test_commit_whose_reply_was_lost_finds_its_own_blob() -> None:
    tokens: list[str] = []

    def answer(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[0], size=3)
        if "comp=blocklist" not in request.url:
            return wrote()
        tokens.append(token_of(request))
        return lost() if len(tokens) == 1 else NO_BLOCKS

    driver, mock = scripted(answer)
    upload = await driver.begin_upload("key", PutOptions())
    token = await upload.put_part(0, 0, b"one")

    result = await upload.complete([token], size=3)

    assert result.version == '"new"'
    assert sent(mock) == ["PUT block", "PUT blocklist", "PUT blocklist", "HEAD"]


@pytest.mark.parametrize(
    ("options", "there", "kind"),
    [
        (PutOptions(), found("theirs"), ConcurrentWrite),
        (CREATE, found("theirs"), AlreadyExists),
        (REPLACE, found("theirs"), VersionMismatch),
        (REPLACE, found("theirs", etag='"old"'), ConcurrentWrite),
        (PutOptions(), NOTHING, UploadLost),
    ],
    ids=["overwrite", "create", "replace", "replace-recommitted", "nothing"],
)
async def test_blocks_lost_to_a_rival_are_told_by_what_is_there(
    options: PutOptions, there: Step, kind: type[Exception]
) -> None:
    driver, _ = scripted([wrote(), NO_BLOCKS, there])
    upload = await driver.begin_upload("key", options)
    token = await upload.put_part(0, 0, b"one")

    with pytest.raises(kind) as caught:
        await upload.complete([token], size=3)

    if kind is ConcurrentWrite:
        assert isinstance(caught.value, ConcurrentWriteFailure)
        assert "another writer published first" in str(caught.value)


async def test_abort_sends_nothing_and_ends_the_upload() -> None:
    driver, mock = scripted([wrote()])
    upload = await driver.begin_upload("key", PutOptions())
    token = await upload.put_part(0, 0, b"one")

    await upload.abort()

    with pytest.raises(UploadLost):
        await upload.complete([token], size=3)
    assert sent(mock) == ["PUT block"]


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly(), ReplaceIf(Version('"v"'))])
async def test_lease_is_a_conflict_that_is_explained_and_not_retried(
    mode: Overwrite | CreateOnly | ReplaceIf,
) -> None:
    driver, mock = scripted([error(412, "LeaseIdMissing")])

    with pytest.raises(ConcurrentWrite, match="holds a lease"):
        await driver.put("key", b"data", PutOptions(mode=mode))

    assert len(mock.requests) == 1


async def test_token_that_expires_between_blocks_is_fetched_again() -> None:
    from blobio.config import AzureConfig

    class Credential:
        asked = 0

        def get_token(self, *scopes: str) -> object:
            del scopes
            self.asked += 1
            return type("Token", (), {"token": f"t{self.asked}", "expires_on": 1 << 40})()

    credential = Credential()
    azure = AzureConfig(credential=credential)  # type: ignore[arg-type]  # close enough
    expired = reply(401, b"", {"x-ms-error-code": "InvalidAuthenticationInfo"})
    driver, mock = scripted([wrote(), expired, wrote(), wrote()], azure=azure)
    upload = await driver.begin_upload("key", PutOptions())

    parts = [await upload.put_part(0, 0, b"one"), await upload.put_part(1, 3, b"two")]
    await upload.complete(parts, size=6)

    used = [request.headers["authorization"] for request in mock.requests]
    assert used == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]
    await driver.aclose()


@pytest.mark.parametrize("parts", [False, True], ids=["put", "upload"])
@pytest.mark.parametrize("is_ours", [True, False])
async def test_write_without_any_reply_is_looked_for(parts: bool, is_ours: bool) -> None:
    tokens: list[str] = []

    def answer(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[0] if is_ours else "theirs", size=4)
        if "comp=block&" in request.url:
            return wrote()
        tokens.append(token_of(request))
        return lost()

    driver, _ = scripted(answer)

    async def write() -> PutResult:
        if not parts:
            return await driver.put("key", b"data", CREATE)
        upload = await driver.begin_upload("key", PutOptions())
        return await upload.complete([await upload.put_part(0, 0, b"data")], size=4)

    if is_ours:
        assert (await write()).version == '"new"'
    else:
        with pytest.raises(TransportFailed):
            await write()


async def test_unconditional_put_without_any_reply_is_an_error() -> None:
    driver, mock = scripted(lambda _: lost())

    with pytest.raises(TransportFailed) as caught:
        await driver.put("key", b"data", PutOptions())

    assert caught.value.ambiguous
    assert set(sent(mock)) == {"PUT"}


async def test_body_that_is_too_large_for_one_request_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "MAX_PUT_BYTES", 3)
    driver, mock = scripted([])

    with pytest.raises(Unsupported, match="5,000 MiB"):
        await driver.put("key", b"data", PutOptions())

    assert not mock.requests


async def test_upload_without_parts_or_with_empty_ones_sends_no_blocks() -> None:
    driver, mock = scripted([wrote()] * 3)
    nothing = await driver.begin_upload("key", PutOptions())
    await nothing.complete([], size=0)
    upload = await driver.begin_upload("key", PutOptions())

    parts = [await upload.put_part(0, 0, b""), await upload.put_part(1, 0, b"one")]
    await upload.complete(parts, size=3)

    assert sent(mock) == ["PUT blocklist", "PUT block", "PUT blocklist"]
    assert bytes(mock.requests[2].body).count(b"<Uncommitted>") == 1


async def test_large_blocks_are_digested_off_the_loop_and_in_order() -> None:
    one, two = b"1" * (2 << 20), b"2" * (2 << 20)
    driver, mock = scripted(lambda _: wrote())
    upload = await driver.begin_upload("key", PutOptions())

    parts = await asyncio.gather(
        upload.put_part(0, 0, one),
        upload.put_part(1, len(one), two),
        upload.put_part(2, 4 << 20, one),
    )
    await upload.complete(parts, size=6 << 20)

    assert mock.requests[-1].headers["x-ms-blob-content-md5"] == md5(one + two + one)


@pytest.mark.parametrize("size", [0, 4, 3 << 20])
async def test_only_block_is_hashed_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    true_md5 = hashlib.md5

    def counted(*args: bytes, usedforsecurity: bool) -> object:
        started.append(args)
        return true_md5(*args, usedforsecurity=usedforsecurity)

    monkeypatch.setattr(hashlib, "md5", counted)
    driver, mock = scripted([wrote()] * 2)
    upload = await driver.begin_upload("key", PutOptions())
    data = bytes(size)

    await upload.complete([await upload.put_part(0, 0, data)], size=size)

    assert (data,) not in started  # that of the whole blob is begun empty
    assert mock.requests[-1].headers["x-ms-blob-content-md5"] == md5(data)
    if size:
        assert mock.requests[0].headers["content-md5"] == md5(data)


async def test_blocks_are_hashed_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    both = asyncio.Barrier(2)
    hashed: list[str] = []

    async def together(body: Body) -> str:
        async with asyncio.timeout(5):
            await both.wait()
        hashed.append(md5(bytes(body)))
        return hashed[-1]

    monkeypatch.setattr(writing, "md5_base64", together)
    driver, mock = scripted([wrote()] * 4)
    upload = await driver.begin_upload("key", PutOptions())
    parts = [await upload.put_part(0, 0, b"one")]

    parts += await asyncio.gather(upload.put_part(1, 3, b"two"), upload.put_part(2, 6, b"six"))
    await upload.complete(parts, size=9)

    assert sorted(hashed) == sorted([md5(b"two"), md5(b"six")])
    assert mock.requests[-1].headers["x-ms-blob-content-md5"] == md5(b"onetwosix")
