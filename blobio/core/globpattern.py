r"""Glob patterns as values: parse once, ask for the literal prefix, match keys. No I/O.

A pattern speaks of keys (what follows the bucket; for local files the whole path):

* `*` is any run of characters but `/`, `?` is one of them, `[abc]`, `[a-z]` and `[!abc]` are one of
  a set and never `/`. `**` is any run of characters, and a component `**/` is any number of
  directories, none included. Names that start with a dot are not special.
* `{a,b}` is one or the other, nested if need be. It is taken apart into alternatives first.
* A trailing `/` asks for directories only. Directories are given to `matches` without their `/`.
* There is no escape character, since `\` may be part of a key: `[*]` is a literal `*` and
  `[[]` a `[`. A `[` or `{` that nothing closes, and braces without a comma, are literal.

Matching takes one step per character whatever the pattern, so no pattern and no name is slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from blobio.core.globmachine import CharSet, Element, Machine, Special

__all__ = ["DoubleStar", "GlobAlternative", "GlobPattern", "Literal", "Segment", "Wild"]

MAX_ALTERNATIVES: Final = 1_000
"""Bound of what `{a,b}` may expand to."""

MAX_PATTERN_CHARS: Final = 65_536
"""Bound of the text of a pattern; with the bound above it bounds the memory of an expansion."""


@final
@dataclass(frozen=True, slots=True)
class Literal:
    """A path component without wildcards."""

    text: str


@final
@dataclass(frozen=True, slots=True)
class Wild:
    """A path component with wildcards that stay within it.

    Attributes:
        literal_prefix: What every match starts with; may be "".
    """

    literal_prefix: str
    _machine: Machine = field(repr=False, compare=False)

    def matches(self, name: str) -> bool:
        """Tell whether the component matches `name`, which holds no `/`."""
        return self._machine.matches(name)


@final
@dataclass(frozen=True, slots=True)
class DoubleStar:
    """A component with `**`. It and what follows only `GlobAlternative.matches` can decide.

    Attributes:
        literal_prefix: What every match starts with, from this component on; may be "".
    """

    literal_prefix: str


Segment: TypeAlias = "Literal | Wild | DoubleStar"


@final
@dataclass(frozen=True, slots=True)
class GlobAlternative:
    """One pattern without braces.

    Attributes:
        prefix: The longest run of literal directories: `""`, or a key that ends in `/`.
        segments: The components behind `prefix`. A `DoubleStar` is always the last: below it, list
            flat and ask `matches`. Empty if the pattern is its prefix (`"/"`).
        literal: The one key that matches, wildcards quoted by `[...]` resolved; None if a
            wildcard leaves a choice.
        dirs_only: Only directories are asked for.
        recursive: There is a `**`.
    """

    prefix: str
    segments: tuple[Segment, ...]
    literal: str | None
    dirs_only: bool
    recursive: bool
    _machine: Machine = field(repr=False, compare=False)

    def matches(self, path: str) -> bool:
        """Tell whether the whole key `path` matches; directories come without trailing slash.

        What `path` is, is for the caller to check against `dirs_only`.
        """
        return self._machine.matches(path)


@final
@dataclass(frozen=True, slots=True)
class GlobPattern:
    """A parsed pattern.

    Attributes:
        text: The pattern as given.
        alternatives: What its braces expand to, in the order of the text, each once; 1 to 1,000.
    """

    text: str
    alternatives: tuple[GlobAlternative, ...]

    @classmethod
    def parse(cls, pattern: str) -> GlobPattern:
        """Parse `pattern`.

        Raises:
            ValueError: The braces expand to more than 1,000 alternatives, or the pattern has more
                than 65,536 characters.
        """
        if len(pattern) > MAX_PATTERN_CHARS:
            message = f"a glob pattern has at most {MAX_PATTERN_CHARS} characters: {pattern[:80]!r}"
            raise ValueError(message)
        expanded = dict.fromkeys(tuple(elements) for elements in _expand(pattern))
        return cls(pattern, tuple(_alternative(elements) for elements in expanded))

    @property
    def is_literal(self) -> bool:
        """Whether exactly one key can match."""
        return len(self.alternatives) == 1 and self.alternatives[0].literal is not None

    def matches(self, path: str) -> bool:
        """Tell whether any alternative matches the key `path`, see `GlobAlternative.matches`."""
        return any(alternative.matches(path) for alternative in self.alternatives)


# From text to elements


@final
@dataclass(slots=True)
class _Brace:
    """An open `{` while its alternatives are read: those done, and those of the current one."""

    done: list[list[Element]] = field(default_factory=list)
    current: list[list[Element]] = field(default_factory=lambda: [[]])
    tail: list[Element] = field(default_factory=list)

    def multiply(self, choices: Iterable[list[Element]], pattern: str) -> None:
        """Continue each current alternative with the tail, then with each of `choices`."""
        choices = list(choices)
        if len(self.done) + len(self.current) * len(choices) > MAX_ALTERNATIVES:
            message = f"{pattern[:80]!r} expands to more than {MAX_ALTERNATIVES} alternatives"
            raise ValueError(message)
        self.current = [[*head, *self.tail, *more] for head in self.current for more in choices]
        self.tail = []

    def next_alternative(self, pattern: str) -> None:
        """Move the current alternatives to those done and start an empty one."""
        self.multiply([[]], pattern)
        self.done += self.current
        self.current = [[]]


def _expand(pattern: str) -> list[list[Element]]:
    """Return the elements of each alternative of `pattern`."""
    atoms = _atoms(pattern)
    syntax = _brace_syntax(atoms)
    stack = [_Brace()]
    for index, atom in enumerate(atoms):
        if index not in syntax:
            stack[-1].tail.append(atom)
        elif atom == "{":
            stack.append(_Brace())
        elif atom == ",":
            stack[-1].next_alternative(pattern)
        else:
            brace = stack.pop()
            brace.next_alternative(pattern)
            stack[-1].multiply(brace.done, pattern)
    stack[0].multiply([[]], pattern)
    return stack[0].current


def _atoms(pattern: str) -> list[Element]:
    """Split `pattern` into characters, sets and wildcards; braces are still characters."""
    atoms: list[Element] = []
    position = 0
    closable = True  # after one "[" that nothing closes, looking again would be quadratic
    while position < len(pattern):
        char = pattern[position]
        if char == "[" and closable:
            found = _char_set(pattern, position)
            if found is not None:
                element, position = found
                atoms.append(element)
                continue
            closable = pattern.find("]", position) >= 0
        if char == "*":
            end = position
            while pattern[end : end + 1] == "*":
                end += 1
            atoms.append(Special.RUN if end - position == 1 else Special.DEEP_RUN)
            position = end
            continue
        atoms.append(Special.ONE if char == "?" else char)
        position += 1
    return atoms


def _char_set(pattern: str, start: int) -> tuple[CharSet, int] | None:
    """Read the set that opens at `start`; return it and the position behind it, or None."""
    body = start + 1
    negated = pattern[body : body + 1] == "!"
    body += negated
    # A "]" that comes first is a member.
    end = pattern.find("]", body + 1)
    slash = pattern.find("/", body)
    if end < 0 or 0 <= slash < end:
        return None
    members = pattern[body:end]
    ranges: list[tuple[str, str]] = []
    index = 0
    while index < len(members):
        is_range = members[index + 1 : index + 2] == "-" and index + 2 < len(members)
        ranges.append((members[index], members[index + 2] if is_range else members[index]))
        index += 3 if is_range else 1
    return CharSet(tuple(ranges), negated), end + 1


def _brace_syntax(atoms: Sequence[Element]) -> set[int]:
    """Return the indices of the `{`, `,` and `}` that are syntax: balanced, with a comma."""
    syntax: set[int] = set()
    open_braces: list[list[int]] = []  # each the index of a "{", then of its commas
    for index, atom in enumerate(atoms):
        if atom == "{":
            open_braces.append([index])
        elif atom == "," and open_braces:
            open_braces[-1].append(index)
        elif atom == "}" and open_braces:
            brace = open_braces.pop()
            if len(brace) > 1:
                syntax.update(brace, (index,))
    return syntax


# From elements to an alternative


def _alternative(elements: tuple[Element, ...]) -> GlobAlternative:
    dirs_only = len(elements) > 1 and elements[-1] == "/"
    path = [_unquoted(element) for element in (elements[:-1] if dirs_only else elements)]
    text = _literal_prefix(path)
    prefix = text[: text.rfind("/") + 1]
    machine = Machine(_with_directories(path))
    return GlobAlternative(
        prefix=prefix,
        segments=_segments(path[len(prefix) :]),
        literal=text if len(text) == len(path) else None,
        dirs_only=dirs_only,
        recursive=Special.DEEP_RUN in path,
        _machine=machine,
    )


def _unquoted(element: Element) -> Element:
    """Turn a set of one character, the way to quote it, into that character."""
    if isinstance(element, CharSet) and not element.negated and len(element.ranges) == 1:
        low, high = element.ranges[0]
        return low if low == high else element
    return element


def _literal_prefix(elements: Sequence[Element]) -> str:
    characters: list[str] = []
    for element in elements:
        if not isinstance(element, str):
            break
        characters.append(element)
    return "".join(characters)


def _segments(elements: Sequence[Element]) -> tuple[Segment, ...]:
    """Split the elements behind the prefix at each `/`, up to the first component with a `**`."""
    if not elements:
        return ()
    segments: list[Segment] = []
    start = 0
    while start <= len(elements):
        stop = next((i for i in range(start, len(elements)) if elements[i] == "/"), len(elements))
        component = elements[start:stop]
        text = _literal_prefix(component)
        if Special.DEEP_RUN in component:
            segments.append(DoubleStar(text))
            break
        if len(text) == len(component):
            segments.append(Literal(text))
        else:
            segments.append(Wild(text, Machine(component)))
        start = stop + 1
    return tuple(segments)


def _with_directories(elements: Sequence[Element]) -> list[Element]:
    """Fuse each component `**/` into one element."""
    fused: list[Element] = []
    index = 0
    while index < len(elements):
        starts_component = index == 0 or elements[index - 1] == "/"
        if starts_component and list(elements[index : index + 2]) == [Special.DEEP_RUN, "/"]:
            fused.append(Special.DIRECTORIES)
            index += 2
        else:
            fused.append(elements[index])
            index += 1
    return fused
