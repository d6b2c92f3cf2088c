"""Listings that never end or lie, and patterns that would never end (rows 23 and 26)."""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.config import Config, RetryConfig, S3Config
from blobio.core import keyranges, listing, removing
from blobio.core.context import AsyncContext
from blobio.core.globpattern import GlobPattern
from blobio.core.listing import Tokens
from blobio.errors import RequestFailed
from blobio.testing.scripted import Received, Reply, ScriptedServer
from tests.test_architecture import PACKAGE

FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4)
DIRECTORY: Final = "s3://bucket/dir"


def _page(keys: Iterable[str], token: str | None) -> Reply:
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00Z</LastModified>"
        f"<ETag>e</ETag><Size>1</Size></Contents>"
        for key in keys
    )
    rest = "" if token is None else f"<NextContinuationToken>{token}</NextContinuationToken>"
    truncated = "false" if token is None else "true"
    body = f"<IsTruncated>{truncated}</IsTruncated>{rest}{entries}"
    return Reply(body=f"<ListBucketResult>{body}</ListBucketResult>".encode())


class _Pages:
    """A store whose pages have the tokens given, and one key each or none."""

    def __init__(self, tokens: Iterator[str], *, empty: bool) -> None:
        self._tokens = tokens
        self._numbers = itertools.count()
        self._empty = empty
        self.deleted = 0

    def __call__(self, request: Received) -> Reply:
        if request.method != "GET":
            self.deleted += 1
            return Reply(body=b"<DeleteResult/>")
        keys = [] if self._empty else [f"dir/{next(self._numbers):09d}"]
        return _page(keys, next(self._tokens))


def _config(server: ScriptedServer) -> Config:
    s3 = S3Config(endpoint_url=server.url, region="us-east-1", anonymous=True)
    return Config(s3=s3, retry=FAST)


CIRCLES: Final = [["a"], ["a", "b"], list("abcdefg"), [*"xyz", *[str(n) for n in range(50)]]]


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("circle", CIRCLES, ids=len)
async def test_tokens_in_circles_end(circle: list[str], *, empty: bool) -> None:
    """Row 26: for every verb that lists, after at most a few rounds."""
    with ScriptedServer(_Pages(itertools.cycle(circle), empty=empty)) as server:
        async with AsyncContext(_config(server)) as context:
            verbs: list[Callable[[], Awaitable[object]]] = [
                lambda: _drain(context.listdir(DIRECTORY)),
                lambda: _drain(context.glob(f"{DIRECTORY}/*x")),
                lambda: _drain(context.glob("s3://bucket/**")),
                lambda: _drain(context.walk(DIRECTORY, topdown=False)),
            ]
            if empty:  # else the first page is the answer
                verbs += [lambda: context.isdir(DIRECTORY), lambda: context.rmdir(DIRECTORY)]
            for verb in verbs:
                before = len(server.requests)
                with pytest.raises(RequestFailed, match="circles"):
                    await verb()
                assert len(server.requests) - before <= 4 * len(circle) + 4


async def _drain(source: AsyncIterator[object]) -> None:
    async for _ in source:
        pass


async def test_walk_tells_its_caller_of_a_circle() -> None:
    """Row 26: one that goes down level by level hands errors to `onerror`."""
    told: list[OSError] = []
    with ScriptedServer(_Pages(itertools.cycle("ab"), empty=True)) as server:
        async with AsyncContext(_config(server)) as context:
            async for _ in context.walk(DIRECTORY, onerror=told.append):
                pass

    assert [type(error) for error in told] == [RequestFailed]


async def test_listing_without_end_is_not_kept() -> None:
    """Row 26: new keys for ever are given one page at a time, one page ahead, until one stops."""
    tokens = (str(number) for number in itertools.count())
    with ScriptedServer(_Pages(tokens, empty=False)) as server:
        async with (
            AsyncContext(_config(server)) as context,
            aclosing(context.listdir(DIRECTORY)) as names,  # type: ignore[type-var]  # a generator
        ):
            taken = [await anext(names) for _ in range(50)]

        assert len(set(taken)) == 50
        assert len(server.requests) <= 52


@given(st.integers(0, 60), st.integers(1, 60))
def test_every_circle_of_tokens_is_noticed_soon(straight: int, round_about: int) -> None:
    """Row 26: wherever it begins and however long it is."""
    tokens = Tokens("p")
    way = itertools.chain(
        (f"s{number}" for number in range(straight)),
        itertools.cycle([f"r{number}" for number in range(round_about)]),
    )

    limit = 3 * (straight + round_about) + 3
    with pytest.raises(RequestFailed):
        _ = [tokens.follow(token) for token in itertools.islice(way, limit)]


