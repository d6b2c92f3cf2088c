"""What goes over the wire to S3, written out: methods, URLs, headers, bodies."""

from __future__ import annotations

from dataclasses import replace

from blobio.config import S3Config
from blobio.drivers.s3.addressing import Endpoint
from blobio.drivers.s3.multipart import (
    Part,
    UploadTarget,
    abort_request,
    complete_request,
    create_request,
    part_copy_request,
    part_request,
)
from blobio.drivers.s3.wire import CopyPlan, Wire
from blobio.transport.message import Request
from blobio.values import (
    CreateOnly,
    From,
    GetOptions,
    Last,
    Overwrite,
    PutOptions,
    ReplaceIf,
    Span,
    Version,
)

VIRTUAL = Endpoint("https://bucket.s3.eu-west-1.amazonaws.com", "/", "eu-west-1", regional=True)
PATH = Endpoint("http://127.0.0.1:9000/bucket", "", "us-east-1")
KEY = "dir/a b#?%+ä"
URL = "https://bucket.s3.eu-west-1.amazonaws.com/dir/a%20b%23%3F%25%2B%C3%A4"
TARGET = UploadTarget(KEY, "up/load+id==")
UPLOAD_QUERY = "uploadId=up%2Fload%2Bid%3D%3D"


def _wire(endpoint: Endpoint = VIRTUAL, config: S3Config | None = None) -> Wire:
    return Wire("bucket", endpoint, config or S3Config())


def _shown(request: Request) -> tuple[str, str, dict[str, str], bytes]:
    return request.method, request.url, dict(request.headers), bytes(request.body)


def test_head() -> None:
    request = _wire().head(KEY, Version('"v"'))

    assert _shown(request) == (
        "HEAD",
        URL,
        {"x-amz-checksum-mode": "ENABLED", "if-match": '"v"'},
        b"",
    )
    assert request.subject == "s3://bucket/dir/a b#?%+ä"
    assert request.operation == "head"


def test_get_of_a_whole_blob() -> None:
    request = _wire().get(KEY, GetOptions())

    assert _shown(request) == ("GET", URL, {"x-amz-checksum-mode": "ENABLED"}, b"")
    assert request.stream


def test_get_of_ranges() -> None:
    ranges = [
        _wire().get(KEY, GetOptions(range=wanted)).headers["range"]
        for wanted in (Span(3, 10), From(5), Last(7))
    ]

    assert ranges == ["bytes=3-9", "bytes=5-", "bytes=-7"]


def test_put_path_style() -> None:
    options = PutOptions(content_type="text/plain", metadata={"colour": "green"})

    request = _wire(PATH).put("a//b/../c", b"body", options, {"content-md5": "x=="}, None)

    assert _shown(request) == (
        "PUT",
        "http://127.0.0.1:9000/bucket/a//b/../c",
        {"x-amz-meta-colour": "green", "content-type": "text/plain", "content-md5": "x=="},
        b"body",
    )
    assert request.idempotent


def test_put_create_only_leaves_its_token() -> None:
    request = _wire().put(KEY, b"", PutOptions(mode=CreateOnly()), {}, "t0ken")

    assert dict(request.headers) == {
        "x-amz-meta-blobio-write": "t0ken",
        "if-none-match": "*",
    }


def test_put_replace_if_with_encryption_and_class() -> None:
    config = S3Config(sse="AES256", storage_class="STANDARD_IA", requester_pays=True)
    options = PutOptions(mode=ReplaceIf(Version('"v"')))

    request = _wire(config=config).put(KEY, b"", options, {}, "t0ken")

    assert dict(request.headers) == {
        "x-amz-request-payer": "requester",
        "x-amz-server-side-encryption": "AES256",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-meta-blobio-write": "t0ken",
        "if-match": '"v"',
    }


def test_delete() -> None:
    assert _shown(_wire().delete(KEY)) == ("DELETE", URL, {}, b"")


def test_copy_keeps_the_metadata_of_the_source() -> None:
    plan = CopyPlan(
        source_bucket="other.bucket",
        source_key="a//b c+",
        source_version=Version('"s"'),
        mode=Overwrite(),
    )

    assert _shown(_wire().copy(KEY, plan)) == (
        "PUT",
        URL,
        {
            "x-amz-copy-source": "other.bucket/a//b%20c%2B",
            "x-amz-copy-source-if-match": '"s"',
        },
        b"",
    )


