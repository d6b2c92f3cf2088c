"""What a store's XML cannot do (row 9): declare, expand, nest, grow, or take for ever."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blobio.config import Config, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.drivers import markup
from blobio.drivers.s3 import deleting, listing, multipart
from blobio.drivers.s3.errors import error_body, error_for
from blobio.drivers.s3.judge import judge
from blobio.errors import BlobError, RequestFailed, TransportFailed
from blobio.testing.scripted import Received, Reply, ScriptedServer
from blobio.transport.message import Request, Response
from blobio.values import ListPage

SUBJECT: Final = "s3://bucket/"

BILLION_LAUGHS: Final = b"""<?xml version="1.0"?><!DOCTYPE lolz [
<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>
<ROOT><Contents><Key>&e;</Key></Contents></ROOT>"""
QUADRATIC: Final = (
    b'<!DOCTYPE r [<!ENTITY a "' + b"x" * 50_000 + b'">]><ROOT>' + b"&a;" * 50_000 + b"</ROOT>"
)
EXTERNAL: Final = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<ROOT><Contents><Key>&x;</Key></Contents></ROOT>"
)
REMOTE_DTD: Final = b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/evil.dtd"><ROOT/>'
PARAMETER: Final = b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><ROOT/>'
SMALL_CASE: Final = b'<!doctype r [<!entity a "b">]><ROOT>&a;</ROOT>'
UNDEFINED: Final = b"<ROOT><Contents><Key>&nbsp;</Key></Contents></ROOT>"
UTF_16: Final = EXTERNAL.decode().encode("utf-16")
UTF_16_BARE: Final = EXTERNAL.decode().encode("utf-16-le")
UTF_32: Final = EXTERNAL.decode().encode("utf-32")
UTF_7: Final = (
    b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE r+AFs-+ADwAIQ-ENTITY x "y"+AD4AXQA+-'
    b"<ROOT/>"
)
EBCDIC: Final = b'<?xml version="1.0" encoding="cp037"?>' + EXTERNAL[21:].decode().encode("cp037")
NO_ENCODING: Final = b'<?xml version="1.0" encoding="no-such-thing"?><ROOT/>'
ZIPPED: Final = b'<?xml version="1.0" encoding="zip"?><ROOT/>'

BOMBS: Final[Mapping[str, bytes]] = {
    "billion laughs": BILLION_LAUGHS,
    "quadratic": QUADRATIC,
    "external entity": EXTERNAL,
    "remote dtd": REMOTE_DTD,
    "parameter entity": PARAMETER,
    "small case": SMALL_CASE,
    "undefined entity": UNDEFINED,
    "utf-16": UTF_16,
    "utf-16 bare": UTF_16_BARE,
    "utf-32": UTF_32,
    "utf-7": UTF_7,
    "ebcdic": EBCDIC,
}


def _deleted(body: bytes) -> object:
    return deleting.parse_batch(Response(status=200, headers={}, body=body), ["k"], "bucket")


def _created(body: bytes) -> object:
    return multipart.parse_created("k", body, {}, crc32c=True, subject=SUBJECT)


# Every place that reads XML, with the root it expects.
READERS: Final[Mapping[str, tuple[Callable[[bytes], object], bytes]]] = {
    "listing": (lambda body: listing.parse_page(body, SUBJECT), b"ListBucketResult"),
    "batch delete": (_deleted, b"DeleteResult"),
    "new upload": (_created, b"InitiateMultipartUploadResult"),
    "copy": (lambda body: markup.parse(body, "CopyObjectResult", SUBJECT), b"CopyObjectResult"),
}
EVERY_READER: Final = pytest.mark.parametrize("reader", READERS)


def _read(reader: str, body: bytes) -> object:
    function, root = READERS[reader]
    return function(body.replace(b"ROOT", root))


@EVERY_READER
@pytest.mark.parametrize("bomb", BOMBS)
def test_declarations_and_entities_are_refused(reader: str, bomb: str) -> None:
    """Row 9: before anything is expanded or fetched, in any encoding."""
    started = time.process_time()

    with pytest.raises(RequestFailed) as caught:
        _read(reader, BOMBS[bomb])

    assert time.process_time() - started < 1.0
    assert len(str(caught.value)) < 1_000
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize("reader", READERS.keys() - {"listing"})
@pytest.mark.parametrize("body", [NO_ENCODING, ZIPPED], ids=["unknown", "zip"])
def test_encoding_that_is_none_is_refused(reader: str, body: bytes) -> None:
    """Row 9: a listing is always read as UTF-8, whatever it says of itself."""
    with pytest.raises(RequestFailed):
        _read(reader, body)


@pytest.mark.slow
@EVERY_READER
def test_deep_nesting_is_refused(reader: str) -> None:
    """Row 9: a million levels are neither a tree nor a crash."""
    deep = b"<ROOT>" + b"<a>" * 1_000_000 + b"</a>" * 1_000_000 + b"</ROOT>"

    with pytest.raises(RequestFailed):
        _read(reader, deep)


@EVERY_READER
def test_names_and_attributes_without_end_are_not_told_in_full(reader: str) -> None:
    """Rows 9 and 28: an error tells little of a megabyte."""
    for body in (
        b"<" + b"n" * 1_000_000 + b"/>",
        b"<ROOT " + b" ".join(b'a%d="x"' % number for number in range(20_000)) + b"/>" + b"x" * 9,
        b"<ROOT><Contents><Key>k</Key><LastModified>" + b"9" * 1_000_000 + b"</LastModified><Size>"
        b"1</Size></Contents><x></ROOT>",
    ):
        with pytest.raises(RequestFailed) as caught:
            _read(reader, body)
        assert len(str(caught.value)) < 1_000


LONG_FORMS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "white space": lambda size: b" " * size,
    "white space and no end": lambda size: b"<?xml " + b" " * size,
    "open tags": lambda size: b"<Contents>" * (size // 10),
    "entries": lambda size: b"<ROOT>" + b"<Contents><Key>" * (size // 15),
    "spaced entry": lambda size: b"<ROOT><Contents>" + b" " * size + b"</Contents></ROOT>",
    "checksums": lambda size: (
        b"<Contents><Key>k</Key><LastModified>Z</LastModified><ETag>e</ETag>"
        + b"<ChecksumType>x</ChecksumType> " * (size // 31)
    ),
    "owners": lambda size: (
        b"<Contents><Key>k</Key><LastModified>Z</LastModified><ETag>e</ETag><Size>1</Size><Owner>"
        + b" <ID>x</ID> " * (size // 12)
    ),
    "entities": lambda size: b"<ROOT><Key>" + b"&amp;" * (size // 5) + b"</Key></ROOT>",
    "one long text": lambda size: b"<ROOT><NextContinuationToken>&lt;" + b"x" * size,
    "codes": lambda size: b"<Code>" * (size // 6),
    "comments": lambda size: b"<ROOT>" + b"<!---->" * (size // 7) + b"</ROOT>",
    "less-thans": lambda size: b"<" * size,
}
_SIZE: Final = 2 << 20


@pytest.mark.slow
@pytest.mark.parametrize("form", LONG_FORMS)
def test_reading_takes_linear_time(form: str) -> None:
    """Rows 9 and 26: every reader and the retry judge, over two megabytes of the worst."""
    body = LONG_FORMS[form](_SIZE)
    copy = Request(method="PUT", url="https://h/k", headers={"x-amz-copy-source": "b/k"})
    started = time.process_time()

    for reader in READERS:
        with contextlib.suppress(RequestFailed):  # only the time is of interest
            _read(reader, body)
    judge(copy, Response(status=200, headers={}, body=body))
    markup.root_name(body)
    error_body(body)

    assert time.process_time() - started < 12.0  # seconds under coverage; quadratic takes hours


_TAGS: Final = st.sampled_from(
    [
        *("ListBucketResult", "Contents", "Key", "LastModified", "ETag", "Size", "Owner", "ID"),
        *("CommonPrefixes", "Prefix", "IsTruncated", "NextContinuationToken", "EncodingType"),
        *("Error", "Code", "Message", "DeleteResult", "x:y", "é", ""),
    ]
)
_TEXTS: Final = st.sampled_from(
    [
        *("true", "url", "2020-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z"),
        *("12", "-5", "1_0", "9" * 30, "9" * 5_000, "&lt;", "&#0;", "&#x110000;", "&a;", "%zz"),
        *('"e"', "&quot;", "\r\n", "]]>", "<![CDATA[x]]>", "<!-- -->", "<?x?>", "+%2B", "\ud800"),
    ]
) | st.text(max_size=8)


@st.composite
def _documents(draw: st.DrawFn) -> bytes:
    """Draw a document that is nearly right: known tags, wrong places, odd texts, a cut end."""
    pieces = draw(
        st.lists(st.tuples(_TAGS, _TEXTS, st.booleans(), st.booleans()), min_size=1, max_size=20)
    )
    text = "<ListBucketResult>" if draw(st.booleans()) else ""
    for tag, content, opened, closed in pieces:
        text += f"<{tag}>" * opened + content + f"</{tag}>" * closed
    text += "</ListBucketResult>" * draw(st.booleans())
    body = text.encode("utf-8", "replace")
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


@pytest.mark.slow
@settings(max_examples=300)
@given(_documents() | st.binary(max_size=60))
@example(b"<ListBucketResult><CommonPrefixes><x/></CommonPrefixes></ListBucketResult>")
@example(b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
@example(b"<Error><Code>a</Code><Message>&#" + b"9" * 5_000 + b";</Message></Error>")
@example(b"\xef\xbb\xbf<ListBucketResult/>")
def test_any_document_is_read_or_refused(body: bytes) -> None:
    """Row 9: no exception but those of blobio, and no page that holds an impossible blob."""
    for reader in READERS:
        try:
            read = _read(reader, body)
        except BlobError:
            continue
        if isinstance(read, ListPage):
            assert all(0 <= blob.size < 10**18 for blob in read.blobs)
            assert all(type(blob.mtime) is float for blob in read.blobs)
    response = Response(status=400, headers={}, body=body)
    assert str(error_for(response, operation="get", subject=SUBJECT)).isprintable()
    judge(Request(method="POST", url="https://h/k"), response)
    judge(Request(method="POST", url="https://h/k"), Response(status=200, headers={}, body=body))


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_page_larger_than_memory_allows_is_refused(framing: str) -> None:
    """Rows 9 and 26: over a socket, at the bound of a buffered reply, and not again."""
    body = b"<ListBucketResult>" + b" " * (65 << 20)

    def endless(_: Received) -> Reply:
        return Reply(body=body, framing="chunked" if framing == "chunked" else "length")

    with ScriptedServer(endless) as store:
        config = S3Config(endpoint_url=store.url, region="us-east-1", anonymous=True)
        async with AsyncContext(Config(s3=config, retry=RetryConfig(base_s=1e-4))) as context:
            with pytest.raises(TransportFailed, match="does not fit"):
                _ = [name async for name in context.listdir("s3://bucket/")]

        assert len(store.requests) == 1
