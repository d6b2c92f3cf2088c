"""The S3 driver over real sockets: what arrives at the server, and what faults do to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3.driver import S3Driver
from blobio.errors import AlreadyExists, ChecksumMismatch, TransportFailed
from blobio.testing.scripted import End, Received, Reply, ScriptedServer
from blobio.transport.base import Transport
from blobio.transport.retry import Judge, RetryBudget
from blobio.transport.signing import Signer
from blobio.transport.stack import connect, stack
from blobio.values import CreateOnly, GetOptions, PutOptions, Span

CREATE = PutOptions(mode=CreateOnly())
LOST = Reply(silent=True, end=End.FIN)
RESET = Reply(silent=True, end=End.RST)
REFUSED = Reply(status=412, body=b"<Error><Code>PreconditionFailed</Code></Error>")
ODD_KEYS = {
    "a//b": "/bucket/a//b",
    "a/../b": "/bucket/a/../b",
    "./a/.": "/bucket/./a/.",
    "/": "/bucket//",
    " a b ": "/bucket/%20a%20b%20",
    "#?%*+&=;:@,!$'()[]": "/bucket/%23%3F%25%2A%2B%26%3D%3B%3A%40%2C%21%24%27%28%29%5B%5D",
    "a%2Fb": "/bucket/a%252Fb",
    "😀": "/bucket/%F0%9F%98%80",
    "a\x01\n": "/bucket/a%01%0A",
}


@asynccontextmanager
async def _driver(server: ScriptedServer) -> AsyncIterator[S3Driver]:
    config = Config(
        s3=S3Config(
            endpoint_url=server.url,
            region="us-east-1",
            access_key_id="AKID",
            secret_access_key="SECRET",
        ),
        retry=RetryConfig(attempts=4, base_s=0.001, max_s=0.001),
        http=HttpConfig(stall_timeout_s=5.0),
    )
    base = connect(config)

    def own(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        return stack(base, config, RetryBudget(100), signer=signer, judge=judge)

    driver = S3Driver("bucket", DriverServices(config, own))
    try:
        yield driver
    finally:
        await driver.aclose()
        await base.aclose()


async def _read(driver: S3Driver, options: GetOptions | None = None) -> bytes:
    async with await driver.get("k", options or GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


def _signature(request: Received, url: str) -> str:
    """Return what the signature of a request that arrived should be."""
    authorization = request.headers["authorization"]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    theirs = AWSRequest(
        method=request.method,
        url=url + request.target,
        headers={name: request.headers[name] for name in names},
        data=request.body,
    )
    theirs.context["timestamp"] = request.headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials("AKID", "SECRET"), "s3", "us-east-1")
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    return str(signer.signature(text, theirs))


@pytest.mark.parametrize(("key", "target"), ODD_KEYS.items())
async def test_key_and_signature_arrive_as_they_were_made(key: str, target: str) -> None:
    with ScriptedServer([Reply(headers={"ETag": '"e"'})]) as server:
        async with _driver(server) as driver:
            await driver.put(key, b"body", PutOptions(metadata={"a": "two  spaces"}))

        (request,) = server.requests
        assert request.target == target
        assert request.body == b"body"
        assert request.headers["authorization"].endswith(_signature(request, server.url))


async def test_header_names_and_values_of_a_put_arrive() -> None:
    with ScriptedServer([Reply(headers={"ETag": '"e"'})]) as server:
        async with _driver(server) as driver:
            await driver.put("k", b"123456789", PutOptions(content_type="text/plain"))

        headers = server.requests[0].headers
        assert headers["x-amz-checksum-crc32c"] == "4waSgw=="
        assert headers["content-type"] == "text/plain"
        assert headers["content-length"] == "9"
        assert "transfer-encoding" not in headers
        assert headers["x-amz-content-sha256"] == (
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        )


def _committing(faults: Sequence[Reply]) -> Callable[[Received], Reply]:
    """Commit the first PUT, answer it and the next with `faults`, then refuse."""
    pending = list(faults)
    state: dict[str, str] = {}

    def answer(request: Received) -> Reply:
        if request.method == "HEAD":
            token = {"x-amz-meta-blobio-write": state["token"], "Content-Length": "1"}
            return Reply(headers=token | {"ETag": '"mine"'}, framing="close")
        state.setdefault("token", request.headers["x-amz-meta-blobio-write"])
        return pending.pop(0) if pending else REFUSED

    return answer


@pytest.mark.parametrize(
    "faults",
    [
        [LOST],
        [RESET],
        [LOST, RESET],
        [Reply(status=500)],
        [Reply(status=200, headers={"ETag": '"e"'}, body=b"xx", cut=1, end=End.RST)],
    ],
    ids=["fin", "rst", "both", "500", "cut"],
)
async def test_create_only_put_whose_reply_was_lost_is_a_success(
    faults: list[Reply],
) -> None:
    with ScriptedServer(_committing(faults)) as server:
        async with _driver(server) as driver:
            result = await driver.put("k", b"x", CREATE)

        assert result.version == '"mine"'
        assert server.count("PUT") == len(faults) + 1


async def test_create_only_put_that_lost_is_a_conflict() -> None:
    theirs = Reply(headers={"ETag": '"theirs"', "Content-Length": "1"}, framing="close")
    with ScriptedServer([LOST, REFUSED, theirs]) as server:
        async with _driver(server) as driver:
            with pytest.raises(AlreadyExists):
                await driver.put("k", b"x", CREATE)


@pytest.mark.parametrize("end", [End.FIN, End.RST])
async def test_body_that_breaks_off_is_an_error(end: End) -> None:
    whole = Reply(headers={"ETag": '"e"'}, body=b"0123456789", cut=4, end=end)
    with ScriptedServer([whole]) as server:
        async with _driver(server) as driver:
            with pytest.raises(TransportFailed):
                await _read(driver)


async def test_short_body_with_a_matching_length_is_an_error() -> None:
    headers = {"ETag": '"e"', "Content-Range": "bytes 0-9/20"}
    with ScriptedServer([Reply(status=206, headers=headers, body=b"0123")]) as server:
        async with _driver(server) as driver:
            with pytest.raises(TransportFailed):
                await _read(driver, GetOptions(range=Span(0, 10)))


async def test_flipped_byte_is_found() -> None:
    headers = {"ETag": '"e"', "x-amz-checksum-crc32c": "4waSgw=="}
    with ScriptedServer([Reply(headers=headers, body=b"123456788")]) as server:
        async with _driver(server) as driver:
            with pytest.raises(ChecksumMismatch):
                await _read(driver)


async def test_completion_that_keeps_alive_with_spaces_then_fails_is_sent_again() -> None:
    created = (
        b"<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>"
    )
    failed = b"     \n  <Error><Code>InternalError</Code></Error>"
    done = b"  <CompleteMultipartUploadResult><ETag>x-1</ETag></CompleteMultipartUploadResult>"
    script = [
        Reply(body=created),
        Reply(headers={"ETag": '"p"'}),
        Reply(body=failed, framing="chunked"),
        Reply(body=done, framing="chunked"),
    ]
    with ScriptedServer(script) as server:
        async with _driver(server) as driver:
            upload = await driver.begin_upload("k", PutOptions())
            part = await upload.put_part(0, 0, b"x")
            result = await upload.complete([part], size=1)

        assert result.version == '"x-1"'
        assert server.count("POST") == 3


async def test_location_of_a_redirect_gets_no_request() -> None:
    with ScriptedServer([]) as other:
        redirect = Reply(status=307, headers={"Location": f"{other.url}/steal"})
        with ScriptedServer([redirect]) as server:
            async with _driver(server) as driver:
                with pytest.raises(Exception, match="307"):
                    await driver.put("k", b"x", PutOptions())
            assert len(server.requests) == 1
        assert other.requests == []


async def test_nothing_secret_is_in_an_error() -> None:
    body = (
        b"<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS4 c4nary</StringToSign></Error>"
    )
    with ScriptedServer([Reply(status=403, body=body)]) as server:
        async with _driver(server) as driver:
            with pytest.raises(Exception, match="SignatureDoesNotMatch") as caught:
                await driver.put("k", b"x", PutOptions())

    assert not re.search("c4nary|SECRET|Signature=", f"{caught.value}{caught.value!r}")
