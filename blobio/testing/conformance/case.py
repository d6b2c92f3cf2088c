"""What a case is, how it says what it needs, and how cases are chosen for a driver."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, TypeVar, final

from blobio.testing.conformance.harness import Harness
from blobio.values import Capabilities

__all__ = ["Case", "Feature", "case", "case_for_each", "cases"]

_T = TypeVar("_T")

_MODULES: Final = (
    "reading",
    "ranges",
    "pinning",
    "writing",
    "conditions",
    "uploads",
    "listing",
    "keys",
    "deleting",
    "copying",
    "patching",
    "verifying",
    "directories",
    "cancelling",
    "refusing",
)
_PACKAGE: Final = "blobio.testing.conformance"


class Feature(Enum):
    """A promise of the contract that some emulators cannot show although the real store can."""

    CONDITIONS = "conditional writes and reads are decided by the store"
    CREATE_ON_COMPLETE = "`CreateOnly` is decided when an upload is completed"
    REPLACE_ON_COMPLETE = "`ReplaceIf` is decided when an upload is completed"
    CONDITIONAL_COPIES = "`CreateOnly` and `ReplaceIf` are decided in copies"
    PATH_KEYS = "keys that no file could have (`a//b`, `a/../b`, a trailing `/`)"
    BACKSLASHES = "a backslash in a key"
    NEWLINES = "a newline or a carriage return in a key"
    CONTROLS = "a control character that XML cannot carry in a key"
    LONG_KEYS = "keys of 1,024 bytes"
    NAMES_AND_PREFIXES = "a key `a` beside a key `a/b`"
    MARKERS = "a blob whose key ends in `/`"
    MISSING_BUCKETS = "a bucket that does not exist is an error"
    LONG_SUFFIXES = "the last n bytes of a blob of fewer are all of it"
    COMPLETED_VERSIONS = "a completion tells the version that reads will tell"
    PREFIX_PAGES = "a page counts prefixes as entries, and shows each on one page only"
    REMOVED_NAMES = "a name can be removed from the metadata of a blob"
    ABORTED_UPLOADS = "an aborted upload is forgotten"
    ATOMIC_PUTS = "a put that is raced or broken off leaves one blob, whole"
    TIMES = "a store tells when a blob was written"
    RACING_UPLOADS = "uploads to one key may be completed at the same time"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One promise and the code that checks it.

    Attributes:
        name: What the driver must do, as a test name.
        run: Checks it; raises AssertionError, or whatever the driver raised.
        needs: Capabilities that must be true.
        without: Capabilities that must be false.
        shows: Features that the store behind the driver must have.
    """

    name: str
    run: Callable[[Harness], Awaitable[None]]
    needs: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    shows: frozenset[Feature] = frozenset()

    def applies(self, capabilities: Capabilities, lacks: Collection[Feature]) -> bool:
        """Tell whether a driver with `capabilities`, over a store that `lacks`, must pass."""
        return (
            all(getattr(capabilities, name) for name in self.needs)
            and not any(getattr(capabilities, name) for name in self.without)
            and self.shows.isdisjoint(lacks)
        )


_Check: TypeAlias = Callable[[Harness], Awaitable[None]]
_registered: Final[dict[str, Case]] = {}


def case(*features: Feature, needs: str = "", without: str = "") -> Callable[[_Check], _Check]:
    """Register an async function as a case.

    Args:
        features: What the store must be able to show.
        needs: Names of capabilities that must be true, separated by spaces.
        without: Names of capabilities that must be false.
    """

    def register(check: _Check) -> _Check:
        _add(check.__name__, check, features, needs, without)
        return check

    return register


def case_for_each(
    values: Mapping[str, _T], *features: Feature, needs: str = "", without: str = ""
) -> Callable[[Callable[[Harness, _T], Awaitable[None]]], Callable[[Harness, _T], Awaitable[None]]]:
    """Register an async function of a harness and a value as one case for each of `values`.

    Args:
        values: By the label that goes into the case's name.
        features: As for `case`.
        needs: As for `case`.
        without: As for `case`.
    """

    def register(
        check: Callable[[Harness, _T], Awaitable[None]],
    ) -> Callable[[Harness, _T], Awaitable[None]]:
        for label, value in values.items():

            async def run(harness: Harness, value: _T = value) -> None:
                await check(harness, value)

            _add(f"{check.__name__}:{label}", run, features, needs, without)
        return check

    return register


def _add(name: str, run: _Check, features: Collection[Feature], needs: str, without: str) -> None:
    if name in _registered:
        message = f"two conformance cases are called {name}"
        raise ValueError(message)
    _registered[name] = Case(
        name=name,
        run=run,
        needs=frozenset(needs.split()),
        without=frozenset(without.split()),
        shows=frozenset(features),
    )


def cases(capabilities: Capabilities, lacks: Mapping[Feature, str] | None = None) -> list[Case]:
    """Return the cases that a driver with `capabilities` must pass.

    Args:
        capabilities: What the driver says it can do.
        lacks: What the store behind it cannot show, each with the reason; None if it shows all.
    """
    for name in _MODULES:
        importlib.import_module(f"{_PACKAGE}.{name}")
    return [one for one in _registered.values() if one.applies(capabilities, lacks or {})]
