"""A whole campaign: actors over one store, and the account of what is left when they are done."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, final

from blobio.blocking.portal import portal
from tests.campaign import handles, trees, writing
from tests.campaign.actor import Actor, Journal, Role, Verb
from tests.campaign.azure import azure_ground
from tests.campaign.disk import calm_local_ground, local_ground
from tests.campaign.grounds import Ground, strict_ground
from tests.campaign.model import Model, Violation
from tests.campaign.proxied import moto_ground

__all__ = ["GROUNDS", "Report", "run"]

_OPEN_FILES: Final = "/proc/self/fd"
_TAIL_LINES: Final = 40
_NAMES: Final = ("k0", "k1", "k2", "o d+d%20#ü?1")
_FAULT_RATE: Final = 0.35

_COMMON: Final[Mapping[Verb, float]] = {
    writing.overwrite: 16.0,
    writing.create: 8.0,
    writing.replace: 10.0,
    handles.read_whole: 12.0,
    handles.read_ranges: 6.0,
    handles.open_handle: 5.0,
    handles.read_handle: 16.0,
    handles.question: 4.0,
    trees.remove: 4.0,
    trees.listing: 4.0,
}
_ALONE: Final[Mapping[Verb, float]] = {
    **_COMMON,
    writing.stream: 6.0,
    writing.abandon: 2.0,
    writing.append: 4.0,
    writing.set_mtime: 2.0,
    handles.read_md5: 2.0,
    trees.copy: 6.0,
    trees.move: 3.0,
    trees.rmtree: 0.5,
    trees.walk: 1.0,
    trees.glob: 3.0,
}


@final
@dataclass(slots=True, kw_only=True)
class Report:
    """What a campaign did.

    Attributes:
        ground: Name of the store.
        seed: Its seed.
        seconds: How long it took.
        journal: Counts of operations and outcomes.
        struck: Faults by kind.
        requests: Requests that reached the front of the store.
    """

    ground: str
    seed: int
    seconds: float
    journal: Journal
    struck: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def lines(self) -> list[str]:
        """Return it in words."""
        done = self.journal.operations
        return [
            (
                f"{self.ground}, seed {self.seed}: {done} operations in {self.seconds:.1f} s, "
                f"{self.journal.blocking} of them blocking; {self.requests} requests, "
                f"{self.struck.total()} faults, no violation"
            ),
            f"  outcomes: {_counts(self.journal.outcomes)}",
            f"  operations: {_counts(self.journal.verbs)}",
            f"  faults: {_counts(self.struck)}",
        ]


GROUNDS: Final[Mapping[str, Callable[[int], AbstractAsyncContextManager[Ground]]]] = {
    "strict": strict_ground,
    "azure": azure_ground,
    "moto": moto_ground,
    "local": local_ground,
    "rivals": calm_local_ground,
}
_ACTORS: Final = {
    "strict": (12, 4),
    "azure": (12, 0),  # rivals lose their blocks to each other, which the model does not know
    "moto": (6, 2),
    "local": (1, 0),
    "rivals": (0, 6),
}


async def run(
    ground_name: str, seed: int, operations: int, journal: Journal | None = None
) -> Report:
    """Run a campaign.

    Args:
        ground_name: One of `GROUNDS`.
        seed: Decides everything but the order in which actors take turns.
        operations: How many.
        journal: Where to keep the account; None for a new one.

    Raises:
        Violation: A promise was broken; the message tells how to repeat it and what led to it.
    """
    portal()  # the loop thread of the blocking API stays, and is no leak
    random.seed(seed)
    journal = journal or Journal()
    started = time.monotonic()
    files, tasks = _open_files(), len(asyncio.all_tasks())
    try:
        async with GROUNDS[ground_name](seed) as ground:
            await _run_actors(ground, ground_name, seed, operations, journal)
            ground.check_clean()
            struck, requests = ground.board.struck, ground.board.requests
        await _check_baseline(files, tasks)
    except Exception as error:
        tail = "\n".join(list(journal.lines)[-_TAIL_LINES:])
        command = (
            f"python -m tests.campaign --store {ground_name} --seed {seed} "
            f"--operations {operations}"
        )
        counts = f"after {journal.operations} operations: {_counts(journal.outcomes)}"
        message = f"{error}\nrepeat with: {command}\n{counts}\nthe last operations:\n{tail}"
        raise Violation(message) from error
    seconds = time.monotonic() - started
    return Report(
        ground=ground_name,
        seed=seed,
        seconds=seconds,
        journal=journal,
        struck=struck,
        requests=requests,
    )


async def _run_actors(
    ground: Ground, name: str, seed: int, operations: int, journal: Journal
) -> None:
    model = Model()
    alone, contending = _ACTORS[name]
    roles = [
        (
            f"own{number}",
            Role(
                directories=(f"a{number}/x", f"a{number}/y"),
                names=_NAMES,
                verbs=_ALONE,
                is_alone=True,
                fault_rate=_FAULT_RATE,
            ),
        )
        for number in range(alone)
    ]
    shared = Role(
        directories=("shared/z",),
        names=_NAMES[:2],
        verbs=_COMMON,
        is_alone=False,
        fault_rate=_FAULT_RATE,
    )
    roles += [(f"rival{number}", shared) for number in range(contending)]
    actors = [Actor(who, ground, model, role, seed=seed, journal=journal) for who, role in roles]
    for actor in actors:
        await actor.warm_up()
    each, left = divmod(operations, len(actors))
    try:
        async with asyncio.TaskGroup() as group:
            for number, actor in enumerate(actors):
                group.create_task(actor.run(each + (number < left)))
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    await _check_end(ground, model, seed, journal)


async def _check_end(ground: Ground, model: Model, seed: int, journal: Journal) -> None:
    """Read every key in peace: it must hold one of its last possible values."""
    role = Role(directories=(), names=(), verbs={}, is_alone=True, fault_rate=1.0)
    last = Actor("last", ground, model, role, seed=seed, journal=journal)
    try:
        for key in model.known_keys():
            await last.look(key)
    finally:
        await last.close()


async def _check_baseline(files: dict[str, str], tasks: int) -> None:
    """Raise unless files, sockets and tasks are as they were."""
    left = files
    for _ in range(50):
        gc.collect()
        await asyncio.sleep(0.01)
        left = {number: name for number, name in _open_files().items() if number not in files}
        if not left and len(asyncio.all_tasks()) <= tasks:
            return
    message = f"left open: {left}; tasks: {asyncio.all_tasks()}"
    raise Violation(message)


def _open_files() -> dict[str, str]:
    found: dict[str, str] = {}
    for number in os.listdir(_OPEN_FILES) if os.path.isdir(_OPEN_FILES) else ():
        try:
            found[number] = os.readlink(f"{_OPEN_FILES}/{number}")
        except FileNotFoundError:
            continue
    return found


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())
