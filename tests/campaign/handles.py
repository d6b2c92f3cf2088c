"""Operations that read: whole, by ranges, and through handles that stay open."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, final

from blobio.core.files import AsyncReader
from blobio.errors import NotFound, VersionMismatch
from tests.campaign.actor import Actor
from tests.campaign.model import Window
from tests.campaign.writing import check_read, missing

__all__ = [
    "Handle",
    "open_handle",
    "question",
    "read_handle",
    "read_md5",
    "read_ranges",
    "read_whole",
]

_MOST_HANDLES: Final = 3


@final
@dataclass(slots=True)
class Handle:
    """A blob open for reading.

    Attributes:
        key: Its key.
        reader: The file.
        values: What it may have been when it was opened.
        opened: When that was.
    """

    key: str
    reader: AsyncReader
    values: list[bytes]
    opened: Window


async def read_whole(actor: Actor) -> None:
    """Read all of a blob."""
    key = actor.draw_key()
    path = actor.ground.url(key)
    actor.note(key)
    actor.plan.checks_ranges = True
    call = actor.both(
        lambda context: context.read_bytes(path), lambda context: context.read_bytes(path)
    )

    async def read() -> tuple[bytes, str | None]:
        return await call(), None

    check_read(actor, key, await actor.attempt(actor.model.clock.start(), read))


async def read_ranges(actor: Actor) -> None:
    """Read several ranges with one call."""
    key = actor.draw_key()
    path = actor.ground.url(key)
    ranges = []
    for _ in range(actor.rng.randint(1, 5)):
        start = actor.rng.randint(0, 3000)
        ranges.append((start, start + actor.rng.choice((0, 1, 10, 100, 3000))))
    actor.note(f"{key} {ranges}")
    outcome = await actor.attempt(
        actor.model.clock.start(),
        actor.both(
            lambda context: context.read_ranges(path, ranges),
            lambda context: context.read_ranges(path, ranges),
        ),
    )
    candidates = actor.history(key).candidates(outcome.window)
    if outcome.is_success:
        found = outcome.value
        actor.require(
            any(
                one.value is not None and found == [one.value[a:b] for a, b in ranges]
                for one in candidates
            )
            or all(a == b for a, b in ranges),
            f"{key}: ranges of nothing that can be there",
        )
    elif isinstance(outcome.error, NotFound):
        missing(actor, key, candidates, outcome.window)
    elif isinstance(outcome.error, VersionMismatch) and not actor.role.is_alone:
        actor.require(len(candidates) > 1, f"{key}: it changed underneath, but nobody wrote")
    else:
        actor.excuse(outcome.error)


async def read_md5(actor: Actor) -> None:
    """Ask for the MD5."""
    key = actor.draw_key()
    path = actor.ground.url(key)
    actor.note(key)
    outcome = await actor.attempt(
        actor.model.clock.start(),
        actor.both(lambda context: context.md5(path), lambda context: context.md5(path)),
    )
    candidates = actor.history(key).candidates(outcome.window)
    if outcome.is_success:
        possible = {
            hashlib.md5(one.value, usedforsecurity=False).hexdigest()
            for one in candidates
            if one.value is not None
        }
        actor.require(outcome.value in possible, f"{key}: the MD5 of nothing that can be there")
    elif isinstance(outcome.error, NotFound):
        missing(actor, key, candidates, outcome.window)
    else:
        actor.excuse(outcome.error)


async def question(actor: Actor) -> None:
    """Ask whether a blob exists, and what it is."""
    key = actor.draw_key()
    path = actor.ground.url(key)
    if actor.rng.random() < 0.4:
        actor.note(f"exists {key}")
        asked = await actor.attempt(
            actor.model.clock.start(),
            actor.both(lambda context: context.isfile(path), lambda context: context.isfile(path)),
        )
        if asked.is_success:
            candidates = actor.history(key).candidates(asked.window)
            actor.require(
                any((one.value is not None) == asked.value for one in candidates),
                f"{key}: isfile cannot be {asked.value}",
            )
        else:
            actor.excuse(asked.error)
        return
    actor.note(f"stat {key}")
    outcome = await actor.attempt(
        actor.model.clock.start(),
        actor.both(lambda context: context.stat(path), lambda context: context.stat(path)),
    )
    candidates = actor.history(key).candidates(outcome.window)
    if outcome.is_success:
        stat = outcome.value
        actor.require(
            any(
                one.value is not None
                and len(one.value) == stat.size
                and (one.version is None or one.version == stat.version)
                for one in candidates
            ),
            f"{key}: nothing that can be there has {stat.size} bytes and {stat.version}",
        )
    elif isinstance(outcome.error, NotFound):
        missing(actor, key, candidates, outcome.window)
    else:
        actor.excuse(outcome.error)


async def open_handle(actor: Actor) -> None:
    """Open a blob and keep it open."""
    if len(actor.handles) >= _MOST_HANDLES:
        old = actor.handles.pop(actor.rng.randrange(len(actor.handles)))
        await old.reader.aclose()
        actor.note(f"(close {old.key})")
    key = actor.draw_key()
    path = actor.ground.url(key)
    size = actor.rng.choice((None, 100, 1000))
    actor.note(key)

    async def call() -> AsyncReader:
        return await actor.context.open(path, "rb", buffer_size=size)

    outcome = await actor.attempt(actor.model.clock.start(), call)
    candidates = actor.history(key).candidates(outcome.window)
    if outcome.is_success:
        reader = outcome.value
        values = [
            one.value
            for one in candidates
            if one.value is not None
            and len(one.value) == reader.size
            and (one.version is None or one.version == reader.version)
        ]
        actor.require(values, f"{key}: {reader.size} bytes of {reader.version} cannot be there")
        actor.handles.append(Handle(key, reader, values, outcome.window))
    elif isinstance(outcome.error, NotFound):
        missing(actor, key, candidates, outcome.window)
    else:
        actor.excuse(outcome.error)


async def read_handle(actor: Actor) -> None:
    """Read somewhere in a blob that is open: its own version, or an error."""
    if not actor.handles:
        await open_handle(actor)
        return
    handle = actor.rng.choice(actor.handles)
    reader = handle.reader
    if actor.rng.random() < 0.6:
        reader.seek(actor.rng.randint(0, reader.size + 10))
    start = reader.tell()
    size = actor.rng.choice((1, 10, 500, 3000, -1))
    into = size > 0 and actor.rng.random() < 0.3
    actor.note(f"{handle.key} {start}+{size}")

    async def call() -> bytes:
        if not into:
            return await reader.read(size)
        buffer = bytearray(size)
        return bytes(buffer[: await reader.readinto(buffer)])

    outcome = await actor.attempt(actor.model.clock.start(), call)
    if outcome.is_success:
        stop = None if size < 0 else start + size
        data = outcome.value
        handle.values = [value for value in handle.values if value[start:stop] == data]
        actor.require(handle.values, f"{handle.key}: bytes of another version, or of none")
        return
    if isinstance(outcome.error, (NotFound, VersionMismatch)):
        window = Window(handle.opened.start, outcome.window.end)
        candidates = actor.history(handle.key).candidates(window)
        actor.require(
            any(one.version is None or one.version != reader.version for one in candidates),
            f"{handle.key}: nobody has changed it: {outcome.error!r}",
        )
    else:
        actor.excuse(outcome.error)
    actor.handles.remove(handle)
    await reader.aclose()
