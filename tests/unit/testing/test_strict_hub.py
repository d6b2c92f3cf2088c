"""What the strict Hub answers, as far as its clients depend on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import pytest

from blobio.config import HttpConfig
from blobio.testing.strict_hub import Fault, HubRepo, HubViewer, StrictHub, Strike
from blobio.transport.aiohttp import AiohttpTransport
from blobio.transport.message import Request, Response

API: Final = "/api/datasets/org/name"
FILES: Final = "/datasets/org/name/resolve"
DATA: Final = bytes(range(256)) * 4


class Client:
    """Sends what a test says to a Hub with one dataset."""

    def __init__(self, server: StrictHub, transport: AiohttpTransport) -> None:
        self.server = server
        self.transport = transport
        self.repo: HubRepo = server.make_dataset("org/name")
        self.sha = self.repo.commit({"README.md": b"# name", "data/a.parquet": DATA})

    async def send(
        self, path: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Response:
        url = path if path.startswith("http") else self.server.url + path
        return await self.transport.send(
            Request(method=method, url=url, headers=headers, body=body)
        )

    async def json(self, path: str, method: str = "GET", body: bytes = b"") -> object:
        reply = await self.send(path, method, body)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    transport = AiohttpTransport(HttpConfig())
    async with StrictHub() as server:
        yield Client(server, transport)
        await transport.aclose()


async def test_info_tells_the_commit_of_a_revision(client: Client) -> None:
    convert = client.repo.commit({"default/train/0.parquet": b"x"}, ref="refs/convert/parquet")

    info = await client.json(API)
    other = await client.json(f"{API}/revision/refs%2Fconvert%2Fparquet?expand=sha")

    assert isinstance(info, dict)
    assert info["sha"] == client.sha
    assert info["siblings"] == [{"rfilename": "README.md"}, {"rfilename": "data/a.parquet"}]
    assert other == {"id": "org/name", "sha": convert}


async def test_small_file_comes_from_the_hub_itself(client: Client) -> None:
    reply = await client.send(f"{FILES}/main/README.md", range="bytes=2-")

    assert (reply.status, reply.body) == (206, b"name")
    assert reply.headers["x-repo-commit"] == client.sha
    assert reply.headers["etag"] == f'"{client.repo.commits[client.sha]["README.md"].oid}"'


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=1-3", 206, DATA[1:4]),
        ("bytes=-5", 206, DATA[-5:]),
        ("bytes=1000-", 206, DATA[1000:]),
        ("bytes=1024-", 416, b""),
    ],
)
async def test_large_file_is_redirected_to_another_host_which_wants_no_token(
    client: Client, wanted: str, status: int, body: bytes
) -> None:
    reply = await client.send(f"{FILES}/{client.sha}/data/a.parquet", range=wanted)
    link = reply.headers["location"]

    delivered = await client.send(link, range=wanted)
    refused = await client.send(link, authorization="Bearer t")

    assert reply.status == 302
    assert reply.headers["x-linked-size"] == "1024"
    assert urlsplit(link).port != urlsplit(client.server.url).port
    assert (delivered.status, delivered.body) == (status, body)
    assert refused.status == 400


async def test_link_that_has_expired_is_refused_and_a_new_one_is_not(client: Client) -> None:
    old = await client.send(f"{FILES}/main/data/a.parquet")
    client.server.expire_links()
    new = await client.send(f"{FILES}/main/data/a.parquet")

    assert (await client.send(old.headers["location"])).status == 403
    assert (await client.send(new.headers["location"])).body == DATA


async def test_tree_comes_in_pages_that_link_to_the_next(client: Client) -> None:
    client.server.service.page_entries = 2
    client.repo.commit({"data/deep/b.parquet": b"b", "c": b"c"})

    url, pages = f"{API}/tree/main?recursive=true", []
    while url:
        reply = await client.send(url)
        pages.append([entry["path"] for entry in json.loads(reply.body)])
        url = reply.headers.get("link", "").partition(">")[0].removeprefix("<")

    assert pages == [
        ["data", "data/deep"],
        ["README.md", "data/a.parquet"],
        ["data/deep/b.parquet", "c"],
    ]


async def test_paths_info_leaves_out_what_is_not_there(client: Client) -> None:
    told = await client.json(
        f"{API}/paths-info/main", "POST", b"paths=data%2Fa.parquet&paths=nothing&expand=true"
    )

    assert isinstance(told, list)
    assert [(entry["path"], entry["lfs"]["size"]) for entry in told] == [("data/a.parquet", 1024)]
    assert "lastCommit" in told[0]


async def test_refs_tell_where_each_leads(client: Client) -> None:
    client.repo.commit({"default/train/0.parquet": b"x"}, ref="refs/convert/parquet")

    refs = await client.json(f"{API}/refs")

    assert isinstance(refs, dict)
    assert [each["ref"] for each in refs["branches"]] == ["refs/heads/main"]
    assert [each["name"] for each in refs["converts"]] == ["parquet"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{FILES}/main/nothing", "EntryNotFound"),
        (f"{FILES}/nothing/README.md", "RevisionNotFound"),
        (f"{API}/tree/main/nothing", "EntryNotFound"),
    ],
)
async def test_what_is_not_there_has_a_code(client: Client, path: str, code: str) -> None:
    reply = await client.send(path)

    assert (reply.status, reply.headers["x-error-code"]) == (404, code)


@pytest.mark.parametrize("name", ["org/name", "org/nothing"])
async def test_private_and_missing_datasets_look_alike(client: Client, name: str) -> None:
    client.repo.private = True
    token = client.server.make_token("hf_known")
    path = f"/api/datasets/{name}"

    anonymous = await client.send(path)
    known = await client.send(path, authorization=f"Bearer {token}")

    assert (anonymous.status, anonymous.headers["x-error-code"]) == (401, "RepoNotFound")
    assert (known.status, known.headers["x-error-code"]) == (404, "RepoNotFound")


async def test_private_dataset_is_there_for_its_readers(client: Client) -> None:
    client.repo.private = True
    client.repo.readers.add(client.server.make_token("hf_member"))

    assert (await client.send(API, authorization="Bearer hf_member")).status == 200
    unknown = await client.send(API, authorization="Bearer hf_unknown")
    assert unknown.status == 401
    assert unknown.headers["x-error-message"] == "Invalid credentials in Authorization header"


async def test_gated_and_disabled_datasets(client: Client) -> None:
    client.repo.gated = "manual"
    client.server.make_token("hf_known")
    path = f"{FILES}/main/README.md"

    statuses = [
        (await client.send(path)).status,
        (await client.send(path, authorization="Bearer hf_known")).status,
        (await client.send(API)).status,
    ]
    client.repo.granted.add("hf_known")
    statuses.append((await client.send(path, authorization="Bearer hf_known")).status)
    client.repo.disabled = True
    disabled = await client.send(API)

    assert statuses == [401, 403, 200, 200]
    assert disabled.headers["x-error-message"] == "Access to this resource is disabled."


async def test_renamed_dataset_is_redirected_on_the_same_host(client: Client) -> None:
    client.server.rename(client.repo, "org/new")

    reply = await client.send(f"{FILES}/main/README.md")

    assert (reply.status, reply.headers["location"]) == (
        307,
        "/datasets/org/new/resolve/main/README.md",
    )
    assert (await client.send(reply.headers["location"])).body == b"# name"


async def test_small_file_may_come_by_a_redirect_on_the_same_host(client: Client) -> None:
    client.server.service.cached = True

    reply = await client.send(f"{FILES}/main/README.md")

    assert reply.status == 307
    assert reply.headers["location"].startswith("/")
    assert (await client.send(reply.headers["location"])).body == b"# name"


async def test_viewer_tells_which_commit_it_has_seen(client: Client) -> None:
    client.repo.viewer = HubViewer(
        revision=client.sha, files=[("default", "train", "0000.parquet", 10)]
    )

    reply = await client.send("/parquet?dataset=org%2Fname")

    assert reply.headers["x-revision"] == client.sha
    told = json.loads(reply.body)
    assert told["partial"] is False
    assert told["parquet_files"][0]["filename"] == "0000.parquet"
    assert (await client.send("/parquet?dataset=org%2Fnothing")).status == 401


async def test_spent_quota_tells_when_it_starts_anew(client: Client) -> None:
    client.server.quota_wait_s = 55
    client.server.hook = lambda _: Fault(Strike.REFUSE, status=429, code="")

    reply = await client.send(API)

    assert (reply.status, reply.headers["ratelimit"]) == (429, '"api";r=0;t=55')
