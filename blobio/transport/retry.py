"""Send again what failed, within limits: attempts, a no-progress deadline, and a shared budget."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final, TypeAlias, final

from blobio.config import RetryConfig
from blobio.errors import DeadlineExceeded, RequestFailure, TransportFailed, redact
from blobio.transport.base import Transport
from blobio.transport.counting import store_of
from blobio.transport.message import Request, Response
from blobio.transport.signing import Signer
from blobio.usage import Usage

__all__ = [
    "Judge",
    "RetryBudget",
    "RetryTransport",
    "StaleConnection",
    "Verdict",
    "is_refusal",
    "judge_status",
    "quota_wait_s",
    "retry_after_s",
]

_logger: Final = logging.getLogger("blobio.transport")

# 501 and 505 say that the server will never do it; other 4xx that the request is wrong.
_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_QUOTA: Final = re.compile(r";\s{0,3}([rt])=(\d{1,9})(?!\d)", re.ASCII)


@final
class StaleConnection(TransportFailed):
    """A pooled connection was found closed before a byte of the reply came: retried without wait.

    `RetryTransport` never lets it out.
    """


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


def judge_status(request: Request, response: Response) -> Verdict:  # noqa: ARG001 - a `Judge`
    """Judge by the status alone: what every store means by it."""
    if response.status in _RETRYABLE:
        return Verdict.RETRY
    if response.status == _UNAUTHORIZED:
        return Verdict.REAUTHENTICATE
    return Verdict.DONE


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds a `Retry-After` asks for, or None if there is none that can be read.

    A date is compared with the reply's own `Date`, so that a wrong clock here does not matter;
    without one with `now`, in Unix seconds.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until = _unix_time(text)
    if until is None:
        return None
    since = _unix_time(headers.get("date", ""))
    return max(0.0, until - (now if since is None else since))


def quota_wait_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until all quotas that a `RateLimit` header calls spent start anew.

    `"api";r=0;t=55` says that of the quota "api" nothing remains for 55 seconds more
    (draft-ietf-httpapi-ratelimit-headers; the Hugging Face Hub sends it). None if none is spent.
    """
    quotas = (_QUOTA.findall(part) for part in headers.get("ratelimit", "")[:1000].split(","))
    found = [dict(parameters) for parameters in quotas]
    waits = [int(quota["t"]) for quota in found if quota.get("r") == "0" and "t" in quota]
    return max(waits) + 1.0 if waits else None  # t counts whole seconds


