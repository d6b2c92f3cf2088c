"""Operations on names: copies, moves, deletions, listings and globs."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from blobio.entries import DirEntry, Stat
from blobio.errors import AlreadyExists, NotFound
from tests.campaign.actor import Actor
from tests.campaign.model import Window
from tests.campaign.writing import missing

__all__ = ["copy", "glob", "listing", "move", "remove", "rmtree", "walk"]

_PATTERNS: Final = ("*", "k*", "?1", "*0", "{k0,k1}", "k?")


async def copy(actor: Actor) -> None:
    """Copy a blob to another key, or onto itself."""
    source = actor.draw_key()
    target = source if actor.rng.random() < 0.15 else actor.draw_key()
    value = (await actor.settled(source)).value
    await actor.settled(target)
    overwrites = not actor.ground.traits.conditional_copies or actor.rng.random() < 0.7
    wants_md5 = actor.rng.random() < 0.2
    src, dst = actor.ground.url(source), actor.ground.url(target)
    actor.note(f"{source} -> {target} {'over' if overwrites else 'new'}")
    start = actor.model.clock.start()
    history = actor.history(target)
    write = history.begin(value, start)
    outcome = await actor.attempt(
        start,
        actor.both(
            lambda context: context.copy(src, dst, overwrite=overwrites, return_md5=wants_md5),
            lambda context: context.copy(src, dst, overwrite=overwrites, return_md5=wants_md5),
        ),
    )
    before = history.candidates(outcome.window, without=write)
    if outcome.is_success:
        actor.require(value is not None, f"{source}: there was nothing to copy")
        is_free = any(one.value is None for one in before)
        actor.require(overwrites or is_free, f"{target}: the name was taken")
        if wants_md5 and value is not None:
            digest = hashlib.md5(value, usedforsecurity=False).hexdigest()
            actor.require(outcome.value == digest, f"{target}: a wrong MD5 was returned")
        history.commit(write, outcome.window.end)
    elif isinstance(outcome.error, NotFound) and value is None:
        history.withdraw(write)
    elif isinstance(outcome.error, AlreadyExists) and not overwrites:
        actor.require(any(one.value is not None for one in before), f"{target}: it was free")
        history.withdraw(write)
    elif actor.excuse(outcome.error):
        history.leave_open(write, outcome.window.end)
    else:
        history.withdraw(write)
    actor.model.prune(target)


async def move(actor: Actor) -> None:
    """Move a blob: never is it at neither end."""
    source, target = actor.draw_key(), actor.draw_key()
    if source == target:
        actor.note("(onto itself)")
        return
    value = (await actor.settled(source)).value
    old = (await actor.settled(target)).value
    overwrites = not actor.ground.traits.conditional_copies or actor.rng.random() < 0.7
    src, dst = actor.ground.url(source), actor.ground.url(target)
    actor.note(f"{source} -> {target} {'over' if overwrites else 'new'}")
    start = actor.model.clock.start()
    arrival = actor.history(target).begin(value, start)
    departure = actor.history(source).begin(None, start)
    outcome = await actor.attempt(
        start,
        actor.both(
            lambda context: context.move(src, dst, overwrite=overwrites),
            lambda context: context.move(src, dst, overwrite=overwrites),
        ),
    )
    end = outcome.window.end
    refused = (value is None and isinstance(outcome.error, NotFound)) or (
        old is not None and not overwrites and isinstance(outcome.error, AlreadyExists)
    )
    if outcome.is_success:
        actor.require(value is not None, f"{source}: there was nothing to move")
        actor.require(overwrites or old is None, f"{target}: the name was taken")
        actor.history(target).commit(arrival, end)
        actor.history(source).commit(departure, end)
    elif refused:
        actor.history(target).withdraw(arrival)
        actor.history(source).withdraw(departure)
    else:
        actor.excuse(outcome.error)
        actor.history(target).leave_open(arrival, end)
        actor.history(source).leave_open(departure, end)
        await actor.look(source)
        await actor.look(target)
        is_gone = (await actor.settled(source)).value is None
        is_there = (await actor.settled(target)).value == value
        kept = value is None or is_there or not is_gone
        actor.require(kept, f"{source} -> {target}: it is at neither end")
    for key in (source, target):
        actor.model.prune(key)


async def remove(actor: Actor) -> None:
    """Remove a blob."""
    key = actor.draw_key()
    path = actor.ground.url(key)
    actor.note(key)
    history = actor.history(key)
    start = actor.model.clock.start()
    write = history.begin(None, start)
    outcome = await actor.attempt(
        start,
        actor.both(lambda context: context.remove(path), lambda context: context.remove(path)),
    )
    before = history.candidates(outcome.window, without=write)
    if outcome.is_success:
        actor.require(any(one.value is not None for one in before), f"{key}: nothing was there")
        history.commit(write, outcome.window.end)
    elif isinstance(outcome.error, NotFound):
        history.withdraw(write)
        missing(actor, key, before, outcome.window)
    elif actor.excuse(outcome.error):
        history.leave_open(write, outcome.window.end)
    else:
        history.withdraw(write)
    actor.model.prune(key)


async def rmtree(actor: Actor) -> None:
    """Remove a directory of its own."""
    directory = actor.rng.choice(actor.role.directories)
    keys = [key for key in actor.role.all_keys() if key.startswith(f"{directory}/")]
    path = actor.ground.url(directory)
    actor.note(directory)
    start = actor.model.clock.start()
    writes = {key: actor.history(key).begin(None, start) for key in keys}
    outcome = await actor.attempt(
        start,
        actor.both(lambda context: context.rmtree(path), lambda context: context.rmtree(path)),
    )
    for key, write in writes.items():
        history = actor.history(key)
        if outcome.is_success:
            history.commit(write, outcome.window.end)
        elif isinstance(outcome.error, NotFound):
            history.withdraw(write)
            missing(actor, key, history.candidates(outcome.window), outcome.window)
        else:
            history.leave_open(write, outcome.window.end)
        actor.model.prune(key)
    if not outcome.is_success and not isinstance(outcome.error, NotFound):
        actor.excuse(outcome.error)


async def listing(actor: Actor) -> None:
    """List a directory."""
    directory = actor.rng.choice(actor.role.directories)
    keys = [key for key in actor.role.all_keys() if key.startswith(f"{directory}/")]
    path = actor.ground.url(directory)
    actor.note(directory)
    outcome = await actor.attempt(
        actor.model.clock.start(),
        actor.both(
            lambda context: _collect(context.scandir(path)),
            lambda context: list(context.scandir(path)),
        ),
    )
    if outcome.is_success:
        found = {actor.ground.key(one.path): one.stat for one in outcome.value if one.is_file}
        actor.require(len(found) == len(outcome.value), f"{directory}: strange entries")
        check_listed(actor, keys, found, outcome.window)
    elif isinstance(outcome.error, NotFound):
        check_listed(actor, keys, {}, outcome.window)
    else:
        actor.excuse(outcome.error)


async def walk(actor: Actor) -> None:
    """Walk over all of its directories."""
    top = actor.role.directories[0].partition("/")[0]
    path = actor.ground.url(top)
    topdown = actor.rng.random() < 0.5
    errors: list[OSError] = []
    actor.note(top)

    async def call() -> list[tuple[str, list[str], list[str]]]:
        steps = actor.context.walk(path, topdown=topdown, onerror=errors.append)
        return [step async for step in steps]

    outcome = await actor.attempt(actor.model.clock.start(), call)
    if outcome.is_success and not errors:
        found: dict[str, Stat | None] = {}
        for directory, _, names in outcome.value:
            found |= {actor.ground.key(f"{directory}/{name}"): None for name in names}
        check_listed(actor, actor.role.all_keys(), found, outcome.window)
    elif not outcome.is_success:
        actor.excuse(outcome.error)
    else:
        actor.require(actor.plan.struck, f"{top}: errors without a fault: {errors}")


async def glob(actor: Actor) -> None:
    """Find keys by a pattern."""
    pattern = actor.rng.choice(_PATTERNS)
    top = actor.role.directories[0].partition("/")[0]
    if actor.rng.random() < 0.5:
        directory = actor.rng.choice(actor.role.directories)
        is_deep = False
    else:
        directory, is_deep = top, True
    path = f"{actor.ground.url(directory)}/{'**/' if is_deep else ''}{pattern}"
    actor.note(path)
    outcome = await actor.attempt(
        actor.model.clock.start(),
        actor.both(
            lambda context: _collect(context.scanglob(path)),
            lambda context: list(context.scanglob(path)),
        ),
    )
    if not outcome.is_success:
        actor.excuse(outcome.error)
        return
    found = {actor.ground.key(one.path): one.stat for one in outcome.value if one.is_file}
    keys = [
        key
        for key in actor.role.all_keys()
        if key.startswith(f"{directory}/") and _matches(key.rpartition("/")[2], pattern)
    ]
    check_listed(actor, keys, found, outcome.window)


def check_listed(
    actor: Actor, keys: Iterable[str], found: dict[str, Stat | None], window: Window
) -> None:
    """Compare a listing with what each key may have been."""
    expected = set(keys)
    actor.require(found.keys() <= expected, f"phantoms: {sorted(found.keys() - expected)}")
    for key in expected:
        history = actor.history(key)
        candidates = history.candidates(window)
        if key not in found:
            actor.require(any(one.value is None for one in candidates), f"{key}: not listed")
            history.observe(None, window)
            continue
        stat = found[key]
        shown = [
            one.value
            for one in candidates
            if one.value is not None and (stat is None or len(one.value) == stat.size)
        ]
        actor.require(shown, f"{key}: listed as {stat}, which cannot be")
        if len(set(shown)) == 1:
            history.observe(shown[0], window)


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("{"):
        return name in pattern[1:-1].split(",")
    return fnmatch.fnmatchcase(name, pattern)


async def _collect(entries: AsyncIterator[DirEntry]) -> list[DirEntry]:
    return [entry async for entry in entries]
