"""Where a redirect leads, and what travels along, over real sockets (rows 1, 2, 10 and 26)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import pytest

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.drivers.http.redirects import is_private_address
from blobio.errors import BlobError, RequestFailed
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from blobio.transport.mock import reply
from tests.security.canaries import Canaries
from tests.unit.drivers.http.bench import scripted

STATUSES: Final = [300, 301, 302, 303, 305, 307, 308]
FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4)
SECRET_HEADERS: Final = (
    *("authorization", "cookie", "proxy-authorization", "x-amz-security-token"),
    *("x-amz-server-side-encryption-customer-key", "x-goog-encryption-key", "x-goog-api-key"),
    *("x-ms-copy-source-authorization", "x-ms-encryption-key", "x-api-key", "x-made-up-yesterday"),
)

Verb = Callable[[AsyncContext], Awaitable[object]]


async def _listed(context: AsyncContext) -> list[str]:
    return [name async for name in context.listdir("s3://bucket/")]


S3_VERBS: Final[Mapping[str, Verb]] = {
    "read": lambda context: context.read_bytes("s3://bucket/k"),
    "stat": lambda context: context.stat("s3://bucket/k"),
    "write": lambda context: context.write_bytes("s3://bucket/k", b"secret content"),
    "list": _listed,
    "remove": lambda context: context.remove("s3://bucket/k"),
    "copy": lambda context: context.copy("s3://bucket/k", "s3://bucket/l"),
}


def _s3(url: str) -> Config:
    keys = S3Config(
        endpoint_url=url,
        region="us-east-1",
        access_key_id="AKID",
        secret_access_key="SECRET",
        session_token="TOKEN",
    )
    return Config(s3=keys, retry=FAST)


@pytest.mark.parametrize("status", STATUSES)
async def test_object_store_is_never_followed(status: int) -> None:
    """Row 1: whatever `Location` says, its host gets no request, signed or not."""
    with ScriptedServer([]) as thief:
        headers = {"Location": f"{thief.url}/bucket/k", "ETag": '"e"'}
        with ScriptedServer(lambda _: Reply(status=status, headers=headers)) as store:
            async with AsyncContext(_s3(store.url)) as context:
                for verb in S3_VERBS.values():
                    with pytest.raises(BlobError):
                        await verb(context)

        assert len(store.requests) >= len(S3_VERBS)
        assert thief.requests == []


@pytest.mark.parametrize(
    "region",
    [
        "evil.com/",
        "evil.com#",
        "evil.com?",
        "x@evil.com",
        "127.0.0.1:9/",
        "a" * 60,
        "-a",
        "a b",
        "",
        "us-east-1",
        "eu-west-1.evil.com",
        "eu_west",
    ],
)
@pytest.mark.parametrize("status", [301, 400])
async def test_region_of_a_reply_cannot_name_a_host(region: str, status: int) -> None:
    """Row 1: `x-amz-bucket-region` is a region or nothing; a store's own host stays what it is."""
    body = f"<Error><Code>PermanentRedirect</Code><Region>{region}</Region></Error>".encode()
    headers = {"x-amz-bucket-region": region}
    with ScriptedServer(lambda _: Reply(status=status, headers=headers, body=body)) as store:
        async with AsyncContext(_s3(store.url)) as context:
            with pytest.raises(BlobError):
                await context.read_bytes("s3://bucket/k")

        assert len(store.requests) == 1
        assert "/us-east-1/s3/" in store.requests[0].headers["authorization"]


async def test_regions_without_end_are_followed_twice() -> None:
    """Rows 1 and 26: a store that names another region each time."""
    seen: list[str] = []

    def elsewhere(request: Received) -> Reply:
        seen.append(request.target)
        return Reply(status=301, headers={"x-amz-bucket-region": f"region-{len(seen)}"})

    with ScriptedServer(elsewhere) as store:
        async with AsyncContext(_s3(store.url)) as context:
            with pytest.raises(RequestFailed):
                await context.read_bytes("s3://bucket/k")

    assert len(seen) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_other_port_gets_no_header_of_the_user(status: int) -> None:
    """Row 2: another port is another origin; range and condition are all that travels."""
    canaries = Canaries()
    secret = dict.fromkeys(SECRET_HEADERS, canaries.header)

    with ScriptedServer(serving(b"0123456789")) as other:
        moved = Reply(status=status, headers={"Location": f"{other.url}/k"})
        with ScriptedServer(lambda _: moved) as first:
            config = Config(http=HttpConfig(headers={"127.0.0.1": secret}), retry=FAST)
            async with AsyncContext(config) as context:
                (part,) = await context.read_ranges(f"{first.url}/k", [(2, 5)])

    assert part == b"234"
    assert {request.headers["x-api-key"] for request in first.requests} == {canaries.header}
    for request in other.requests:
        assert request.headers.keys() <= {"host", "accept-encoding", "user-agent", "range"}
        assert canaries.in_text(str(request)) == []


async def test_cookie_of_a_reply_is_sent_nowhere() -> None:
    """Row 2: there is no cookie jar, for no host and no driver."""
    with ScriptedServer(serving(b"x", headers={"Set-Cookie": "id=c4nary; Path=/"})) as server:
        async with AsyncContext(Config(retry=FAST)) as context:
            for _ in range(3):
                await context.read_bytes(f"{server.url}/k")

        assert not any("cookie" in request.headers for request in server.requests)


@pytest.mark.parametrize("limit", [0, 1, 5])
async def test_redirects_without_end_are_followed_as_often_as_allowed(limit: int) -> None:
    """Rows 2 and 26: a new URL each time, so that no loop can be seen."""
    with ScriptedServer(
        lambda request: Reply(status=302, headers={"Location": f"{request.target}x"})
    ) as server:
        config = Config(http=HttpConfig(max_redirects=limit), retry=FAST)
        async with AsyncContext(config) as context:
            with pytest.raises(RequestFailed, match=f"more than {limit} redirects"):
                await context.read_bytes(f"{server.url}/k")

        assert len(server.requests) == limit + 1


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::a9fe:a9fe",  # NAT64
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",  # 6to4
        "2002:a9fe:a9fe::",
        "::127.0.0.1",  # IPv4-compatible
        "::ffff:169.254.169.254",
        "fec0::1",
        "fd00:ec2::254",  # the metadata service of AWS
        "192.0.0.192",  # of Oracle
        "100.100.100.200",  # of Alibaba
        "0.0.0.0",  # noqa: S104 - an address that leads to this machine
    ],
)
async def test_address_inside_an_address_is_seen_through(address: str) -> None:
    """Row 10: every spelling of an address that is not public, as a redirect's goal."""
    assert is_private_address(address)
    host = f"[{address}]" if ":" in address else address
    driver, mock = scripted([reply(302, headers={"location": f"https://{host}/k"})])

    with pytest.raises(RequestFailed, match="private_redirects"):
        await driver.head("a")
    assert len(mock.requests) == 1


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[64:ff9b::169.254.169.254]"])
async def test_private_host_cannot_lead_to_the_metadata_service(host: str) -> None:
    """Row 10: an open redirect of a server inside must not fetch a machine's credentials."""
    driver, mock = scripted(
        [reply(302, headers={"location": f"https://{host}/latest/meta-data"})],
        authority="inside.example",
    )

    with pytest.raises(RequestFailed, match="private address"):
        await driver.head("a")
    assert len(mock.requests) == 1
