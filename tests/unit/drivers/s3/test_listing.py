from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.drivers.s3.listing import page_query, parse_page
from blobio.errors import RequestFailed
from blobio.values import ListOptions

SUBJECT = "s3://bucket/"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
)
ROW = (
    "<Contents><Key>{}</Key><LastModified>2009-10-12T17:50:30.500Z</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def _page(*rows: str, encoded: bool = True, more: str = "") -> bytes:
    encoding = "<EncodingType>url</EncodingType>" if encoded else ""
    end = more or "<IsTruncated>false</IsTruncated>"
    return f"{HEAD}{encoding}{end}{''.join(rows)}</ListBucketResult>".encode()


def _keys(body: bytes) -> list[str]:
    return [blob.key for blob in parse_page(body, SUBJECT).blobs]


def test_page_of_s3_is_read_whole() -> None:
    body = (
        HEAD + "<Prefix>a/</Prefix><KeyCount>3</KeyCount><MaxKeys>3</MaxKeys>"
        "<Delimiter>/</Delimiter><EncodingType>url</EncodingType>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>1ue&amp;=</NextContinuationToken>"
        "<Contents><Key>a/x+y</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
        "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>"
        "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        "<Size>434234</Size><Owner><ID>75aa</ID><DisplayName>me</DisplayName></Owner>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        "<Contents><Key>a/z%2B</Key><LastModified>2009-10-12T17:50:31.000Z</LastModified>"
        "<ETag>&quot;b&quot;</ETag><Size>0</Size><StorageClass>GLACIER</StorageClass></Contents>"
        "<CommonPrefixes><Prefix>a/d+1/</Prefix></CommonPrefixes>"
        "<CommonPrefixes><Prefix>a/%C3%A9/</Prefix></CommonPrefixes></ListBucketResult>"
    ).encode()

    page = parse_page(body, SUBJECT)

    first, second = page.blobs
    assert (first.key, first.size, first.mtime) == ("a/x y", 434234, 1255369830.0)
    assert first.version == '"fba9dede5f27731c9771645a39863328"'
    assert first.md5 is None  # a listing does not tell how an object is encrypted
    assert (second.key, second.size) == ("a/z+", 0)
    assert page.prefixes == ["a/d 1/", "a/é/"]
    assert page.token == "1ue&="


def test_keys_are_taken_literally_where_the_store_did_not_encode() -> None:
    assert _keys(_page(ROW.format("a+b%20c"), encoded=False)) == ["a+b%20c"]


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        ROW.replace("<StorageClass>STANDARD</StorageClass>", ""),
        ROW.replace("&quot;", '"'),
        ROW.replace("&quot;", "&#34;"),
        ROW.replace("><", ">\n  <"),
        ROW.replace("<Size>5</Size>", "").replace("<ETag>", "<Size>5</Size><ETag>"),
        ROW.replace("<Size>", "<RestoreStatus><Ok>1</Ok></RestoreStatus><Size>"),
        ROW.replace("30.500Z", "30.500+00:00"),
        ROW.replace("<Key>", "<!-- a comment --><Key>"),
    ],
)
def test_forms_of_an_entry_mean_the_same(row: str) -> None:
    plain = parse_page(_page(ROW.format("one"), ROW.format("two")), SUBJECT)

    assert parse_page(_page(row.format("one"), row.format("two")), SUBJECT) == plain


def test_one_odd_entry_keeps_the_order() -> None:
    body = _page(ROW.format("a"), ROW.format("b&amp;"), ROW.format("c"), encoded=False)

    assert _keys(body) == ["a", "b&", "c"]


@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
            min_size=1,
            max_size=12,
        ),
        max_size=5,
    )
)
def test_escaped_keys_survive(keys: list[str]) -> None:
    rows = [ROW.format(escape(key)) for key in keys]

    assert _keys(_page(*rows, encoded=False)) == keys


def test_etag_may_be_missing_and_time_without_zone_is_utc() -> None:
    row = ROW.replace("<ETag>&quot;abc&quot;</ETag>", "").replace("500Z", "500")

    (blob,) = parse_page(_page(row.format("k")), SUBJECT).blobs

    assert blob.version is None
    assert blob.mtime == 1255369830.5


def test_token_is_ignored_once_the_listing_has_ended() -> None:
    more = "<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>"

    assert parse_page(_page(more=more), SUBJECT).token is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        _page(ROW.format("a"))[:-5],
        _page(ROW.replace("<Size>5</Size>", "").format("a")),
        _page(ROW.replace("2009-10-12", "yesterday").format("a")),
        b"<ListBucketResult>\xff</ListBucketResult>",
        b"<Error><Code>InternalError</Code></Error>",
        b"<html><body>proxy login</body></html>",
        _page(more="<IsTruncated>true</IsTruncated>"),
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
        "<ListBucketResult/>".encode("utf-16"),
    ],
)
def test_what_is_no_listing_is_never_an_empty_one(body: bytes) -> None:
    with pytest.raises(RequestFailed, match="s3://bucket/"):
        parse_page(body, SUBJECT)


@pytest.mark.parametrize(
    ("options", "token", "query"),
    [
        (
            ListOptions(),
            None,
            "encoding-type=url&list-type=2&max-keys=1000&prefix=a%2Fb%20c",
        ),
        (
            ListOptions(delimiter="/", page_size=7, start_after="a/b c+"),
            None,
            (
                "delimiter=%2F&encoding-type=url&list-type=2&max-keys=7&prefix=a%2Fb%20c"
                "&start-after=a%2Fb%20c%2B"
            ),
        ),
        (
            ListOptions(page_size=5000, start_after="x"),
            "to/ken==",
            (
                "continuation-token=to%2Fken%3D%3D&encoding-type=url&list-type=2&max-keys=1000"
                "&prefix=a%2Fb%20c"
            ),
        ),
    ],
)
def test_query_of_a_page(options: ListOptions, token: str | None, query: str) -> None:
    assert page_query("a/b c", options, token) == query
