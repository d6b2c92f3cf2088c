from __future__ import annotations

import pytest

from blobio.config import AzureConfig
from blobio.drivers.azure.copying import CopyLimits
from blobio.errors import (
    ConcurrentWrite,
    IsDirectory,
    NotFound,
    RequestFailed,
    TransportFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.mock import Step
from blobio.url import BlobUrl
from blobio.values import CreateOnly, Overwrite, PutOptions, ReplaceIf, Version, WriteMode
from tests.unit.drivers.azure.kit import KEY, error, found, lost, scripted, sent, token_of, wrote

LIMITS = CopyLimits(block_bytes=10, poll_s=0.0, poll_max_s=0.0)
SOURCE = BlobUrl("az", "account/other", "source")
FAR = BlobUrl("az", "far/container", "source")
CREATE = PutOptions(mode=CreateOnly())


def copied(status: str = "success", copy_id: str = "id") -> Response:
    return wrote(x_ms_copy_status=status, x_ms_copy_id=copy_id)


async def test_source_is_named_and_pinned() -> None:
    driver, mock = scripted([found(etag='"v"'), copied()])

    await driver.copy(SOURCE, "target", PutOptions())

    headers = mock.requests[1].headers
    assert headers["x-ms-copy-source"] == "https://account.blob.core.windows.net/other/source"
    assert headers["x-ms-source-if-match"] == '"v"'
    assert [name for name in headers if name.startswith("x-ms-meta-")] == ["x-ms-meta-blobio_write"]


async def test_other_type_is_set_on_the_copy_that_was_made() -> None:
    source = found(content_type="text/old", cache_control="no-store", content_md5="jXd/")
    driver, mock = scripted([source, copied(), wrote('"typed"')])

    result = await driver.copy(SOURCE, "target", PutOptions(content_type="text/new"))

    headers = mock.requests[2].headers
    assert sent(mock) == ["HEAD", "PUT", "PUT properties"]
    assert headers["if-match"] == '"new"'
    assert headers["x-ms-blob-content-type"] == "text/new"
    assert headers["x-ms-blob-cache-control"] == "no-store"
    assert headers["x-ms-blob-content-md5"] == "jXd/"
    assert result.version == '"typed"'


async def test_metadata_is_added_to_that_of_the_source() -> None:
    source = found()
    source.headers = {**source.headers, "x-ms-meta-a": "1", "x-ms-meta-b": "1"}
    driver, mock = scripted([source, copied()])

    await driver.copy(SOURCE, "target", PutOptions(metadata={"b": "2"}))

    headers = mock.requests[1].headers
    assert (headers["x-ms-meta-a"], headers["x-ms-meta-b"]) == ("1", "2")


@pytest.mark.parametrize("status", ["success", "pending"])
async def test_copy_without_any_reply_is_found_by_its_token(status: str) -> None:
    tokens: list[str] = []
    looks = [0]

    def answer(request: Request) -> Step:
        if request.method == "PUT":
            tokens.append(token_of(request))
            return lost()
        if not tokens:
            return found()
        looks[0] += 1
        state = "success" if looks[0] > 2 else status
        return found(tokens[0], x_ms_copy_status=state, x_ms_copy_id="id")

    driver, mock = scripted(answer, limits=LIMITS)

    result = await driver.copy(SOURCE, "target", CREATE)

    assert result.version == '"new"'
    assert sent(mock).count("PUT") == 4


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly()])
async def test_copy_that_refuses_itself_is_waited_for(mode: WriteMode) -> None:
    tokens: list[str] = []
    looks = [0]

    def answer(request: Request) -> Step:
        if request.method == "PUT":
            tokens.append(token_of(request))
            return lost() if len(tokens) == 1 else error(409, "PendingCopyOperation")
        looks[0] += bool(tokens)
        state = "pending" if looks[0] < 4 else "success"
        return found(tokens[0] if tokens else None, x_ms_copy_status=state, x_ms_copy_id="id")

    driver, mock = scripted(answer, limits=LIMITS)

    result = await driver.copy(SOURCE, "target", PutOptions(mode=mode))

    assert result.version == '"new"'
    assert sent(mock).count("PUT") == 2


