from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from blobio.config import GcsConfig
from blobio.drivers.gcs import writing
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    InvalidConfig,
    IsDirectory,
    NotFound,
    RangeNotSatisfiable,
    RequestFailed,
    TransportFailed,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.mock import Step, reply
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    From,
    GetOptions,
    Last,
    ListOptions,
    MetaPatch,
    PutOptions,
    Version,
)
from tests.unit.drivers.calls import read
from tests.unit.drivers.gcs.kit import error, lost, media, resource, scripted

SOURCE = BlobUrl("gs", "bucket", "source")
HELLO = "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="


@pytest.fixture
def small_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send bodies of any size through a session."""
    monkeypatch.setattr(writing, "ONE_REQUEST_BYTES", -1)


# What is refused before any request


async def test_a_bucket_is_no_blob() -> None:
    driver, mock = scripted([])
    for call in (
        driver.head(""),
        driver.get("", GetOptions()),
        driver.put("", b"", PutOptions()),
        driver.begin_upload("", PutOptions()),
        driver.delete([""]),
        driver.patch("", MetaPatch()),
        driver.sign_url("", "GET", 60),
        driver.copy(BlobUrl("gs", "bucket", ""), "key", PutOptions()),
    ):
        with pytest.raises(IsDirectory):
            await call
    assert not mock.requests


async def test_a_batch_has_a_hundred_keys_at_most() -> None:
    driver, _ = scripted([])
    with pytest.raises(ValueError, match="100"):
        await driver.delete([str(number) for number in range(101)])


async def test_a_copy_under_other_credentials_is_not_made_by_the_store() -> None:
    other = GcsConfig(anonymous=True, buckets={"other": GcsConfig(access_token="token")})
    driver, mock = scripted([], other)
    with pytest.raises(Unsupported):
        await driver.copy(BlobUrl("gs", "other", "source"), "key", PutOptions())
    assert not mock.requests


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
async def test_a_signed_url_has_a_limited_life(expires_s: float) -> None:
    driver, _ = scripted([])
    with pytest.raises(InvalidConfig):
        await driver.sign_url("key", "GET", expires_s)


async def test_urls_are_signed_for_some_methods_only() -> None:
    driver, _ = scripted([])
    with pytest.raises(Unsupported):
        await driver.sign_url("key", "POST", 60)


async def test_a_public_url_needs_no_signature() -> None:
    driver, _ = scripted([])
    signed = await driver.sign_url("a b/c", "GET", 60)

    assert signed.url == "https://storage.googleapis.com/bucket/a%20b/c"
    assert signed.expires_at is None


def test_a_token_over_http_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="https"):
        scripted([], GcsConfig(endpoint_url="http://far.example", access_token="token"))


# Reading


async def test_bytes_are_checked_by_md5_where_there_is_no_crc32c() -> None:
    md5 = "md5=XUFAKrxLKna5cZ2REBfFkg=="
    driver, _ = scripted([media(x_goog_hash=md5), media(b"hellO", x_goog_hash=md5), media()])

    assert await read(driver, "key") == b"hello"
    with pytest.raises(ChecksumMismatch):
        await read(driver, "key")
    assert await read(driver, "key") == b"hello"  # with no hash at all


async def test_another_generation_than_was_asked_for_is_refused() -> None:
    options = GetOptions(version=Version("6"))
    driver, _ = scripted([media(), resource()])

    with pytest.raises(VersionMismatch):
        await driver.get("key", options)
    with pytest.raises(VersionMismatch):
        await driver.head("key", version=Version("6"))


async def test_the_last_bytes_of_an_empty_blob_are_none() -> None:
    options = GetOptions(range=Last(3))
    driver, _ = scripted([media(b"", 416), resource(size="0")])

    assert await read(driver, "key", options) == b""


async def test_a_refusal_of_the_last_bytes_of_a_blob_that_has_some_is_an_error() -> None:
    driver, _ = scripted([media(b"", 416), resource()])
    with pytest.raises(RangeNotSatisfiable):
        await driver.get("key", GetOptions(range=Last(3)))


async def test_a_reply_that_does_not_tell_the_size_is_refused() -> None:
    part = media(b"llo", 206, content_range="bytes 2-4/*")
    driver, _ = scripted([part, resource(size=None), resource(generation=None)])

    with pytest.raises(RequestFailed):
        await driver.get("key", GetOptions(range=From(2)))
    for _ in range(2):
        with pytest.raises(RequestFailed):
            await driver.head("key")


async def test_times_and_hashes_that_cannot_be_read_are_left_out() -> None:
    driver, _ = scripted([resource(updated="yesterday", md5Hash="?", crc32c=1, metadata=[1])])
    meta = await driver.head("key")

    assert (meta.mtime, meta.md5, meta.crc32c, dict(meta.metadata)) == (0.0, None, None, {})


async def test_a_listing_of_a_bucket_that_is_not_there_is_not_found() -> None:
    driver, _ = scripted([error(404, "notFound")])
    with pytest.raises(NotFound):
        await driver.list_page("", ListOptions(), None)


# Writing


async def test_other_bytes_than_were_sent_are_taken_back() -> None:
    driver, mock = scripted([resource(crc32c="AAAAAA=="), reply(204)])
    with pytest.raises(ChecksumMismatch, match="deleted"):
        await driver.put("key", b"hello", PutOptions())

    assert mock.requests[1].method == "DELETE"
    assert mock.requests[1].url.endswith("?ifGenerationMatch=7")


async def test_a_success_that_cannot_be_read_is_ambiguous() -> None:
    driver, _ = scripted([reply(200, b"<html>")])
    with pytest.raises(RequestFailed) as caught:
        await driver.put("key", b"hello", PutOptions())

    assert caught.value.ambiguous


async def test_a_write_that_stays_unknown_says_so() -> None:
    driver, _ = scripted([lost(), lost(), lost(), error(403, "forbidden")])
    with pytest.raises(TransportFailed) as caught:
        await driver.put("key", b"hello", PutOptions(mode=CreateOnly()))

    assert caught.value.ambiguous


async def test_a_write_without_a_reply_is_not_there_if_nothing_is() -> None:
    driver, _ = scripted([lost(), lost(), lost(), error(404, "notFound")])
    with pytest.raises(TransportFailed):
        await driver.put("key", b"hello", PutOptions(mode=CreateOnly()))


async def test_a_server_error_that_hides_a_success_is_looked_behind() -> None:
    tokens: list[str] = []

    def answer(request: Request) -> Response:
        if request.method == "POST":
            described = json.loads(bytes(request.content).split(b"\r\n\r\n")[1].split(b"\r\n")[0])
            tokens.append(described["metadata"]["blobio-write"])
            return error(500, "internalError")
        return resource(metadata={"blobio-write": tokens[-1]}, crc32c="mnG7TA==")

    driver, _ = scripted(answer)
    result = await driver.put("key", b"hello", PutOptions(mode=CreateOnly()))

    assert result.version == "7"
    assert len(set(tokens)) == 1


@pytest.mark.usefixtures("small_sessions")
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([reply(200)], RequestFailed),
        ([error(412, "conditionNotMet")], ConcurrentWrite),
        (
            [reply(200, headers={"location": "http://x/?upload_id=u"}), error(403), reply(499)],
            BlobError,
        ),
    ],
    ids=["no location", "refused", "denied"],
)
async def test_a_session_that_does_not_begin_is_an_error(
    script: list[Step], kind: type[BlobError]
) -> None:
    driver, _ = scripted(script)
    with pytest.raises(kind):
        await driver.put("key", b"hello", PutOptions())


def _session(*steps: Step) -> Iterable[Step]:
    yield reply(200, headers={"location": "http://elsewhere.example/?upload_id=u"})
    yield from steps


@pytest.mark.usefixtures("small_sessions")
async def test_a_session_stays_on_our_own_host() -> None:
    driver, mock = scripted(_session(resource(crc32c="mnG7TA==")))
    await driver.put("key", b"hello", PutOptions())

    assert mock.requests[1].url == (
        "https://storage.googleapis.com/upload/storage/v1/b/bucket/o"
        "?uploadType=resumable&name=key&upload_id=u"
    )


@pytest.mark.usefixtures("small_sessions")
async def test_a_session_that_has_more_than_was_sent_is_an_error() -> None:
    driver, _ = scripted(_session(reply(308, headers={"range": "bytes=0-5"}), reply(499)))
    with pytest.raises(RequestFailed, match="6 bytes"):
        await driver.put("key", b"hello", PutOptions())


@pytest.mark.usefixtures("small_sessions")
async def test_a_session_that_takes_nothing_ends() -> None:
    script = _session(*[reply(308, headers={"range": "bytes=0-0"})] * 100)
    driver, mock = scripted(script)
    with pytest.raises(RequestFailed, match="no more than 1 bytes"):
        await driver.put("key", b"hello", PutOptions())

    assert len(mock.requests) < 12


@pytest.mark.usefixtures("small_sessions")
async def test_a_session_that_has_all_but_does_not_end_is_asked() -> None:
    whole = reply(308, headers={"range": "bytes=0-4"})
    driver, mock = scripted(_session(whole, resource(crc32c="mnG7TA==")))
    await driver.put("key", b"hello", PutOptions())

    assert mock.requests[2].headers["content-range"] == "bytes */5"


@pytest.mark.usefixtures("small_sessions")
async def test_a_session_without_any_reply_is_read_back() -> None:
    driver, _ = scripted(_session(lost(), lost(), lost(), lost(), resource(), reply(499)))
    with pytest.raises(TransportFailed):
        await driver.put("key", b"hello", PutOptions())


async def test_a_session_that_ends_too_early_is_lost() -> None:
    driver, _ = scripted(
        _session(resource(), reply(404)), GcsConfig(anonymous=True, parallel_uploads=False)
    )
    upload = await driver.begin_upload("key", PutOptions())
    with pytest.raises(UploadLost):
        await upload.put_part(0, 0, bytes(300 << 10))
    with pytest.raises(UploadLost):
        await upload.put_part(1, 300 << 10, b"more")
    await upload.abort()


async def test_parts_that_come_out_of_order_wait_in_memory() -> None:
    settings = GcsConfig(anonymous=True, parallel_uploads=False)
    driver, mock = scripted(_session(resource(crc32c="mnG7TA==")), settings)
    upload = await driver.begin_upload("key", PutOptions())
    second = await upload.put_part(1, 2, bytearray(b"llo"))
    first = await upload.put_part(0, 0, b"he")
    again = await upload.put_part(0, 0, b"he")
    await upload.complete([first, second], size=5)

    assert first == again
    assert bytes(mock.requests[1].body) == b"hello"


async def test_a_component_without_a_generation_is_refused() -> None:
    driver, _ = scripted([resource(generation=None)])
    upload = await driver.begin_upload("key", PutOptions())
    with pytest.raises(RequestFailed):
        await upload.put_part(0, 0, b"hello")


# Copies and patches


async def test_a_copy_carries_what_a_new_resource_would_lose() -> None:
    source = resource(
        contentType="text/x", cacheControl="no-store", metadata={"a": "1", "blobio-write": "old"}
    )
    done = reply(200, json.dumps({"done": True, "resource": {"generation": "9"}}).encode())
    settings = GcsConfig(anonymous=True, storage_class="NEARLINE")
    driver, mock = scripted([source, done], settings)
    options = PutOptions(content_type="text/y", metadata={"b": "2"})
    result = await driver.copy(SOURCE, "key", options)

    assert result.version == "9"
    assert json.loads(bytes(mock.requests[1].body)) == {
        "contentType": "text/y",
        "cacheControl": "no-store",
        "metadata": {"a": "1", "b": "2"},
        "storageClass": "NEARLINE",
    }


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([resource(generation=None)], RequestFailed),
        ([resource(), reply(200, b'{"done": false, "rewriteToken": ""}')], RequestFailed),
        ([resource(), error(404, "notFound"), resource()], NotFound),
        ([resource(), error(404, "notFound"), error(404)], NotFound),
        ([resource(), error(404, "notFound"), resource(generation="8")], VersionMismatch),
    ],
    ids=["no generation", "no way on", "no such target", "gone", "replaced"],
)
async def test_a_copy_that_cannot_be_made_says_why(
    script: list[Step], kind: type[BlobError]
) -> None:
    driver, _ = scripted(script)
    with pytest.raises(kind):
        await driver.copy(SOURCE, "key", PutOptions())


async def test_a_patch_of_nothing_asks_only() -> None:
    driver, mock = scripted([resource()])
    assert (await driver.patch("key", MetaPatch())).version == "7"
    assert [request.method for request in mock.requests] == ["GET"]


async def test_a_patch_that_is_not_allowed_is_an_error() -> None:
    driver, _ = scripted([resource(), error(403, "forbidden")])
    with pytest.raises(PermissionError):
        await driver.patch("key", MetaPatch(content_type="text/x"))


async def test_a_create_only_copy_that_lost_is_told_so() -> None:
    driver, _ = scripted([resource(), error(412, "conditionNotMet"), resource()])
    with pytest.raises(AlreadyExists):
        await driver.copy(SOURCE, "key", PutOptions(mode=CreateOnly()))
