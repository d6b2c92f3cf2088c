from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blobio.drivers.s3.copying import CopyLimits
from blobio.errors import (
    AlreadyExists,
    ConcurrentWrite,
    IsDirectory,
    NotFound,
    PermissionDenied,
    RequestFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.transport.message import Request, Response
from blobio.transport.mock import Step, reply
from blobio.url import BlobUrl
from blobio.values import CreateOnly, MetaPatch, PutOptions, ReplaceIf, Version
from tests.unit.drivers.s3.kit import FAST, STORE, error, found, lost, methods, scripted, token_of

SOURCE = BlobUrl("s3", "other", "dir/src")
CREATE = PutOptions(mode=CreateOnly())
SMALL = CopyLimits(whole_bytes=10, part_bytes=10, window=2)
FORBIDDEN = error(412, "PreconditionFailed")


def _copied(etag: str = "new") -> Response:
    return reply(
        200,
        f"<CopyObjectResult><ETag>&quot;{etag}&quot;</ETag>"
        "<LastModified>2009-10-12T17:50:30.000Z</LastModified></CopyObjectResult>".encode(),
    )


def _source(size: int = 4, **extra: str) -> Response:
    return found("source-token", etag='"src"', size=size, **extra)


async def test_copy_looks_at_the_source_and_pins_it() -> None:
    driver, mock = scripted([_source(), _copied()])

    result = await driver.copy(SOURCE, "k", PutOptions())

    assert result.version == '"new"'
    head, copy = mock.requests
    assert head.url == "https://store.example/other/dir/src"
    assert (copy.method, copy.url) == ("PUT", "https://store.example/bucket/k")
    assert copy.headers["x-amz-copy-source"] == "other/dir/src"
    assert copy.headers["x-amz-copy-source-if-match"] == '"src"'
    assert "x-amz-metadata-directive" not in copy.headers


async def test_conditional_copy_carries_description_and_token() -> None:
    source = _source(
        content_type="text/plain",
        cache_control="no-cache",
        content_encoding="gzip",
        x_amz_meta_colour="green",
        last_modified="x",
    )
    driver, mock = scripted([source, _copied()])

    await driver.copy(SOURCE, "k", CREATE)

    headers = mock.requests[1].headers
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-metadata-directive"] == "REPLACE"
    assert headers["x-amz-meta-colour"] == "green"
    assert headers["content-type"] == "text/plain"
    assert (headers["cache-control"], headers["content-encoding"]) == ("no-cache", "gzip")
    assert token_of(mock.requests[1]) != "source-token"
    assert "last-modified" not in headers


async def test_options_override_what_comes_along() -> None:
    driver, mock = scripted([_source(content_type="a/b", x_amz_meta_a="1"), _copied()])

    await driver.copy(SOURCE, "k", PutOptions(content_type="c/d", metadata={"b": "2"}))

    headers = mock.requests[1].headers
    assert headers["content-type"] == "c/d"
    assert (headers["x-amz-meta-a"], headers["x-amz-meta-b"]) == ("1", "2")


async def test_copy_onto_itself_spells_out_its_metadata() -> None:
    """S3 refuses a copy onto itself that changes nothing."""
    driver, mock = scripted([_source(x_amz_meta_a="1"), _copied()])

    await driver.copy(BlobUrl("s3", "bucket", "k"), "k", PutOptions())

    assert mock.requests[1].headers["x-amz-metadata-directive"] == "REPLACE"
    assert mock.requests[1].headers["x-amz-meta-a"] == "1"


async def test_own_copy_onto_itself_is_no_change_of_its_source() -> None:
    """A copy in one piece of an object made of parts has another ETag than its source."""
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[-1]) if tokens else _source()
        tokens.append(token_of(request))
        return lost() if len(tokens) == 1 else error(412, "PreconditionFailed")

    driver, _ = scripted(store)

    copied = await driver.copy(BlobUrl("s3", "bucket", "k"), "k", PutOptions())

    assert copied.version == '"new"'


async def test_error_hidden_in_a_success_is_no_copy() -> None:
    driver, mock = scripted([_source(), error(200, "InternalError"), _copied()])

    assert (await driver.copy(SOURCE, "k", PutOptions())).version == '"new"'
    assert methods(mock) == ["HEAD", "PUT", "PUT"]


async def test_lasting_error_hidden_in_a_success_is_loud() -> None:
    driver, _ = scripted([_source(), error(200, "AccessDenied")])

    with pytest.raises(PermissionDenied):
        await driver.copy(SOURCE, "k", PutOptions())


