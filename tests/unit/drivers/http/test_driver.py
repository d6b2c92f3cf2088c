from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from blobio.config import HttpConfig
from blobio.drivers.http.driver import HttpDriver
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    TransportFailed,
    Unauthenticated,
    Unsupported,
    VersionMismatch,
)
from blobio.transport.message import Response
from blobio.transport.mock import ScriptedStream, reply
from blobio.url import BlobUrl
from blobio.values import (
    From,
    GetOptions,
    Last,
    ListOptions,
    MetaPatch,
    PutOptions,
    Range,
    Span,
    Version,
)
from tests.unit.drivers.http.bench import read, scripted

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BODY = b"0123456789"
ETAG = {"etag": '"a"'}
PINNED = Version('"a"')


def part(start: int, stop: int, *, total: object = 10, etag: str = '"a"') -> Response:
    headers = {"content-range": f"bytes {start}-{stop - 1}/{total}", "etag": etag}
    return reply(206, BODY[start:stop], headers)


def unsized(*chunks: bytes) -> Response:
    return reply(headers={"transfer-encoding": "chunked"}, chunks=chunks)


class TestHead:
    async def test_head_describes(self) -> None:
        driver, mock = scripted([reply(headers={"content-length": "10", **ETAG})])

        meta = await driver.head("a b?c#d")

        assert (meta.key, meta.size, meta.version) == ("a b?c#d", 10, '"a"')
        assert (mock.requests[0].method, mock.requests[0].url) == (
            "HEAD",
            "https://h.example/a%20b?c",
        )

    @pytest.mark.parametrize(
        "first",
        [reply(403), reply(405), reply(501), reply(200, headers={"transfer-encoding": "chunked"})],
    )
    async def test_get_of_one_byte_where_head_does_not_tell(self, first: Response) -> None:
        driver, mock = scripted([first, part(0, 1)])

        meta = await driver.head("k")

        assert (meta.size, meta.version) == (10, '"a"')
        assert mock.requests[1].headers["range"] == "bytes=0-0"

    async def test_get_without_ranges_tells_its_length_and_is_dropped(self) -> None:
        stream = ScriptedStream([BODY])
        whole = Response(status=200, headers={"content-length": "10"}, stream=stream)
        driver, _ = scripted([reply(405), whole])

        assert (await driver.head("k")).size == 10
        assert stream.closed
        assert stream.delivered == 0

    async def test_empty_blob_behind_a_server_without_head(self) -> None:
        driver, _ = scripted([reply(405), reply(416, headers={"content-range": "bytes */0"})])

        assert (await driver.head("k")).size == 0

    async def test_unsized_blob_is_read_to_learn_its_size(self) -> None:
        no_length = reply(headers={"transfer-encoding": "chunked"})
        driver, _ = scripted([no_length, unsized(b"abc", b"de")])

        assert (await driver.head("k")).size == 5

    async def test_blob_of_unknowable_size_fails(self) -> None:
        driver, _ = scripted([reply(405), part(0, 1, total="*")])

        with pytest.raises(RequestFailed, match="does not tell its size"):
            await driver.head("k")

    async def test_missing_blob(self) -> None:
        driver, _ = scripted([reply(404)])

        with pytest.raises(
            NotFound, match=r"head of https://h\.example/k: the server answered 404"
        ):
            await driver.head("k")

    async def test_forbidden_blob_stays_forbidden(self) -> None:
        driver, _ = scripted([reply(403), reply(403)])

        with pytest.raises(PermissionDenied):
            await driver.head("k")

    @pytest.mark.parametrize("without_head", [False, True])
    async def test_other_version_is_refused(self, *, without_head: bool) -> None:
        other = reply(headers={"content-length": "10", "etag": '"b"'})
        script = [reply(405), part(0, 1, etag='"b"')] if without_head else [other]
        driver, _ = scripted(script)

        with pytest.raises(VersionMismatch, match='"a" was asked for, "b" is there'):
            await driver.head("k", version=PINNED)


