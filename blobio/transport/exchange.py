"""One request on its way to its reply: what aiohttp tells of it, and a watch on its progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Final, final

import aiohttp

from blobio.config import HttpConfig
from blobio.transport.pace import Pace

__all__ = ["Exchange", "trace_config"]

# Smaller bodies fit into the socket at once: there is no progress to watch.
_TRACKED_BYTES: Final = 64 << 10


@final
class Exchange:
    """The way of one request, until the headers of its reply are there.

    Attributes:
        connected: A connection was found: bytes may have left.
        reused: It had served a request before.
        stalled: Why the watch gave up, or None.
        tracker: Counts the bytes of the body that the kernel has taken, or None for a small body.
    """

    __slots__ = ("_body_bytes", "_config", "_pace", "_timer", "connected", "reused", "stalled",
                 "tracker")  # fmt: skip

    def __init__(self, config: HttpConfig, body_bytes: int) -> None:
        self._config = config
        self._body_bytes = body_bytes
        self._pace: Pace | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.connected: bool = False
        self.reused: bool = False
        self.stalled: TimeoutError | None = None
        self.tracker: aiohttp.UploadTracker | None = (
            aiohttp.UploadTracker() if body_bytes > _TRACKED_BYTES else None
        )

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[None]:
        """Interrupt the block with `TimeoutError` when it makes no progress.

        Until there is a connection, aiohttp's connect timeout holds. While the body is being sent,
        bytes are progress; then the reply has one stall timeout to come.
        """
        async with asyncio.timeout(None) as scope:
            self._arm(scope, self._config.stall_timeout_s / 4)
            try:
                yield
            finally:
                if self._timer is not None:
                    self._timer.cancel()

    def _arm(self, scope: asyncio.Timeout, delay: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self._tick, scope)

    def _tick(self, scope: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time()
        sent = self._body_bytes if self.tracker is None else self.tracker.bytes_written
        if not self.connected:
            self._pace = None
        elif self._pace is None:
            self._pace = self._new_pace(sent, now)
        else:
            wrong = self._pace.check(now, sent)
            if wrong is not None:
                where = "waiting for the reply" if sent >= self._body_bytes else "sending"
                self.stalled = TimeoutError(f"{where}: {wrong}")
                scope.reschedule(now)
                return
        self._arm(scope, self._config.stall_timeout_s / 4)

    def _new_pace(self, sent: int, now: float) -> Pace:
        rate = self._config.min_bytes_per_s if sent < self._body_bytes else 0
        return Pace(self._config.stall_timeout_s, rate, now)


def trace_config() -> aiohttp.TraceConfig:
    """Return the hooks by which aiohttp tells an `Exchange`, given as `trace_request_ctx`."""

    async def created(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
    ) -> None:
        context.trace_request_ctx.connected = True

    async def reused(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
    ) -> None:
        context.trace_request_ctx.connected = True
        context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(created)
    trace.on_connection_reuseconn.append(reused)
    return trace
