"""A transport without a network: replies come from a function or a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias, final

from blobio.transport.message import Request, Response

__all__ = ["Handler", "MockTransport", "ScriptedStream", "Step", "reply"]

Step: TypeAlias = "Response | BaseException"
"""What comes back: a reply, or an exception to raise."""

Handler: TypeAlias = "Callable[[Request], Step | Awaitable[Step]]"


@final
class MockTransport:
    """Answers requests and remembers them.

    Like the real transport, it gives a success of a streaming request as a stream and everything
    else as a buffered body, whichever way the scripted reply was built.

    Attributes:
        requests: Every request, in order.
        closed: `aclose` was called.
    """

    requests: list[Request]
    closed: bool

    def __init__(self, script: Handler | Iterable[Step]) -> None:
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """Return or raise what the script says; a script that ran out is an `AssertionError`."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Note that it was called."""
        raise NotImplementedError


@final
class ScriptedStream:
    """A body of chosen chunks, then an optional fault.

    Attributes:
        closed: `aclose` was called.
        delivered: Bytes that were yielded.
    """

    closed: bool
    delivered: int

    def __init__(self, chunks: Iterable[bytes], fault: BaseException | None = None) -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Note that it was called."""
        raise NotImplementedError


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
    raise NotImplementedError