class TestGet:
    async def test_whole_blob(self) -> None:
        driver, mock = scripted([reply(200, BODY, ETAG)])

        result = await driver.get("k", GetOptions())

        assert (result.span, result.meta.size, result.meta.version) == (Span(0, 10), 10, '"a"')
        assert await read(result) == BODY
        assert mock.requests[0].headers["range"] == "bytes=0-"

    async def test_whole_blob_as_one_range(self) -> None:
        driver, _ = scripted([part(0, 10)])

        result = await driver.get("k", GetOptions())

        assert (result.span, result.meta.size) == (Span(0, 10), 10)
        assert await read(result) == BODY

    async def test_whole_blob_that_was_cut_with_its_length(self) -> None:
        headers = {"content-range": "bytes 0-9/10", "content-length": "4", **ETAG}
        driver, _ = scripted([reply(206, BODY[:4], headers)])

        with pytest.raises(TransportFailed, match="6 bytes are missing"):
            await read(await driver.get("k", GetOptions()))

    async def test_empty_blob(self) -> None:
        driver, _ = scripted([reply(200, b"")])

        assert await read(await driver.get("k", GetOptions())) == b""

    async def test_empty_blob_of_a_server_with_ranges(self) -> None:
        refused = reply(416, headers={"content-range": "bytes */0"})
        driver, mock = scripted([refused, reply(200, headers={"content-length": "0", **ETAG})])

        result = await driver.get("k", GetOptions())

        assert (result.span, result.meta.version) == (Span(0, 0), '"a"')
        assert await read(result) == b""
        assert [request.method for request in mock.requests] == ["GET", "HEAD"]

    @pytest.mark.parametrize("ranges", [True, False])
    async def test_whole_blob_is_compared_with_its_md5(self, *, ranges: bool) -> None:
        md5 = {"content-md5": "eB5eJF1ptWaXm4bijSPyxw=="}
        right = part(0, 10) if ranges else reply(200, BODY, ETAG)
        wrong = part(0, 10) if ranges else reply(200, BODY, ETAG)
        wrong.stream = ScriptedStream([b"012345678X"])
        for answer in (right, wrong):
            answer.headers = {**answer.headers, **md5}
        driver, _ = scripted([right, wrong])

        result = await driver.get("k", GetOptions())

        assert result.meta.md5 == "781e5e245d69b566979b86e28d23f2c7"
        assert await read(result) == BODY
        with pytest.raises(ChecksumMismatch):
            await read(await driver.get("k", GetOptions()))

    @pytest.mark.parametrize("ranges", [True, False])
    @pytest.mark.parametrize(
        ("wanted", "start", "stop"),
        [(Span(2, 5), 2, 5), (Span(7, 99), 7, 10), (From(4), 4, 10), (Last(3), 7, 10)],
    )
    async def test_range_with_and_without_the_servers_help(
        self, wanted: Range, start: int, stop: int, *, ranges: bool
    ) -> None:
        driver, mock = scripted([part(start, stop) if ranges else reply(200, BODY, ETAG)])

        result = await driver.get("k", GetOptions(range=wanted, version=PINNED))

        assert result.span == Span(start, stop)
        assert result.meta.size == 10
        assert await read(result) == BODY[start:stop]
        assert mock.requests[0].headers["if-range"] == '"a"'

    @pytest.mark.parametrize("answer", [part(2, 5, etag='"b"'), reply(200, BODY, {"etag": '"b"'})])
    async def test_changed_blob_is_refused(self, answer: Response) -> None:
        driver, _ = scripted([answer])

        with pytest.raises(VersionMismatch):
            await driver.get("k", GetOptions(range=Span(2, 5), version=PINNED))

    async def test_part_pinned_by_date_may_leave_it_out(self) -> None:
        version = Version(f"last-modified:{DATE}")
        driver, _ = scripted([reply(206, b"234", {"content-range": "bytes 2-4/10"})])

        result = await driver.get("k", GetOptions(range=Span(2, 5), version=version))

        assert result.meta.version == version

    async def test_wrong_part_is_refused_and_closed(self) -> None:
        stream = ScriptedStream([b"012"])
        wrong = Response(status=206, headers={"content-range": "bytes 0-2/10"}, stream=stream)
        driver, _ = scripted([wrong])

        with pytest.raises(RequestFailed, match="cannot be trusted"):
            await driver.get("k", GetOptions(range=Span(2, 5)))
        assert stream.closed

    async def test_short_part_fails(self) -> None:
        headers = {"content-range": "bytes 2-4/10", "content-length": "2"}
        driver, _ = scripted([reply(206, b"23", headers)])
        result = await driver.get("k", GetOptions(range=Span(2, 5)))

        with pytest.raises(TransportFailed, match="1 bytes are missing"):
            await read(result)

    async def test_empty_span_asks_for_the_size_only(self) -> None:
        driver, mock = scripted([reply(headers={"content-length": "10", **ETAG})])

        result = await driver.get("k", GetOptions(range=Span(3, 3)))

        assert (result.span, await read(result)) == (Span(3, 3), b"")
        assert [each.method for each in mock.requests] == ["HEAD"]

    async def test_size_missing_from_a_part_is_asked_for(self) -> None:
        head = reply(headers={"content-length": "10", **ETAG})
        unsized_part = part(2, 5, total="*")
        driver, mock = scripted([unsized_part, head, part(2, 5, total="*")])

        result = await driver.get("k", GetOptions(range=Span(2, 5)))

        assert (result.meta.size, await read(result)) == (10, b"234")
        assert mock.requests[2].headers["if-range"] == '"a"'

    async def test_body_is_closed_before_its_size_is_asked_for(self) -> None:
        stream = ScriptedStream([b"234"])
        headers = {"content-range": "bytes 2-4/*", **ETAG}
        driver, _ = scripted([Response(status=206, headers=headers, stream=stream), reply(404)])

        with pytest.raises(NotFound):
            await driver.get("k", GetOptions(range=Span(2, 5)))
        assert stream.closed

    async def test_size_of_another_version_does_not_count(self) -> None:
        head = reply(headers={"content-length": "99", "etag": '"b"'})
        driver, _ = scripted([part(2, 5, total="*"), head])

        with pytest.raises(VersionMismatch):
            await driver.get("k", GetOptions(range=Span(2, 5)))

    async def test_part_past_the_end_is_refused(self) -> None:
        head = reply(headers={"content-length": "4", **ETAG})
        driver, _ = scripted([part(2, 5, total="*"), head, part(2, 5, total="*")])

        with pytest.raises(RequestFailed, match="past its end of 4 bytes"):
            await driver.get("k", GetOptions(range=Span(2, 5)))

    async def test_chunked_body_gives_its_size_at_its_end(self) -> None:
        driver, _ = scripted([unsized(b"01234", b"56789")])

        result = await driver.get("k", GetOptions(range=Span(3, 7)))

        assert (result.meta.size, result.span) == (10, Span(3, 7))
        assert await read(result) == b"3456"

    async def test_large_chunked_body_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("blobio.drivers.http.driver.MAX_REPLY_BYTES", 4)
        driver, _ = scripted([unsized(b"012", b"34")])

        with pytest.raises(RequestFailed, match="more than 4 bytes are not kept in memory"):
            await driver.get("k", GetOptions())

    async def test_body_that_ends_with_the_connection_is_refused(self) -> None:
        stream = ScriptedStream([BODY])
        driver, _ = scripted([Response(status=200, headers={}, stream=stream)])

        with pytest.raises(RequestFailed, match="nothing tells if it is whole"):
            await driver.get("k", GetOptions())
        assert stream.closed

    async def test_range_past_the_end(self) -> None:
        driver, _ = scripted([reply(416, headers={"content-range": "bytes */10"})])

        with pytest.raises(RangeNotSatisfiable, match="it has 10 bytes"):
            await driver.get("k", GetOptions(range=From(10)))

    async def test_range_past_the_end_of_a_changed_blob(self) -> None:
        now = reply(headers={"content-length": "2", "etag": '"b"'})
        driver, _ = scripted([reply(416), now])

        with pytest.raises(VersionMismatch):
            await driver.get("k", GetOptions(range=From(5), version=PINNED))

    async def test_last_bytes_of_an_empty_blob_are_none(self) -> None:
        driver, _ = scripted([reply(416), reply(headers={"content-length": "0"})])

        result = await driver.get("k", GetOptions(range=Last(5)))

        assert (result.span, await read(result)) == (Span(0, 0), b"")

    async def test_encoded_body_is_delivered_as_stored(self) -> None:
        driver, _ = scripted([reply(200, b"\x1f\x8b", {"content-encoding": "gzip"})])

        assert await read(await driver.get("k", GetOptions())) == b"\x1f\x8b"


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (401, Unauthenticated, False),
        (403, PermissionDenied, False),
        (404, NotFound, False),
        (410, NotFound, False),
        (412, VersionMismatch, False),
        (429, RateLimited, True),
        (500, RequestFailed, True),
        (503, RateLimited, True),
        (204, RequestFailed, False),
        (400, RequestFailed, False),
    ],
)
async def test_status_becomes_an_error(
    status: int, kind: type[BlobError], *, retryable: bool
) -> None:
    driver, _ = scripted([reply(status)] * 4)

    with pytest.raises(BlobError) as caught:
        await driver.get("k?sig=SECRET", GetOptions())

    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert caught.value.status == status
    assert caught.value.url == "https://h.example/k?sig=REDACTED"
    assert "SECRET" not in str(caught.value)


