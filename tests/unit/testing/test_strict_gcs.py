"""What the strict server refuses. That it serves what it should, the conformance suite shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

import pytest

from blobio.config import HttpConfig
from blobio.testing.strict_gcs import Fault, StrictGcs, Strike
from blobio.testing.strict_gcs.store import Conditions
from blobio.transport.aiohttp import AiohttpTransport
from blobio.transport.message import Request, Response

TOKEN: Final = {"authorization": "Bearer token"}
OBJECTS: Final = "/storage/v1/b/bucket/o"
UPLOAD: Final = "/upload/storage/v1/b/bucket/o"


class Client:
    """Sends what a test says to a server with one bucket."""

    def __init__(self, server: StrictGcs, transport: AiohttpTransport) -> None:
        self.server = server
        self.transport = transport
        self.bucket = server.make_bucket("bucket")

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.transport.send(
            Request(method=method, url=self.server.url + path, headers=TOKEN | named, body=body)
        )

    async def insert(self, resource: object, content: bytes, query: str = "") -> Response:
        body = b"--b\r\n\r\n%b\r\n--b\r\n\r\n%b\r\n--b--\r\n"
        return await self.send(
            "POST",
            f"{UPLOAD}?uploadType=multipart&name=key{query}",
            body % (json.dumps(resource).encode(), content),
            content_type="multipart/related; boundary=b",
        )

    async def begin(self, query: str = "") -> str:
        reply = await self.send("POST", f"{UPLOAD}?uploadType=resumable&name=key{query}", b"{}")
        assert reply.status == 200
        return reply.headers["location"].partition("upload_id=")[2]

    async def put(self, upload_id: str, content_range: str, body: bytes = b"") -> Response:
        return await self.send(
            "PUT", f"{UPLOAD}?name=key&upload_id={upload_id}", body, content_range=content_range
        )


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    transport = AiohttpTransport(HttpConfig())
    async with StrictGcs() as server:
        server.account.valid.add("token")
        yield Client(server, transport)
        await transport.aclose()


def reason(reply: Response) -> str:
    return str(json.loads(reply.body)["error"]["errors"][0]["reason"])


async def test_a_token_that_was_not_given_is_refused(client: Client) -> None:
    reply = await client.send("GET", OBJECTS, authorization="Bearer other")
    assert (reply.status, reason(reply)) == (401, "authError")

    reply = await client.send("GET", OBJECTS, authorization="")
    assert (reply.status, reason(reply)) == (401, "required")


@pytest.mark.parametrize(
    "hashes", [{"crc32c": "AAAAAA=="}, {"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}]
)
async def test_other_bytes_than_their_hash_says_are_refused(
    client: Client, hashes: dict[str, str]
) -> None:
    reply = await client.insert(hashes, b"hello")

    assert reply.status == 400
    assert not client.bucket.objects


@pytest.mark.parametrize("query", ["&ifGenerationMatch=7", "&ifMetagenerationMatch=2"])
async def test_a_condition_that_does_not_hold_is_refused(client: Client, query: str) -> None:
    await client.insert({}, b"old")
    reply = await client.insert({}, b"new", query)

    assert (reply.status, reason(reply)) == (412, "conditionNotMet")
    assert client.bucket.objects["key"].body == b"old"


@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE"])
async def test_each_verb_keeps_to_conditions(client: Client, verb: str) -> None:
    await client.insert({}, b"old")
    reply = await client.send(verb, f"{OBJECTS}/key?ifGenerationMatch=7", b"")

    assert reply.status == 412


async def test_a_condition_of_a_session_is_decided_at_its_end_too(client: Client) -> None:
    upload_id = await client.begin("&ifGenerationMatch=0")
    await client.insert({}, b"theirs")
    reply = await client.put(upload_id, "bytes 0-3/4", b"mine")

    assert reply.status == 412
    assert client.bucket.objects["key"].body == b"theirs"


@pytest.mark.parametrize(
    ("content_range", "size"),
    [
        ("bytes 5-8/9", 4),  # a gap
        ("bytes 0-9/*", 10),  # no multiple of 256 KiB
        ("bytes=0-3/4", 4),
        ("", 4),
    ],
)
async def test_a_chunk_out_of_place_is_refused(
    client: Client, content_range: str, size: int
) -> None:
    reply = await client.put(await client.begin(), content_range, bytes(size))

    assert reply.status == 400


async def test_a_session_tells_how_far_it_is_and_what_it_made(client: Client) -> None:
    upload_id = await client.begin()
    asked = await client.put(upload_id, "bytes */*")
    some = await client.put(upload_id, "bytes 0-262143/*", bytes(262_144))
    made = await client.put(upload_id, "bytes 262144-262146/262147", b"end")
    again = await client.put(upload_id, "bytes */262147")

    assert (asked.status, asked.headers.get("range")) == (308, None)
    assert (some.status, some.headers.get("range")) == (308, "bytes=0-262143")
    assert made.status == again.status == 200
    assert made.body == again.body


async def test_a_chunk_of_which_half_arrives_is_stored_in_granules(client: Client) -> None:
    client.server.hook = lambda head: (
        Fault(Strike.PARTLY, 0.7) if head.operation == "session.put" else None
    )
    reply = await client.put(await client.begin(), "bytes 0-524287/524288", bytes(524_288))

    assert (reply.status, reply.headers["range"]) == (308, "bytes=0-262143")


async def test_a_session_that_was_dropped_is_gone(client: Client) -> None:
    upload_id = await client.begin()
    dropped = await client.send("DELETE", f"{UPLOAD}?name=key&upload_id={upload_id}")

    assert dropped.status == 499
    assert (await client.put(upload_id, "bytes */*")).status == 410


@pytest.mark.parametrize("count", [0, 33])
async def test_a_compose_takes_1_to_32_sources(client: Client, count: int) -> None:
    await client.insert({}, b"x")
    body = json.dumps({"sourceObjects": [{"name": "key"}] * count}).encode()

    assert (await client.send("POST", f"{OBJECTS}/new/compose", body)).status == 400


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ({"name": "other"}, 404),
        ({"name": "key", "generation": "7"}, 404),
        ({"name": "key", "objectPreconditions": {"ifGenerationMatch": "7"}}, 412),
    ],
)
async def test_a_compose_of_other_sources_is_refused(
    client: Client, source: object, status: int
) -> None:
    await client.insert({}, b"x")
    body = json.dumps({"sourceObjects": [source]}).encode()

    assert (await client.send("POST", f"{OBJECTS}/new/compose", body)).status == status


async def test_a_composed_object_has_no_md5(client: Client) -> None:
    await client.insert({}, b"x")
    body = json.dumps({"sourceObjects": [{"name": "key"}]}).encode()
    reply = await client.send("POST", f"{OBJECTS}/new/compose", body)

    assert "md5Hash" not in json.loads(reply.body)
    assert set(client.bucket.objects) == {"key", "new"}


async def test_the_token_of_another_rewrite_is_refused(client: Client) -> None:
    await client.insert({}, b"x")
    path = f"{OBJECTS}/key/rewriteTo/b/bucket/o/new?rewriteToken=other"

    assert (await client.send("POST", path)).status == 400


async def test_packed_bytes_are_served_to_who_asks_for_gzip_only(client: Client) -> None:
    client.bucket.insert("key", b"packed", {"contentEncoding": "gzip"}, Conditions())
    path = f"{OBJECTS}/key?alt=media"

    assert (await client.send("GET", path)).status == 400
    assert (await client.send("GET", path, accept_encoding="gzip")).body == b"packed"


@pytest.mark.parametrize("query", ["", "?X-Goog-Signature=ab", "?X-Goog-Date=now"])
async def test_a_url_that_nobody_signed_is_refused(client: Client, query: str) -> None:
    await client.insert({}, b"x")

    assert (await client.send("GET", f"/bucket/key{query}")).status == 403


@pytest.mark.parametrize("path", ["/", "/storage/v1/b", f"{OBJECTS}/a/b", "/storage/v2/b/x/o"])
async def test_what_is_not_modelled_is_not_found(client: Client, path: str) -> None:
    assert (await client.send("PUT", path)).status == 404


async def test_a_batch_has_1_to_100_requests(client: Client) -> None:
    kind = "multipart/mixed; boundary=b"
    part = b"--b\r\ncontent-id: <1>\r\n\r\nDELETE /storage/v1/b/bucket/o/x HTTP/1.1\r\n\r\n\r\n"
    for count in (0, 101):
        body = part * count + b"--b--\r\n"
        reply = await client.send("POST", "/batch/storage/v1", body, content_type=kind)
        assert reply.status == 400
