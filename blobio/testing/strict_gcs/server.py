"""`StrictGcs`: the server, its store, its hook, and how to run it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from blobio.config import Config, GcsConfig
from blobio.testing.strict.answers import Answer
from blobio.testing.strict.connection import Connection
from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict.hosting import Listener, on_a_thread
from blobio.testing.strict_gcs.accounts import Account
from blobio.testing.strict_gcs.replies import refusal
from blobio.testing.strict_gcs.routing import understand
from blobio.testing.strict_gcs.service import Service
from blobio.testing.strict_gcs.store import Bucket, GcsError

__all__ = ["StrictGcs", "strict_gcs"]

_NO_LIMIT: Final = 1 << 62


@final
class StrictGcs:
    """The server; listens from entry to exit of its `async with` block.

    Args:
        hook: Asked for the fault of each request; None for no faults.
        rewrite_bytes: How many bytes one step of a rewrite moves.
        clock: Unix seconds.

    Attributes:
        hook: See above; may be changed at any time.
        account: Who may ask: its tokens can be taken back.
        requests: How many requests have come, by operation.
        strikes: How many faults have struck, by kind.
        connections: The connections that are open.
    """

    def __init__(
        self,
        *,
        hook: FaultHook | None = None,
        rewrite_bytes: int = _NO_LIMIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hook = hook
        self.account: Final = Account()
        self.requests: Final[Counter[str]] = Counter()
        self.strikes: Final[Counter[Strike]] = Counter()
        self._listener = Listener()
        self.connections: Final[set[Connection]] = self._listener.connections
        self._clock = clock
        self._service = Service(clock, rewrite_bytes)
        self._directory: str | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._listener.port}"

    def config(self) -> Config:
        """Return a `Config` that reaches this server with the key file of its service account."""
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="blobio-strict-gcs-")
        path = Path(self._directory) / "key.json"
        path.write_text(self.account.key_file(f"{self.url}/token"))
        return Config(gcs=GcsConfig(endpoint_url=self.url, credentials_file=str(path)))

    def make_bucket(self, name: str) -> Bucket:
        """Create a bucket and return it, for looking at its objects and sessions."""
        return self._service.make_bucket(name)

    def land(self, concerns: Callable[[RequestHead], bool]) -> None:
        """Act now on those requests struck by `Strike.LATE` that `concerns` is true of."""
        self._listener.land(concerns)

    async def __aenter__(self) -> StrictGcs:
        await self._listener.open(self)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._listener.close()
        directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    # What connections ask

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        """Find out what a request asks for."""
        return understand(method, target, headers)

    def refuse(self, fault: Fault) -> Answer:
        """Return the reply of a fault."""
        return refusal(GcsError(fault.status, fault.code, "injected"))

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
        """Check who asks, and act."""
        del signed  # tokens do not cover the request
        if head.operation == "token":
            return self.account.give_token(body)
        try:
            if head.operation == "xml.get":
                self.account.check_signature(head, self._clock())
            else:
                self.account.check_token(head)
        except GcsError as error:
            return refusal(error)
        return self._service.answer(head, body)

    def begun_in_the_dark(self, answer: Answer) -> None:
        """Nothing to note: a session that nobody knows of ends by itself."""

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self._listener.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._listener.closed(connection)


@contextmanager
def strict_gcs(*, hook: FaultHook | None = None) -> Iterator[StrictGcs]:
    """Run a `StrictGcs` on a thread of its own until the `with` block ends.

    The hook is called on that thread. See `StrictGcs` for the arguments.
    """
    with on_a_thread(StrictGcs(hook=hook), "strict-gcs") as running:
        yield running
