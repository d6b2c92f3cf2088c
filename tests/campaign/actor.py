"""One client of a campaign: draws operations, runs them under faults, and judges what they give."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeAlias, TypeVar, final

from blobio.blocking.context import Context
from blobio.core.context import AsyncContext
from blobio.errors import (
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    DeadlineExceeded,
    RateLimited,
    RequestFailed,
    TransportFailed,
    UploadLost,
)
from tests.campaign.faultplan import Plan, quiet_plan
from tests.campaign.grounds import ATTEMPTS, PART_BYTES, Ground
from tests.campaign.model import History, Model, Violation, Window, Write

if TYPE_CHECKING:
    from tests.campaign.handles import Handle

__all__ = ["Abandoned", "Actor", "Journal", "Outcome", "Role", "Verb"]

T = TypeVar("T")
Verb: TypeAlias = "Callable[[Actor], Coroutine[Any, Any, None]]"

_HANG_S: Final = 60.0
_REOPEN_EVERY: Final = 250
_TAIL_LINES: Final = 60
_FAULT_ERRORS: Final = (
    TransportFailed,
    DeadlineExceeded,
    RateLimited,
    ChecksumMismatch,
    ConcurrentWrite,
    RequestFailed,
)


class Abandoned(Exception):
    """Raised in the body of a `with` to abandon a write."""


@final
@dataclass(slots=True)
class Outcome(Generic[T]):
    """How a call ended: a result, an error of blobio, the body's own exception, or cancelled."""

    window: Window
    result: T | None = None
    error: BlobError | None = None
    is_cancelled: bool = False
    is_abandoned: bool = False

    @property
    def is_success(self) -> bool:
        """Whether there is a result."""
        return self.error is None and not self.is_cancelled and not self.is_abandoned

    @property
    def value(self) -> T:
        """The result of a success; T may be None."""
        assert self.is_success
        return self.result  # type: ignore[return-value]  # None only where T allows it


