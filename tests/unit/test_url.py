"""`BlobUrl`: what is accepted, that keys stay exact, and what is refused with which advice."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.errors import InvalidUrl
from blobio.url import BlobPathLike, BlobUrl, fspath


class Pointer:
    """Both kinds of path at once: `__blobpath__` must win."""

    def __blobpath__(self) -> str:
        return "s3://bucket/key"

    def __fspath__(self) -> str:
        return "/wrong"


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"/x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/key", BlobUrl("s3", "bucket", "key")),
        ("s3://bucket", BlobUrl("s3", "bucket", "")),
        ("s3://bucket/", BlobUrl("s3", "bucket", "")),
        ("S3://bucket/Key", BlobUrl("s3", "bucket", "Key")),
        ("gs://a.b_c-d/x", BlobUrl("gs", "a.b_c-d", "x")),
        ("az://account/container/a/b", BlobUrl("az", "account/container", "a/b")),
        ("az://account/container", BlobUrl("az", "account/container", "")),
        ("az://account/$web/index.html", BlobUrl("az", "account/$web", "index.html")),
        ("az://container@account/a", BlobUrl("az", "account/container", "a")),
        (
            "az://container@account.dfs.core.windows.net/a",
            BlobUrl("az", "account/container", "a"),
        ),
        (
            "https://account.blob.core.windows.net/container/a",
            BlobUrl("az", "account/container", "a"),
        ),
        ("https://Host.example:8443/a?b=c", BlobUrl("https", "host.example:8443", "a?b=c")),
        ("http://[::1]:80/a", BlobUrl("http", "[::1]:80", "a")),
        ("https://host.example", BlobUrl("https", "host.example", "")),
        ("memory://bucket/key", BlobUrl("memory", "bucket", "key")),
        ("memory:///key", BlobUrl("memory", "", "key")),
        ("hf://datasets/ns/name@rev/a/b", BlobUrl("hf", "datasets/ns/name@rev", "a/b")),
        ("hf://datasets/ns/name", BlobUrl("hf", "datasets/ns/name", "")),
        (
            "hf://datasets/ns/name@refs/convert/parquet/default/a",
            BlobUrl("hf", "datasets/ns/name@refs/convert/parquet", "default/a"),
        ),
        ("hf://datasets/ns/name@refs/pr/17", BlobUrl("hf", "datasets/ns/name@refs/pr/17", "")),
        ("hf://datasets/ns/name@refs/pr/a", BlobUrl("hf", "datasets/ns/name@refs", "pr/a")),
        ("hf://datasets/ns/name@a%2Fb/c", BlobUrl("hf", "datasets/ns/name@a%2Fb", "c")),
        ("file:///a/b", BlobUrl("file", "", "/a/b")),
        ("file://localhost/a", BlobUrl("file", "", "/a")),
        ("a/b", BlobUrl("file", "", "a/b")),
        ("/a", BlobUrl("file", "", "/a")),
        ("", BlobUrl("file", "", "")),
        ("./foo:bar", BlobUrl("file", "", "./foo:bar")),
    ],
)
def test_url_is_parsed(text: str, expected: BlobUrl) -> None:
    assert BlobUrl.parse(text) == expected


@pytest.mark.parametrize(
    "key",
    ["a//b", "a/../b", "a/", "/a", "//", "a#b?c%20d*e&f+g", "\U0001f600", " a ", "\n", "a" * 1024],
)
def test_key_is_exact(key: str) -> None:
    url = BlobUrl.parse(f"s3://bucket/{key}")

    assert url.key == key
    assert str(url) == f"s3://bucket/{key}"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("ftp://host/x", "For a local file of that name write './ftp://host/x'"),
        ("foo:bar", "unknown scheme 'foo'"),
        ("C:\\x", "unknown scheme 'c'"),
        ("s3://", "has no bucket: write s3://bucket/key"),
        ("s3:///key", "has no bucket"),
        ("s3://..", "impossible bucket name"),
        ("s3://a..b/k", "impossible bucket name"),
        ("s3://buck et/k", "impossible bucket name"),
        ("s3://b@evil/k", "impossible bucket name"),
        ("s3:/bucket/key", "pathlib.Path collapses"),
        ("az://account", "write az://account/container/key"),
        ("az://account/", "write az://account/container/key"),
        ("az://account/../key", "write az://account/container/key"),
        ("az://@account/key", "write az://account/container/key"),
        ("https://account.blob.core.windows.net/", "write az://account/container/key"),
        ("memory://", "write memory://bucket/key"),
        ("hf://datasets/name", "write hf://datasets/namespace/name"),
        ("hf://datasets/ns/name@/a", "write hf://datasets/namespace/name"),
        ("hf://datasets/ns/@main/a", "write hf://datasets/namespace/name"),
        ("http://", "no usable host"),
        ("http:///x", "no usable host"),
        ("http://host:port/x", "no usable host"),
        ("file://host/x", "file:///absolute/path on this machine"),
        ("file://", "file:///absolute/path on this machine"),
        ("a\0b", "NUL"),
        ("s3://b/a\0b", "NUL"),
    ],
)
def test_bad_url_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        BlobUrl.parse(text)

    assert advice in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_credentials_in_a_url_are_refused_and_not_shown() -> None:
    with pytest.raises(InvalidUrl) as caught:
        BlobUrl.parse("https://user:hunter2@host/x")

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.url)


def test_path_like_objects_are_parsed() -> None:
    assert isinstance(Pointer(), BlobPathLike)
    assert BlobUrl.parse(Pointer()) == BlobUrl("s3", "bucket", "key")
    assert BlobUrl.parse(PurePosixPath("a/b")) == BlobUrl("file", "", "a/b")
    assert fspath(Path("a/b")) == "a/b"


@pytest.mark.parametrize("value", [b"x", 1, None, BytesPath()])
def test_what_is_no_path_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        BlobUrl.parse(value)  # type: ignore[arg-type]  # the misuse under test


@pytest.mark.parametrize(
    ("text", "name", "parent"),
    [
        ("s3://b/x/y", "y", "s3://b/x"),
        ("s3://b/x/y/", "", "s3://b/x"),
        ("s3://b/x", "x", "s3://b/"),
        ("s3://b", "", "s3://b/"),
        ("/a/b", "b", "/a"),
        ("/a", "a", "/"),
        ("/", "", "/"),
        ("a", "a", ""),
        ("a/b", "b", "a"),
    ],
)
def test_name_and_parent(text: str, name: str, parent: str) -> None:
    url = BlobUrl.parse(text)

    assert url.name == name
    assert str(url.parent) == parent


@pytest.mark.parametrize(
    ("text", "directory"),
    [("s3://b/x", "s3://b/x/"), ("s3://b/x/", "s3://b/x/"), ("s3://b", "s3://b/")],
)
def test_as_directory_ends_in_a_slash(text: str, directory: str) -> None:
    assert str(BlobUrl.parse(text).as_directory) == directory


@pytest.mark.parametrize("relative", ["c", "../c", "a//b", "/x"])
def test_join_appends_literally_and_relative_to_takes_it_off(relative: str) -> None:
    root = BlobUrl.parse("s3://b/dir")

    joined = root.join(relative)

    assert joined.key == f"dir/{relative}"
    assert joined.relative_to(root) == relative


@pytest.mark.parametrize("root", ["s3://b/di", "s3://other/dir", "gs://b/dir", "s3://b/dir/x/y"])
def test_relative_to_refuses_another_place(root: str) -> None:
    with pytest.raises(ValueError, match="is not below"):
        BlobUrl.parse("s3://b/dir/x").relative_to(BlobUrl.parse(root))


def test_urls_are_ordered_and_hashable() -> None:
    a, b = BlobUrl.parse("s3://b/a"), BlobUrl.parse("s3://b/b")

    assert a < b
    assert {a: 1}[BlobUrl.parse("s3://b/a")] == 1


_keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(
    st.sampled_from(["s3://bucket/", "az://acct/con/", "http://h:1/", "memory:///", "gs://b/"]),
    _keys,
)
def test_url_parses_to_itself(root: str, key: str) -> None:
    url = BlobUrl.parse(root + key)

    assert str(url) == root + key
    assert BlobUrl.parse(str(url)) == url
