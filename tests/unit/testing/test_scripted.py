from __future__ import annotations

import http.client
import select
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from blobio.testing.scripted import (
    End,
    Received,
    Reply,
    ScriptedServer,
    failing,
    ignoring_range,
    serving,
)

DATA = bytes(range(256)) * 40


def connect(server: ScriptedServer) -> socket.socket:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=10)


def fetch(server: ScriptedServer, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, "/blob", headers=headers)
        with connection.getresponse() as response:
            return response.status, response.read()
    finally:
        connection.close()


def exchange(server: ScriptedServer, request: bytes) -> bytes:
    """Send raw bytes; return all that comes back until the server closes."""
    with connect(server) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_replies_are_given_in_turn_and_requests_counted() -> None:
    with ScriptedServer([Reply(status=503), Reply(body=b"second")]) as server:
        got = [fetch(server), fetch(server), fetch(server, "PUT")]

    assert [status for status, _ in got] == [503, 200, 599]
    assert got[1][1] == b"second"
    assert (server.count("GET"), server.count("PUT")) == (2, 1)


def test_request_arrives_with_method_target_headers_and_body() -> None:
    with ScriptedServer([Reply(end=End.FIN)] * 2) as server:
        exchange(
            server, b"PUT /a%20b?c=d HTTP/1.1\r\nX-Name: Value\r\nContent-Length: 3\r\n\r\nabc"
        )
        exchange(
            server,
            b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        )

    assert server.requests[0] == Received(
        "PUT", "/a%20b?c=d", {"x-name": "Value", "content-length": "3"}, b"abc"
    )
    assert server.requests[1].body == b"abc"


def test_expectation_is_answered_before_the_body_comes() -> None:
    with ScriptedServer([Reply(end=End.FIN)]) as server, connect(server) as client:
        client.sendall(b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"a")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connection_is_kept_for_the_next_request() -> None:
    with ScriptedServer([Reply(body=b"a"), Reply(body=b"b", framing="chunked")]) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        connection.request("GET", "/")
        first = connection.getresponse().read()
        local = connection.sock.getsockname()
        connection.request("GET", "/")
        second = connection.getresponse().read()

        assert (first, second) == (b"a", b"b")
        assert connection.sock.getsockname() == local
        connection.close()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_cut_by_fin_is_an_incomplete_read(framing: str) -> None:
    reply = Reply(body=DATA, cut=100, end=End.FIN)
    if framing == "chunked":
        reply = replace(reply, framing="chunked")
    with ScriptedServer([reply]) as server, pytest.raises(http.client.IncompleteRead) as caught:
        fetch(server)

    assert caught.value.partial == DATA[:100]


def test_body_cut_by_rst_is_a_reset() -> None:
    with (
        ScriptedServer([Reply(body=DATA, cut=100, end=End.RST)]) as server,
        pytest.raises(ConnectionResetError),
    ):
        fetch(server)


def test_lost_reply_is_one_that_the_handler_made() -> None:
    done: list[str] = []

    def handler(request: Received) -> Reply:
        done.append(request.method)
        return Reply(silent=True, end=End.RST)

    with ScriptedServer(handler) as server, pytest.raises(ConnectionResetError):
        fetch(server, "PUT")

    assert done == ["PUT"]


def test_announced_length_is_sent_in_place_of_the_true_one() -> None:
    with ScriptedServer([Reply(body=b"abc", announced=5, end=End.FIN)]) as server:
        raw = exchange(server, b"GET / HTTP/1.1\r\n\r\n")

    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"Content-Length: 5" in head
    assert body == b"abc"


def test_close_framing_sends_no_length() -> None:
    with ScriptedServer([Reply(body=b"abc", framing="close")]) as server:
        raw = exchange(server, b"GET / HTTP/1.1\r\n\r\n")

    assert b"Content-Length" not in raw
    assert raw.endswith(b"\r\n\r\nabc")


def test_stall_sends_no_more_and_ends_with_the_server() -> None:
    with ScriptedServer([Reply(body=DATA, cut=10, end=End.STALL)]) as server:
        client = connect(server)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        got = b""
        while not got.endswith(DATA[:10]):
            got += client.recv(1000)
        silent = select.select([client], [], [], 0.05)[0] == []

    assert silent
    with client:
        assert client.recv(1) == b""


def test_trickle_sends_the_whole_body() -> None:
    with ScriptedServer([Reply(body=b"abcdef", trickle_s=0.001)]) as server:
        assert fetch(server) == (200, b"abcdef")


def test_serving_honours_ranges_and_conditions() -> None:
    with ScriptedServer(serving(DATA)) as server:
        assert fetch(server) == (200, DATA)
        assert fetch(server, Range="bytes=5-9") == (206, DATA[5:10])
        assert fetch(server, Range=f"bytes={len(DATA)}-")[0] == 416
        assert fetch(server, **{"If-Match": '"other"'})[0] == 412
        assert fetch(server, **{"If-Range": '"other"', "Range": "bytes=5-9"}) == (200, DATA)
        assert fetch(server, "HEAD") == (200, b"")


def test_ignoring_range_sends_everything() -> None:
    with ScriptedServer(ignoring_range(serving(DATA))) as server:
        assert fetch(server, Range="bytes=5-9") == (200, DATA)


def test_failing_answers_503_so_many_times() -> None:
    with ScriptedServer(failing(serving(b"abc"), times=2)) as server:
        assert [fetch(server)[0] for _ in range(3)] == [503, 503, 200]
