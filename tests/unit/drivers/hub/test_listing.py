"""Listings: in key order, of one commit, in as few requests as can be."""

from __future__ import annotations

import json

import pytest

from blobio.drivers.hub import listing
from blobio.drivers.hub.driver import HubDriver
from blobio.errors import NotFound, RequestFailed
from blobio.testing.strict_hub import Fault, Strike
from blobio.transport.mock import reply
from blobio.values import ListOptions
from tests.unit.drivers.hub.kit import DATA, SHA256, scripted, site

COMMIT = "c" * 40
NAMES = ["b/z", "b/a/1", "a.txt", "b-c", "é", "b/a/0", "a"]


async def keys(driver: HubDriver, prefix: str = "", page_size: int = 1000) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = await driver.list_page(prefix, ListOptions(page_size=page_size), token)
        found += [blob.key for blob in page.blobs]
        token = page.token
        if token is None:
            return found


async def test_order_is_that_of_the_keys_whatever_the_hub_sends() -> None:
    async with site() as at:
        at.repo.commit(dict.fromkeys(NAMES, b""))
        at.server.service.page_entries = 3

        expected = sorted([*NAMES, "small", "data/large.parquet"])
        assert await keys(at.driver) == expected
        assert await keys(at.driver, page_size=2) == expected
        assert await keys(at.driver, "b/a/") == ["b/a/0", "b/a/1"]


async def test_pages_after_the_first_cost_nothing_and_are_of_the_same_commit() -> None:
    async with site() as at:
        at.repo.commit(dict.fromkeys(NAMES, b""))
        options = ListOptions(page_size=6)
        first = await at.driver.list_page("", options, None)
        at.repo.commit({"new": b"", "small": None})
        at.clear()

        second = await at.driver.list_page("", options, first.token)

        assert [blob.key for blob in second.blobs] == ["data/large.parquet", "small", "é"]
        assert second.token is None
        assert not at.server.requests


async def test_listing_tells_the_version_that_a_read_tells() -> None:
    async with site() as at:
        page = await at.driver.list_page("", ListOptions(), None)

        assert [(blob.key, blob.size, blob.version) for blob in page.blobs] == [
            ("data/large.parquet", len(DATA), SHA256),
            ("small", 13, (await at.driver.head("small")).version),
        ]


async def test_listing_of_a_commit_does_not_ask_which_it_is() -> None:
    async with site("{sha}") as at:
        await keys(at.driver)

        assert at.server.requests == {"tree": 1}


async def test_question_if_anything_is_there_does_not_list_everything() -> None:
    async with site() as at:
        at.server.service.page_entries = 2
        at.repo.commit({f"deep/er/{number:03d}": b"" for number in range(100)})

        page = await at.driver.list_page("deep/", ListOptions(page_size=1), None)

        assert [blob.key for blob in page.blobs] == ["deep/er/000"]
        assert at.server.requests["tree"] <= 1 + 50


async def test_directory_that_is_not_there_is_empty_and_a_revision_is_not_found() -> None:
    async with site() as at:
        for options in (ListOptions(), ListOptions(page_size=1), ListOptions(delimiter="/")):
            page = await at.driver.list_page("nothing/", options, None)
            assert (page.blobs, page.prefixes, page.token) == ((), (), None)
    async with site("nothing") as at:
        with pytest.raises(NotFound):
            await at.driver.list_page("", ListOptions(page_size=1), None)


async def test_tree_that_was_dropped_is_fetched_again() -> None:
    async with site() as at:
        at.repo.commit({f"{name}/{number}": b"" for name in "abcdefg" for number in range(3)})
        options = ListOptions(page_size=2)
        tokens = {
            name: (await at.driver.list_page(f"{name}/", options, None)).token for name in "abcdefg"
        }

        for name, token in tokens.items():
            page = await at.driver.list_page(f"{name}/", options, token)
            assert [blob.key for blob in page.blobs] == [f"{name}/2"]
            assert page.token is None


async def test_tree_of_more_entries_than_are_held_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "MOST_ENTRIES", 1)
    async with site() as at:
        with pytest.raises(RequestFailed, match="list its directories one by one"):
            await keys(at.driver)


