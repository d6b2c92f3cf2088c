from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from blobio.testing.emulators import S3Server
from blobio.testing.faultproxy import (
    Action,
    FaultProxy,
    Rule,
    answer,
    close_delimited,
    corrupt,
    drop_reply,
    halve_request,
    relength,
    reset,
    shorten,
    strip_range,
    trickle,
    truncate,
)
from blobio.testing.scripted import End, Received, Reply, ScriptedServer, serving

DATA = bytes(range(256)) * 40


def _handler(request: Received) -> Reply:
    if request.method == "PUT":
        return Reply(headers={"ETag": '"new"'}, body=f"{len(request.body)} bytes".encode())
    return serving(DATA)(request)


@pytest.fixture
def upstream() -> Iterator[ScriptedServer]:
    with ScriptedServer(_handler) as server:
        yield server


@pytest.fixture
def proxy(upstream: ScriptedServer) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.url) as server:
        yield server


def fetch(
    proxy: FaultProxy, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    try:
        connection.request(method, "/bucket/key?x=1", body, headers)
        response = connection.getresponse()
        with response:
            return response, response.read()
    finally:
        connection.close()


def test_request_passes_unchanged_without_rules(
    proxy: FaultProxy, upstream: ScriptedServer
) -> None:
    response, body = fetch(proxy, "PUT", b"abc", **{"X-Name": "Value"})

    assert (response.status, body, response.getheader("ETag")) == (200, b"3 bytes", '"new"')
    assert upstream.requests == proxy.requests
    assert upstream.requests[0].headers["host"] == urlsplit(proxy.url).netloc
    assert upstream.requests[0].target == "/bucket/key?x=1"


def test_head_keeps_the_length_of_the_upstream(proxy: FaultProxy) -> None:
    response, body = fetch(proxy, "HEAD")

    assert (response.getheader("Content-Length"), body) == (str(len(DATA)), b"")


def test_rule_acts_on_the_requests_it_names(proxy: FaultProxy) -> None:
    proxy.add(Rule(answer(503, {"Retry-After": "3"}), method="GET", path="key", skip=1, times=2))

    statuses = [fetch(proxy)[0].status for _ in range(2)]
    other = fetch(proxy, "PUT", b"abc")[0].status
    statuses += [fetch(proxy)[0].status for _ in range(2)]

    assert (statuses, other) == ([200, 503, 503, 200], 200)
    assert proxy.count("GET", "key") == 4
    assert proxy.count("GET", "other") == 0


def test_rule_may_ask_for_a_header(proxy: FaultProxy) -> None:
    proxy.add(Rule(answer(500), needs=["range"]))

    assert fetch(proxy)[0].status == 200
    assert fetch(proxy, Range="bytes=0-1")[0].status == 500


def test_clear_forgets_rules_and_requests(proxy: FaultProxy) -> None:
    proxy.add(Rule(answer(500), times=None))
    fetch(proxy)

    proxy.clear()

    assert proxy.requests == []
    assert fetch(proxy)[0].status == 200


def test_reset_reaches_no_server(proxy: FaultProxy, upstream: ScriptedServer) -> None:
    proxy.add(Rule(reset()))

    with pytest.raises(ConnectionResetError):
        fetch(proxy, "PUT", b"abc")

    assert upstream.requests == []


@pytest.mark.parametrize("end", [End.RST, End.FIN])
def test_dropped_reply_comes_after_the_server_acted(
    proxy: FaultProxy, upstream: ScriptedServer, end: End
) -> None:
    proxy.add(Rule(drop_reply(end)))

    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        fetch(proxy, "PUT", b"abc")

    assert [request.body for request in upstream.requests] == [b"abc"]


@pytest.mark.parametrize("action", [truncate(100), relength(7)])
def test_body_shorter_than_announced_is_incomplete(proxy: FaultProxy, action: Action) -> None:
    proxy.add(Rule(action))

    with pytest.raises(http.client.IncompleteRead):
        fetch(proxy)


def test_shortened_body_looks_whole(proxy: FaultProxy) -> None:
    proxy.add(Rule(shorten(3)))

    response, body = fetch(proxy, Range="bytes=5-9")

    assert body == DATA[5:8]
    assert response.getheader("Content-Length") == "3"
    assert response.getheader("Content-Range") == f"bytes 5-9/{len(DATA)}"


def test_close_delimited_body_has_no_length(proxy: FaultProxy) -> None:
    proxy.add(Rule(close_delimited(100)))

    response, body = fetch(proxy)

    assert (response.getheader("Content-Length"), body) == (None, DATA[:100])


def test_corrupt_changes_one_byte(proxy: FaultProxy) -> None:
    proxy.add(Rule(corrupt(5)))

    assert fetch(proxy)[1] == DATA[:5] + bytes([DATA[5] ^ 0xFF]) + DATA[6:]


def test_stripped_range_gets_everything(proxy: FaultProxy) -> None:
    proxy.add(Rule(strip_range()))

    response, body = fetch(proxy, Range="bytes=5-9")

    assert (response.status, body) == (200, DATA)


def test_halved_request_arrives_by_half(proxy: FaultProxy) -> None:
    proxy.add(Rule(halve_request()))

    assert fetch(proxy, "PUT", b"abcdef")[1] == b"3 bytes"


def test_trickled_body_is_whole(proxy: FaultProxy) -> None:
    proxy.add(Rule(trickle(0.0001)))

    assert fetch(proxy, Range="bytes=0-19")[1] == DATA[:20]


def test_missing_server_is_a_bad_gateway() -> None:
    with ScriptedServer([]) as gone:
        url = gone.url

    with FaultProxy(url) as proxy:
        assert fetch(proxy)[0].status == 502


def test_signatures_stay_valid(rclone: S3Server) -> None:
    with FaultProxy(rclone.url) as proxy:
        replace(rclone, url=proxy.url).make_bucket("through-the-proxy")

        assert proxy.count("PUT", "through-the-proxy") == 1
