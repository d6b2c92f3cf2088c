"""Reads: pinned to a commit, by links that are reused, checked against the version."""

from __future__ import annotations

import asyncio

import pytest

from blobio.drivers.hub.driver import CAPABILITIES
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RequestFailed,
    TransportFailed,
    Unsupported,
    VersionMismatch,
)
from blobio.testing.strict_hub import Fault, FaultHook, RequestHead, Strike
from blobio.transport.mock import reply
from blobio.url import BlobUrl
from blobio.values import (
    From,
    GetOptions,
    Last,
    ListOptions,
    MetaPatch,
    PutOptions,
    Span,
    Version,
)
from tests.unit.drivers.hub.kit import DATA, SHA256, read, scripted, site

LARGE = "data/large.parquet"


def test_it_can_be_read_and_listed_and_that_is_all() -> None:
    can = {name for name in CAPABILITIES.__slots__ if getattr(CAPABILITIES, name) is True}

    assert can == {"listable", "pinned_reads"}


async def test_version_of_a_large_file_is_its_digest_and_that_of_a_small_one_gits() -> None:
    async with site() as at:
        large = await at.driver.head(LARGE)
        small = await at.driver.head("small")

        assert (large.size, large.version) == (len(DATA), SHA256)
        assert (small.size, small.version) == (13, at.repo.commits[at.commit]["small"].oid)


async def test_ranges_of_a_large_file_cost_one_request_of_the_hub() -> None:
    """Each counts against the quota of whoever asks, the requests of the link do not."""
    async with site() as at:
        meta, tail = await read(at.driver, LARGE, Last(10))
        parts = [
            (await read(at.driver, LARGE, Span(at_, at_ + 100), meta.version))[1]
            for at_ in range(0, 1000, 100)
        ]

        assert (tail, b"".join(parts)) == (DATA[-10:], DATA[:1000])
        assert at.server.requests == {"resolve": 1, "deliver": 11}


async def test_description_and_content_of_a_large_file_cost_one_request_of_the_hub() -> None:
    async with site() as at:
        meta = await at.driver.head(LARGE)
        await read(at.driver, LARGE, None, meta.version)

        assert at.server.requests == {"resolve": 1, "deliver": 1}


async def test_file_of_a_commit_is_asked_for_once_whoever_opens_it() -> None:
    async with site("{sha}") as at:
        for _ in range(3):
            await at.driver.head(LARGE)
            assert (await read(at.driver, LARGE))[1] == DATA

        assert at.server.requests == {"resolve": 1, "deliver": 3}


async def test_file_of_a_branch_is_asked_for_whenever_it_is_opened() -> None:
    async with site() as at:
        assert (await read(at.driver, LARGE))[1] == DATA
        at.repo.commit({LARGE: b"new"})

        assert (await read(at.driver, LARGE))[1] == b"new"


@pytest.mark.parametrize("key", ["small", LARGE])
@pytest.mark.parametrize("expired", [False, True])
async def test_branch_that_moves_between_two_ranges_does_not_mix_commits(
    key: str, *, expired: bool
) -> None:
    async with site() as at:
        old = at.repo.commits[at.commit][key].data
        meta, head = await read(at.driver, key, Span(0, 5))
        at.repo.commit({key: bytes(byte ^ 1 for byte in old)})
        if expired:
            at.server.expire_links()

        _, rest = await read(at.driver, key, From(5), meta.version)

        assert head + rest == old
        assert (await at.driver.head(key, version=meta.version)).version == meta.version
        assert (await at.driver.head(key)).version != meta.version


async def test_version_that_was_never_seen_here_and_is_not_there_is_refused() -> None:
    async with site() as at:
        version = Version("0" * 64)

        for wanted in (None, Span(1, 3)):
            with pytest.raises(VersionMismatch):
                await at.driver.get(LARGE, GetOptions(range=wanted, version=version))
        with pytest.raises(VersionMismatch):
            await at.driver.head(LARGE, version=version)


