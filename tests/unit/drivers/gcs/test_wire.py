from __future__ import annotations

import json
from typing import Final

import pytest

from blobio.config import GcsConfig
from blobio.drivers.gcs.addressing import check_key, locate
from blobio.drivers.gcs.deleting import batch_request, parse_batch
from blobio.drivers.gcs.errors import error_body, error_for
from blobio.drivers.gcs.listing import page_query, parse_page
from blobio.drivers.gcs.resource import hashes, meta_of, parse
from blobio.drivers.gcs.resumable import content_range, persisted
from blobio.drivers.gcs.wire import Component, Wire
from blobio.errors import (
    AlreadyExists,
    ConcurrentWrite,
    InvalidConfig,
    InvalidUrl,
    RequestFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.transport.message import Response
from blobio.values import (
    CreateOnly,
    GetOptions,
    ListOptions,
    Overwrite,
    PutOptions,
    ReplaceIf,
    Span,
    Version,
    WriteMode,
)

HOST: Final = "https://storage.googleapis.com"
WIRE: Final = Wire(locate("bucket", None), GcsConfig())


def test_a_read_asks_for_the_stored_bytes_of_one_generation() -> None:
    request = WIRE.get("a/b c", GetOptions(range=Span(2, 5), version=Version("17")))

    assert request.url == f"{HOST}/storage/v1/b/bucket/o/a%2Fb%20c?alt=media&generation=17"
    assert dict(request.headers) == {"accept-encoding": "gzip", "range": "bytes=2-4"}
    assert request.stream


def test_a_write_carries_resource_checksum_and_condition() -> None:
    options = PutOptions(mode=CreateOnly(), content_type="text/x", metadata={"colour": "grün"})
    request = WIRE.put("a?b", b"hello", options, "token", 0x9A71BB4C)

    assert request.url == (
        f"{HOST}/upload/storage/v1/b/bucket/o?uploadType=multipart&name=a%3Fb&ifGenerationMatch=0"
    )
    boundary = request.headers["content-type"].removeprefix("multipart/related; boundary=")
    empty, resource, data, end = bytes(request.content).split(b"--" + boundary.encode())
    assert (empty, end) == (b"", b"--\r\n")
    assert json.loads(resource.partition(b"\r\n\r\n")[2]) == {
        "name": "a?b",
        "metadata": {"colour": "grün", "blobio-write": "token"},
        "contentType": "text/x",
        "crc32c": "mnG7TA==",
    }
    assert data == b"\r\ncontent-type: text/x\r\n\r\nhello\r\n"


def test_a_write_does_not_copy_its_bytes() -> None:
    body = memoryview(bytes(1000))

    assert WIRE.put("a", body, PutOptions(), None, 0).body is body


def test_two_writes_have_two_boundaries() -> None:
    first, second = (WIRE.put("a", b"x", PutOptions(), None, 0) for _ in range(2))

    assert first.headers["content-type"] != second.headers["content-type"]


def test_a_compose_pins_its_sources() -> None:
    sources = [Component("x/0", "11", 1, 0), Component("x/1", "12", 1, 0)]
    options = PutOptions(mode=ReplaceIf(Version("7")), content_type="text/x")
    request = WIRE.compose("a/b", sources, options, "token")

    assert request.url == f"{HOST}/storage/v1/b/bucket/o/a%2Fb/compose?ifGenerationMatch=7"
    assert json.loads(bytes(request.content)) == {
        "sourceObjects": [
            {"name": "x/0", "generation": "11", "objectPreconditions": {"ifGenerationMatch": "11"}},
            {"name": "x/1", "generation": "12", "objectPreconditions": {"ifGenerationMatch": "12"}},
        ],
        "destination": {"metadata": {"blobio-write": "token"}, "contentType": "text/x"},
        "deleteSourceObjects": True,
    }


def test_a_rewrite_names_both_ends_and_where_it_is() -> None:
    request = WIRE.rewrite(("other", "c/d", "5"), "a/b", CreateOnly(), None, "step")

    assert request.url == (
        f"{HOST}/storage/v1/b/other/o/c%2Fd/rewriteTo/b/bucket/o/a%2Fb"
        "?sourceGeneration=5&ifGenerationMatch=0&rewriteToken=step"
    )


def test_settings_of_new_objects_go_along() -> None:
    config = GcsConfig(kms_key_name="projects/p/k", storage_class="NEARLINE", user_project="payer")
    request = Wire(locate("bucket", None), config).put("a", b"", PutOptions(), None, 0)

    assert request.url.endswith("&kmsKeyName=projects%2Fp%2Fk")
    assert b'"storageClass": "NEARLINE"' in bytes(request.content)
    assert request.headers["x-goog-user-project"] == "payer"


@pytest.mark.parametrize("version", ["", "0", "-1", "abc", "1 ", '"etag"', "1" * 30])
def test_a_version_of_another_store_is_no_generation(version: str) -> None:
    with pytest.raises(VersionMismatch):
        WIRE.get("a", GetOptions(version=Version(version)))
    with pytest.raises(VersionMismatch):
        WIRE.put("a", b"", PutOptions(mode=ReplaceIf(Version(version))), None, 0)


@pytest.mark.parametrize("key", ["x" * 1025, "é" * 513, ".", "..", "a\nb", "a\rb", "\udc80"])
def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidUrl):
        check_key(key)


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a@b", "..", "", "a..b", "a%2fb"])
def test_what_cannot_be_a_bucket_changes_no_url(name: str) -> None:
    with pytest.raises(InvalidUrl):
        locate(name, None)


