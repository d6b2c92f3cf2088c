"""Operations that write: each knows what must be true if it succeeds, and if it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import final

from blobio.errors import AlreadyExists, BlobError, NotFound, VersionMismatch
from blobio.values import PutResult
from tests.campaign.actor import Abandoned, Actor, Outcome
from tests.campaign.grounds import PART_BYTES
from tests.campaign.model import Window, Write

__all__ = ["abandon", "append", "create", "overwrite", "replace", "set_mtime", "stream"]


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """What a write demands: nothing, a free name, or a version."""

    is_create: bool = False
    version: str | None = None


async def overwrite(actor: Actor) -> None:
    """Write a blob, whatever is there."""
    key, value = actor.draw_key(), actor.draw_value()
    path = actor.ground.url(key)
    actor.note(f"{key} {len(value)} bytes")
    call = actor.both(
        lambda context: context.write_bytes(path, value),
        lambda context: context.write_bytes(path, value),
    )
    await commit(actor, key, value, Condition(), call)


async def create(actor: Actor) -> None:
    """Write a blob only where none is."""
    key, value = actor.draw_key(), actor.draw_value()
    path = actor.ground.url(key)
    actor.note(f"{key} {len(value)} bytes")
    call = actor.both(
        lambda context: context.write_bytes(path, value, overwrite=False),
        lambda context: context.write_bytes(path, value, overwrite=False),
    )
    await commit(actor, key, value, Condition(is_create=True), call)


async def replace(actor: Actor) -> None:
    """Write over the version that is there, or over one that was."""
    key = actor.draw_key()
    most = 6 * PART_BYTES if actor.ground.traits.conditional_uploads else PART_BYTES
    value = actor.draw_value(most=most)
    path = actor.ground.url(key)
    versions = list(actor.history(key).versions)
    fresh = not versions or actor.rng.random() < 0.7
    version = await _version(actor, key) if fresh else actor.rng.choice(versions)
    if version is None:
        actor.note(f"{key} (nothing to replace)")
        return
    actor.note(f"{key} {version} {len(value)} bytes")
    call = actor.both(
        lambda context: context.write_bytes(path, value, version=version),
        lambda context: context.write_bytes(path, value, version=version),
    )
    await commit(actor, key, value, Condition(version=version), call)


async def stream(actor: Actor) -> None:
    """Write a blob in pieces, through a file."""
    key, value = actor.draw_key(), actor.draw_value()
    is_create = actor.rng.random() < 0.3
    cuts = sorted(actor.rng.randint(0, len(value)) for _ in range(actor.rng.randint(0, 5)))
    pieces = [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    actor.note(f"{key} {[len(piece) for piece in pieces]} {'xb' if is_create else 'wb'}")

    async def call() -> PutResult | None:
        path = actor.ground.url(key)
        async with actor.context.open(path, "xb" if is_create else "wb") as file:
            for piece in pieces:
                await file.write(piece)
        return file.result

    await commit(actor, key, value, Condition(is_create=is_create), call)


async def abandon(actor: Actor) -> None:
    """Begin to write and raise: nothing must appear."""
    key, value = actor.draw_key(), actor.draw_value()
    actor.note(f"{key} {len(value)} bytes")

    async def call() -> None:
        async with actor.context.open(actor.ground.url(key), "wb") as file:
            await file.write(value)
            raise Abandoned

    outcome = await actor.attempt(actor.model.clock.start(), call)
    actor.require(not outcome.is_success, "the exception of the body is gone")
    if outcome.error is not None:
        actor.excuse(outcome.error)


async def append(actor: Actor) -> None:
    """Add to a blob, which writes it anew over the version that was read."""
    key, extra = actor.draw_key(), actor.draw_value(most=PART_BYTES)
    old = (await actor.settled(key)).value
    value = (old or b"") + extra
    if len(value) > 8 * PART_BYTES:
        actor.note(f"{key} (long enough)")
        return
    actor.note(f"{key} {len(value)} bytes")

    async def call() -> PutResult | None:
        async with actor.context.open(actor.ground.url(key), "ab") as file:
            await file.write(extra)
        return file.result

    await commit(actor, key, value, Condition(), call)


async def set_mtime(actor: Actor) -> None:
    """Change metadata, which leaves the bytes alone but may make a new version."""
    key = actor.draw_key()
    value = (await actor.settled(key)).value
    path = actor.ground.url(key)
    time = float(actor.rng.randint(0, 1 << 30))
    actor.note(key)
    start = actor.model.clock.start()
    history = actor.history(key)
    write = history.begin(value, start)
    outcome = await actor.attempt(
        start,
        actor.both(
            lambda context: context.set_mtime(path, time),
            lambda context: context.set_mtime(path, time),
        ),
    )
    if outcome.is_success:
        actor.require(value is not None, f"{key}: there was nothing to change")
        history.commit(write, outcome.window.end)
    elif value is None and isinstance(outcome.error, NotFound):
        history.withdraw(write)
    elif actor.excuse(outcome.error):
        history.leave_open(write, outcome.window.end)
    else:
        history.withdraw(write)
    actor.model.prune(key)


async def commit(
    actor: Actor,
    key: str,
    value: bytes,
    condition: Condition,
    call: Callable[[], Awaitable[PutResult | None]],
) -> None:
    """Run a write and judge its outcome."""
    history = actor.history(key)
    start = actor.model.clock.start()
    write = history.begin(value, start)
    outcome = await actor.attempt(start, call)
    before = history.candidates(outcome.window, without=write)
    if outcome.is_success:
        _check_allowed(actor, key, condition, before)
        result = outcome.value
        history.commit(write, outcome.window.end, result.version if result else None)
    elif outcome.error is not None and _is_refusal(outcome.error, condition):
        check_refused(actor, key, condition, before)
        if actor.role.is_alone or not actor.plan.struck:
            history.withdraw(write)
        else:
            # A rival may have replaced what we wrote before we could look whose it was. Nobody
            # can tell that from a race that was lost at once.
            history.leave_open(write, outcome.window.end)
    elif actor.excuse(outcome.error):
        history.leave_open(write, outcome.window.end)
    else:
        history.withdraw(write)
    actor.model.prune(key)


def _is_refusal(error: BlobError, condition: Condition) -> bool:
    if condition.is_create:
        return isinstance(error, AlreadyExists)
    return condition.version is not None and isinstance(error, VersionMismatch)


def _check_allowed(actor: Actor, key: str, condition: Condition, before: list[Write]) -> None:
    """Check that the condition of a write that succeeded may have held."""
    if condition.is_create:
        actor.require(any(one.value is None for one in before), f"{key}: the name was taken")
    elif condition.version is not None:
        value = actor.history(key).versions[condition.version]
        actor.require(
            any(one.value == value for one in before), f"{key}: the version was not there"
        )


def check_refused(actor: Actor, key: str, condition: Condition, before: list[Write]) -> None:
    """Check that the condition of a write that was refused may have failed."""
    if condition.is_create:
        actor.require(any(one.value is not None for one in before), f"{key}: the name was free")
        return
    actor.require(
        any(one.version is None or one.version != condition.version for one in before),
        f"{key}: the version was there",
    )


async def _version(actor: Actor, key: str) -> str | None:
    """Read a key and return the version of what came, None if nothing did."""

    async def call() -> tuple[bytes, str | None]:
        async with actor.context.open(actor.ground.url(key)) as file:
            return await file.read(), file.version

    outcome: Outcome[tuple[bytes, str | None]] = await actor.attempt(
        actor.model.clock.start(), call
    )
    return check_read(actor, key, outcome)


def check_read(actor: Actor, key: str, outcome: Outcome[tuple[bytes, str | None]]) -> str | None:
    """Judge a whole read; return its version if it succeeded."""
    history = actor.history(key)
    candidates = history.candidates(outcome.window)
    if outcome.is_success:
        data, version = outcome.value
        actor.require(
            any(one.value == data for one in candidates),
            f"{key}: {len(data)} bytes that cannot be there: {data[:40]!r}",
        )
        _know(candidates, data, version)
        history.observe(data, outcome.window, version)
        return version
    if isinstance(outcome.error, NotFound):
        missing(actor, key, candidates, outcome.window)
    elif isinstance(outcome.error, VersionMismatch) and not actor.role.is_alone:
        actor.require(len(candidates) > 1, f"{key}: it changed underneath, but nobody wrote")
    else:
        actor.excuse(outcome.error)
    return None


def missing(actor: Actor, key: str, candidates: list[Write], window: Window) -> None:
    """Accept that a key was not found."""
    actor.require(any(one.value is None for one in candidates), f"{key}: it must be there")
    actor.history(key).observe(None, window)


def _know(candidates: list[Write], value: bytes, version: str | None) -> None:
    """Note the version of a write whose own reply did not tell it."""
    same = [one for one in candidates if one.value == value]
    if len(same) == 1 and same[0].version is None:
        same[0].version = version
