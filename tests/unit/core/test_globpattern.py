"""Glob patterns: what they match, how they are taken apart, and that no pattern is slow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.core.globpattern import DoubleStar, GlobPattern, Literal, Segment, Wild


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*", "a"),
        ("*", ".hidden"),
        ("*.txt", ".txt"),
        ("a*", "a"),
        ("a*c", "abbc"),
        ("*a*b*", "xaxbx"),
        ("a?c", "abc"),
        ("a?c", "a\U0001f600c"),
        ("[abc]", "b"),
        ("[a-c]x", "bx"),
        ("[!a-c]", "d"),
        ("[!]]", "a"),
        ("[]a]", "]"),
        ("[a-]", "-"),
        ("[a^]", "^"),
        ("d/*.txt", "d/x.txt"),
        ("d/*/x", "d/a/x"),
        ("d/**", "d/a"),
        ("d/**", "d/a/b/c"),
        ("**", "a/b"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("d/**/*.txt", "d/x.txt"),
        ("d/**/*.txt", "d/a/b/x.txt"),
        ("d/**/**/x", "d/x"),
        ("**//x", "a//x"),
        ("a**b", "ab"),
        ("a**b", "a/x/b"),
        ("a***b", "a/x/b"),
        ("a**/b", "axx/yy/b"),
        ("/srv/x/*.txt", "/srv/x/y.txt"),
        ("../x/*", "../x/y"),
        ("a\nb*", "a\nbc\nd"),
        ("{a,b}", "a"),
        ("{a,b}", "b"),
        ("x{a,b{1,2}}y", "xb2y"),
        ("{,a}b", "b"),
        ("{a/b,c}/*.x", "a/b/y.x"),
        ("{a,{b,c}", "{a,b"),
        ("{a}", "{a}"),
        ("{}", "{}"),
        ("a,b", "a,b"),
        ("a}", "a}"),
        ("{a,b", "{a,b"),
        ("[{]a,b}", "{a,b}"),
        ("[,{]{x,[,]}", ",,"),
        ("a[b", "a[b"),
        ("a[b/c]", "a[b/c]"),
        ("[]", "[]"),
        ("[!]", "[!]"),
        ("[*]", "*"),
        ("[[]x]", "[x]"),
        ("a\\*", "a\\b"),
        ("", ""),
        ("/", "/"),
        ("a//", "a/"),
        ("d/", "d"),
        ("d/*/", "d/a"),
        ("d/**/", "d/a/b"),
    ],
)
def test_pattern_matches(pattern: str, path: str) -> None:
    assert GlobPattern.parse(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*", "a/b"),
        ("*.txt", "d/x.txt"),
        ("?", ""),
        ("?", "/"),
        ("?", "ab"),
        ("[a-c]", "d"),
        ("[!a-c]", "b"),
        ("[!a]", "/"),
        ("[.-0]", "/"),
        ("[z-a]", "m"),
        ("[^a]", "b"),
        ("d/*", "d"),
        ("d/**", "d"),
        ("d/**/", "d"),
        ("d/**/*.txt", "dx.txt"),
        ("d/**/x", "d/ax"),
        ("**/x", "ax"),
        ("a**/b", "ab"),
        ("**//x", "x"),
        ("**//x", "a/x"),
        ("{a,b}", "c"),
        ("{a,b}", "{a,b}"),
        ("{a,{b,c}", "a"),
        ("[*]", "a"),
        ("a", "A"),
        ("a*", ""),
        ("", "a"),
    ],
)
def test_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not GlobPattern.parse(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "prefix", "kinds"),
    [
        ("a", "", [Literal]),
        ("a/b", "a/", [Literal]),
        ("a/b/*.txt", "a/b/", [Wild]),
        ("a/x*/b/?", "a/", [Wild, Literal, Wild]),
        ("a/**/b", "a/", [DoubleStar]),
        ("a/*/b**c/*", "a/", [Wild, DoubleStar]),
        ("/srv/*/x", "/srv/", [Wild, Literal]),
        ("/", "/", []),
        ("a//*", "a//", [Wild]),
        ("../*", "../", [Wild]),
        ("*//x", "", [Wild, Literal, Literal]),
        ("", "", []),
    ],
)
def test_pattern_is_taken_apart(pattern: str, prefix: str, kinds: list[type[Segment]]) -> None:
    (alternative,) = GlobPattern.parse(pattern).alternatives

    assert alternative.prefix == prefix
    assert [type(segment) for segment in alternative.segments] == kinds


def test_wild_segment_matches_a_component_and_knows_how_it_starts() -> None:
    (alternative,) = GlobPattern.parse("d/part-*.[ch]/x").alternatives
    wild, literal = alternative.segments

    assert isinstance(wild, Wild)
    assert wild.literal_prefix == "part-"
    assert wild.matches("part-7.c")
    assert not wild.matches("part-7.d")
    assert literal == Literal("x")


def test_double_star_knows_how_it_starts() -> None:
    (alternative,) = GlobPattern.parse("d/part-**.txt").alternatives

    assert alternative.segments == (DoubleStar("part-"),)
    assert alternative.recursive


def test_trailing_slash_asks_for_directories() -> None:
    (plain,) = GlobPattern.parse("a/*").alternatives
    (directories,) = GlobPattern.parse("a/*/").alternatives

    assert not plain.dirs_only
    assert directories.dirs_only
    assert [type(segment) for segment in directories.segments] == [Wild]


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("a/b", "a/b"),
        ("a/b/", "a/b"),
        ("x[*]y[[]z", "x*y[z"),
        ("{a}", "{a}"),
        ("a[b", "a[b"),
        ("*", None),
        ("a[bc]", None),
        ("a[!b]", None),
        ("a/**", None),
    ],
)
def test_literal_pattern_knows_its_only_key(pattern: str, literal: str | None) -> None:
    parsed = GlobPattern.parse(pattern)

    assert parsed.alternatives[0].literal == literal
    assert parsed.is_literal == (literal is not None)


def test_braces_expand_in_order_and_each_once() -> None:
    parsed = GlobPattern.parse("{b,a{1,2},b}x")

    assert [alternative.literal for alternative in parsed.alternatives] == ["bx", "a1x", "a2x"]
    assert not parsed.is_literal


def test_stars_that_braces_bring_together_stay_single() -> None:
    assert not GlobPattern.parse("{a,*}*").matches("x/y")


def test_directories_component_may_come_out_of_braces() -> None:
    parsed = GlobPattern.parse("{a/,}**/b")

    assert parsed.matches("b")
    assert parsed.matches("a/b")
    assert not parsed.matches("ab")


@pytest.mark.parametrize(
    "pattern",
    [
        "{a,b}" * 10,
        "{" + ",".join(str(number) for number in range(1001)) + "}",
        "{{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e},{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d}}",
        "{,}" * 20_000,
    ],
)
def test_too_many_alternatives_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="more than 1000 alternatives"):
        GlobPattern.parse(pattern)


def test_one_thousand_alternatives_are_fine() -> None:
    pattern = "{" + ",".join(str(number) for number in range(1000)) + "}"

    assert len(GlobPattern.parse(pattern).alternatives) == 1000


def test_overlong_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65536 characters"):
        GlobPattern.parse("a" * 65_537)


@pytest.mark.parametrize(
    "pattern",
    ["*a*a*a*a*a*a*a*a*b", "**a**a**a**a**b", "**/a/**/a/**/a/**/b", "a?*a?*a?*a?*b", "{*a,*b}*c"],
)
def test_hard_pattern_takes_one_step_per_character(pattern: str) -> None:
    parsed = GlobPattern.parse(pattern)
    start = time.process_time()

    assert not parsed.matches("a" * 200_000)

    # A backtracking matcher needs longer than the age of the universe for the first of these.
    assert time.process_time() - start < 5


@pytest.mark.parametrize("pattern", ["{" * 60_000, "[/" * 30_000, "{a," * 20_000, "{[" * 30_000])
def test_hard_text_is_parsed_in_reasonable_time(pattern: str) -> None:
    start = time.process_time()

    assert GlobPattern.parse(pattern).is_literal

    assert time.process_time() - start < 5


def test_many_different_characters_do_not_pile_up() -> None:
    parsed = GlobPattern.parse("*a*")
    text = "".join(map(chr, range(0x100, 0x9000)))

    assert not parsed.matches(text)
    assert parsed.matches(text + "a")


# Against an oracle: a pattern as a tree, and the set of positions that each piece can end at.


@dataclass(frozen=True)
class _Char:
    char: str


@dataclass(frozen=True)
class _One:
    members: str | None  # None for "?"
    negated: bool = False


@dataclass(frozen=True)
class _Run:
    deep: bool


@dataclass(frozen=True)
class _Directories:
    """`**/` at the start of a component."""


@dataclass(frozen=True)
class _Choice:
    options: tuple[tuple[_Piece, ...], ...]


_Piece: TypeAlias = "_Char | _One | _Run | _Directories | _Choice"

_ALPHABET = "ab./"


def _text(pieces: tuple[_Piece, ...]) -> str:
    out = ""
    for piece in pieces:
        match piece:
            case _Char(char):
                out += char
            case _One(None):
                out += "?"
            case _One(members, negated):
                out += f"[{'!' if negated else ''}{members}]"
            case _Run(deep):
                out += "**" if deep else "*"
            case _Directories():
                out += "**/"
            case _Choice(options):
                out += "{" + ",".join(map(_text, options)) + "}"
    return out


def _ends(pieces: tuple[_Piece, ...], path: str, starts: set[int]) -> set[int]:
    for piece in pieces:
        starts = set().union(*(_ends_of(piece, path, start) for start in starts))
    return starts


def _ends_of(piece: _Piece, path: str, start: int) -> set[int]:
    rest = range(start, len(path) + 1)
    match piece:
        case _Char(char):
            return {start + 1} if path[start : start + 1] == char else set()
        case _One(members, negated):
            char = path[start : start + 1]
            if char in ("", "/") or (members is not None and (char in members) == negated):
                return set()
            return {start + 1}
        case _Run(deep):
            return {stop for stop in rest if deep or "/" not in path[start:stop]}
        case _Directories():
            return {start} | {stop for stop in rest if stop > start and path[stop - 1] == "/"}
        case _Choice(options):
            return set().union(*(_ends(option, path, {start}) for option in options))


_chars = st.sampled_from(_ALPHABET).map(_Char)
_ones = st.builds(_One, st.sampled_from(["a", "ab", "b.", None]), st.booleans()).map(
    lambda one: _One(None) if one.members is None else one
)
_simple = st.one_of(_chars, _ones, st.builds(_Run, st.booleans()))


def _spaced(pieces: Sequence[_Piece]) -> tuple[_Piece, ...]:
    """Keep runs apart and off component starts, where the text would mean something else."""
    out: list[_Piece] = []
    for piece in pieces:
        is_run = isinstance(piece, _Run)
        if is_run and (not out or isinstance(out[-1], _Run | _Choice | _Directories)):
            continue
        if isinstance(piece, _Run) and piece.deep and out[-1] == _Char("/"):
            out.append(_Directories())
            continue
        if isinstance(piece, _Choice) and out and isinstance(out[-1], _Run):
            continue
        out.append(piece)
    return tuple(out)


_options = st.lists(_simple, max_size=3).map(_spaced)
_choices = st.lists(_options, min_size=2, max_size=3).map(lambda options: _Choice(tuple(options)))
_patterns = st.tuples(
    st.sampled_from([(), (_Run(deep=False),), (_Directories(),)]),
    st.lists(st.one_of(_simple, _simple, _choices), max_size=7).map(_spaced),
).map(lambda parts: (*parts[0], *parts[1]))


@given(_patterns, st.lists(st.text(_ALPHABET, max_size=8), max_size=8))
def test_matches_agrees_with_exhaustive_search(
    pieces: tuple[_Piece, ...], paths: list[str]
) -> None:
    text = _text((*pieces, _Char("a")))  # no trailing slash: that asks for something else
    parsed = GlobPattern.parse(text)

    for stem in paths:
        path = stem + "a"
        expected = len(path) in _ends((*pieces, _Char("a")), path, {0})
        assert parsed.matches(path) == expected, (text, path)


@given(_patterns, st.text(_ALPHABET, max_size=8))
def test_prefix_and_segments_allow_whatever_matches(pieces: tuple[_Piece, ...], stem: str) -> None:
    parsed = GlobPattern.parse(_text((*pieces, _Char("a"))))
    path = stem + "a"

    for alternative in parsed.alternatives:
        assert alternative.matches(path) == _walk(
            alternative.prefix, alternative.segments, path, decided=alternative.matches(path)
        )


def _walk(prefix: str, segments: tuple[Segment, ...], path: str, *, decided: bool) -> bool:
    """Match as a scanner does: component by component; below `**` with the answer `decided`."""
    if not path.startswith(prefix):
        return False
    names = path[len(prefix) :].split("/")
    for index, segment in enumerate(segments):
        rest = "/".join(names[index:])
        if isinstance(segment, DoubleStar):
            return rest.startswith(segment.literal_prefix) and decided
        if index >= len(names):
            return False
        name = names[index]
        if isinstance(segment, Literal) and name != segment.text:
            return False
        if isinstance(segment, Wild) and not (
            name.startswith(segment.literal_prefix) and segment.matches(name)
        ):
            return False
    return len(names) == len(segments)


@given(st.text("ab*?[]{},!-/", max_size=20), st.text("ab[]{},*/", max_size=10))
def test_any_text_is_a_pattern(pattern: str, path: str) -> None:
    try:
        parsed = GlobPattern.parse(pattern)
    except ValueError:
        return

    assert isinstance(parsed.matches(path), bool)


@given(st.text(max_size=20))
def test_quoting_every_special_character_gives_a_literal(name: str) -> None:
    quoted = "".join(f"[{char}]" if char in "*?[{" else char for char in name)
    stem = name.removesuffix("/") if len(name) > 1 else name

    parsed = GlobPattern.parse(quoted)

    assert parsed.is_literal
    assert parsed.matches(stem)
    assert parsed.alternatives[0].literal == stem