async def test_headers_of_the_host_are_sent() -> None:
    http = HttpConfig(headers={"h.example": {"Authorization": "Bearer t"}, "x": {"a": "b"}})
    driver, mock = scripted([reply(200, b"")], http)

    await read(await driver.get("k", GetOptions()))

    assert mock.requests[0].headers == {"authorization": "Bearer t", "range": "bytes=0-"}


Verb = Callable[[HttpDriver], Awaitable[object]]


@pytest.mark.parametrize(
    "verb",
    [
        lambda driver: driver.put("k", b"", PutOptions()),
        lambda driver: driver.begin_upload("k", PutOptions()),
        lambda driver: driver.list_page("k", ListOptions(), None),
        lambda driver: driver.delete(["k"]),
        lambda driver: driver.copy(BlobUrl("https", "h.example", "o"), "k", PutOptions()),
        lambda driver: driver.patch("k", MetaPatch()),
        lambda driver: driver.sign_url("k", "PUT", 60.0),
    ],
)
async def test_everything_but_reading_is_unsupported(verb: Verb) -> None:
    driver, mock = scripted([])

    with pytest.raises(Unsupported, match=r"https://h\.example/k: http"):
        await verb(driver)
    assert mock.requests == []


async def test_signed_url_is_the_url_itself() -> None:
    driver, _ = scripted([])

    signed = await driver.sign_url("a b", "GET", 60.0)

    assert (signed.url, signed.expires_at) == ("https://h.example/a%20b", None)


async def test_capabilities() -> None:
    driver, _ = scripted([])

    assert driver.capabilities.pinned_reads
    assert not driver.capabilities.writable
    assert not driver.capabilities.listable