@final
class Journal:
    """What happened last, and how often what happened.

    Attributes:
        lines: The last operations.
        outcomes: Operations by how they ended.
        verbs: Operations by kind.
        operations: How many there were.
        blocking: How many went through the blocking API.
        progress: Called after each operation.
    """

    def __init__(self, progress: Callable[[Journal], object] = lambda _: None) -> None:
        self.progress = progress
        self.lines: deque[str] = deque(maxlen=2000)
        self.outcomes: Counter[str] = Counter()
        self.verbs: Counter[str] = Counter()
        self.operations: int = 0
        self.blocking: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What an actor does.

    Attributes:
        directories: Directories it works in.
        names: Names of the keys in each.
        verbs: Operations, by weight.
        is_alone: Nobody else writes there.
        fault_rate: Share of the operations that meet faults.
    """

    directories: tuple[str, ...]
    names: tuple[str, ...]
    verbs: Mapping[Verb, float]
    is_alone: bool
    fault_rate: float

    def all_keys(self) -> list[str]:
        """Return its keys."""
        return [f"{directory}/{name}" for directory in self.directories for name in self.names]


@final
class Actor:
    """A client with a context of its own; its operations follow one another.

    Attributes:
        name: Also its User-Agent.
        ground: Where it works.
        model: What all know.
        role: What it does.
        rng: Of the current operation.
        plan: Faults of the current operation.
        handles: What it has open for reading.
        context: Its async context.
    """

    def __init__(
        self, name: str, ground: Ground, model: Model, role: Role, *, seed: int, journal: Journal
    ) -> None:
        self.name: Final = name
        self.ground: Final = ground
        self.model: Final = model
        self.role: Final = role
        self.journal: Final = journal
        self.handles: list[Handle] = []
        self.rng = Random(0)
        self.plan: Plan = quiet_plan()
        self.serial = 0
        self._seed = seed
        self._notes: list[str] = []
        self._blocks = False
        self.context: AsyncContext = self._new_context()
        self._blocking: Context | None = None

    async def warm_up(self) -> None:
        """Send a request that meets no fault: a first one imports and builds what is slow."""
        await self.context.exists(self.ground.url("nothing"))

    async def run(self, count: int) -> None:
        """Do `count` operations, then close everything."""
        try:
            for number in range(count):
                await self._step(number)
                if number % _REOPEN_EVERY == _REOPEN_EVERY - 1:
                    await self.close()
                    self.context = self._new_context()
        finally:
            self.ground.board.connect(self.name, quiet_plan())
            await self.close()

    async def close(self) -> None:
        """Close handles and contexts."""
        self.ground.board.connect(self.name, quiet_plan())
        handles, self.handles = self.handles, []
        for handle in handles:
            await handle.reader.aclose()
        await self.context.aclose()
        blocking, self._blocking = self._blocking, None
        if blocking is not None:
            await asyncio.to_thread(blocking.close)

    # What operations use

    def both(
        self, asynchronous: Callable[[AsyncContext], Awaitable[T]], blocking: Callable[[Context], T]
    ) -> Callable[[], Awaitable[T]]:
        """Return a call through one API or the other, as was drawn for this operation."""
        if not self._blocks:
            return lambda: asynchronous(self.context)
        context = self._blocking_context()
        self.journal.blocking += 1
        self.note("blocking")
        return lambda: asyncio.to_thread(blocking, context)

    async def attempt(self, start: float, call: Callable[[], Awaitable[T]]) -> Outcome[T]:
        """Run one call to its end and close the window that began at `start`."""
        loop = asyncio.get_running_loop()
        task: asyncio.Future[T] = asyncio.ensure_future(call())
        if not self._blocks:
            self.plan.cancel = functools.partial(loop.call_soon_threadsafe, task.cancel)
        try:
            await asyncio.wait([task], timeout=_HANG_S)
        except asyncio.CancelledError:  # another actor has failed
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if not task.done():
            task.cancel()
            self.fail(f"no end after {_HANG_S} s")
        error = None if task.cancelled() else task.exception()
        if self.plan.struck or error is not None or task.cancelled():
            await self.ground.settle(self.name)
        outcome = Outcome[T](self.model.clock.end(start))
        if task.cancelled():
            outcome.is_cancelled = True
        elif error is None:
            outcome.result = task.result()
        elif isinstance(error, Abandoned):
            outcome.is_abandoned = True
        elif isinstance(error, BlobError):
            outcome.error = error
        else:
            self.note(f"-> {error!r}")
            raise error
        self._note_outcome(outcome)
        if outcome.is_cancelled and not self.plan.cancelled:
            self.fail("cancelled by nobody")
        return outcome

    async def calmly(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run a call that meets no fault."""
        self.ground.board.connect(self.name, quiet_plan())
        try:
            async with asyncio.timeout(_HANG_S):
                return await call()
        finally:
            self.ground.board.connect(self.name, self.plan)

    def excuse(self, error: BlobError | None) -> bool:
        """Accept an error that is the work of a fault; return whether it leaves the outcome open.

        Raises:
            Violation: No fault explains it.
        """
        if error is None:  # cancelled
            return True
        if isinstance(error, UploadLost) and self.plan.struck and not self.role.is_alone:
            # It was complete, the reply was lost, and a rival has replaced it since: nobody can
            # tell that from an upload that was dropped.
            return True
        if "outcome unknown" in str(error) and self.plan.struck and not self.role.is_alone:
            # What refused the second attempt is gone: it may have been ours, and a rival's removal.
            return True
        if type(error) not in _FAULT_ERRORS:
            self.fail(f"not an error that a fault explains: {error!r}")
        if not self.plan.struck:
            self.fail(f"an error without any fault: {error!r}")
        if self.ground.traits.retries and self.plan.must_be_masked:
            self.fail(f"so few faults must not be seen: {error!r}")
        return error.ambiguous or self.plan.cancelled

    def require(self, fact: object, message: str) -> None:
        """Raise `Violation` unless `fact`."""
        if not fact:
            self.fail(message)

    def fail(self, message: str) -> NoReturn:
        """Raise `Violation`."""
        self._flush()
        raise Violation(f"{self.name}: {message}")

    def note(self, text: str) -> None:
        """Add to this operation's line of the journal."""
        self._notes.append(text)

    def draw_key(self) -> str:
        """Draw one of its keys."""
        return self.rng.choice(self.role.all_keys())

    def draw_value(self, *, most: int = 6 * PART_BYTES) -> bytes:
        """Draw bytes that no other operation draws, or none at all."""
        kind = self.rng.random()
        if kind < 0.05:
            return b""
        limit = 256 if kind < 0.6 else 2 * PART_BYTES if kind < 0.85 else 6 * PART_BYTES
        size = self.rng.randint(32, max(32, min(limit, most)))
        self.serial += 1
        mark = f"{self.name}.{self.serial}|".encode()
        return mark + self.rng.randbytes(size - len(mark))

    async def settled(self, key: str) -> Write:
        """Return what is there, by looking if need be; only for keys of its own."""
        history = self.history(key)
        start = self.model.clock.start()
        window = self.model.clock.end(start)
        found = history.candidates(window)
        if len({one.value for one in found}) > 1:
            await self.look(key)
            found = history.candidates(self.model.clock.end(self.model.clock.start()))
        self.require(found, f"{key}: nothing is possible")
        return found[-1]

    async def look(self, key: str) -> None:
        """Read a key, calmly, and note what is there."""
        start = self.model.clock.start()
        value: bytes | None
        try:
            value = await self.calmly(lambda: self.context.read_bytes(self.ground.url(key)))
        except FileNotFoundError:
            value = None
        window = self.model.clock.end(start)
        candidates = self.history(key).candidates(window)
        shown = "nothing" if value is None else f"{len(value)} bytes"
        self.note(f"(look: {shown})")
        self.require(
            any(one.value == value for one in candidates), f"{key}: {shown} cannot be there"
        )
        self.history(key).observe(value, window)

    def history(self, key: str) -> History:
        """Return the history of a key."""
        return self.model[key]

    # Its own

    async def _step(self, number: int) -> None:
        self.rng = Random(f"{self._seed}/{self.name}/{number}")
        verbs = self.role.verbs
        verb = self.rng.choices(list(verbs), list(verbs.values()))[0]
        self._blocks = self.rng.random() < 0.04
        self.plan = self._draw_plan()
        self._notes = [f"{self.name} #{number} {verb.__name__}"]
        self.ground.board.connect(self.name, self.plan)
        await verb(self)
        self.ground.board.connect(self.name, quiet_plan())
        self.journal.operations += 1
        self.journal.verbs[verb.__name__] += 1
        self._flush()
        self.journal.progress(self.journal)

    def _draw_plan(self) -> Plan:
        rng = Random(self.rng.random())
        traits = self.ground.traits
        plan = Plan(rng=rng, strikes=traits.strikes, is_checked=self.ground.is_checked)
        draw = rng.random() / self.role.fault_rate
        if draw < 0.6:
            plan.at = {int(rng.expovariate(0.7))}
        elif draw < 0.75:
            plan.at = {int(rng.expovariate(0.4)) for _ in range(rng.randint(2, 5))}
        elif draw < 0.92:  # as many in a row as all attempts of a request, or more
            first = rng.randint(0, 3)
            plan.at = range(first, first + rng.randint(2, 3 * ATTEMPTS))
        elif draw < 1.0 and traits.cancels and not self._blocks:
            plan.cancel_at = int(rng.expovariate(0.5))
        return plan

    def _new_context(self) -> AsyncContext:
        context = AsyncContext(self.ground.config(self.name))
        self.ground.tune(context, Random(f"{self._seed}/{self.name}/jitter"))
        return context

    def _blocking_context(self) -> Context:
        if self._blocking is None:
            self._blocking = Context(self.ground.config(self.name))
            rng = Random(f"{self._seed}/{self.name}/blocking")

            async def tune(core: AsyncContext) -> None:
                self.ground.tune(core, rng)

            self._blocking._binding.call(tune)
        return self._blocking

    def _note_outcome(self, outcome: Outcome[T]) -> None:
        if outcome.is_cancelled:
            kind = "cancelled"
        elif outcome.is_abandoned:
            kind = "abandoned"
        elif outcome.error is not None:
            kind = type(outcome.error).__name__
            if outcome.error.ambiguous:
                kind += " (ambiguous)"
        else:
            kind = "ok"
        self.journal.outcomes[kind] += 1
        window = outcome.window
        self.note(f"[{window.start:.0f}-{window.end:.0f}] -> {kind}")

    def _flush(self) -> None:
        struck = [
            f"{head.operation or head.method}:{fault.strike.name}"
            for head, fault in self.plan.struck
        ]
        self.journal.lines.append(" ".join(self._notes) + (f"  !! {struck}" if struck else ""))
        self._notes = []
