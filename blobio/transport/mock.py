"""A transport without a network: replies come from a function or a script."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, final

from blobio.transport.body import BytesStream
from blobio.transport.message import Request, Response

__all__ = ["Handler", "MockTransport", "ScriptedStream", "Step", "reply"]

Step: TypeAlias = "Response | BaseException"
"""What comes back: a reply, or an exception to raise."""

Handler: TypeAlias = "Callable[[Request], Step | Awaitable[Step]]"

_SUCCESS: Final = range(200, 300)


@final
class MockTransport:
    """Answers requests and remembers them.

    Like the real transport, it gives a success of a streaming request as a stream and everything
    else as a buffered body, whichever way the scripted reply was built.

    Attributes:
        requests: Every request, in order.
        closed: `aclose` was called.
    """

    def __init__(self, script: Handler | Iterable[Step]) -> None:
        self.requests: list[Request] = []
        self.closed: bool = False
        self._handler: Handler = script if callable(script) else _Script(iter(script))

    async def send(self, request: Request) -> Response:
        """Return or raise what the script says; a script that ran out is an `AssertionError`."""
        self.requests.append(request)
        step = self._handler(request)
        if inspect.isawaitable(step):
            step = await step
        if isinstance(step, BaseException):
            raise step
        return await _as_sent(request, step)

    async def aclose(self) -> None:
        """Note that it was called."""
        self.closed = True


class _Script:
    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps = steps

    def __call__(self, request: Request) -> Step:
        for step in self._steps:
            return step
        message = f"the script has no reply left for {request}"
        raise AssertionError(message)


async def _as_sent(request: Request, response: Response) -> Response:
    """Copy a reply in the form the real transport would give it for this request."""
    response = replace(response, url=response.url or request.url)
    if request.stream and response.status in _SUCCESS:
        if response.stream is None:
            response.stream = BytesStream(response.body)
        response.body = b""
    elif response.stream is not None:
        stream, response.stream = response.stream, None
        try:
            response.body = b"".join([chunk async for chunk in stream])
        finally:
            await stream.aclose()
    return response


@final
class ScriptedStream:
    """A body of chosen chunks, then an optional fault.

    Attributes:
        closed: `aclose` was called.
        delivered: Bytes that were yielded.
    """

    def __init__(self, chunks: Iterable[bytes], fault: BaseException | None = None) -> None:
        self.closed: bool = False
        self.delivered: int = 0
        self._chunks = iter(chunks)
        self._fault = fault

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            self.delivered += len(chunk)
            return chunk
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Note that it was called."""
        self.closed = True


def reply(
    status: int = 200,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    chunks: Iterable[bytes] | None = None,
    fault: BaseException | None = None,
) -> Response:
    """Build a reply: `body` at once, or `chunks` one by one and then `fault`.

    A `content-length` is added unless `headers` has one or a `transfer-encoding`.
    """
    parts = [body] if chunks is None else list(chunks)
    all_headers = {} if headers is None else {name.lower(): headers[name] for name in headers}
    if not all_headers.keys() & {"content-length", "transfer-encoding"}:
        all_headers["content-length"] = str(sum(len(part) for part in parts))
    response = Response(status=status, headers=all_headers)
    if chunks is None and fault is None:
        response.body = body
    else:
        response.stream = ScriptedStream(parts, fault)
    return response