async def test_version_of_a_commit_is_compared_without_a_request() -> None:
    async with site("{sha}") as at:
        await at.driver.head(LARGE)
        at.clear()

        with pytest.raises(VersionMismatch):
            await at.driver.head(LARGE, version=Version("other"))
        with pytest.raises(VersionMismatch):
            await at.driver.get(LARGE, GetOptions(version=Version("other")))
        assert not at.server.requests


async def test_link_that_has_expired_is_asked_for_again_once() -> None:
    async with site() as at:
        meta = await at.driver.head(LARGE)
        at.server.expire_links()
        at.clear()

        assert (await read(at.driver, LARGE, Span(1, 4), meta.version))[1] == DATA[1:4]
        assert at.server.requests == {"deliver": 2, "resolve": 1}
        assert (await read(at.driver, LARGE, Span(1, 4), meta.version))[1] == DATA[1:4]
        assert at.server.requests == {"deliver": 3, "resolve": 1}


async def test_link_that_expires_under_many_reads_is_renewed_once() -> None:
    async with site() as at:
        meta = await at.driver.head(LARGE)
        at.server.expire_links()
        at.clear()

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(read(at.driver, LARGE, Span(n, n + 100), meta.version))
                for n in range(0, 2000, 100)
            ]

        assert b"".join(task.result()[1] for task in tasks) == DATA[:2000]
        assert at.server.requests["resolve"] == 1


async def test_new_link_that_is_refused_too_is_an_error() -> None:
    async with site() as at:
        meta = await at.driver.head(LARGE)
        at.server.hook = _only("deliver", Fault(Strike.REFUSE, status=403))

        with pytest.raises(PermissionDenied):
            await at.driver.get(LARGE, GetOptions(version=meta.version))
        assert at.server.requests["deliver"] == 2


async def test_token_goes_to_the_hub_and_never_to_who_delivers() -> None:
    async with site(token="hf_member") as at:
        at.repo.private = True
        at.repo.readers.add(at.server.make_token("hf_member"))

        meta, _ = await read(at.driver, LARGE)
        at.server.expire_links()
        await read(at.driver, LARGE, Span(0, 3), meta.version)
        await at.driver.list_page("", ListOptions(), None)

        assert {head.operation for head in at.server.seen} == {"resolve", "deliver", "info", "tree"}
        for head in at.server.seen:
            told = head.headers.get("authorization")
            assert told == (None if head.operation == "deliver" else "Bearer hf_member")


@pytest.mark.parametrize("key", ["small", LARGE])
async def test_byte_that_was_changed_on_its_way_is_found(key: str) -> None:
    async with site() as at:
        delivers = "resolve" if key == "small" else "deliver"
        at.server.hook = _only(delivers, Fault(Strike.DAMAGE, at=0.5))

        with pytest.raises(ChecksumMismatch):
            await read(at.driver, key)


async def test_file_that_is_not_as_large_as_the_hub_says_is_refused() -> None:
    linked = {"x-linked-etag": f'"{SHA256}"', "x-linked-size": "11", "x-repo-commit": "c" * 40}
    driver, _ = scripted(
        [
            reply(302, headers={**linked, "location": "https://cdn.example/a"}),
            reply(206, DATA[:10], {"content-range": "bytes 0-9/10", "content-length": "10"}),
        ]
    )

    with pytest.raises(RequestFailed, match="the Hub tells of 11"):
        await driver.get("a", GetOptions())


async def test_range_past_the_end_tells_how_large_the_file_is() -> None:
    async with site() as at:
        with pytest.raises(RangeNotSatisfiable, match=f"it has {len(DATA)} bytes"):
            await at.driver.get(LARGE, GetOptions(range=From(len(DATA))))


@pytest.mark.parametrize("key", ["", "a//b", "../b", "a/./b", "a/", "/a", ".."])
async def test_name_that_no_file_can_have_is_not_found_without_a_request(key: str) -> None:
    async with site() as at:
        with pytest.raises(NotFound):
            await at.driver.head(key)
        with pytest.raises(NotFound):
            await at.driver.get(key, GetOptions())
        assert not at.server.requests


