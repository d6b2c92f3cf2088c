"""Nothing but the settings chooses the host that gets a signature (rows 10, 16 and 17)."""

from __future__ import annotations

import ast
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.drivers.s3.addressing import locate
from blobio.errors import BlobError, InvalidConfig, InvalidUrl, TransportFailed, Unsupported
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from blobio.transport.message import Request, Response
from blobio.transport.mock import MockTransport
from blobio.url import BlobUrl
from blobio.values import GetOptions, MetaPatch, PutOptions, Version
from tests.test_architecture import PACKAGE
from tests.unit.drivers.s3.kit import AWS, scripted, wrote

FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4)
ADDRESSINGS: Final[tuple[Literal["auto", "path", "virtual"], ...]] = ("auto", "path", "virtual")
HOST_TRICKS: Final = [
    "evil.com/",
    "evil.com#",
    "evil.com?x=",
    "user@evil.com",
    "user:pass@evil.com",
    "evil.com:80",
    "evil.com\\",
    "127.0.0.1:9/",
    "169.254.169.254#",
    "..",
    ".",
    "a..b",
    "-a",
    "[::1]",
    "a b",
    "a\tb",
    "a\r\nHost: evil.com",
    "a%2f",
    "a%00",
    "\uff41\uff0e\uff43\uff4f\uff4d",  # full width letters, which become `a.com` in a host
    "evil\u3002com",
    "",
]


def _suffix(_: str) -> str:
    return "amazonaws.com"


def _hosts(mock: MockTransport) -> set[str | None]:
    return {urlsplit(request.url).hostname for request in mock.requests}


@pytest.mark.parametrize("name", HOST_TRICKS)
def test_name_that_could_be_more_than_a_bucket_is_no_bucket(name: str) -> None:
    """Row 17: where a URL is parsed, and again where a host is made of it."""
    bucket = name.partition("/")[0]
    if bucket == name:
        with pytest.raises(InvalidUrl):
            BlobUrl.parse(f"s3://{name}/k")
    for addressing in ADDRESSINGS:
        for endpoint in (None, "https://store.example"):
            with pytest.raises((InvalidConfig, InvalidUrl)):
                locate(
                    name,
                    endpoint_url=endpoint,
                    region="us-east-1",
                    addressing=addressing,
                    dns_suffix=_suffix,
                )


_NAMES: Final = st.text(
    st.sampled_from(string.ascii_letters + string.digits + ".-_/@#?:%\\[] "), max_size=20
)
_PLACES: Final[Mapping[str, str | None]] = {
    "s3.eu-west-1.amazonaws.com": None,
    "h.example": "https://h.example:8443",
}


@given(name=_NAMES | st.text(max_size=20))
@example(name="169.254.169.254")
@example(name="evil.com")
@example(name="a.b")
def test_host_is_ours_whatever_the_bucket_is_called(name: str) -> None:
    """Row 17: on AWS the host ends in its domain; elsewhere it is the endpoint's."""
    for host, endpoint in _PLACES.items():
        for addressing in ADDRESSINGS:
            try:
                place = locate(
                    name,
                    endpoint_url=endpoint,
                    region="eu-west-1",
                    addressing=addressing,
                    dns_suffix=_suffix,
                )
            except (InvalidConfig, InvalidUrl):
                continue
            parts = urlsplit(place.object_url("a?b#c@d"))
            assert parts.scheme == "https"
            assert parts.hostname in (host, f"{name}.{host}")
            assert parts.port == (None if endpoint is None else 8443)
            assert (parts.username, parts.query, parts.fragment) == (None, "", "")


@pytest.mark.slow
@settings(max_examples=30)
@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
@example(key="//evil.com/k")
@example(key="@evil.com/")
@example(key="../../other-bucket/k")
@example(key="k\r\nHost: evil.com\r\n\r\nGET /")
@example(key="?acl")
@example(key="k#x")
@example(key="%2e%2e/%00")
@example(key="\\\\evil.com\\k")
async def test_key_stays_in_the_path_of_its_bucket(key: str) -> None:
    """Rows 16 and 17: escaped once, for a bucket in the path and one in the host."""
    for s3, base in (
        (AWS, "https://bucket.s3.us-east-1.amazonaws.com/"),
        (replace(AWS, addressing="path"), "https://s3.us-east-1.amazonaws.com/bucket/"),
    ):
        driver, mock = scripted(lambda _: wrote(), s3=s3)
        await driver.put(key, b"", PutOptions())

        url = mock.requests[0].url
        assert url.startswith(base)
        assert url.isascii()
        assert set(url[len(base) :]) <= set(string.ascii_letters + string.digits + "-._~/%")
        assert unquote_to_bytes(url[len(base) :]).decode() == key