async def test_taken_name_is_told_from_a_changed_source() -> None:
    there, gone = found("theirs"), Response(status=404, headers={})
    driver, _ = scripted([_source(), FORBIDDEN, there, _source(), FORBIDDEN, gone])

    with pytest.raises(AlreadyExists):
        await driver.copy(SOURCE, "k", CREATE)
    with pytest.raises(VersionMismatch, match="s3://other/dir/src"):
        await driver.copy(SOURCE, "k", CREATE)


async def test_own_copy_is_no_conflict() -> None:
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[-1]) if tokens else _source()
        tokens.append(token_of(request))
        return lost() if len(tokens) == 1 else FORBIDDEN

    driver, _ = scripted(store)

    assert (await driver.copy(SOURCE, "k", CREATE)).version == '"new"'


async def test_copy_without_any_reply_is_looked_up() -> None:
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[-1]) if tokens else _source()
        tokens.append(token_of(request))
        return lost()

    driver, _ = scripted(store)

    assert (await driver.copy(SOURCE, "k", CREATE)).version == '"new"'


async def test_overwriting_copy_of_a_source_that_changed_is_a_conflict() -> None:
    driver, _ = scripted([_source(), FORBIDDEN])

    with pytest.raises(ConcurrentWrite):
        await driver.copy(SOURCE, "k", PutOptions())


async def test_missing_source_is_not_found() -> None:
    driver, mock = scripted([Response(status=404, headers={})])

    with pytest.raises(NotFound):
        await driver.copy(SOURCE, "k", PutOptions())
    assert methods(mock) == ["HEAD"]


@pytest.mark.parametrize("source", [BlobUrl("gs", "b", "k"), BlobUrl("s3", "far", "k")])
async def test_source_out_of_reach_is_refused_unsent(source: BlobUrl) -> None:
    far = replace(STORE, endpoint_url="https://far.example")
    driver, mock = scripted([], s3=replace(STORE, buckets={"far": far}))

    with pytest.raises(Unsupported):
        await driver.copy(source, "k", PutOptions())
    assert mock.requests == []


async def test_bucket_is_no_source() -> None:
    driver, _ = scripted([])

    with pytest.raises(IsDirectory):
        await driver.copy(BlobUrl("s3", "other", ""), "k", PutOptions())


class ByParts:
    """A store that copies by parts, from a source of 25 bytes."""

    def __init__(self, **source: str) -> None:
        self.source = source
        self.bad_part = 0
        self.completion: Response | None = None
        self.refused_aborts = 0

    def __call__(self, request: Request) -> Step:
        if request.method == "HEAD":
            return _source(25, **self.source)
        if request.method == "PUT":
            return self._part(int(request.url.split("partNumber=")[1][0]))
        if request.url.endswith("?uploads="):
            return _result("InitiateMultipartUploadResult", "<UploadId>UP</UploadId>")
        if request.method == "POST" and self.completion is not None:
            return self.completion
        if request.method == "DELETE" and self.refused_aborts:
            self.refused_aborts -= 1
            return error(503, "SlowDown")
        return {"GET": TAGS, "DELETE": reply(204), "POST": COMPLETED}[request.method]

    def _part(self, number: int) -> Step:
        if number == self.bad_part:
            return FORBIDDEN
        return _result("CopyPartResult", f"<ETag>&quot;{number}&quot;</ETag>")


def _result(root: str, inner: str) -> Response:
    return reply(200, f"<{root}>{inner}</{root}>".encode())


TAGS = _result(
    "Tagging",
    "<TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag>"
    "<Tag><Key>c</Key><Value/></Tag></TagSet>",
)
COMPLETED = _result("CompleteMultipartUploadResult", "<ETag>&quot;new-3&quot;</ETag>")


async def test_large_copy_goes_by_pinned_parts() -> None:
    store = ByParts(content_type="text/plain", x_amz_meta_a="1")
    driver, mock = scripted(store, limits=SMALL)

    result = await driver.copy(SOURCE, "k", CREATE)

    assert result.version == '"new-3"'
    create = mock.requests[1]
    parts = {
        request.headers["x-amz-copy-source-range"]: request
        for request in mock.requests
        if request.method == "PUT"
    }
    assert (create.headers["content-type"], create.headers["x-amz-meta-a"]) == ("text/plain", "1")
    assert sorted(parts) == ["bytes=0-9", "bytes=10-19", "bytes=20-24"]
    assert parts["bytes=20-24"].url.endswith("?partNumber=3&uploadId=UP")
    assert all(r.headers["x-amz-copy-source-if-match"] == '"src"' for r in parts.values())
    complete = mock.requests[-1]
    assert complete.headers["if-none-match"] == "*"
    assert complete.headers["x-amz-mp-object-size"] == "25"
    assert b"<ETag>&quot;2&quot;</ETag><PartNumber>2<" in bytes(complete.body)


