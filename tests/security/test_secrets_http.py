"""No secret of an http(s) URL, its headers or a proxy comes to light (row 5)."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest

from blobio.blocking.context import Context
from blobio.config import Config, HttpConfig, RetryConfig
from blobio.core.context import AsyncContext
from blobio.errors import BlobError
from blobio.testing.scripted import End, Handler, Received, Reply, ScriptedServer, serving
from tests.security.canaries import Canaries, Witness, told_by_error, witness

LEVELS: Final = [1, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
CONTENT: Final = bytes(range(256)) * 20


def _config(canaries: Canaries, *, proxy: str | None = None) -> Config:
    headers = {"Authorization": canaries.header, "x-amz-security-token": canaries.session_token}
    return Config(
        http=HttpConfig(headers={"127.0.0.1": headers, "h.example": headers}, proxy=proxy),
        retry=RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4),
    )


def _signed(base: str, canaries: Canaries) -> str:
    return f"{base}/dir/blob?X-Amz-Credential=c&X-Amz-Signature={canaries.query}&page=1"


async def _story(config: Config, url: str, listener: Witness) -> tuple[int, int]:
    """Run every verb on `url`; return how many came out well and how many raised."""
    good = bad = 0
    async with AsyncContext(config) as context:
        for verb in (
            lambda: context.read_bytes(url),
            lambda: context.read_bytes(url, version='"gone"'),
            lambda: context.read_ranges(url, [(0, 2), (1_000, 1_003), (1 << 40, 1 << 41)]),
            lambda: context.stat(url),
            lambda: context.exists(url),
            lambda: context.md5(url),
            lambda: context.copy(url, "memory://m/k", overwrite=True),
            lambda: context.write_bytes(url, b"x"),
            lambda: context.set_mtime(url, 1.0),
            lambda: context.remove(url),
            lambda: context.rmtree(url),
            lambda: context.isdir(url),
            lambda: context.read_bytes(f"{url}/"),
        ):
            try:
                await verb()
                good += 1
            except BlobError as error:
                listener.see(error)
                bad += 1
    return good, bad


def _handlers(canaries: Canaries) -> Mapping[str, Handler]:
    well = serving(CONTENT)
    told = f"user:{canaries.user_info}@h.example/?sig={canaries.query}"
    cut = {"cut": 3, "end": End.RST}
    return {
        "well": well,
        "denied": lambda _: Reply(status=403, body=canaries.header.encode()),
        "missing": lambda _: Reply(status=404),
        "down": lambda _: Reply(status=503),
        "past the end": lambda _: Reply(status=416, headers={"Content-Range": "bytes */3"}),
        "reset": lambda _: Reply(silent=True, end=End.RST),
        "cut": lambda request: replace(well(request), **cut),  # type: ignore[arg-type]  # fields of Reply
        "other bytes": lambda _: Reply(
            status=206, headers={"Content-Range": "bytes 7-9/10"}, body=b"abc"
        ),
        "not allowed": lambda _: Reply(status=302, headers={"Location": f"ftp://{told}"}),
        "to a password": lambda _: Reply(status=302, headers={"Location": f"http://{told}"}),
        "in circles": lambda request: Reply(status=307, headers={"Location": request.target}),
        "not http": lambda _: Reply(headers={"Bad header\x01": "x"}),
        "endless header": lambda _: Reply(headers={"x": "y" * 100_000}),
        "two lengths": lambda _: Reply(headers={"Content-Length": "7"}, body=b"abc"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
async def test_no_verb_tells_a_secret_at_any_level(level: int) -> None:
    """Row 5: query, headers and passwords of redirects, over sockets."""
    canaries = Canaries()
    outcomes: dict[str, tuple[int, int]] = {}

    with witness(level) as listener:
        for name, handler in _handlers(canaries).items():
            if level != LEVELS[0] and name not in ("well", "denied", "down", "cut"):
                continue
            with ScriptedServer(handler) as server:
                config = listener.hears(_config(canaries))
                outcomes[name] = await _story(config, _signed(server.url, canaries), listener)
                assert server.requests[0].headers["authorization"] == canaries.header
                assert canaries.query in server.requests[0].target

    assert outcomes.pop("well") == (7, 6)
    assert sum(bad for _, bad in outcomes.values()) > 10 * len(outcomes)
    assert listener.events
    assert listener.lines
    assert listener.heard_of(canaries) == []


@contextlib.contextmanager
def _always(answer: bytes) -> Iterator[int]:
    """Answer each first piece of a request with the same bytes; give the port."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"220 ftp ready\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"]
)
async def test_what_is_no_http_is_told_without_the_url(answer: bytes) -> None:
    """Row 5: aiohttp's own error, our cause, shows URL and headers; it must not stay as it is."""
    canaries = Canaries()

    with _always(answer) as port, witness(1) as listener:
        config = listener.hears(_config(canaries))
        url = _signed(f"http://127.0.0.1:{port}", canaries)
        assert await _story(config, url, listener) == (1, 12)

    assert any("not HTTP" in text for text in listener.heard)
    assert listener.heard_of(canaries) == []


@pytest.mark.slow
async def test_password_of_a_proxy_reaches_the_proxy_only() -> None:
    """Rows 5 and 14: for a proxy that serves, refuses, breaks off, and for none at all."""
    canaries = Canaries()
    handlers = _handlers(canaries)

    with witness(1) as listener:
        for name in ("well", "denied", "down", "reset", "in circles"):
            with ScriptedServer(_no_tunnels(handlers[name])) as server:
                proxy = server.url.replace("//", f"//user:{canaries.proxy_password}@")
                for scheme in ("http", "https"):  # the second asks for a tunnel, which none grants
                    url = _signed(f"{scheme}://h.example", canaries)
                    await _story(listener.hears(_config(canaries, proxy=proxy)), url, listener)
                _assert_asked(server.requests, canaries)
        nobody = f"http://user:{canaries.proxy_password}@127.0.0.1:9"
        config = listener.hears(_config(canaries, proxy=nobody))
        assert await _story(config, _signed("http://h.example", canaries), listener) == (1, 12)

    assert listener.heard_of(canaries) == []


def _no_tunnels(handler: Handler) -> Handler:
    def wrapped(request: Received) -> Reply:
        return Reply(status=407) if request.method == "CONNECT" else handler(request)

    return wrapped


def _assert_asked(requests: list[Received], canaries: Canaries) -> None:
    assert {request.method for request in requests} >= {"GET", "CONNECT"}
    for request in requests:
        assert canaries.in_text(request.headers["proxy-authorization"])
        if request.method == "CONNECT":  # what follows is for the host inside the tunnel
            assert (
                canaries.in_text(request.target + str(request.headers.get("authorization"))) == []
            )


def test_errors_of_files_tell_no_query() -> None:
    """Row 5: those that are no `BlobError`, of a file that was closed or sought wrongly."""
    canaries = Canaries()
    told: list[str] = []

    with (
        ScriptedServer(serving(CONTENT)) as server,
        Context(_config(canaries)) as context,
    ):
        file = context.BlobFile(_signed(server.url, canaries), "rb")
        told.extend(_error_of(lambda: file.seek(-1)))
        file.close()
        told.extend(_error_of(file.read))
        with pytest.raises(BlobError) as caught:
            context.BlobFile(_signed(server.url, canaries), "wb").close()
        told.extend(told_by_error(caught.value).values())
        context.close()

    assert canaries.in_text("".join(told)) == []


def _error_of(action: object) -> list[str]:
    assert callable(action)
    with pytest.raises(ValueError, match=r"file|position") as caught:
        action()
    return list(told_by_error(caught.value).values())
