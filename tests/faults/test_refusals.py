"""Rows 8, 9, 11, 13, 25 and 37, and rules 1 and 2: refusals are waited out, within limits."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from blobio import Context
from blobio.config import RetryConfig
from blobio.errors import (
    BlobError,
    DeadlineExceeded,
    RateLimited,
    RequestFailed,
    TransportFailed,
    Unauthenticated,
)
from blobio.testing.faultproxy import Action, answer, reset, truncate
from blobio.testing.scripted import End
from tests.faults.sites import DATA, QUICK, Site, Store
from tests.faults.ways import Way, each_protocol, each_way

PASSING = [408, 429, 500, 502, 503, 504]
FINAL = [400, 403, 404, 405, 409, 410, 501, 505]


@each_protocol
@each_way
def test_row_08_two_refusals_go_unseen(site: Site, way: Way) -> None:
    site.breaks(answer(503), times=2)

    assert way.read(site.config, site.url) == DATA


@each_protocol
@pytest.mark.parametrize("status", PASSING)
def test_rule_01_status_that_may_pass_is_tried_again(site: Site, status: int) -> None:
    site.breaks(answer(status), times=2)

    with Context(site.config) as context:
        assert context.read_bytes(site.url) == DATA
    assert [request.method for request in site.gets[:3]] == ["GET"] * 3


@each_protocol
@pytest.mark.parametrize("status", FINAL)
def test_rule_01_status_that_is_final_is_told_at_once(site: Site, status: int) -> None:
    site.breaks(answer(status), times=None)

    with Context(site.config) as context, pytest.raises(BlobError) as caught:
        context.read_bytes(site.url)
    assert caught.value.status == status
    assert len(site.gets) == 1


def test_rule_01_unknown_credentials_are_fetched_anew_once(s3: Store) -> None:
    s3.put(DATA)
    s3.breaks(answer(401), times=None)

    with Context(s3.config) as context, pytest.raises(Unauthenticated):
        context.read_bytes(s3.url())
    assert s3.count("GET") == 2


@pytest.mark.slow
@each_protocol
@pytest.mark.parametrize(("status", "form"), [(429, "seconds"), (503, "date")])
def test_row_09_retry_after_is_waited_for(site: Site, status: int, form: str) -> None:
    """A date counts from the Date of the reply, which is an hour behind here."""
    then = time.time() - 3600
    headers = {
        "Date": formatdate(then, usegmt=True),
        "Retry-After": "1" if form == "seconds" else formatdate(then + 1, usegmt=True),
    }
    site.breaks(answer(status, headers))
    started = time.monotonic()

    with Context(site.config) as context:
        assert context.read_bytes(site.url) == DATA
    assert 1.0 <= time.monotonic() - started < 4.0


def test_row_09_retry_after_beyond_the_limit_is_an_error_at_once(site: Site) -> None:
    site.breaks(answer(429, {"Retry-After": "3600"}), times=None)

    with Context(site.config) as context, pytest.raises(RateLimited) as caught:
        context.read_bytes(site.url)
    assert caught.value.retryable
    assert len(site.gets) == 1


@each_protocol
@each_way
def test_row_11_refusals_for_ever_are_a_bounded_error(site: Site, way: Way) -> None:
    site.breaks(answer(503), times=None)

    with pytest.raises(RateLimited) as caught:
        way.read(site.config, site.url)
    assert 4 <= caught.value.attempts <= 4 + site.redirects


def test_row_11_time_without_progress_ends_the_retries(site: Site) -> None:
    site.breaks(reset(), times=None)
    retry = RetryConfig(attempts=10_000, base_s=0.001, max_s=0.002, no_progress_s=0.05)

    with (
        Context(replace(site.config, retry=retry)) as context,
        pytest.raises((DeadlineExceeded, TransportFailed)),
    ):
        context.read_ranges(site.url, [(0, 10)])
    assert len(site.gets) < 1000


def test_row_11_retries_of_all_requests_share_one_budget(site: Site) -> None:
    site.breaks(answer(503), times=None)
    retry = replace(site.config.retry, attempts=10, budget=12)

    with Context(replace(site.config, retry=retry)) as context:
        for _ in range(10):
            with pytest.raises(RateLimited):
                context.read_ranges(site.url, [(0, 10)])
    assert len(site.gets) == 10 + 12


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(answer(503), id="503"),
        pytest.param(truncate(300), id="cut"),
        pytest.param(truncate(300, End.RST), id="reset"),
    ],
)
@pytest.mark.parametrize("page", range(3))
def test_row_13_page_of_a_listing_that_fails_loses_no_key_and_repeats_none(
    s3: Store, page: int, action: Action
) -> None:
    bucket = s3.server.make_bucket(s3.bucket)
    keys = [f"directory/{number:05d}" for number in range(2_500)]
    for key in keys:
        bucket.put(key, b"", {})
    s3.breaks(action, path="list-type=2", skip=page, times=2)

    with Context(s3.config) as context:
        names = list(context.listdir(s3.url("directory")))
    assert names == [key.removeprefix("directory/") for key in keys]


def test_row_25_name_that_cannot_be_resolved_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for again within the limits, and no other host is asked in its place."""
    asked: list[object] = []

    def refuse(host: object, *_arguments: object, **_options: object) -> object:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    with Context(QUICK) as context, pytest.raises(TransportFailed, match=r"(?i)resol|name"):
        context.read_bytes("http://store.invalid/blob")
    assert set(asked) == {"store.invalid"}
    assert len(asked) == 4


def test_row_37_no_host_is_asked_but_the_endpoint(
    s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: set[object] = set()
    connect = socket.socket.connect

    def note(made: socket.socket, address: Any) -> None:
        connected.add(address)
        connect(made, address)

    monkeypatch.setattr(socket.socket, "connect", note)

    with Context(s3.config) as context:
        context.write_bytes(s3.url(), DATA)
        assert context.read_bytes(s3.url()) == DATA
        assert list(context.listdir(s3.url(""))) == ["blob"]

    server = s3.server.url.removeprefix("http://127.0.0.1:")
    proxy = s3.proxy.url.removeprefix("http://127.0.0.1:")
    assert connected <= {("127.0.0.1", int(server)), ("127.0.0.1", int(proxy))}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_rule_09_object_store_is_not_followed_elsewhere(s3: Store, web: Site, status: int) -> None:
    web.proxy.clear()
    s3.breaks(answer(status, {"Location": web.url}), times=None)

    with Context(s3.config) as context, pytest.raises(RequestFailed):
        context.read_bytes(s3.url())
    assert list(web.proxy.requests) == []