async def test_large_copy_carries_the_tags() -> None:
    driver, mock = scripted(ByParts(x_amz_tagging_count="2"), limits=SMALL)

    await driver.copy(SOURCE, "k", PutOptions())

    assert methods(mock)[:3] == ["HEAD", "GET", "POST"]
    assert mock.requests[1].url == "https://store.example/other/dir/src?tagging="
    assert mock.requests[2].headers["x-amz-tagging"] == "a%20b=1%262&c="


async def test_source_that_changes_between_parts_aborts_the_copy() -> None:
    store = ByParts()
    store.bad_part = 2
    driver, mock = scripted(store, limits=SMALL)

    with pytest.raises(VersionMismatch, match="s3://other/dir/src"):
        await driver.copy(SOURCE, "k", PutOptions())
    assert methods(mock)[-1] == "DELETE"
    assert "POST" not in methods(mock)[2:]


async def test_copy_that_could_not_be_taken_back_is_when_the_driver_closes() -> None:
    """The store refused every attempt of the abort."""
    store = ByParts()
    store.bad_part, store.refused_aborts = 2, FAST.attempts
    driver, mock = scripted(store, limits=SMALL)
    with pytest.raises(VersionMismatch):
        await driver.copy(SOURCE, "k", PutOptions())
    assert store.refused_aborts == 0
    before = methods(mock).count("DELETE")

    await driver.aclose()
    await driver.aclose()

    assert methods(mock).count("DELETE") == before + 1


async def test_upload_that_stays_behind_is_told_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = ByParts()
    store.bad_part, store.refused_aborts = 2, 100
    driver, _ = scripted(store, limits=SMALL)
    with pytest.raises(VersionMismatch):
        await driver.copy(SOURCE, "k", PutOptions())

    await driver.aclose()

    assert "an upload to s3://bucket is left behind" in caplog.text


async def test_large_copy_that_loses_aborts() -> None:
    store = ByParts()
    store.completion = FORBIDDEN
    driver, mock = scripted(store, limits=SMALL)

    with pytest.raises(AlreadyExists):
        await driver.copy(SOURCE, "k", CREATE)
    assert methods(mock).count("DELETE") == 1


async def test_parts_grow_where_ten_thousand_would_not_do() -> None:
    ranges: list[str] = []
    store = ByParts()

    def wide(request: Request) -> Step:
        if request.method == "HEAD":
            return _source(100_000)
        if request.method == "PUT":
            ranges.append(request.headers["x-amz-copy-source-range"])
            return FORBIDDEN
        return store(request)

    driver, _ = scripted(wide, limits=CopyLimits(whole_bytes=1, part_bytes=1, window=1))

    with pytest.raises(VersionMismatch):
        await driver.copy(SOURCE, "k", PutOptions())
    assert ranges == ["bytes=0-9"]


async def test_patch_rewrites_the_metadata_of_the_version_seen() -> None:
    source = _source(
        9,
        content_type="a/b",
        cache_control="no-cache",
        x_amz_storage_class="STANDARD_IA",
        x_amz_server_side_encryption="aws:kms",
        x_amz_meta_keep="1",
        x_amz_meta_drop="2",
    )
    driver, mock = scripted([source, _copied()])
    change = MetaPatch(metadata={"drop": None, "add": "3"}, mtime=12.5)

    meta = await driver.patch("k", change)

    headers = mock.requests[1].headers
    assert headers["x-amz-copy-source"] == "bucket/k"
    assert headers["x-amz-copy-source-if-match"] == '"src"'
    assert headers["if-match"] == '"src"'
    assert headers["x-amz-metadata-directive"] == "REPLACE"
    assert {n: headers[n] for n in headers if n.startswith("x-amz-meta-")} == {
        "x-amz-meta-keep": "1",
        "x-amz-meta-add": "3",
        "x-amz-meta-blobfile-mtime": "12.5",
        "x-amz-meta-blobio-write": token_of(mock.requests[1]),
    }
    assert headers["x-amz-storage-class"] == "STANDARD_IA"
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert (headers["content-type"], headers["cache-control"]) == ("a/b", "no-cache")
    assert meta.metadata == {"keep": "1", "add": "3", "blobfile-mtime": "12.5"}
    assert (meta.size, meta.version, meta.mtime) == (9, '"new"', 1255369830.0)