async def test_page_that_fails_once_loses_nothing() -> None:
    async with site() as at:
        at.repo.commit(dict.fromkeys(NAMES, b""))
        at.server.service.page_entries = 2
        faults = iter([None, None, Fault(Strike.REFUSE, status=503), Fault(Strike.CUT, 0.5)])
        at.server.hook = lambda _: next(faults, None)

        assert await keys(at.driver) == sorted([*NAMES, "small", "data/large.parquet"])


@pytest.mark.parametrize(
    "document",
    [
        b"<html>log in</html>",
        b'{"error": "no list"}',
        b'[{"type": "file", "path": "a"}]',
        b'[{"type": "file", "path": "a", "oid": 3, "size": 1}]',
        b'[{"type": "file", "path": 1, "oid": "e", "size": 1}]',
        b'[{"type": "file", "path": "a", "oid": "e", "size": -1}]',
        b'[{"type": "file", "path": "a", "oid": "e", "size": 1, "lfs": 7}]',
        b'["a"]',
        b"[" * 100_000,
    ],
)
async def test_answer_that_is_no_tree_is_an_error(document: bytes) -> None:
    driver, _ = scripted([reply(200, json.dumps({"sha": COMMIT}).encode()), reply(200, document)])

    with pytest.raises(RequestFailed):
        await driver.list_page("", ListOptions(), None)


@pytest.mark.parametrize("sha", [None, 7, "main", "C" * 40, "../" + "c" * 37])
async def test_commit_that_is_none_is_an_error(sha: object) -> None:
    driver, _ = scripted([reply(200, json.dumps({"sha": sha}).encode())])

    with pytest.raises(RequestFailed, match="its commit is not told"):
        await driver.list_page("", ListOptions(), None)


async def test_link_to_the_next_page_leads_nowhere_but_to_the_hub() -> None:
    """Only its query is taken: its host would be told the token."""
    entry = {"type": "file", "path": "a", "oid": "e", "size": 1}
    link = {"link": '<https://thief.example/api?cursor=2&recursive=true>; rel="next"'}
    driver, mock = scripted(
        [
            reply(200, json.dumps({"sha": COMMIT}).encode()),
            reply(200, json.dumps([entry]).encode(), link),
            reply(200, json.dumps([{**entry, "path": "b"}]).encode()),
        ]
    )

    page = await driver.list_page("", ListOptions(), None)

    assert [blob.key for blob in page.blobs] == ["a", "b"]
    assert mock.requests[-1].url == (
        f"https://hub.example/api/datasets/org/name/tree/{COMMIT}?cursor=2&recursive=true"
    )


async def test_pages_that_go_round_in_circles_are_an_error() -> None:
    link = {"link": '<https://hub.example/x?cursor=2>; rel="next"'}
    driver, _ = scripted(
        [
            reply(200, json.dumps({"sha": COMMIT}).encode()),
            *(reply(200, b"[]", link) for _ in range(3)),
        ]
    )

    with pytest.raises(RequestFailed, match="in circles"):
        await driver.list_page("", ListOptions(), None)


async def test_api_that_redirects_to_another_host_is_an_error() -> None:
    driver, mock = scripted([reply(302, headers={"location": "https://cdn.example/api"})])

    with pytest.raises(RequestFailed, match="another host"):
        await driver.list_page("", ListOptions(), None)
    assert len(mock.requests) == 1


async def test_token_of_a_page_that_is_none_is_an_error() -> None:
    driver, mock = scripted([])

    with pytest.raises(RequestFailed, match="token of the page"):
        await driver.list_page("", ListOptions(), "made up")
    assert not mock.requests


async def test_api_tells_references_and_paths() -> None:
    async with site() as at:
        convert = at.repo.commit({"default/0.parquet": b""}, ref="refs/convert/parquet")

        refs = await at.driver.api.refs()
        found = await at.driver.api.paths(at.commit, ["small", "no thing", "data/large.parquet"])

        assert refs["converts"] == [
            {"name": "parquet", "ref": "refs/convert/parquet", "targetCommit": convert}
        ]
        assert [(each.path, each.size) for each in found] == [
            ("small", 13),
            ("data/large.parquet", len(DATA)),
        ]