def _unix_time(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (ValueError, OverflowError):
        return None


@final
class RetryBudget:
    """Retries left in a burst, shared by all requests of a context.

    When everything fails, retries multiply the traffic of an outage; with a budget they add at
    most `tokens` requests, and a tenth of the successful ones after that.
    """

    __slots__ = ("_capacity", "_tokens")

    def __init__(self, tokens: int) -> None:
        self._capacity = float(tokens)
        self._tokens = float(tokens)

    def take(self) -> bool:
        """Take one retry; False if none is left."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Return a tenth of a retry, after a success."""
        self._tokens = min(self._capacity, self._tokens + 0.1)


@final
@dataclass(slots=True)
class _Run:
    """One call of `send`: what has happened so far."""

    request: Request
    started: float
    attempts: int = 0
    extra: int = 0
    ambiguous: bool = False
    reauthenticated: bool = False
    resynced: bool = False
    outcome: str = ""

    @property
    def title(self) -> str:
        """Name the request for people."""
        subject = redact(self.request.subject or self.request.url)
        return f"{self.request.operation or self.request.method} of {subject}"


@final
class RetryTransport:
    """Retries around another transport.

    A request is sent again after a fault that may pass and after a reply that `judge` calls
    `RETRY`, until one of these is reached: `config.attempts`, `config.no_progress_s`, an empty
    budget, a `Retry-After` beyond `config.retry_after_max_s`, or `config.get_deadline()`. A request
    that is not idempotent is sent again only if the store cannot have acted on it. Waits are random
    (full jitter) and never shorter than what the server asked for.

    Args:
        inner: Sends one attempt.
        config: The limits.
        budget: Shared by all requests of a context.
        judge: Decides on replies.
        signer: Who signs below; needed for `REAUTHENTICATE` and `RESYNC`.
        log_callback: Gets the warnings of retries in place of `logging`.
        clock: Monotonic seconds.
        wall_clock: Unix seconds.
        sleep: Waits that many seconds; None for `asyncio.sleep`.
        rng: Source of the jitter; None for one of its own.
        usage: Where retries are counted, if they are.
    """

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
        usage: Usage | None = None,
    ) -> None:
        self._inner = inner
        self._config = config
        self._budget = budget
        self._judge = judge
        self._signer = signer
        self._log_callback = log_callback
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = asyncio.sleep if sleep is None else sleep
        self._random = random.Random() if rng is None else rng  # noqa: S311 - jitter, no secret
        self._usage = usage

    async def send(self, request: Request) -> Response:
        """Send until a reply is final or a limit is reached.

        Returns:
            The last reply: final, or retryable when the retries ended. `attempts` counts the
            requests sent, `ambiguous` tells if the store may have acted on one that failed.

        Raises:
            TransportFailed: The last attempt got no reply, and no further one is allowed.
            DeadlineExceeded: `get_deadline()` has passed, or would before the next attempt; or the
                last attempt got no reply and `no_progress_s` has passed.
        """
        run = _Run(request, self._clock())
        self._check_deadline(run, 0.0, None)
        while True:
            run.attempts += 1
            if self._usage is not None and run.attempts > 1:
                self._usage.of(store_of(request)).retries += 1
            try:
                response = await self._inner.send(request)
            except (TransportFailed, DeadlineExceeded) as fault:
                await self._after_fault(run, fault)
                continue
            try:
                again = await self._after_reply(run, response)
            except BaseException:
                await response.aclose()
                raise
            if not again:
                response.attempts = run.attempts
                response.ambiguous = run.ambiguous
                return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    async def _after_fault(self, run: _Run, fault: RequestFailure) -> None:
        """Wait for the next attempt, or raise."""
        run.outcome = fault.message
        run.ambiguous = run.ambiguous or fault.ambiguous
        if not fault.retryable:
            error = self._failure(run, "trying again would not help")
            error.retryable = False
            raise error from fault
        if fault.ambiguous and not run.request.idempotent:
            raise self._failure(run, "the store may have acted on it") from fault
        # Stores drop idle connections; that one of them was ours says nothing about their load.
        free = isinstance(fault, StaleConnection) and run.attempts == 1
        delay = 0.0 if free else self._backoff_s(run)
        self._check_deadline(run, delay, fault)
        stop = self._limit(run, delay, free=free)
        if stop is not None:
            timed_out = stop == self._time_limit
            raise self._failure(run, stop, timed_out=timed_out) from fault
        await self._wait(run, delay)

    async def _after_reply(self, run: _Run, response: Response) -> bool:
        """Return False if `response` is the answer; otherwise wait for the next attempt."""
        verdict = self._judge(run.request, response)
        if verdict is Verdict.DONE:
            self._budget.give_back()
            return False
        run.outcome = f"HTTP status {response.status}"
        if verdict is not Verdict.RETRY:
            return await self._recover(run, response, verdict)
        refused = is_refusal(response)
        delay = self._backoff_s(run)
        asked = quota_wait_s(response.headers) if response.status == _TOO_MANY else None
        if asked is None:
            asked = retry_after_s(response.headers, self._wall_clock())
        if asked is not None:
            if asked > self._config.retry_after_max_s:
                return False
            # Everybody who was refused comes back after the same time: spread them a little.
            delay = asked + self._random.uniform(0.0, min(asked * 0.1, self._config.base_s))
        if not (run.request.idempotent or refused):
            return False
        self._check_deadline(run, delay, None)
        if self._limit(run, delay) is not None:
            return False
        run.ambiguous = run.ambiguous or not refused
        await response.aclose()
        await self._wait(run, delay)
        return True

    async def _recover(self, run: _Run, response: Response, verdict: Verdict) -> bool:
        """Mend credentials or clock, each at most once per request; a refusal changed nothing."""
        if self._signer is None:
            return False
        if verdict is Verdict.REAUTHENTICATE:
            if run.reauthenticated:
                return False
            run.reauthenticated = True
            await response.aclose()
            await self._signer.refresh(response.credential)
        else:
            date = response.headers.get("date", "")
            if run.resynced or not date or not self._signer.learn_time(date):
                return False
            run.resynced = True
            await response.aclose()
        # Does not count against the attempts: the first answer was about us, not about the store.
        run.extra += 1
        self._check_deadline(run, 0.0, None)
        return True

    @property
    def _time_limit(self) -> str:
        return f"no_progress_s={self._config.no_progress_s:g} seconds are over"

    def _limit(self, run: _Run, delay: float, *, free: bool = False) -> str | None:
        """Name the limit that forbids another attempt after `delay` seconds, if one does."""
        if run.attempts - run.extra >= self._config.attempts:
            return f"the limit is attempts={self._config.attempts}"
        if self._clock() - run.started + delay >= self._config.no_progress_s:
            return self._time_limit
        if not free and not self._budget.take():
            return "too many other requests are failing: the retry budget is empty"
        return None

    def _backoff_s(self, run: _Run) -> float:
        doublings = min(run.attempts - run.extra - 1, 60)
        bound = min(self._config.max_s, self._config.base_s * 2.0**doublings)
        return self._random.uniform(0.0, bound)

    def _check_deadline(self, run: _Run, delay: float, cause: BaseException | None) -> None:
        if self._config.get_deadline is None:
            return
        if self._wall_clock() + delay > self._config.get_deadline():
            raise self._failure(run, "get_deadline() is over", timed_out=True) from cause

    def _failure(self, run: _Run, reason: str, *, timed_out: bool = False) -> RequestFailure:
        kind = DeadlineExceeded if timed_out else TransportFailed
        tries = "1 attempt" if run.attempts == 1 else f"{run.attempts} attempts"
        outcome = run.outcome or "nothing was sent"
        error = kind(
            f"{run.title} failed after {tries} ({reason}): {outcome}",
            url=run.request.subject or run.request.url,
            operation=run.request.operation or None,
            attempts=run.attempts,
        )
        error.ambiguous = run.ambiguous
        error.retried = True
        return error

    async def _wait(self, run: _Run, delay: float) -> None:
        line = (
            f"{run.title}: {run.outcome}; trying again in {delay:.2f} s "
            f"(attempt {run.attempts + 1} of {self._config.attempts + run.extra})"
        )
        retries = run.attempts - run.extra
        if retries <= self._config.log_threshold:
            _logger.debug("%s", line)
        elif self._log_callback is None:
            _logger.warning("%s", line)
        else:
            self._log_callback(line)
        if delay > 0:
            await self._sleep(delay)


def is_refusal(response: Response) -> bool:
    """Tell if the reply proves that the store did not act on the request.

    A 4xx does. So does a 503 that says when to come back; any other 5xx, and a 200 that the judge
    rejects, may hide an action that was carried out.
    """
    if 400 <= response.status < 500:  # noqa: PLR2004 - the class of client errors
        return True
    return response.status == _UNAVAILABLE and "retry-after" in response.headers