def test_copy_with_new_metadata_and_condition() -> None:
    plan = CopyPlan(
        source_bucket="bucket",
        source_key="src",
        mode=CreateOnly(),
        replacement={"content-type": "text/plain", "x-amz-meta-a": "1"},
    )

    assert dict(_wire().copy(KEY, plan).headers) == {
        "x-amz-copy-source": "bucket/src",
        "if-none-match": "*",
        "content-type": "text/plain",
        "x-amz-meta-a": "1",
        "x-amz-metadata-directive": "REPLACE",
    }


def test_upload_is_created_with_a_full_object_checksum() -> None:
    request = create_request(_wire(), KEY, {"x-amz-meta-a": "1"}, crc32c=True)

    assert _shown(request) == (
        "POST",
        URL + "?uploads=",
        {
            "x-amz-meta-a": "1",
            "x-amz-checksum-algorithm": "CRC32C",
            "x-amz-checksum-type": "FULL_OBJECT",
        },
        b"",
    )


def test_upload_without_checksums_asks_for_none() -> None:
    assert dict(create_request(_wire(), KEY, {}, crc32c=False).headers) == {}


def test_part_numbers_count_from_one() -> None:
    request = part_request(_wire(), TARGET, 0, b"data", {"x-amz-checksum-crc32c": "AAAAAA=="})

    assert _shown(request) == (
        "PUT",
        f"{URL}?partNumber=1&{UPLOAD_QUERY}",
        {"x-amz-checksum-crc32c": "AAAAAA=="},
        b"data",
    )


def test_customer_key_goes_with_every_part_and_copy() -> None:
    config = S3Config(sse_customer_key=bytes(32))
    plan = CopyPlan(source_bucket="bucket", source_key="s", mode=Overwrite())
    name = "server-side-encryption-customer-key"

    for request in (
        part_request(_wire(config=config), TARGET, 0, b"", {}),
        part_copy_request(_wire(config=config), TARGET, 0, plan, Span(0, 1)),
        _wire(config=config).copy(KEY, plan),
        _wire(config=config).get(KEY, GetOptions()),
        _wire(config=config).head(KEY),
    ):
        assert f"x-amz-{name}" in request.headers
        assert (f"x-amz-copy-source-{name}" in request.headers) == (
            "x-amz-copy-source" in request.headers
        )


def test_copied_part_names_its_range_and_pins_the_source() -> None:
    plan = CopyPlan(
        source_bucket="bucket", source_key="s", source_version=Version('"v"'), mode=Overwrite()
    )

    request = part_copy_request(_wire(), TARGET, 2, plan, Span(10, 20))

    assert _shown(request) == (
        "PUT",
        f"{URL}?partNumber=3&{UPLOAD_QUERY}",
        {
            "x-amz-copy-source": "bucket/s",
            "x-amz-copy-source-if-match": '"v"',
            "x-amz-copy-source-range": "bytes=10-19",
        },
        b"",
    )


def test_completion_names_parts_size_condition_and_checksum() -> None:
    # The CRC32C of "1234", of "56789", and of both, as for the check value of the algorithm.
    parts = [Part(4, '"e1"', 0xF63AF4EE), Part(5, '"e2"', 0x83B565D8)]
    target = replace(TARGET, has_crc32c=True, is_full_object=True)

    request = complete_request(_wire(), target, parts, CreateOnly())

    assert _shown(request) == (
        "POST",
        f"{URL}?{UPLOAD_QUERY}",
        {
            "if-none-match": "*",
            "content-type": "application/xml",
            "x-amz-mp-object-size": "9",
            "x-amz-checksum-crc32c": "4waSgw==",
            "x-amz-checksum-type": "FULL_OBJECT",
        },
        (
            b'<?xml version="1.0" encoding="UTF-8"?>'
            b'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            b"<Part><ChecksumCRC32C>9jr07g==</ChecksumCRC32C><ETag>&quot;e1&quot;</ETag>"
            b"<PartNumber>1</PartNumber></Part>"
            b"<Part><ChecksumCRC32C>g7Vl2A==</ChecksumCRC32C><ETag>&quot;e2&quot;</ETag>"
            b"<PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"
        ),
    )


def test_completion_at_a_store_without_checksums_is_plain() -> None:
    request = complete_request(_wire(), TARGET, [Part(4, '"e1"', 0xF63AF4EE)], Overwrite())

    assert dict(request.headers) == {
        "content-type": "application/xml",
        "x-amz-mp-object-size": "4",
    }
    assert b"Checksum" not in bytes(request.body)


def test_abort() -> None:
    assert _shown(abort_request(_wire(), TARGET)) == ("DELETE", f"{URL}?{UPLOAD_QUERY}", {}, b"")
