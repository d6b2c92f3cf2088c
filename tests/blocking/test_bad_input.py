"""Bad input: the builtin exception a user expects, the URL and a way out in it, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

import blobio as bf
from blobio.testing.strict_s3 import StrictS3
from tests.blocking.conftest import Place

bad: Final = cast("Any", bf)  # calls that no type checker lets pass

# path, exception, what the message shows
PATHS: Final = [
    ("foo://bucket/key", ValueError, "unknown scheme 'foo'.*s3://"),
    ("s3://", ValueError, "has no bucket: write s3://bucket/key"),
    ("s3:///key", ValueError, "has no bucket: write s3://bucket/key"),
    ("s3://buck et/key", ValueError, "impossible bucket name.*write s3://bucket/key"),
    ("s3:/bucket/key", ValueError, "pathlib"),
    ("az://account", ValueError, "az://account/container/key"),
    ("memory://", ValueError, "memory://bucket/key"),
    ("https://user:secret@host/key", ValueError, r"https .*Config\.http"),
    ("file://elsewhere/path", ValueError, "file:///absolute/path"),
    ("C:\\Users\\me", ValueError, r"\./C:"),
    ("a\0b", ValueError, "NUL"),
    (5, TypeError, "int"),
    (b"/bytes", TypeError, "bytes"),
    (None, TypeError, "NoneType"),
]
VERBS: Final[dict[str, Callable[[Any], object]]] = {
    "BlobFile r": bad.BlobFile,
    "BlobFile w": lambda path: bad.BlobFile(path, "w"),
    "read_bytes": bad.read_bytes,
    "write_bytes": lambda path: bad.write_bytes(path, b"x"),
    "stat": bad.stat,
    "exists": bad.exists,
    "isdir": bad.isdir,
    "listdir": lambda path: list(bad.listdir(path)),
    "walk": lambda path: list(bad.walk(path)),
    "glob": lambda path: list(bad.glob(path)),
    "makedirs": bad.makedirs,
    "remove": bad.remove,
    "rmtree": bad.rmtree,
    "copy from": lambda path: bad.copy(path, "memory://bad-input/target"),
    "copy to": lambda path: bad.copy("memory://bad-input/source", path),
    "move to": lambda path: bad.move("memory://bad-input/source", path),
    "md5": bad.md5,
    "get_url": bad.get_url,
    "set_mtime": lambda path: bad.set_mtime(path, 1.0),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("path", "error", "message"), PATHS, ids=[repr(p[0]) for p in PATHS])
def test_path_nobody_can_address(
    verb: str, path: object, error: type[Exception], message: str
) -> None:
    bf.write_bytes("memory://bad-input/source", b"kept")

    with pytest.raises(error, match=message) as caught:
        VERBS[verb](path)

    assert "secret" not in str(caught.value)
    assert list(bf.listdir("memory://bad-input/")) == ["source"]


def test_part_of_the_hub_that_is_not_served_says_which_is() -> None:
    with pytest.raises(bf.Unsupported, match=r"only datasets can be read: hf://datasets/"):
        bf.exists("hf://models/a/b/c")


@pytest.mark.parametrize("mode", ["", "rw", "r+", "rb+", "w+b", "U", "br", "rr", "wbt", "z"])
def test_unknown_mode_is_a_value_error(mode: str) -> None:
    with pytest.raises(ValueError, match=r"memory://b/k: invalid mode .*use r, w, a or x"):
        bad.BlobFile("memory://b/k", mode)


def test_mode_of_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        bad.BlobFile("memory://b/k", 5)


CONTRADICTIONS: Final = [
    ("rb", {"encoding": "utf-8"}, "text mode"),
    ("wb", {"newline": ""}, "text mode"),
    ("rb", {"errors": "replace"}, "text mode"),
    ("w", {"file_size": 1}, "file_size is for reading"),
    ("w", {"cache_dir": "/tmp", "streaming": False}, "cache_dir is for reading"),  # noqa: S108
    ("r", {"cache_dir": "/tmp"}, "streaming=False"),  # noqa: S108
    ("r", {"cache_dir": "/tmp", "streaming": True}, "streaming=False"),  # noqa: S108
    ("a", {"streaming": True}, "append does not stream"),
    ("x", {"version": "1"}, "takes no version"),
    ("r", {"buffer_size": 0}, "buffer_size"),
    ("r", {"buffer_size": -1}, "buffer_size"),
    ("r", {"file_size": -1}, "file_size"),
]


@pytest.mark.parametrize(("mode", "options", "message"), CONTRADICTIONS)
def test_arguments_that_contradict_each_other(
    mode: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    for path in ("memory://b/contradiction", str(tmp_path / "file")):
        with pytest.raises(ValueError, match=message) as caught:
            bad.BlobFile(path, mode, **options)
        assert path in str(caught.value)

    assert list(tmp_path.iterdir()) == []


def test_unknown_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        bad.BlobFile("memory://b/k", "r", colour="red")


@pytest.mark.parametrize("name", ["", "dir/"])
@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "x", "a"])
def test_directory_is_not_opened_as_a_file(remote: Place, name: str, mode: str) -> None:
    with pytest.raises(IsADirectoryError, match="names a directory"):
        remote.open(name, mode)

    assert remote.names() == []


@pytest.mark.parametrize("path", ["memory://bucket", "memory://bucket/", "s3://bucket"])
def test_bucket_is_not_a_file(path: str) -> None:
    with pytest.raises(IsADirectoryError, match="names a directory"):
        bf.BlobFile(path, "w")
    with pytest.raises(IsADirectoryError, match="no key"):
        bf.write_bytes(path, b"x")
    with pytest.raises(IsADirectoryError, match="directory"):
        bf.remove(path)


def test_empty_path_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Least of all the working directory, as far as `rmtree` is concerned."""
    (tmp_path / "precious").write_text("kept")
    monkeypatch.chdir(tmp_path)

    for mode in ("r", "w", "a"):
        with pytest.raises(FileNotFoundError, match="empty path"):
            bad.BlobFile("", mode)
    for verb in (bf.stat, bf.rmtree, bf.read_bytes, bf.makedirs):
        with pytest.raises(FileNotFoundError):
            verb("")
    for destroy in (bf.remove, bf.rmdir):
        with pytest.raises((OSError, ValueError)):
            destroy("")
    with pytest.raises(FileNotFoundError, match="empty path"):
        list(bf.listdir(""))
    assert (bf.exists(""), bf.isdir(""), bf.isfile("")) == (False, False, False)
    assert (list(bf.walk("")), list(bf.walk("", topdown=False)), list(bf.glob(""))) == ([], [], [])
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("data", ["text", 5, None, ["list"]])
def test_write_bytes_takes_bytes_only(place: Place, data: object) -> None:
    with pytest.raises(TypeError):
        cast("Any", place.context).write_bytes(place.path("blob"), data)

    assert place.names() == []