@pytest.mark.parametrize("url", ["ftp://a", "https://a?b", "https://u@a", "https://a b", "a"])
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig):
        locate("bucket", url)


@pytest.mark.parametrize("metadata", [{"blobio-write": "x"}, {"Upper": "x"}, {"a b": "x"}])
def test_metadata_that_would_not_come_back_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(Unsupported):
        WIRE.put("a", b"", PutOptions(metadata=metadata), None, 0)


def test_ranges_of_a_session() -> None:
    assert content_range(0, 10, None) == "bytes 0-9/*"
    assert content_range(5, 10, 15) == "bytes 5-14/15"
    assert content_range(5, 0, 15) == "bytes */15"
    assert content_range(0, 0, None) == "bytes */*"


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, (0, False)), ("bytes=0-0", (1, True)), ("bytes=0-9", (10, True))],
)
def test_what_a_session_has(header: str | None, expected: tuple[int, bool]) -> None:
    headers = {} if header is None else {"range": header}

    assert persisted(Response(status=308, headers=headers), "gs://b/k") == expected


@pytest.mark.parametrize("header", ["bytes=1-9", "bytes 0-9", "0-9", "bytes=0-", "bytes=0-x"])
def test_a_range_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(RequestFailed):
        persisted(Response(status=308, headers={"range": header}), "gs://b/k")


def test_a_page_is_asked_for() -> None:
    query = page_query("a/", ListOptions(delimiter="/", start_after="a/b", page_size=7), "t=")

    assert query == (
        "maxResults=7&fields=nextPageToken%2Cprefixes%2Citems%28name%2Csize%2Cgeneration%2C"
        "metageneration%2Cupdated%2CtimeCreated%2Cmd5Hash%2Ccrc32c%2CcontentType%2Cmetadata%29"
        "&prefix=a%2F&delimiter=%2F&startOffset=a%2Fb&pageToken=t%3D"
    )


def test_a_page_is_read() -> None:
    body = json.dumps(
        {
            "items": [
                {"name": "a/b", "size": "3", "generation": "1"},
                {
                    "name": "a/c",
                    "size": "5",
                    "generation": "2",
                    "updated": "2026-11-27T00:00:01.500Z",
                    "timeCreated": "2026-11-27T00:00:00.000Z",
                    "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
                    "crc32c": "mnG7TA==",
                    "metadata": {"Colour": "green", "blobio-write": "x"},
                },
            ],
            "prefixes": ["a/d/"],
            "nextPageToken": "more",
        }
    ).encode()
    page = parse_page(body, "a/", ListOptions(start_after="a/b"), ".hidden/", "gs://b/a/")

    [blob] = page.blobs
    assert (blob.key, blob.size, blob.version) == ("a/c", 5, "2")
    assert blob.mtime - blob.ctime == 1.5
    assert blob.md5 == "5d41402abc4b2a76b9719d911017c592"
    assert (blob.crc32c, dict(blob.metadata)) == (0x9A71BB4C, {"colour": "green"})
    assert (list(page.prefixes), page.token) == (["a/d/"], "more")


