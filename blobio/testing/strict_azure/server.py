"""`StrictAzure`: the server, its containers and its hook."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Final, final

from blobio.config import AzureConfig, Config
from blobio.testing.strict import (
    Answer,
    Connection,
    Fault,
    FaultHook,
    Listener,
    RequestHead,
    Strike,
    on_a_thread,
)
from blobio.testing.strict_azure.replies import refused
from blobio.testing.strict_azure.routing import parse_part, understand
from blobio.testing.strict_azure.service import Service
from blobio.testing.strict_azure.signatures import KEY, verify
from blobio.testing.strict_azure.store import Container, Refusal

__all__ = ["StrictAzure", "strict_azure"]

_ACCOUNT: Final = "account"
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_MAX_BATCH: Final = 256


@final
class StrictAzure:
    """The server; listens from entry to exit of its `async with` block.

    Args:
        hook: Asked for the fault of each request; None for no faults.
        pending_polls: How many looks every copy stays pending for; 0 for copies done at once.
        clock: Unix seconds.

    Attributes:
        hook: See above; may be changed at any time.
        account: The account of `make_container`, unless it is told another.
        service: What answers.
        requests: How many requests have come, by operation.
        strikes: How many faults have struck, by kind.
        connections: The connections that are open.
    """

    def __init__(
        self,
        *,
        hook: FaultHook | None = None,
        pending_polls: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hook = hook
        self.account: Final = _ACCOUNT
        self.service: Final = Service(clock)
        self.service.pending_polls = pending_polls
        self.requests: Final[Counter[str]] = Counter()
        self.strikes: Final[Counter[Strike]] = Counter()
        self._listener = Listener()
        self.connections: Final[set[Connection]] = self._listener.connections
        self._clock = clock

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._listener.port or 1}"  # 1 is nobody's

    def config(self) -> Config:
        """Return a `Config` that reaches this server with the key of its accounts."""
        return Config(azure=AzureConfig(endpoint_url=self.url + "/{account}", account_key=KEY))

    def make_container(self, name: str, *, account: str = _ACCOUNT) -> Container:
        """Create a container and return it, for looking at its blobs and unpublished blocks."""
        path = f"{account}/{name}"
        return self.service.containers.setdefault(path, Container(path, self._clock))

    def land(self, concerns: Callable[[RequestHead], bool]) -> None:
        """Act now on those requests struck by `Strike.LATE` that `concerns` is true of."""
        self._listener.land(concerns)

    async def __aenter__(self) -> StrictAzure:
        await self._listener.open(self)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._listener.close()

    # What connections ask

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        """Find out what a request asks for."""
        return understand(method, target, headers)

    def refuse(self, fault: Fault) -> Answer:
        """Return the reply of a fault."""
        return refused(Refusal(fault.status, fault.code, "injected"))

    def judge(self, head: RequestHead) -> Fault | None:
        """Count a request and ask the hook for its fault."""
        self.requests[head.operation or "unknown"] += 1
        fault = None if self.hook is None else self.hook(head)
        if fault is not None:
            self.strikes[fault.strike] += 1
        return fault

    def perform(
        self, head: RequestHead, body: bytes, *, signed: RequestHead | None = None
    ) -> Answer:
        """Verify a request and act on it."""
        answer = self._refusal(signed or head, len(body))
        if answer is None:
            is_batch = head.operation == "BlobBatch"
            answer = self._batch(head, body) if is_batch else self.service.answer(head, body)
        return _dated(answer, self._clock())

    def begun_in_the_dark(self, answer: Answer) -> None:
        """Note nothing: Azure begins no uploads."""

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self._listener.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._listener.closed(connection)

    def _refusal(self, head: RequestHead, body_bytes: int) -> Answer | None:
        """Return why a request is not authorised, or None if it is."""
        try:
            verify(head, body_bytes, url=self.url, now=self._clock())
        except Refusal as error:
            return refused(error)
        return None

    def _batch(self, head: RequestHead, body: bytes) -> Answer:
        match = _BOUNDARY.search(head.headers.get("content-type", ""))
        pieces = body.split(b"--" + match[1].encode())[1:-1] if match else []
        requests = [part for piece in pieces if (part := parse_part(piece)) is not None]
        if not requests or len(requests) > _MAX_BATCH:
            return refused(Refusal(400, "InvalidInput", "1 to 256 parts make a batch."))
        texts = []
        for number, inner in requests:
            self.requests[f"part:{inner.operation}"] += 1
            answer = self._refusal(inner, 0) or self.service.answer(inner, b"")
            code = answer.headers.get("x-ms-error-code", "")
            texts.append(
                "--reply\r\nContent-Type: application/http\r\n"
                f"Content-ID: {number}\r\n\r\nHTTP/1.1 {answer.status} Text\r\n"
                + (f"x-ms-error-code: {code}\r\n" if code else "")
                + "\r\n"
            )
        headers = {"Content-Type": "multipart/mixed; boundary=reply"}
        return Answer(status=202, headers=headers, body=f"{''.join(texts)}--reply--".encode())


@contextmanager
def strict_azure(*, hook: FaultHook | None = None, pending_polls: int = 0) -> Iterator[StrictAzure]:
    """Run a `StrictAzure` on a thread of its own until the `with` block ends.

    The hook is called on that thread. See `StrictAzure` for the arguments.
    """
    with on_a_thread(StrictAzure(hook=hook, pending_polls=pending_polls), "strict-azure") as server:
        yield server


def _dated(answer: Answer, now: float) -> Answer:
    return replace(answer, headers={"Date": formatdate(now, usegmt=True), **answer.headers})