@given(
    authority=st.text(st.sampled_from("aZ09.-_~:@/\\#?%[] \r\n\t\0é"), max_size=20),
    scheme=st.sampled_from(["http", "https"]),
)
@example(authority="user@evil.com", scheme="https")
@example(authority="good.example\\@evil.com", scheme="https")
@example(authority="good.example#@evil.com", scheme="https")
@example(authority="good.example:80:80", scheme="https")
def test_host_of_a_web_url_is_what_was_parsed(authority: str, scheme: str) -> None:
    """Row 17: our parser and that of the client agree on the host, or we refuse."""
    try:
        url = BlobUrl.parse(f"{scheme}://{authority}")
    except InvalidUrl:
        return
    driver_url = f"{url.scheme}://{url.authority}/"
    parts = urlsplit(driver_url)
    assert url.authority == parts.netloc == authority.partition("/")[0].lower()
    assert parts.username is None
    assert not set(parts.netloc) & set("@/\\#?% \r\n\t\0")


async def test_headers_of_a_user_go_to_their_host_only() -> None:
    """Row 17: not to a name that begins or ends like it, nor to another port of it."""
    arrived: list[Received] = []

    def keep(request: Received) -> Reply:
        arrived.append(request)
        return serving(b"x")(request)

    with ScriptedServer(keep) as one, ScriptedServer(keep) as other:
        port = one.url.rpartition(":")[2]
        headers: Mapping[str, Mapping[str, str]] = {
            f"127.0.0.1:{port}": {"x-key": "c4nary"},
            "127.0.0": {"x-key": "wrong"},
            "localhost": {"x-key": "wrong"},
            "127.0.0.1.evil": {"x-key": "wrong"},
        }
        async with AsyncContext(Config(http=HttpConfig(headers=headers), retry=FAST)) as context:
            await context.read_bytes(f"{one.url}/k")
            await context.read_bytes(f"{other.url}/k")

    assert [request.headers.get("x-key") for request in arrived] == ["c4nary", None]


@pytest.mark.parametrize(
    "path",
    [
        "s3://169.254.169.254/latest/meta-data",
        "s3://evil.com/k",
        "s3://localhost/k",
        "s3://bucket/http://evil.com/k",
        "s3://bucket/k?endpoint_url=http://evil.com",
    ],
)
async def test_url_cannot_set_the_endpoint(path: str) -> None:
    """Row 10: an endpoint comes from the settings alone."""
    with ScriptedServer(serving(b"content")) as store:
        s3 = S3Config(endpoint_url=store.url, region="us-east-1", anonymous=True, etag_is_md5=False)
        async with AsyncContext(Config(s3=s3, retry=FAST)) as context:
            assert await context.read_bytes(path) == b"content"

        bucket = BlobUrl.parse(path).authority
        assert store.requests[0].target.startswith(f"/{bucket}/")


@pytest.mark.parametrize("name", HOST_TRICKS)
async def test_region_in_the_settings_cannot_change_the_host(name: str) -> None:
    """Row 17: settings may come from a file of somebody else's."""
    driver, mock = scripted([], s3=replace(AWS, region=name or "a/b"))

    with pytest.raises(InvalidConfig):
        await driver.head("k")
    assert mock.requests == []


async def test_copy_cannot_name_more_than_a_bucket_as_its_source() -> None:
    """Row 17: `x-amz-copy-source` is a path too."""
    driver, mock = scripted(lambda _: pytest.fail("nothing should be sent"))

    for name in ("other/../bucket", "other?versionId=1", "other#x", "a\r\nx-amz-acl: public-read"):
        with pytest.raises((InvalidConfig, InvalidUrl)):
            await driver.copy(BlobUrl("s3", name, "k"), "k", PutOptions())
    assert mock.requests == []


