from __future__ import annotations

import pytest

from blobio.drivers.azure.listing import page_query, parse_page
from blobio.errors import RequestFailed
from blobio.values import ListOptions

FLAT = ListOptions()
DIRECT = ListOptions(delimiter="/")


def page(*entries: str, marker: str = "") -> bytes:
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="x" '
        f'ContainerName="c"><Blobs>{"".join(entries)}</Blobs><NextMarker>{marker}</NextMarker>'
        "</EnumerationResults>"
    ).encode()


def blob(name: str, size: object = 3, *, more: str = "", metadata: str = "") -> str:
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>Fri, 27 Nov 2026 11:00:00 GMT"
        "</Creation-Time><Last-Modified>Fri, 27 Nov 2026 12:00:00 GMT</Last-Modified>"
        f"<Etag>0x8D</Etag><Content-Length>{size}</Content-Length><Content-Type>text/plain"
        f"</Content-Type><Content-MD5>jXd/OF09/siBXSD3SWAm3A==</Content-MD5>{more}</Properties>"
        f"<Metadata>{metadata}</Metadata></Blob>"
    )


FOLDER = "<hdi_isfolder>true</hdi_isfolder>"


def test_query_names_all_that_is_wanted() -> None:
    options = ListOptions(delimiter="/", page_size=10)

    assert page_query("a&b", options, "2!x=") == (
        "comp=list&include=metadata&delimiter=%2F&marker=2%21x%3D&maxresults=10"
        "&prefix=a%26b&restype=container"
    )


def test_blob_is_described() -> None:
    metadata = (
        "<Colour>green</Colour><blobfilemtime>1.5</blobfilemtime><blobio_write>t</blobio_write>"
    )
    listed = parse_page(page(blob("a", metadata=metadata), marker="next"), "", FLAT, "s")

    (meta,) = listed.blobs
    assert (meta.key, meta.size, meta.version, meta.content_type) == (
        "a",
        3,
        '"0x8D"',
        "text/plain",
    )
    assert meta.md5 == "8d777f385d3dfec8815d20f7496026dc"
    assert meta.mtime - meta.ctime == 3600
    assert dict(meta.metadata) == {"colour": "green", "blobfile-mtime": "1.5"}
    assert listed.token == "next"


BLOCK = "<BlobType>BlockBlob</BlobType>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("11:00:00 GMT", "12:00:00 GMT"),
        ("12:00:00 GMT", "never"),
        ("11:00:00 GMT", "never"),
        ("<Content-MD5>jXd/OF09/siBXSD3SWAm3A==</Content-MD5>", "<Content-MD5 />"),
        ("<Content-MD5>jXd/OF09/siBXSD3SWAm3A==</Content-MD5>", ""),
        ("jXd/OF09/siBXSD3SWAm3A==", "jXd/"),
        ("0x8D", ""),
        ("0x8D", '"0x8D"'),
        ("text/plain", ""),
        (BLOCK, "<BlobType>AppendBlob</BlobType>"),
        (BLOCK, BLOCK + "<ResourceType>directory</ResourceType>"),
    ],
)
def test_page_of_usual_blobs_is_read_as_any_other(old: str, new: str) -> None:
    entry = blob("a", more=BLOCK).replace(old, new)
    unusual = blob("b&lt;", more=BLOCK)

    alone, mixed = (
        parse_page(page(*found), "", FLAT, "s") for found in ([entry], [entry, unusual])
    )

    assert list(alone.blobs) == list(mixed.blobs)[:1]
    assert alone.blobs[0].key.rstrip("/") == "a"


def test_name_that_xml_cannot_carry_is_decoded() -> None:
    entry = blob("x").replace("<Name>x", '<Name Encoded="true">a%1Bb%25')

    assert [meta.key for meta in parse_page(page(entry), "", FLAT, "s").blobs] == ["a\x1bb%"]


def test_name_that_is_not_encoded_stays() -> None:
    listed = parse_page(page(blob("a%20b&lt;&#10;")), "", FLAT, "s")

    assert [meta.key for meta in listed.blobs] == ["a%20b<\n"]


