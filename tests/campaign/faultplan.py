"""Which requests of an operation are struck, and by what: drawn from the seed, kind by kind."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, final
from urllib.parse import unquote

from blobio.testing.strict_s3 import Fault, RequestHead, Strike

__all__ = ["MAX_MASKED", "Plan", "Switchboard", "quiet_plan"]

MAX_MASKED: Final = 2
"""So many strikes on one operation must not be seen by its caller."""

_ANY: Final[Mapping[Strike, int]] = {
    Strike.RESET: 20,
    Strike.REFUSE: 32,
    Strike.DROP_REPLY: 20,
    Strike.FAIL_AFTER: 16,
    Strike.HANG_UP: 12,
    Strike.TWICE: 12,
    Strike.DELAY: 8,
    Strike.STALL: 1,
    Strike.LATE: 1,
    Strike.STALL_REPLY: 1,
}
_WITH_BODY: Final = {Strike.RESET_UPLOAD: 16, Strike.DAMAGE_REQUEST: 16}
_BROKEN_BODY: Final = {Strike.CUT: 20, Strike.OVERSTATE: 10, Strike.UNBOUNDED: 10}
_READ: Final = {**_BROKEN_BODY, Strike.IGNORE_RANGE: 12, Strike.SHORTEN: 12, Strike.DAMAGE: 16}
_OUTCOME: Final = {Strike.ERROR_IN_200: 20, Strike.CUT: 10, Strike.UNBOUNDED: 10}

_KINDS: Final[Mapping[str, Mapping[Strike, int]]] = {
    "GetObject": {**_ANY, **_READ},
    "HeadObject": {kind: weight for kind, weight in _ANY.items() if kind != Strike.STALL_REPLY},
    "PutObject": {**_ANY, **_WITH_BODY},
    "UploadPart": {**_ANY, **_WITH_BODY},
    "UploadPartCopy": {**_ANY, **_OUTCOME},
    "CopyObject": {**_ANY, **_OUTCOME},
    "CompleteMultipartUpload": {**_ANY, **_WITH_BODY, **_OUTCOME},
    "DeleteObjects": {**_ANY, **_WITH_BODY},
    "ListObjectsV2": {**_ANY, **_BROKEN_BODY, Strike.SHORTEN: 8},
}
_REFUSALS: Final = (
    Fault(Strike.REFUSE, status=503, code="SlowDown", retry_after="0"),
    Fault(Strike.REFUSE, status=503, code="ServiceUnavailable"),
    Fault(Strike.REFUSE, status=429, code="TooManyRequests", retry_after="0"),
    Fault(Strike.REFUSE, status=500, code="InternalError"),
    Fault(Strike.REFUSE, status=502, code=""),
)
_SLOW: Final = Fault(Strike.REFUSE, status=400, code="RequestTimeout")
_RACE: Final = Fault(Strike.REFUSE, status=409, code="ConditionalRequestConflict")
_CHECKED_READS: Final = (Strike.DAMAGE, Strike.SHORTEN)
_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})
_HARMLESS: Final = (Strike.DELAY, Strike.TWICE, Strike.HANG_UP, Strike.IGNORE_RANGE)


@final
@dataclass(slots=True, kw_only=True)
class Plan:
    """The faults of one operation.

    Attributes:
        rng: Draws kinds and offsets.
        at: Numbers of the requests that are struck, from 0.
        cancel_at: Number of the request on whose arrival the operation is cancelled, or None.
        cancel: Cancels it.
        strikes: Kinds that the store's front can do.
        is_checked: Tells if damage to a read of a key would be noticed.
        checks_ranges: Damage to single ranges would be noticed too.
        requests: Requests seen.
        struck: Faults handed out.
        cancelled: Whether `cancel` was called.
    """

    rng: Random
    at: Collection[int] = ()
    cancel_at: int | None = None
    cancel: Callable[[], object] = lambda: None
    strikes: Collection[Strike] = tuple(Strike)
    is_checked: Callable[[str], bool] = lambda _: False
    checks_ranges: bool = False
    requests: int = 0
    struck: list[tuple[RequestHead, Fault]] = field(default_factory=list)
    cancelled: bool = False

    def judge(self, head: RequestHead) -> Fault | None:
        """Return the fault of the next request, if it has one."""
        number = self.requests
        self.requests += 1
        if number == self.cancel_at:
            self.cancelled = True
            self.cancel()
            fate = self.rng.choice((None, Strike.STALL, Strike.LATE))
            fault = None if fate is None or fate not in self.strikes else Fault(fate)
        elif number in self.at:
            fault = self._draw(head)
        else:
            return None
        if fault is not None:
            self.struck.append((head, fault))
        return fault

    @property
    def must_be_masked(self) -> bool:
        """Whether the caller must not see any of the faults that struck."""
        harmful = [one for one in self.struck if one[1].strike not in _HARMLESS]
        damaged = sum(fault.strike is Strike.DAMAGE for _, fault in harmful)
        return (
            not self.cancelled
            and len(harmful) <= MAX_MASKED
            and damaged <= 1
            and not any(_is_loud(head, fault) for head, fault in harmful)
        )

    def _draw(self, head: RequestHead) -> Fault | None:
        weights = {
            kind: weight
            for kind, weight in _KINDS.get(head.operation, _ANY).items()
            if kind in self.strikes and self._is_fair(kind, head)
        }
        kind = self.rng.choices(list(weights), list(weights.values()))[0]
        at = self.rng.random() * 0.999
        if kind is Strike.REFUSE:
            races = not head.headers.keys().isdisjoint(_CONDITIONS)
            if races and head.operation != "GetObject" and self.rng.random() < 0.3:
                return _RACE
            has_body = head.headers.get("content-length", "0") != "0"
            return self.rng.choice((*_REFUSALS, _SLOW) if has_body else _REFUSALS)
        if kind is Strike.FAIL_AFTER:
            return Fault(kind, status=self.rng.choice((500, 503)), code="InternalError")
        if kind is Strike.ERROR_IN_200:
            return Fault(kind, code=self.rng.choice(("InternalError", "SlowDown")))
        seconds = self.rng.random() * 0.02 if kind is Strike.DELAY else 0.0
        return Fault(kind, at, seconds=seconds, orderly=self.rng.random() < 0.5)

    def _is_fair(self, kind: Strike, head: RequestHead) -> bool:
        """Tell whether anybody could notice, or be expected to.

        A range has no checksum, nor has every object. A condition that is decided twice by one
        request cannot be told from a lost race, but for one more request at each lost race.
        """
        if kind is Strike.TWICE and _is_conditional(head):
            return head.operation in ("GetObject", "HeadObject")
        if head.operation != "GetObject" or kind not in _CHECKED_READS:
            return True
        if "range" in head.headers:
            return kind is Strike.SHORTEN or (self.checks_ranges and self.is_checked(head.key))
        return self.is_checked(head.key)


def quiet_plan() -> Plan:
    """Return a plan without faults."""
    return Plan(rng=Random(0))


def _is_conditional(head: RequestHead) -> bool:
    """Tell if doing it once may make doing it again fail; a copy onto itself has a new ETag."""
    source = unquote(head.headers.get("x-amz-copy-source", ""))
    is_onto_itself = source.lstrip("/") == f"{head.bucket}/{head.key}"
    return is_onto_itself or not head.headers.keys().isdisjoint(_CONDITIONS)


def _is_loud(head: RequestHead, fault: Fault) -> bool:
    """Tell whether an error is the right answer to a fault even if it comes alone."""
    if head.operation == "GetObject":  # a whole blob of unknown length
        return fault.strike is Strike.UNBOUNDED and "range" not in head.headers
    return fault is _RACE


@final
class Switchboard:
    """Finds the plan of the operation that a request belongs to, by its User-Agent.

    Attributes:
        struck: Faults by kind.
        requests: Requests seen.
        latest: Whose plan came last.
    """

    def __init__(self) -> None:
        self.struck: Final[Counter[str]] = Counter()
        self.requests: int = 0
        self.latest: str = ""
        self._plans: dict[str, Plan] = {}
        self._lock = threading.Lock()

    def connect(self, agent: str, plan: Plan) -> None:
        """Let `plan` judge the requests of `agent` from now on."""
        with self._lock:
            self._plans[agent] = plan
            self.latest = agent

    def judge(self, head: RequestHead) -> Fault | None:
        """Return the fault of a request; may be called on any thread."""
        with self._lock:
            self.requests += 1
            plan = self._plans.get(head.headers.get("user-agent", ""))
            fault = None if plan is None else plan.judge(head)
            if fault is not None:
                self.struck[fault.strike.name] += 1
            return fault
