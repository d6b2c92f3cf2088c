"""Lists of buckets over scripted replies: pages, what they ask, what comes of odd answers."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from blobio.config import AzureConfig, Config, GcsConfig
from blobio.drivers.buckets import Buckets, make_buckets, root_of
from blobio.drivers.registry import DriverServices
from blobio.errors import BlobError, InvalidConfig, PermissionDenied, RequestFailed
from blobio.transport.base import Transport
from blobio.transport.message import Request
from blobio.transport.mock import MockTransport, Step, reply
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import stack
from blobio.url import BlobUrl
from tests.unit.drivers.azure import kit as azure_kit
from tests.unit.drivers.s3 import kit as s3_kit

CONFIG = Config(
    s3=s3_kit.STORE,
    gcs=GcsConfig(anonymous=True, project="my-project"),
    azure=azure_kit.STORE,
    retry=s3_kit.FAST,
)


def scripted(
    text: str, script: Iterable[Step], config: Config = CONFIG
) -> tuple[Buckets, MockTransport]:
    mock = MockTransport(script)

    def connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(mock, config, RetryBudget(100), signer=signer, judge=judge)

    root = root_of(text)
    assert root is not None
    return make_buckets(root, DriverServices(config, connect)), mock


async def names(buckets: Buckets) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = await buckets.page(token)
        found += [entry.name for entry in page.entries]
        token = page.token
        if token is None:
            return found


def path(request: Request) -> str:
    return request.url.split("/", 3)[3]


def s3_page(*names: str, token: str = "") -> bytes:
    buckets = "".join(
        f"<Bucket><Name>{name}</Name><CreationDate>2026-11-28T01:02:03.000Z</CreationDate></Bucket>"
        for name in names
    )
    end = f"<ContinuationToken>{token}</ContinuationToken>" if token else ""
    return (
        '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Owner><ID>me</ID></Owner><Buckets>{buckets}</Buckets>{end}</ListAllMyBucketsResult>"
    ).encode()


def azure_page(*names: str, marker: str = "") -> bytes:
    containers = "".join(
        f"<Container><Name>{name}</Name><Properties><Last-Modified>Sat, 28 Nov 2026 01:02:03 GMT"
        "</Last-Modified></Properties></Container>"
        for name in names
    )
    return (
        f"<EnumerationResults><Containers>{containers}</Containers>"
        f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
    ).encode()


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("s3://", BlobUrl("s3", "", "")),
        ("S3:///", BlobUrl("s3", "", "")),
        ("gs://", BlobUrl("gs", "", "")),
        ("az://", BlobUrl("az", "", "")),
        ("az://account", BlobUrl("az", "account", "")),
        ("az://account/", BlobUrl("az", "account", "")),
        ("s3://bucket", None),
        ("gs://bucket/", None),
        ("az://account/container", None),
        ("az://container@account", None),
        ("file://", None),
        ("memory://", None),
        ("https://", None),
        ("s3:", None),
        ("", None),
        ("path/s3://", None),
    ],
)
def test_what_stands_for_all_buckets(text: str, root: BlobUrl | None) -> None:
    assert root_of(text) == root


async def test_s3_is_asked_for_pages_and_signed() -> None:
    pages = [reply(200, s3_page("a", "b", token="t/1")), reply(200, s3_page("c"))]
    buckets, mock = scripted("s3://", pages)

    assert await names(buckets) == ["a", "b", "c"]

    assert [path(request) for request in mock.requests] == [
        "?max-buckets=1000",
        "?continuation-token=t%2F1&max-buckets=1000",
    ]
    assert all(request.headers["authorization"] for request in mock.requests)


async def test_s3_of_aws_is_the_host_of_the_region() -> None:
    buckets, mock = scripted("s3://", [reply(200, s3_page())], Config(s3=s3_kit.AWS))

    assert await names(buckets) == []

    assert mock.requests[0].url.startswith("https://s3.us-east-1.amazonaws.com/?")


async def test_google_is_asked_for_pages_of_the_project() -> None:
    items = [{"name": "a", "timeCreated": "2026-11-28T01:02:03Z"}, {"name": "b"}]
    pages = [
        reply(200, json.dumps({"items": items, "nextPageToken": "t"}).encode()),
        reply(200, b"{}"),
    ]
    buckets, mock = scripted("gs://", pages)

    assert await names(buckets) == ["a", "b"]

    fields = "fields=nextPageToken%2Citems%28name%2CtimeCreated%29"
    start = f"storage/v1/b?project=my-project&maxResults=1000&{fields}"
    assert [path(request) for request in mock.requests] == [start, f"{start}&pageToken=t"]


async def test_azure_is_asked_for_pages_and_signed() -> None:
    pages = [reply(200, azure_page("a", marker="m&amp;m")), reply(200, azure_page("b"))]
    buckets, mock = scripted("az://account", pages)

    assert await names(buckets) == ["a", "b"]

    assert [path(request) for request in mock.requests] == [
        "?comp=list&maxresults=1000",
        "?comp=list&maxresults=1000&marker=m%26m",
    ]
    assert all(request.headers["authorization"] for request in mock.requests)


@pytest.mark.parametrize(
    ("text", "body"),
    [("s3://", s3_page("a")), ("az://account", azure_page("a"))],
)
async def test_times_and_urls(text: str, body: bytes) -> None:
    buckets, _ = scripted(text, [reply(200, body)])

    (entry,) = (await buckets.page(None)).entries

    assert entry.time == 1795827723.0
    assert entry.url == f"{text.rstrip('/')}{'//' if text == 's3://' else '/'}a/"


@pytest.mark.parametrize("text", ["s3://", "gs://", "az://account"])
@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b'{"items": 1}'])
async def test_what_is_no_list_is_refused(text: str, body: bytes) -> None:
    buckets, _ = scripted(text, [reply(200, body)] * 4)

    with pytest.raises(RequestFailed):
        await names(buckets)


@pytest.mark.parametrize("text", ["s3://", "gs://", "az://account"])
async def test_credentials_that_may_not_list_say_so(text: str) -> None:
    buckets, _ = scripted(text, [reply(403, b"")] * 4)

    with pytest.raises(PermissionDenied):
        await names(buckets)


async def test_accounts_are_those_of_the_settings() -> None:
    azure = AzureConfig(
        account="one",
        account_key=azure_kit.KEY,
        connection_string=f"AccountName=two;AccountKey={azure_kit.KEY}",
        accounts={"three": azure_kit.STORE, "one/container": azure_kit.STORE},
    )
    buckets, _ = scripted("az://", [], Config(azure=azure))

    assert await names(buckets) == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("text", "config"),
    [("az://", Config()), ("gs://", Config(gcs=GcsConfig(anonymous=True)))],
)
async def test_what_is_not_known_is_an_error_before_any_request(text: str, config: Config) -> None:
    buckets, mock = scripted(text, [], config)

    with pytest.raises(InvalidConfig, match="set "):
        await buckets.page(None)

    assert mock.requests == []


def test_a_store_of_which_nobody_lists_buckets_is_unsupported() -> None:
    _, mock = scripted("s3://", [])

    with pytest.raises(BlobError):
        make_buckets(BlobUrl("memory", "", ""), DriverServices(Config(), lambda **_: mock))