def test_prefixes_are_listed() -> None:
    prefix = "<BlobPrefix><Name>dir/</Name></BlobPrefix>"

    assert list(parse_page(page(prefix, blob("a")), "", DIRECT, "s").prefixes) == ["dir/"]


@pytest.mark.parametrize(
    "entry",
    [
        blob("dir", 0, metadata=FOLDER),
        blob("dir", 0, more="<ResourceType>directory</ResourceType>"),
    ],
    ids=["hadoop", "hierarchical"],
)
def test_directory_without_a_slash_gets_one(entry: str) -> None:
    prefix = "<BlobPrefix><Name>dir/</Name></BlobPrefix>"
    entries = page(entry, blob("dir-a"), blob("dir/b"))

    flat = parse_page(entries, "", FLAT, "s")
    direct = parse_page(page(entry, blob("dir-a"), prefix), "", DIRECT, "s")

    assert [meta.key for meta in flat.blobs] == ["dir-a", "dir/", "dir/b"]
    assert [meta.key for meta in direct.blobs] == ["dir-a"]
    assert list(direct.prefixes) == ["dir/"]


def test_keys_up_to_start_after_are_dropped() -> None:
    options = ListOptions(start_after="b")

    listed = parse_page(page(blob("a"), blob("b"), blob("c"), marker="m"), "", options, "s")

    assert [meta.key for meta in listed.blobs] == ["c"]
    assert listed.token == "m"


def test_md5_of_an_append_blob_is_left_out() -> None:
    entry = blob("a", more="<BlobType>AppendBlob</BlobType>", metadata="<md5>x</md5>")
    (meta,) = parse_page(page(entry), "", FLAT, "s").blobs

    assert meta.md5 is None
    assert not meta.metadata


def azure_blob(name: str, *, more: str = "", metadata: str = "") -> str:
    """An entry in the form of the service, which is read fast."""
    stored = f"<Metadata>{metadata}</Metadata>" if metadata else "<Metadata />"
    return (
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>Fri, 27 Nov 2026 11:00:00 GMT"
        "</Creation-Time><Last-Modified>Fri, 27 Nov 2026 12:00:00 GMT</Last-Modified>"
        "<Etag>0x8D</Etag><Content-Length>3</Content-Length><Content-Type>text/plain"
        "</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 />"
        "<Content-MD5>jXd/OF09/siBXSD3SWAm3A==</Content-MD5><Cache-Control />"
        f"<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>{more}</Properties>"
        f"{stored}<OrMetadata /></Blob>"
    )


ENTRIES = {
    "plain": azure_blob("a"),
    "metadata": azure_blob("a", metadata="<Colour>green</Colour><md5>x</md5>"),
    "folder": azure_blob("a", metadata=FOLDER),
    "directory": azure_blob("a", more="<ResourceType>directory</ResourceType>"),
    "append": azure_blob("a").replace("BlockBlob", "AppendBlob"),
    "entity": azure_blob("a&amp;b"),
    "percent": azure_blob("a%20b é😀"),
    "encoded": azure_blob("x").replace("<Name>x", '<Name Encoded="true">a%1Bb'),
    "entity in metadata": azure_blob("a", metadata="<Colour>a&lt;b</Colour>"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_both_readers_read_the_same(name: str) -> None:
    fast = page(ENTRIES[name], azure_blob("z"))
    slow = fast.replace(b"<Properties>", b"<Properties><!-- -->")

    assert parse_page(fast, "", FLAT, "s") == parse_page(slow, "", FLAT, "s")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<EnumerationResults><Blobs>",
        b"<Other/>",
        b"<!DOCTYPE x><EnumerationResults/>",
        page(blob("a", "-1")),
        page(blob("a", "9" * 30)),
        page("<Blob><Properties/></Blob>"),
        b"\xff",
        b"<a>" * 100_000,
    ],
    ids=["empty", "cut", "other", "dtd", "negative", "huge", "nameless", "no text", "deep"],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(RequestFailed):
        parse_page(body, "", FLAT, "s")
