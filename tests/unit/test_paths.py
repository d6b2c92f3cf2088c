"""`basename`, `dirname` and `join`: blobfile's rules, for local paths and URLs."""

from __future__ import annotations

import os.path
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.errors import InvalidUrl
from blobio.paths import basename, dirname, join


class Pointer:
    """An object that stands for a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __blobpath__(self) -> str:
        return self._url


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gs://a", ""),
        ("gs://a/", ""),
        ("gs://a/b", "b"),
        ("gs://a/b/", ""),
        ("gs://a/b/c", "c"),
        ("gs://a//x", "x"),
        ("gs://a/b#c/d?e", "d?e"),
        ("s3://b/k", "k"),
        ("memory:///k", "k"),
        ("az://acct/con", ""),
        ("az://acct/con/b/c", "c"),
        ("https://acct.blob.core.windows.net/con/b/c", "c"),
        ("https://host.example/a/b", "b"),
        ("file:///a/b", "b"),
        ("", ""),
        ("a", "a"),
        ("a/b", "b"),
        ("a/", ""),
        ("/", ""),
        ("/a", "a"),
        ("ftp://h/x", "x"),
        ("C:\\x", "C:\\x"),
    ],
)
def test_basename(path: str, expected: str) -> None:
    assert basename(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gs://a", "gs://a"),
        ("gs://a/", "gs://a"),
        ("gs://a//", "gs://a"),
        ("gs://a/b", "gs://a"),
        ("gs://a/b/", "gs://a"),
        ("gs://a/b/c", "gs://a/b"),
        ("gs://a/b/c///", "gs://a/b"),
        ("gs://a//x", "gs://a/"),
        ("gs://a/b//c", "gs://a/b/"),
        ("gs://a/b/../c", "gs://a/b/.."),
        ("s3://b/k/", "s3://b"),
        ("memory:///k", "memory:///"),
        ("az://acct/con", "az://acct/con"),
        ("az://acct/con/b", "az://acct/con"),
        ("az://con@acct/b/c", "az://acct/con/b"),
        ("https://acct.blob.core.windows.net/con/b/c", "az://acct/con/b"),
        ("https://host.example/a/b", "https://host.example/a"),
        ("file:///a/b", "/a"),
        ("", ""),
        ("a", ""),
        ("a/b", "a"),
        ("a/b/", "a/b"),
        ("/", "/"),
        ("/a", "/"),
        ("ftp://h/x", "ftp://h"),
    ],
)
def test_dirname(path: str, expected: str) -> None:
    assert dirname(path) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("gs://a",), "gs://a"),
        (("gs://a/b",), "gs://a/b"),
        (("gs://a/b/",), "gs://a/b/"),
        (("gs://a", "b"), "gs://a/b"),
        (("gs://a/", "b"), "gs://a/b"),
        (("gs://a/b", "c"), "gs://a/b/c"),
        (("gs://a/b/", "c"), "gs://a/b/c"),
        (("gs://a/b", "c", "d"), "gs://a/b/c/d"),
        (("gs://a/b", "c/d"), "gs://a/b/c/d"),
        (("gs://a/b", "c/"), "gs://a/b/c/"),
        (("gs://a/b", "c//d"), "gs://a/b/c/d"),
        (("gs://a/b", "c///"), "gs://a/b/c/"),
        (("gs://a", ""), "gs://a/"),
        (("gs://a/b", ""), "gs://a/b/"),
        (("gs://a/b/", ""), "gs://a/b/"),
        (("gs://a/b", "", "d"), "gs://a/b/d"),
        (("gs://a/b", "/c"), "gs://a/c"),
        (("gs://a/b", "/"), "gs://a/"),
        (("gs://a/b", "//"), "gs://a//"),
        (("gs://a/b", "//c"), "gs://a//c"),
        (("gs://a/b", "/c//d"), "gs://a/c//d"),
        (("gs://a/b", "/c//"), "gs://a/c//"),
        (("gs://a/b", "c", "/d"), "gs://a/d"),
        (("gs://a/b", "."), "gs://a/b/"),
        (("gs://a/b", ".."), "gs://a/"),
        (("gs://a/b/c", ".."), "gs://a/b/"),
        (("gs://a/b/c", "../"), "gs://a/b/"),
        (("gs://a/b", "./c"), "gs://a/b/c"),
        (("gs://a/b", "c/../d"), "gs://a/b/d"),
        (("gs://a/b", "c/.."), "gs://a/b/"),
        (("gs://a/b", "c/."), "gs://a/b/c/"),
        (("gs://a/b", "../../../c"), "gs://a/c"),
        (("gs://a", ".."), "gs://a/"),
        (("gs://a/b", "/../c"), "gs://a/c"),
        (("gs://a/b", "//c/../d"), "gs://a//d"),
        (("gs://a/b", "..."), "gs://a/b/..."),
        (("gs://a/b", "c#d?e%2F*"), "gs://a/b/c#d?e%2F*"),
        (("gs://a/b", "x:y"), "gs://a/b/x:y"),
        (("s3://bucket", "k"), "s3://bucket/k"),
        (("memory:///", "k"), "memory:///k"),
        (("az://acct/con", "x"), "az://acct/con/x"),
        (("az://acct/con", "/x"), "az://acct/con/x"),
        (("az://acct/con/b", "../.."), "az://acct/con/"),
        (("https://acct.blob.core.windows.net/con", "x"), "az://acct/con/x"),
        (("https://host.example/a", "../b"), "https://host.example/b"),
        (("a", "b"), "a/b"),
        (("a", "/b"), "/b"),
        (("a", ""), "a/"),
        (("", "b"), "b"),
        (("/a", "..", "b"), "/a/../b"),
        (("file:///a", "b"), "/a/b"),
    ],
)
def test_join(parts: tuple[str, ...], expected: str) -> None:
    assert join(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("gs://a//b", "c"), "gs://a//b/c"),
        (("gs://a/b//", "c"), "gs://a/b//c"),
        (("gs://a/b//c", "../d"), "gs://a/b//d"),
        (("gs://a/b/../c", "d"), "gs://a/b/../c/d"),
        (("gs://a", "//b", "c"), "gs://a//b/c"),
    ],
)
def test_join_keeps_the_key_of_the_first_argument(parts: tuple[str, ...], expected: str) -> None:
    assert join(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("az://acct",), "az://acct"),
        (("az://acct", "con"), "az://acct/con/"),
        (("az://acct/", "con"), "az://acct/con/"),
        (("az://acct", "con/"), "az://acct/con/"),
        (("az://acct", "/con"), "az://acct/con/"),
        (("az://acct", "con/b"), "az://acct/con/b"),
        (("az://acct", "con", "b"), "az://acct/con/b"),
        (("az://acct", "con/b/../.."), "az://acct/con/"),
        (("https://acct.blob.core.windows.net", "con"), "az://acct/con/"),
    ],
)
def test_join_takes_an_azure_account_without_container(
    parts: tuple[str, ...], expected: str
) -> None:
    assert join(*parts) == expected


@pytest.mark.parametrize("part", ["", ".."])
def test_join_of_an_azure_account_needs_a_container(part: str) -> None:
    with pytest.raises(InvalidUrl, match="needs an account and a container"):
        join("az://acct", part)


@pytest.mark.parametrize("first", ["a", "/a", "gs://a/b", "az://acct"])
@pytest.mark.parametrize("second", ["gs://x/y", "https://x/y", "unknown://x"])
def test_join_refuses_a_url_after_the_first_argument(first: str, second: str) -> None:
    with pytest.raises(ValueError, match="only the first argument"):
        join(first, second)


def test_join_refuses_what_is_not_a_string() -> None:
    with pytest.raises(TypeError, match="not bytes"):
        join("gs://a", b"b")  # type: ignore[arg-type]  # the misuse under test


@pytest.mark.parametrize("path", ["foo:x", "ftp://host/x", "C:\\x", "gs://", "s3:///x", "s3:/b/k"])
def test_join_refuses_what_blobio_cannot_address(path: str) -> None:
    with pytest.raises(ValueError, match="write"):
        join(path, "y")


@pytest.mark.parametrize("path", ["gs://", "gs:///x", "az://acct", "s3:/b/k", "http://"])
def test_a_known_scheme_without_its_authority_is_refused(path: str) -> None:
    with pytest.raises(InvalidUrl, match="write"):
        basename(path)
    with pytest.raises(InvalidUrl, match="write"):
        dirname(path)


def test_path_like_objects_are_taken() -> None:
    assert basename(Path("a/b")) == "b"
    assert dirname(Pointer("s3://b/x/y")) == "s3://b/x"
    assert join(Pointer("s3://b/x"), "y") == "s3://b/x/y"
    assert join(Path("a"), "b") == "a/b"


_names = st.text("ab.#?% ", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
_local = st.text("ab./", max_size=12)


@given(st.lists(_names, min_size=1, max_size=5))
def test_join_is_undone_by_dirname_and_basename(names: list[str]) -> None:
    joined = join("s3://bucket", *names)

    assert basename(joined) == names[-1]
    assert dirname(joined) == join("s3://bucket", *names[:-1])


@given(_local, st.lists(_local, max_size=3))
def test_local_paths_follow_os_path(path: str, parts: list[str]) -> None:
    assert basename(path) == os.path.basename(path)
    assert dirname(path) == os.path.dirname(path)
    assert join(path, *parts) == os.path.join(path, *parts)


@given(st.text("ab./", max_size=12), st.text("ab./", max_size=12))
def test_no_join_leaves_the_bucket(key: str, part: str) -> None:
    assert join(f"s3://bucket/{key}", part).startswith("s3://bucket/")
