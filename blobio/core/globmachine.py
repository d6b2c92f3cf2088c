"""The automaton behind glob patterns: elements in, yes or no for a text out. Pure.

The states of the automaton are made when text first reaches them, as RE2 does, so matching costs
one step per character whatever the pattern, and the memory is bounded.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

__all__ = ["CharSet", "Element", "Machine", "Special"]

_MAX_EDGES: Final = 20_000
"""Bound of the memory of a `Machine`: past it, what it learned is dropped and learned anew."""


class Special(enum.Enum):
    """What a pattern can ask for, besides a character and a set of them."""

    ONE = "?"
    RUN = "*"
    DEEP_RUN = "**"
    DIRECTORIES = "**/"


@final
@dataclass(frozen=True, slots=True)
class CharSet:
    """`[...]`: single characters and inclusive ranges, never `/`."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def __contains__(self, char: str) -> bool:
        if char == "/":
            return False
        return any(low <= char <= high for low, high in self.ranges) != self.negated


Element: TypeAlias = "str | CharSet | Special"


@final
@dataclass(slots=True, eq=False)
class _State:
    """The places of a pattern at which a match may be, and what each next character makes of it.

    Attributes:
        places: Bit `i` is set if the elements before the i-th can match what was read so far.
        accepts: All elements can.
        edges: The state after each character met so far.
    """

    places: int
    accepts: bool
    edges: dict[str, _State] = field(default_factory=dict)


@final
class Machine:
    """Matches elements against text: an automaton whose states are made when first reached.

    One dict lookup per character once warm, and O(elements) per character at worst.
    """

    __slots__ = ("_edge_count", "_elements", "_start", "_states")

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements: Final = tuple(elements)
        self._forget()

    def matches(self, text: str) -> bool:
        """Tell whether the elements match the whole of `text`."""
        state = self._start
        for char in text:
            state = state.edges.get(char) or self._step(state, char)
        return state.accepts

    def _forget(self) -> None:
        self._edge_count = 0
        self._states: dict[int, _State] = {}
        self._start = self._state(self._skip(1, at_component_start=True))

    def _state(self, places: int) -> _State:
        state = self._states.get(places)
        if state is None:
            state = _State(places, accepts=bool(places >> len(self._elements)))
            self._states[places] = state
        return state

    def _step(self, state: _State, char: str) -> _State:
        """Make the edge from `state` for `char`."""
        if self._edge_count >= _MAX_EDGES:
            self._forget()
        following = 0
        for index, element in enumerate(self._elements):
            if state.places >> index & 1:
                following |= _after(element, char) << index
        reached = self._state(self._skip(following, at_component_start=char == "/"))
        state.edges[char] = reached
        self._edge_count += 1
        return reached

    def _skip(self, places: int, *, at_component_start: bool) -> int:
        """Add the places reached by elements that match nothing."""
        for index, element in enumerate(self._elements):
            if places >> index & 1 and (
                element is Special.RUN
                or element is Special.DEEP_RUN
                or (element is Special.DIRECTORIES and at_component_start)
            ):
                places |= 2 << index
        return places


def _after(element: Element, char: str) -> int:
    """Return where `char` leads from before `element`: 0 nowhere, 1 it stays, 2 behind it."""
    if element is Special.RUN:
        return int(char != "/")
    if element is Special.DEEP_RUN or element is Special.DIRECTORIES:
        return 1
    if element is Special.ONE:
        return 2 * (char != "/")
    if isinstance(element, CharSet):
        return 2 * (char in element)
    return 2 * (element == char)