async def test_copy_that_another_copy_is_in_the_way_of_is_a_conflict() -> None:
    driver, mock = scripted([found(), error(409, "PendingCopyOperation"), found("theirs")])

    with pytest.raises(ConcurrentWrite, match="under way"):
        await driver.copy(SOURCE, "target", PutOptions())

    assert sent(mock) == ["HEAD", "PUT", "HEAD"]


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly()])
async def test_copy_without_any_reply_that_was_not_made_fails(mode: WriteMode) -> None:
    def answer(request: Request) -> Step:
        return lost() if request.method == "PUT" else found("theirs")

    driver, _ = scripted(answer)

    with pytest.raises(TransportFailed):
        await driver.copy(SOURCE, "target", PutOptions(mode=mode))


async def test_copy_that_another_write_replaced_is_a_conflict() -> None:
    later = found(x_ms_copy_status="pending", x_ms_copy_id="theirs")
    driver, _ = scripted([found(), copied("pending"), later], limits=LIMITS)

    with pytest.raises(ConcurrentWrite, match="replaced"):
        await driver.copy(SOURCE, "target", PutOptions())


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (error(412, "SourceConditionNotMet"), VersionMismatch),
        (error(404, "CannotVerifyCopySource"), NotFound),
        (error(412, "ConditionNotMet"), VersionMismatch),
        (error(409, "NoPendingCopyOperation"), ConcurrentWrite),
    ],
)
async def test_refusal_is_told_by_what_it_is_about(
    refusal: Response, kind: type[Exception]
) -> None:
    driver, _ = scripted([found(), refusal])
    options = PutOptions(mode=ReplaceIf(Version('"v"')))

    if refusal.headers["x-ms-error-code"] == "CannotVerifyCopySource":
        kind = RequestFailed
    with pytest.raises(kind):
        await driver.copy(SOURCE, "target", options)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (error(412, "SourceConditionNotMet"), VersionMismatch),
        (error(403, "CannotVerifyCopySource"), Unsupported),
        (error(501, "NotImplemented"), Unsupported),
        (error(404, "ContainerNotFound"), NotFound),
    ],
)
async def test_refusal_of_a_block_is_told_by_what_it_is_about(
    refusal: Response, kind: type[Exception]
) -> None:
    driver, mock = scripted([found(), refusal], limits=LIMITS)

    with pytest.raises(kind):
        await driver.copy(FAR, "target", PutOptions())

    assert "sig=" in mock.requests[1].headers["x-ms-copy-source"]


async def test_sas_of_another_account_is_used_for_its_source() -> None:
    azure = AzureConfig(account_key=KEY, accounts={"far": AzureConfig(sas_token="sp=r&sig=abc")})
    driver, mock = scripted([found(), wrote(), wrote()], azure=azure, limits=LIMITS)

    await driver.copy(FAR, "target", PutOptions(content_type="text/new"))

    source = mock.requests[1].headers["x-ms-copy-source"]
    assert source == "https://far.blob.core.windows.net/container/source?sp=r&sig=abc"
    assert mock.requests[2].headers["x-ms-blob-content-type"] == "text/new"
    await driver.aclose()


async def test_empty_blob_of_another_account_has_no_blocks() -> None:
    driver, mock = scripted([found(size=0), wrote()], limits=LIMITS)

    await driver.copy(FAR, "target", PutOptions())

    assert b"<Uncommitted>" not in bytes(mock.requests[1].body)


async def test_what_cannot_be_a_source_is_refused() -> None:
    folder = found(size=0)
    folder.headers = {**folder.headers, "x-ms-meta-hdi_isfolder": "true"}
    bare = Response(status=200, headers={"content-length": "1"})
    driver, _ = scripted([folder, bare])

    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("s3", "bucket", "key"), "target", PutOptions())
    with pytest.raises(IsDirectory):
        await driver.copy(SOURCE.with_key(""), "target", PutOptions())
    with pytest.raises(IsDirectory):
        await driver.copy(SOURCE, "target", PutOptions())
    with pytest.raises(RequestFailed, match="ETag"):
        await driver.copy(SOURCE, "target", PutOptions())


@pytest.mark.parametrize(
    ("blob_type", "inferred", "tier"),
    [("BlockBlob", "false", "Cool"), ("BlockBlob", "true", None), ("PageBlob", "false", None)],
)
async def test_tier_that_somebody_chose_is_kept(
    blob_type: str, inferred: str, tier: str | None
) -> None:
    source = found(
        x_ms_access_tier="Cool", x_ms_access_tier_inferred=inferred, x_ms_blob_type=blob_type
    )
    driver, mock = scripted([source, copied()])

    await driver.copy(SOURCE, "target", PutOptions())

    assert mock.requests[1].headers.get("x-ms-access-tier") == tier