LINE_BREAKS: Final = ["\r\nx-amz-acl: public-read", "\nx: y", "\rx", "\0", "a\0b"]


@pytest.mark.slow
@pytest.mark.parametrize("text", LINE_BREAKS)
async def test_line_break_or_nul_in_a_header_reaches_no_server(text: str) -> None:
    """Row 16: as metadata, its name, a content type, a version, or a setting."""
    with ScriptedServer(lambda _: Reply(headers={"ETag": '"e"'})) as store:
        s3 = S3Config(
            endpoint_url=store.url, region="us-east-1", access_key_id="A", secret_access_key="S"
        )
        for config in (
            s3,
            replace(s3, sse=f"AES256{text}"),
            replace(s3, sse_kms_key_id=text),
            replace(s3, storage_class=text),
            replace(s3, access_key_id=f"A{text}"),
            replace(s3, session_token=f"A{text}"),
        ):
            async with AsyncContext(Config(s3=config, retry=FAST)) as context:
                driver = context.stores.driver(BlobUrl("s3", "bucket", ""))
                bad = Version(f'"e{text}"')
                attempts = [
                    driver.put("k", b"", PutOptions(metadata={"name": text})),
                    driver.put("k", b"", PutOptions(metadata={f"name{text}": "value"})),
                    driver.put("k", b"", PutOptions(content_type=f"text/plain{text}")),
                    driver.begin_upload("k", PutOptions(content_type=f"text/plain{text}")),
                    driver.get("k", GetOptions(version=bad)),
                    driver.head("k", version=bad),
                ]
                if config is not s3:
                    attempts.append(driver.put("k", b"", PutOptions()))
                for attempt in attempts:
                    with pytest.raises((Unsupported, TransportFailed, InvalidConfig)) as caught:
                        await attempt
                    assert not caught.value.retryable
        http = HttpConfig(headers={"127.0.0.1": {"x-key": text}})
        agent = HttpConfig(user_agent=f"me{text}")
        for each in (http, agent):
            async with AsyncContext(Config(http=each, retry=FAST)) as context:
                with pytest.raises(BlobError):
                    await context.read_bytes(f"{store.url}/k")

        assert store.requests == []


async def test_line_break_from_a_store_does_not_come_back_in_a_header() -> None:
    """Row 16: metadata of another's object, copied on by a change of one's own."""

    def store(request: Request) -> Response:
        if request.method == "HEAD":
            meta = {"x-amz-meta-a": "=?UTF-8?Q?x=0D=0Ay:_z?=", "etag": '"e"', "content-length": "1"}
            return Response(status=200, headers=meta)
        return pytest.fail(f"sent {request.headers}")

    driver, _ = scripted(store)

    with pytest.raises(Unsupported, match="line break"):
        await driver.patch("k", MetaPatch(metadata={"b": "c"}))


@pytest.mark.parametrize(
    "path",
    ["s3://bucket/a\0b", "https://h/a\0b", "memory://b/a\0b", "/tmp/a\0b", "gs://b/\0"],  # noqa: S108 - never opened
)
async def test_nul_is_in_no_path(path: str) -> None:
    """Row 16: refused where paths are parsed, for every verb."""
    async with AsyncContext(Config(s3=AWS)) as context:
        for verb in (context.read_bytes, context.stat, context.exists, context.remove):
            with pytest.raises(InvalidUrl, match="NUL"):
                await verb(path)


async def test_line_break_in_a_web_path_stays_in_the_path() -> None:
    """Row 16: it is escaped, so that there is one request and one header section."""
    with ScriptedServer(serving(b"x")) as server:
        async with AsyncContext(Config(retry=FAST)) as context:
            await context.read_bytes(f"{server.url}/a\r\nHost: evil.com\r\n\r\nGET /b?c\nd")

    (request,) = server.requests
    assert request.target == "/a%0D%0AHost:%20evil.com%0D%0A%0D%0AGET%20/b?c%0Ad"
    assert request.headers["host"] == server.url.removeprefix("http://")


def test_reply_is_no_way_to_another_endpoint() -> None:
    """Row 10: no module for S3 so much as names the header `Location`."""
    for file in sorted((PACKAGE / "drivers/s3").rglob("*.py")):
        tree = ast.parse(file.read_text())
        literals = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert "location" not in literals, file