PLAIN = {
    "name": "a",
    "size": "5",
    "generation": "7",
    "updated": "2026-11-27T00:00:01.500Z",
    "timeCreated": "2026-11-27T00:00:01.500Z",
    "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
    "crc32c": "mnG7TA==",
    "contentType": "text/plain",
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"timeCreated": "2026-11-26T00:00:00Z"},
        {"timeCreated": "never"},
        {"updated": "never", "timeCreated": "never"},
        {"md5Hash": None},
        {"md5Hash": "XUFA"},
        {"crc32c": "mnG7"},
        {"crc32c": "\u00e9"},
        {"crc32c": 1},
        {"contentType": ""},
        {"contentType": 1},
        {"metadata": {"Colour": "green", "blobio-write": "x"}},
        {"metadata": "green"},
        {"updated": None},
    ],
)
def test_a_page_describes_an_object_as_its_resource_does(changed: dict[str, object]) -> None:
    item = {name: value for name, value in {**PLAIN, **changed}.items() if value is not None}
    body = json.dumps({"items": [PLAIN, item]}).encode()

    page = parse_page(body, "", ListOptions(), ".hidden/", "gs://b/")

    assert list(page.blobs) == [meta_of({**PLAIN}, "a", "gs://b/"), meta_of(item, "a", "gs://b/")]


@pytest.mark.parametrize(
    "changed",
    [
        {"size": "1_0"},
        {"size": "-1"},
        {"size": ""},
        {"size": "1 2"},
        {"size": 1},
        {"size": "1" * 19},
        {"generation": "0"},
        {"generation": "\u0661"},
        {"name": 1},
    ],
)
def test_a_page_with_one_wrong_object_is_refused(changed: dict[str, object]) -> None:
    body = json.dumps({"items": [PLAIN, {**PLAIN, **changed}]}).encode()

    with pytest.raises(RequestFailed):
        parse_page(body, "", ListOptions(), ".hidden/", "gs://b/")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"items": {}}',
        b'{"items": [1]}',
        b'{"items": [{"name": "a"}]}',
        b'{"items": [{"name": "a", "size": "-1", "generation": "1"}]}',
        b'{"items": [{"name": "a", "size": "1", "generation": "0"}]}',
    ],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(RequestFailed):
        parse_page(body, "", ListOptions(), ".hidden/", "gs://b/")


def test_what_is_no_resource_is_refused() -> None:
    with pytest.raises(RequestFailed):
        parse(b"no json", "gs://b/k", "head")
    with pytest.raises(RequestFailed):
        meta_of({"size": "1"}, "k", "gs://b/k")


def test_hashes_of_a_composed_object_have_no_md5() -> None:
    assert hashes({"x-goog-hash": "crc32c=mnG7TA=="}) == (0x9A71BB4C, None)
    assert hashes({"x-goog-hash": "crc32c=nonsense, md5=too"}) == (None, None)
    assert hashes({}) == (None, None)


def batch_reply(*parts: str) -> Response:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    return Response(
        status=200, headers={"content-type": "multipart/mixed; boundary=b"}, body=body.encode()
    )


def test_a_batch_is_read_by_its_numbers() -> None:
    request = batch_request(WIRE, ["a/b", "c"])
    assert b"DELETE /storage/v1/b/bucket/o/a%2Fb HTTP/1.1\r\n" in bytes(request.body)

    replies = parse_batch(
        batch_reply(
            "Content-ID: <response-1>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"
            '{"error": {"errors": [{"reason": "notFound"}]}}',
            "Content-ID: <response-0>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ),
        2,
        "gs://bucket/",
    )

    assert [reply.status for reply in replies] == [204, 404]
    assert error_body(replies[1].body).reason == "notFound"


@pytest.mark.parametrize(
    "reply",
    [
        batch_reply(),
        batch_reply("Content-ID: <response-0>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        batch_reply("HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        Response(status=200, headers={}, body=b"--b"),
    ],
)
def test_a_batch_that_does_not_tell_of_all_is_refused(reply: Response) -> None:
    with pytest.raises(RequestFailed):
        parse_batch(reply, 2, "gs://bucket/")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (CreateOnly(), AlreadyExists),
        (ReplaceIf(Version("1")), VersionMismatch),
        (Overwrite(), ConcurrentWrite),
    ],
)
def test_a_failed_condition_is_told_by_what_was_asked(mode: WriteMode, kind: type) -> None:
    error = error_for(Response(status=412, headers={}), operation="put", subject="s", mode=mode)

    assert type(error) is kind


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b'{"error": 1}', b"[" * 100_000])
def test_any_error_body_can_be_read(body: bytes) -> None:
    said = error_body(body)

    assert said.reason == ""
    assert all(character.isprintable() for character in said.message)


def test_no_terminal_is_steered_by_an_error() -> None:
    body = json.dumps({"error": {"message": "a\x1b[2Jb", "errors": [{"reason": "x\x07"}]}})
    error = error_for(
        Response(status=400, headers={}, body=body.encode()), operation="get", subject="s"
    )

    assert str(error).isprintable()
