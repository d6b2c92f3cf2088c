"""`StrictHub`: both hosts of it, their hook, and how to run them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, final

from blobio.config import Config
from blobio.testing.strict.answers import Answer
from blobio.testing.strict.connection import Connection
from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict.hosting import Listener, on_a_thread
from blobio.testing.strict_hub.replies import refusal
from blobio.testing.strict_hub.routing import understand, understand_delivery
from blobio.testing.strict_hub.service import Delivery, Service
from blobio.testing.strict_hub.store import HubError, HubRepo

__all__ = ["StrictHub", "strict_hub"]

_TOO_MANY: Final = 429


@final
class StrictHub:
    """The server; listens from entry to exit of its `async with` block.

    Args:
        hook: Asked for the fault of each request to either host; None for no faults.

    Attributes:
        hook: See above; may be changed at any time.
        seen: The requests that have come, to both hosts.
        requests: How many have come, by operation; `deliver` is that of the other host.
        strikes: How many faults have struck, by kind.
        service: Its settings, see there.
        quota_wait_s: What a 429 says of when the quota starts anew.
    """

    def __init__(self, *, hook: FaultHook | None = None) -> None:
        self.hook = hook
        self.seen: Final[list[RequestHead]] = []
        self.requests: Final[Counter[str]] = Counter()
        self.strikes: Final[Counter[Strike]] = Counter()
        self.quota_wait_s: int = 0
        self._delivery = Delivery()
        self.service: Final = Service(self._delivery)
        self._listener = Listener()
        self._other = _OtherHost(self, self._delivery)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT` of the Hub."""
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def delivery_url(self) -> str:
        """`http://127.0.0.1:PORT` of the host that delivers large files."""
        return f"http://127.0.0.1:{self._other.listener.port}"

    def config(self, token: str | None = None) -> Config:
        """Return a `Config` that reaches this server, anonymously or with a token."""
        defaults = Config()
        hub = replace(
            defaults.hub, endpoint_url=self.url, viewer_url=self.url, token=token or False
        )
        return replace(defaults, hub=hub)

    def make_dataset(self, name: str) -> HubRepo:
        """Make an empty dataset and return it, for commits and settings."""
        repo = self.service.datasets[name] = HubRepo(name)
        return repo

    def rename(self, repo: HubRepo, name: str) -> None:
        """Give a dataset another id; requests with the old one are redirected."""
        self.service.datasets[repo.id] = HubRepo(repo.id, moved_to=name)
        repo.id = name
        self.service.datasets[name] = repo

    def make_token(self, name: str) -> str:
        """Return a token that it knows from now on."""
        self.service.tokens.add(name)
        return name

    def expire_links(self) -> None:
        """Honour no link to a large file that was given out so far."""
        self._delivery.expired = self._delivery.issued

    async def __aenter__(self) -> StrictHub:
        await self._listener.open(self)
        await self._other.listener.open(self._other)
        self.service.link_base = self.delivery_url
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._other.listener.close()
        await self._listener.close()

    # What connections ask

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        """Find out what a request asks for."""
        return understand(method, target, headers)

    def refuse(self, fault: Fault) -> Answer:
        """Return the reply of a fault; that of a 429 tells of the quota."""
        answer = refusal(HubError(fault.status, fault.code, "injected"))
        if fault.status != _TOO_MANY:
            return answer
        quota = {
            "RateLimit": f'"api";r=0;t={self.quota_wait_s}',
            "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
        }
        return replace(answer, headers={**answer.headers, **quota})

    def judge(self, head: RequestHead) -> Fault | None:
        """Count a request and ask the hook for its fault."""
        self.seen.append(head)
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
        try:
            return self.service.answer(head, body)
        except HubError as error:
            return refusal(error)

    def begun_in_the_dark(self, answer: Answer) -> None:
        """Nothing to note: nothing is ever begun."""

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self._listener.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._listener.closed(connection)


@final
class _OtherHost:
    """The desk of the host that delivers large files."""

    def __init__(self, hub: StrictHub, delivery: Delivery) -> None:
        self.listener: Final = Listener()
        self._hub = hub
        self._delivery = delivery

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        return understand_delivery(method, target, headers)

    def refuse(self, fault: Fault) -> Answer:
        return Answer(status=fault.status)

    def judge(self, head: RequestHead) -> Fault | None:
        return self._hub.judge(head)

    def perform(
        self, head: RequestHead, body: bytes, *, signed: RequestHead | None = None
    ) -> Answer:
        del body, signed
        return self._delivery.answer(head)

    def begun_in_the_dark(self, answer: Answer) -> None:
        pass

    def opened(self, connection: Connection) -> None:
        self.listener.opened(connection)

    def closed(self, connection: Connection) -> None:
        self.listener.closed(connection)


@contextmanager
def strict_hub(*, hook: FaultHook | None = None) -> Iterator[StrictHub]:
    """Run a `StrictHub` on a thread of its own until the `with` block ends.

    The hook is called on that thread. See `StrictHub` for the arguments.
    """
    with on_a_thread(StrictHub(hook=hook), "strict-hub") as running:
        yield running
