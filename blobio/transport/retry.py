"""Send again what failed, within limits: attempts, a no-progress deadline, and a shared budget."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeAlias, final

from blobio.config import RetryConfig
from blobio.transport.base import Transport
from blobio.transport.message import Request, Response
from blobio.transport.signing import Signer

__all__ = ["Judge", "RetryBudget", "RetryTransport", "Verdict", "judge_status"]


class Verdict(Enum):
    """What to do with a reply."""

    DONE = auto()
    """Hand it to the driver, success or failure."""
    RETRY = auto()
    """The same request may succeed later."""
    REAUTHENTICATE = auto()
    """Drop the credentials and try once more."""
    RESYNC = auto()
    """Take the server's time for the signatures and try once more."""


Judge: TypeAlias = Callable[[Request, Response], Verdict]
"""Decides on a reply; the body is there unless the request streams a success."""


def judge_status(request: Request, response: Response) -> Verdict:
    """Judge by the status alone: what every store means by it."""
    raise NotImplementedError


@final
class RetryBudget:
    """Retries left in a burst, shared by all requests of a context."""

    def __init__(self, tokens: int) -> None:
        raise NotImplementedError

    def take(self) -> bool:
        """Take one retry; False if none is left."""
        raise NotImplementedError

    def give_back(self) -> None:
        """Return a tenth of a retry, after a success."""
        raise NotImplementedError


@final
class RetryTransport:
    """Retries around another transport."""

    def __init__(
        self,
        inner: Transport,
        config: RetryConfig,
        budget: RetryBudget,
        *,
        judge: Judge = judge_status,
        signer: Signer | None = None,
        log_callback: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        raise NotImplementedError

    async def send(self, request: Request) -> Response:
        """Send until a reply is final or a limit is reached."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the inner transport."""
        raise NotImplementedError