@given(st.lists(st.text(), unique=True, max_size=200))
def test_tokens_that_differ_are_followed(tokens: list[str]) -> None:
    """Row 26: no honest listing is cut short."""
    follower = Tokens("p")

    assert [follower.follow(token) for token in tokens] == tokens
    assert follower.follow(None) is None


@pytest.mark.parametrize("key", ["other/k", "di", "../dir/k", "dir", "DIR/k", ""])
async def test_keys_from_elsewhere_are_refused(key: str) -> None:
    """Row 26: before they are yielded, and before `rmtree` removes what was not asked for."""
    pages = [_page(["dir/a"], "next"), _page(["dir/b", key], None)]

    def store(request: Received) -> Reply:
        if request.method != "GET":
            return Reply(body=b"<DeleteResult/>")
        if "max-keys=1&" in request.target:
            return pages[0]
        return pages["continuation-token" in request.target]

    with ScriptedServer(store) as server:
        async with AsyncContext(_config(server)) as context:
            verbs: list[Callable[[], Awaitable[object]]] = [
                lambda: _drain(context.listdir(DIRECTORY)),
                lambda: _drain(context.glob(f"{DIRECTORY}/**")),
                lambda: _drain(context.walk(DIRECTORY, topdown=False)),
                lambda: context.rmtree(DIRECTORY),
            ]
            for verb in verbs:
                with pytest.raises(RequestFailed, match="not below"):
                    await verb()

        sent = b"".join(request.body for request in server.requests)
        targets = [request.target for request in server.requests if request.method == "DELETE"]
        assert b"<Key>dir/b</Key>" not in sent
        assert not any(target.endswith("/dir/b") for target in targets)


NAME: Final = "a" * 20_000
SLOW_ELSEWHERE: Final = [
    "*a" * 30 + "b",
    "**a" * 30 + "b",
    "**/" * 30 + "b",
    "*" * 1_000 + "b",
    "?" * 10 + "*?" * 500 + "b",
    "[a-z]*" * 40 + "[!a]",
    "{a,aa}" * 9 + "*b",
    "*{a,b}*{a,b}*{a,b}*b",
    "[" * 2_000 + "b",
    "{" * 2_000 + "b",
    "[!" * 2_000 + "]b",
]


@pytest.mark.parametrize("pattern", SLOW_ELSEWHERE, ids=lambda pattern: str(pattern)[:12])
def test_no_pattern_is_slow(pattern: str) -> None:
    """Row 23: matching takes one step a character, where a backtracking matcher takes for ever."""
    started = time.process_time()

    parsed = GlobPattern.parse(pattern)
    matched = [parsed.matches(name) for name in (NAME, f"{NAME}/{NAME}", "a/" * 5_000)]

    assert time.process_time() - started < 4.0
    assert not any(matched) or "[!a]" in pattern


@pytest.mark.parametrize("pattern", ["{a,b}" * 20, "x" * 70_000, "{" + "a," * 2_000 + "}"])
def test_pattern_that_would_grow_without_bound_is_refused(pattern: str) -> None:
    """Rows 23 and 26: a million alternatives are an error, and an early one."""
    started = time.process_time()

    with pytest.raises(ValueError, match=r"alternatives|characters"):
        GlobPattern.parse(pattern)

    assert time.process_time() - started < 1.0


def test_no_pattern_of_a_user_becomes_a_regular_expression() -> None:
    """Row 23: above the drivers every expression is written out in the source."""
    for room in ("core", "blocking"):
        for file in sorted((PACKAGE / room).rglob("*.py")):
            tree = ast.parse(file.read_text())
            imported = {
                name
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in [getattr(node, "module", None), *[alias.name for alias in node.names]]
            }
            assert not imported & {"fnmatch", "glob"}, file
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
                    assert isinstance(node.args[0], ast.Constant), f"{file}:{node.lineno}"


def test_all_loops_over_pages_follow_their_tokens() -> None:
    """Row 26: who asks for a page by token does so through `Tokens`."""
    for module in (keyranges, listing, removing):
        source = ast.unparse(ast.parse(Path(str(module.__file__)).read_text()))
        assert "tokens.follow(" in source
    others = [
        file
        for file in sorted((PACKAGE / "core").rglob("*.py"))
        if "list_page(" in file.read_text()
        and file.stem not in ("keyranges", "listing", "removing")
    ]
    assert others == []