async def test_patch_of_the_content_type() -> None:
    driver, mock = scripted([_source(content_type="a/b"), _copied()])

    meta = await driver.patch("k", MetaPatch(content_type="c/d"))

    assert mock.requests[1].headers["content-type"] == "c/d"
    assert meta.content_type == "c/d"


async def test_patch_of_another_version_is_refused() -> None:
    driver, mock = scripted([_source(), _source(), FORBIDDEN])

    with pytest.raises(VersionMismatch):
        await driver.patch("k", MetaPatch(), if_version=Version('"old"'))
    assert methods(mock) == ["HEAD"]
    with pytest.raises(VersionMismatch):
        await driver.patch("k", MetaPatch(), if_version=Version('"src"'))


async def test_patch_follows_a_writer_but_not_for_ever() -> None:
    driver, mock = scripted([_source(), FORBIDDEN, _source(), _copied()])

    await driver.patch("k", MetaPatch())
    assert methods(mock) == ["HEAD", "PUT"] * 2

    driver, mock = scripted([_source(), FORBIDDEN] * 3)
    with pytest.raises(ConcurrentWrite):
        await driver.patch("k", MetaPatch())
    assert methods(mock) == ["HEAD", "PUT"] * 3


async def test_own_patch_is_no_conflict() -> None:
    """Under KMS a copy onto itself gives another ETag, so the second attempt is refused."""
    tokens: list[str] = []

    def store(request: Request) -> Step:
        if request.method == "HEAD":
            return found(tokens[-1], x_amz_meta_a="1") if tokens else _source()
        tokens.append(token_of(request))
        return lost() if len(tokens) == 1 else FORBIDDEN

    driver, _ = scripted(store)

    meta = await driver.patch("k", MetaPatch(metadata={"a": "1"}))

    assert (meta.version, meta.metadata) == ('"new"', {"a": "1"})


async def test_patch_that_cannot_be_looked_at_leaves_the_outcome_open() -> None:
    """It is done, but its reply was lost, and describing the blob is refused."""
    tokens: list[str] = []
    heads = 0

    def store(request: Request) -> Step:
        nonlocal heads
        if request.method == "HEAD":
            heads += 1
            if heads == 3:
                return Response(status=403, headers={})
            return found(tokens[-1]) if tokens else _source()
        tokens.append(token_of(request))
        return lost()

    driver, _ = scripted(store)

    with pytest.raises(PermissionDenied) as caught:
        await driver.patch("k", MetaPatch(metadata={"a": "1"}))

    assert caught.value.ambiguous
    assert "s3://bucket/k was changed" in caught.value.__notes__[0]


async def test_patch_of_a_large_blob_goes_by_parts() -> None:
    driver, mock = scripted(ByParts(), limits=SMALL)

    meta = await driver.patch("k", MetaPatch(metadata={"a": "1"}))

    assert meta.size == 25
    assert mock.requests[1].headers["x-amz-meta-a"] == "1"
    complete = next(r for r in reversed(mock.requests) if r.method == "POST")
    assert complete.headers["if-match"] == '"src"'


async def test_patch_of_a_missing_blob_is_not_found() -> None:
    driver, _ = scripted([Response(status=404, headers={})])

    with pytest.raises(NotFound):
        await driver.patch("k", MetaPatch())


async def test_source_that_cannot_be_pinned_is_not_copied() -> None:
    driver, _ = scripted([Response(status=200, headers={"content-length": "3"})])

    with pytest.raises(RequestFailed):
        await driver.copy(SOURCE, "k", PutOptions())


async def test_replacing_copy_names_both_versions() -> None:
    mode = ReplaceIf(Version('"old"'))
    driver, mock = scripted([_source(), _copied()])

    await driver.copy(SOURCE, "k", PutOptions(mode=mode))

    assert mock.requests[1].headers["if-match"] == '"old"'
    assert mock.requests[1].headers["x-amz-copy-source-if-match"] == '"src"'


async def test_second_source_bucket_takes_the_place_of_the_first() -> None:
    def store(request: Request) -> Any:
        return _source() if request.method == "HEAD" else _copied()

    driver, mock = scripted(store)

    for bucket in ("one", "two", "two"):
        await driver.copy(BlobUrl("s3", bucket, "k"), "k", PutOptions())

    heads = [r.url for r in mock.requests if r.method == "HEAD"]
    assert heads == [f"https://store.example/{name}/k" for name in ("one", "two", "two")]
    await driver.aclose()
