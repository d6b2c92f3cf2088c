"""The campaign's ground over moto, another house's server, behind a proxy that breaks replies."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from random import Random
from typing import Final, final
from unittest import mock

from blobio.config import Config
from blobio.core.context import AsyncContext
from blobio.testing.emulators import S3Server, moto_server
from blobio.testing.emulators.s3 import _client
from blobio.testing.faultproxy import (
    Action,
    FaultProxy,
    Forward,
    Rule,
    answer,
    close_delimited,
    corrupt,
    drop_reply,
    relength,
    reset,
    shorten,
    strip_range,
    truncate,
)
from blobio.testing.scripted import End, Received, Reply
from blobio.testing.strict_s3 import Fault, Strike
from blobio.testing.strict_s3.replies import error_document
from blobio.testing.strict_s3.routing import understand
from blobio.url import BlobUrl
from tests.campaign.faultplan import Switchboard
from tests.campaign.grounds import BUCKET, Traits, small, tune_s3
from tests.campaign.model import Violation

__all__ = ["MotoGround", "moto_ground"]

_STALL_S: Final = 5.0
_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]*)</UploadId>")
_STRIKES: Final = (
    Strike.RESET,
    Strike.REFUSE,
    Strike.STALL,
    Strike.DELAY,
    Strike.TWICE,
    Strike.DROP_REPLY,
    Strike.FAIL_AFTER,
    Strike.CUT,
    Strike.SHORTEN,
    Strike.OVERSTATE,
    Strike.UNBOUNDED,
    Strike.DAMAGE,
    Strike.IGNORE_RANGE,
    Strike.ERROR_IN_200,
)


@final
class MotoGround:
    """moto behind a `FaultProxy`.

    It looks at no checksum that is sent, and at no condition of a copy or at If-Match of a
    completion; and a request that was given up may take effect later.
    """

    def __init__(self, server: S3Server, board: Switchboard) -> None:
        self.traits: Final = Traits(
            strikes=_STRIKES, conditional_uploads=False, conditional_copies=False, cancels=False
        )
        self.board: Final = board
        self._server = server
        self._unknown: set[str] = set()
        self.proxy: Final = FaultProxy(server.url, Rule(self._act, times=None))

    def url(self, key: str) -> str:
        return f"s3://{BUCKET}/{key}"

    def key(self, url: str) -> str:
        return BlobUrl.parse(url).key

    def config(self, agent: str) -> Config:
        through = S3Server(name="proxy", url=self.proxy.url)
        return small(through.config(), agent, stall_timeout_s=_STALL_S)

    def tune(self, context: AsyncContext, rng: Random) -> None:
        tune_s3(context, rng)

    def is_checked(self, key: str) -> bool:
        del key
        return True  # decided by the reply

    async def settle(self, agent: str) -> None:
        del agent

    def check_clean(self) -> None:
        with _client(self._server) as client:
            listed = client.list_multipart_uploads(Bucket=BUCKET)  # type: ignore[attr-defined]  # botocore's
        left = {upload["UploadId"] for upload in listed.get("Uploads", ())} - self._unknown
        if left:
            message = f"uploads were left behind: {sorted(left)}"
            raise Violation(message)

    def _act(self, request: Received, forward: Forward) -> Reply:
        head = understand(request.method, request.target, request.headers)
        fault = self.board.judge(head)
        if fault is None:
            return forward(request)

        def watched(passed: Received) -> Reply:
            reply = forward(passed)
            match = _UPLOAD_ID.search(reply.body)
            if match is not None and head.operation == "CreateMultipartUpload":
                self._unknown.add(match[1].decode())
            return reply

        return _action(fault)(request, watched if fault.strike is not Strike.DELAY else forward)


def _action(fault: Fault) -> Action:
    """Return what the proxy does for a fault; what depends on the reply is decided then."""
    strike = fault.strike
    if strike in (Strike.REFUSE, Strike.ERROR_IN_200):
        status = 200 if strike is Strike.ERROR_IN_200 else fault.status
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        return answer(status, headers, error_document(fault.code, "injected"))
    simple: dict[Strike, Action] = {
        Strike.RESET: reset(),
        Strike.DROP_REPLY: drop_reply(End.FIN if fault.orderly else End.RST),
        Strike.IGNORE_RANGE: strip_range(),
        Strike.STALL: lambda request, forward: Reply(silent=True, end=End.STALL),  # noqa: ARG005
    }
    return simple.get(strike) or (lambda request, forward: _spoil(fault, request, forward))


def _spoil(fault: Fault, request: Received, forward: Forward) -> Reply:
    if fault.strike is Strike.DELAY:
        time.sleep(fault.seconds)
    reply = forward(request)
    if fault.strike is Strike.TWICE:
        reply = forward(request)
    if fault.strike is Strike.FAIL_AFTER:
        return Reply(status=fault.status, body=error_document(fault.code, "injected"))
    offset = int(len(reply.body) * fault.at)
    actions = {
        Strike.CUT: truncate(offset, End.FIN if fault.orderly else End.RST),
        Strike.OVERSTATE: relength(1 + offset),
        Strike.UNBOUNDED: close_delimited(offset),
    }
    if _is_checked(reply):
        actions |= {Strike.DAMAGE: corrupt(offset), Strike.SHORTEN: shorten(offset)}
    action = actions.get(fault.strike)
    return reply if action is None else action(request, lambda _: reply)


def _is_checked(reply: Reply) -> bool:
    """Tell whether a body is checked: by its range, a CRC32C or an ETag that is an MD5."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    if "content-range" in headers or "etag" not in headers:
        return True
    return "x-amz-checksum-crc32c" in headers or "-" not in headers["etag"]


@contextmanager
def _served(board: Switchboard) -> Iterator[MotoGround]:
    with ExitStack() as exits:
        # moto's own settings: our parts are tiny
        sizes = {"S3_UPLOAD_PART_MIN_SIZE": "1", "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "1048576"}
        exits.enter_context(mock.patch.dict(os.environ, sizes))
        server = exits.enter_context(moto_server())
        server.make_bucket(BUCKET)
        ground = MotoGround(server, board)
        exits.enter_context(ground.proxy)
        yield ground


@asynccontextmanager
async def moto_ground(seed: int) -> AsyncIterator[MotoGround]:
    """Run moto and the proxy."""
    del seed
    serving = _served(Switchboard())
    ground = await asyncio.to_thread(serving.__enter__)
    try:
        yield ground
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
