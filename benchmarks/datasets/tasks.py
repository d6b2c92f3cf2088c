"""`Task`: what is done by several libraries, each its own way, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import final

from benchmarks.datasets.data import Size
from benchmarks.peers.base import Place

__all__ = ["Outcome", "Site", "Task", "Wrong"]


class Wrong(Exception):
    """A library gave other rows than are stored."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a task is told.

    Attributes:
        place: The server.
        size: How much is stored there.
        directory: The same objects as files.
        told: What the process before has told, by JSON.
        soak_s: How long a soak takes.
    """

    place: Place
    size: Size
    directory: str
    told: object = None
    soak_s: float = 0.0

    def url(self, key: str) -> str:
        """Return the URL of an object."""
        return f"s3://{self.place.bucket}/{key}"

    def path(self, key: str) -> str:
        """Return the file of an object."""
        return f"{self.directory}/{self.place.bucket}/{key}"


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        units: How many rows, or whatever the rate is of.
        note: What there is to say besides the costs.
    """

    units: int
    note: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        title: What is done, for people.
        unit: What the rate is of.
        ways: By library; raises `Wrong`.
        needs: Returns the stored bytes that no way can do without, by sizes and objects.
        ready: Makes what is needed but not measured, in the same process.
        before: By library, what another process does first and is not measured; JSON of what it
            returns reaches the task.
        after: By library, what the same process does last and is not measured.
        fault_share: Of the requests that fail while this is measured, at least.
        requires: A package besides the libraries; without it the task is left out.
        smoke: The libraries that a smoke run does it by, as others like it are enough; None for
            all.
        is_on_demand: Done only when asked for by name, or in a smoke run; then once, as it is long.
    """

    title: str
    unit: str = "rows"
    ways: Mapping[str, Callable[[Site], Outcome]]
    needs: Callable[[Size, Mapping[str, bytes]], int] | None = None
    ready: Callable[[Site], None] = lambda _: None
    before: Mapping[str, Callable[[Site], object]] = field(default_factory=dict)
    after: Mapping[str, Callable[[Site], None]] = field(default_factory=dict)
    fault_share: float = 0.0
    requires: str | None = None
    smoke: Collection[str] | None = None
    is_on_demand: bool = False