async def test_writing_is_refused_before_any_request() -> None:
    async with site() as at:
        driver = at.driver
        for verb in (
            lambda: driver.put("a", b"", PutOptions()),
            lambda: driver.begin_upload("a", PutOptions()),
            lambda: driver.delete(["a"]),
            lambda: driver.copy(BlobUrl("hf", f"datasets/{at.repo.id}", "b"), "a", PutOptions()),
            lambda: driver.patch("a", MetaPatch(mtime=1.0)),
            lambda: driver.sign_url("a", "GET", 60),
        ):
            with pytest.raises(Unsupported, match="can only be read"):
                await verb()
        assert not at.server.requests


async def test_offline_everything_is_refused_at_once() -> None:
    async with site(offline=True) as at:
        for verb in (
            lambda: at.driver.head("small"),
            lambda: at.driver.get("small", GetOptions()),
            lambda: at.driver.list_page("", ListOptions(), None),
            at.driver.api.info,
            lambda: at.driver.api.viewer("parquet"),
        ):
            with pytest.raises(TransportFailed, match=r"while offline.*HF_HUB_OFFLINE") as caught:
                await verb()
            assert not caught.value.retryable
        assert not at.server.requests


@pytest.mark.parametrize("revision", ["refs/convert/parquet", "refs%2Fconvert%2Fparquet"])
async def test_revision_with_slashes_is_escaped_on_its_way(revision: str) -> None:
    async with site(revision) as at:
        at.repo.commit({"default/train/0000.parquet": DATA}, ref="refs/convert/parquet")

        page = await at.driver.list_page("default/", ListOptions(), None)
        _, data = await read(at.driver, "default/train/0000.parquet", Span(0, 4))

        assert [blob.key for blob in page.blobs] == ["default/train/0000.parquet"]
        assert data == DATA[:4]
        assert "/resolve/refs%2Fconvert%2Fparquet/default/train" in at.server.seen[-2].target


async def test_renamed_dataset_is_followed_with_the_token() -> None:
    async with site(token="hf_member") as at:
        at.server.make_token("hf_member")
        at.server.rename(at.repo, "org/renamed")

        assert (await read(at.driver, "small"))[1] == b"small content"
        assert (await read(at.driver, LARGE))[1] == DATA
        page = await at.driver.list_page("", ListOptions(), None)
        assert [blob.key for blob in page.blobs] == [LARGE, "small"]


async def test_many_reads_at_once_agree() -> None:
    async with site() as at:
        meta = await at.driver.head(LARGE)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(read(at.driver, LARGE, Span(n, n + 50), meta.version))
                for n in range(0, 2000, 50)
            ]

        assert b"".join(task.result()[1] for task in tasks) == DATA[:2000]


@pytest.mark.parametrize(
    "location",
    [
        "http://cdn.example/a",
        "https://inside.example/a",
        "https://169.254.169.254/a",
        "https://user:password@cdn.example/a",
        "ftp://cdn.example/a",
    ],
)
async def test_redirect_to_where_it_must_not_lead_is_refused(location: str) -> None:
    driver, mock = scripted([reply(302, headers={"location": location})] * 2)

    with pytest.raises(RequestFailed, match="redirected to"):
        await driver.get("a", GetOptions())
    with pytest.raises(RequestFailed, match="redirected to"):
        await driver.head("a")
    assert {request.url for request in mock.requests} == {
        "https://hub.example/datasets/org/name/resolve/main/a"
    }


async def test_who_has_left_the_hub_does_not_come_back_with_the_token() -> None:
    driver, mock = scripted(
        [
            reply(302, headers={"location": "https://cdn.example/a"}),
            reply(302, headers={"location": "https://hub.example/api/whoami-v2"}),
            reply(404),
        ]
    )

    with pytest.raises(BlobError):
        await driver.get("a", GetOptions())
    assert ["authorization" in request.headers for request in mock.requests] == [True, False, False]


async def test_redirects_without_end_are_refused() -> None:
    driver, mock = scripted([reply(307, headers={"location": f"/b{n}"}) for n in range(9)])

    with pytest.raises(RequestFailed, match="more than 5 redirects"):
        await driver.head("a")
    assert len(mock.requests) == 6


def _only(operation: str, fault: Fault) -> FaultHook:
    def hook(head: RequestHead) -> Fault | None:
        return fault if head.operation == operation else None

    return hook