@pytest.mark.parametrize("data", [b"bytes", 5, None])
def test_write_text_takes_text_only(place: Place, data: object) -> None:
    with pytest.raises((TypeError, AttributeError)):
        cast("Any", place.context).write_text(place.path("blob"), data)

    assert place.names() == []


@pytest.mark.parametrize("ranges", [[(-1, 2)], [(3, 2)], [(0, 1), (5, 4)]])
def test_impossible_range_is_a_value_error(place: Place, ranges: list[tuple[int, int]]) -> None:
    path = place.put("blob", b"0123456789")

    with pytest.raises(ValueError, match="span"):
        place.context.read_ranges(path, ranges)


def test_signed_url_for_an_unknown_method_is_refused(s3: Place) -> None:
    with pytest.raises((ValueError, OSError), match="NONSENSE"):
        s3.context.get_url(s3.path("blob"), method="NONSENSE")


def test_wildcard_in_the_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="bucket"):
        list(bf.glob("s3://buck*/key"))


def test_pattern_must_be_text() -> None:
    with pytest.raises(TypeError):
        list(bad.glob(5))


def test_explosive_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match=r"more than 1,?000"):
        list(bf.glob("memory://b/" + "{a,b}" * 20))


def test_shards_need_parallel() -> None:
    with pytest.raises(ValueError, match="parallel=True"):
        list(bf.scanglob("memory://b/*", shard_prefix_length=1))


def test_bucket_that_does_not_exist(s3: Place) -> None:
    root = "s3://no-such-bucket-of-blobio"
    context = s3.context

    assert not context.exists(root)
    assert not context.isdir(f"{root}/dir")
    assert not context.exists(f"{root}/key")
    assert list(context.glob(f"{root}/*")) == []
    assert list(context.walk(root)) == []
    for call in (
        lambda: context.read_bytes(f"{root}/key"),
        lambda: context.write_bytes(f"{root}/key", b"x"),
        lambda: list(context.listdir(root)),
        lambda: context.makedirs(f"{root}/dir"),
        lambda: context.remove(f"{root}/key"),
    ):
        with pytest.raises(FileNotFoundError, match="no-such-bucket"):
            call()


def test_wrong_credentials_are_a_permission_error(strict: StrictS3, s3: Place) -> None:

    config = strict.config()
    anonymous = bf.S3Config(endpoint_url=config.s3.endpoint_url, region="us-east-1")

    with bf.Context(replace(config, s3=anonymous)) as context:
        with pytest.raises(PermissionError, match="AWS_ACCESS_KEY_ID") as caught:
            context.read_bytes(s3.path("blob"))
        assert isinstance(caught.value, bf.Unauthenticated)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("x", {}), ("a", {}), ("w", {"version": "1"}), ("xb", {"streaming": False})],
)
def test_condition_that_the_store_ignores_is_refused_at_once(
    strict: StrictS3, s3: Place, mode: str, options: dict[str, Any]
) -> None:
    base = strict.config()
    config = replace(base, s3=replace(base.s3, conditional_writes=False))

    with bf.Context(config) as context, pytest.raises(bf.Unsupported, match="needs a store"):
        cast("Any", context).BlobFile(s3.path("blob"), mode, **options)
