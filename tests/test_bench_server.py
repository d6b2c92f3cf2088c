"""The server of the benchmarks fails, slows down and counts as it was told."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.runner import serve
from benchmarks.scale import BUCKET, Scale
from benchmarks.server.__main__ import COUNTS_PATH, FAULTS_PATH, Counts
from benchmarks.server.faults import CALM, Conditions

BODY = bytes(range(256)) * 1024
SCALE = Scale(big_bytes=1 << 20, small_count=1, key_count=0)

Get = Callable[[str], bytes | int]


@pytest.fixture
def make_get() -> Iterator[Callable[[Conditions], Get]]:
    entered = []

    def make(conditions: Conditions) -> Get:
        server = serve(
            "s3", SCALE, use_nginx=False, keep=True, more={"a": BODY}, conditions=conditions
        )
        entered.append(server)
        port = server.__enter__().others["http"]
        return lambda path: get(port, path)

    yield make
    for server in entered:
        server.__exit__(None, None, None)


def get(port: int, path: str) -> bytes | int:
    """Return the body, or the status of a failure: 0 for a connection that broke."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
    except (ConnectionError, http.client.IncompleteRead):
        return 0
    finally:
        connection.close()
    return body if reply.status == 200 else reply.status


def counts(told: bytes | int) -> Counts:
    assert isinstance(told, bytes)
    return Counts(**json.loads(told))


@pytest.mark.slow
def test_a_share_of_the_requests_fails_again_as_before(
    make_get: Callable[[Conditions], Get],
) -> None:
    get = make_get(Conditions(fault_share=0.5, fault_seed=3))
    runs = []
    for _ in range(2):
        before = counts(get(FAULTS_PATH + "?share=0.5&seed=3"))
        found = [get(f"/{BUCKET}/a") for _ in range(40)]
        done = counts(get(COUNTS_PATH)).since(before)
        assert {503, 0, BODY} == set(found)
        assert (done.refused, done.cut) == (found.count(503), found.count(0))
        assert done.requests == 40
        runs.append(found)

    assert runs[0] == runs[1]


@pytest.mark.slow
def test_a_connection_is_no_faster_than_its_rate(make_get: Callable[[Conditions], Get]) -> None:
    get = make_get(Conditions(rate_bytes=len(BODY) * 5))
    started = time.monotonic()

    assert get(f"/{BUCKET}/a") == BODY
    assert time.monotonic() - started >= 0.2


@pytest.mark.slow
def test_a_calm_server_fails_nothing_and_tells_listings_apart(
    make_get: Callable[[Conditions], Get],
) -> None:
    get = make_get(CALM)

    assert get(f"/{BUCKET}/a") == BODY
    page = get(f"/{BUCKET}/?list-type=2&prefix=a")
    assert isinstance(page, bytes)
    assert b"<Key>a</Key>" in page
    assert counts(get(COUNTS_PATH)) == Counts(requests=2, bytes=len(BODY) + len(page), lists=1)
