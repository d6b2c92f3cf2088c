"""`BlobPath`: what `pathlib` does, on URLs and local paths."""

from __future__ import annotations

import os
import pickle
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest

import blobio as bf
from blobio import BlobPath
from blobio.aio import AsyncContext
from tests.blocking.conftest import Place

URL = "s3://bucket/a/b.tar.gz"


@pytest.fixture
def here(place: Place) -> BlobPath:
    return BlobPath(place.root, context=place.context)


# Words without requests


def test_text_is_the_url_without_slashes_at_its_end() -> None:
    assert str(BlobPath(URL)) == URL
    assert repr(BlobPath("gs://bucket/a//")) == "BlobPath('gs://bucket/a')"
    assert str(BlobPath("gs://bucket/")) == "gs://bucket"
    assert str(BlobPath("memory:///")) == "memory:///"
    assert str(BlobPath("az://box@account/a")) == "az://account/box/a"
    assert str(BlobPath("/tmp//x/./y/")) == "/tmp/x/y"  # noqa: S108 - a name, not a place
    assert str(BlobPath("")) == "."


def test_keys_are_exact() -> None:
    for key in ("a//b", "a b%20c", "ä#?=&*", " ", "..", "a/../b"):
        path = BlobPath(f"s3://bucket/{key}")
        assert str(path) == f"s3://bucket/{key}"
        assert path.__blobpath__() == str(path)


def test_names_suffixes_and_stems() -> None:
    path = BlobPath(URL)

    assert (path.name, path.stem, path.suffix) == ("b.tar.gz", "b.tar", ".gz")
    assert path.suffixes == [".tar", ".gz"]
    assert BlobPath("s3://bucket").name == ""
    assert BlobPath("s3://bucket/.hidden").suffix == ""


def test_parts_and_anchor() -> None:
    assert BlobPath(URL).parts == ("s3://bucket/", "a", "b.tar.gz")
    assert BlobPath("s3://bucket").parts == ("s3://bucket/",)
    assert BlobPath("/a/b").parts == ("/", "a", "b")
    assert BlobPath("a/b").parts == ("a", "b")
    assert BlobPath("az://account/box/a").anchor == "az://account/box/"


def test_parents_end_at_the_root() -> None:
    assert [str(path) for path in BlobPath(URL).parents] == ["s3://bucket/a", "s3://bucket"]
    root = BlobPath("s3://bucket")
    assert root.parent == root
    assert [str(path) for path in BlobPath("/a/b").parents] == ["/a", "/"]
    assert [str(path) for path in BlobPath("a/b").parents] == ["a", "."]


def test_joins_stay_below_the_root() -> None:
    path = BlobPath("s3://bucket/a")

    assert path / "b" / "c" == path.joinpath("b/c") == BlobPath("s3://bucket/a/b/c")
    assert path / "../../../x" == BlobPath("s3://bucket/x")
    assert path / "/x" == BlobPath("s3://bucket/x")
    assert path / PurePosixPath("b") == path / "b"
    assert BlobPath("s3://bucket", "a", "b/") == path / "b"
    assert BlobPath("dir") / "x" == BlobPath("dir/x")
    with pytest.raises(bf.InvalidUrl):
        path / "gs://other/x"


def test_last_name_is_exchanged() -> None:
    path = BlobPath(URL)

    assert path.with_name("c") == BlobPath("s3://bucket/a/c")
    assert path.with_suffix(".zst") == BlobPath("s3://bucket/a/b.tar.zst")
    assert path.with_suffix("") == BlobPath("s3://bucket/a/b.tar")
    assert path.with_stem("c") == BlobPath("s3://bucket/a/c.gz")
    assert BlobPath("s3://bucket//x").with_name("y") == BlobPath("s3://bucket//y")
    for name in ("", "a/b", "..", "."):
        with pytest.raises(ValueError, match="takes no name"):
            path.with_name(name)
    with pytest.raises(ValueError, match="takes no name"):
        BlobPath("s3://bucket").with_name("x")
    with pytest.raises(ValueError, match="suffix"):
        path.with_suffix("gz")


def test_way_from_a_directory() -> None:
    path = BlobPath(URL)

    way = path.relative_to("s3://bucket")
    assert way == PurePosixPath("a/b.tar.gz")
    assert BlobPath("s3://bucket") / way == path
    assert path.relative_to(path) == PurePosixPath()
    assert path.is_relative_to(BlobPath("s3://bucket/a/"))
    for other in ("s3://bucket/a/b", "s3://other", "gs://bucket", "a"):
        assert not path.is_relative_to(other)
    assert BlobPath("/x/y").relative_to("/x") == PurePosixPath("y")
    assert not BlobPath("/x/y").is_relative_to("s3://bucket")


def test_match_looks_from_the_end() -> None:
    assert BlobPath(URL).match("*.gz")
    assert BlobPath(URL).match("a/*.tar.gz")
    assert BlobPath(URL).match("s3://bucket/*/*")
    assert not BlobPath(URL).match("*.zip")


def test_uri() -> None:
    assert BlobPath(URL).as_uri() == URL
    assert BlobPath("/a b").as_uri() == "file:///a%20b"


def test_equal_hashed_and_ordered_by_url() -> None:
    a, b = BlobPath("s3://bucket/a"), BlobPath("s3://bucket/b")

    assert a == BlobPath("s3://bucket/a/") == BlobPath(a)
    assert len({a, BlobPath("s3://bucket/a/"), b}) == 2
    assert sorted([b, a]) == [a, b]
    assert a <= b
    assert a != "s3://bucket/a"
    with pytest.raises(TypeError):
        assert a < cast("Any", "s3://bucket/b")


def test_pickles_with_its_context() -> None:
    config = bf.Config(buffer_bytes=1 << 20)
    path = BlobPath(URL, context=bf.Context(config))

    again = pickle.loads(pickle.dumps(path))  # noqa: S301 - our own bytes

    assert again == path
    assert again.context.config == config
    assert pickle.loads(pickle.dumps(BlobPath(URL))).context is BlobPath(URL).context  # noqa: S301


def test_parts_keep_the_context() -> None:
    context = bf.Context(bf.Config())

    path = BlobPath(URL, context=context)

    for other in (path.parent, path / "x", path.with_name("y"), *path.parents, BlobPath(path)):
        assert other.context is context


def test_it_is_no_path_of_the_system() -> None:
    assert not isinstance(BlobPath(URL), os.PathLike)
    with pytest.raises(TypeError):
        open(cast("Any", BlobPath(URL)))  # noqa: SIM115 - it does not open
    assert isinstance(BlobPath(URL), bf.BlobPathLike)


def test_local_name_with_a_colon_stays_local() -> None:
    path = BlobPath("./x:y")

    assert (path.name, str(path.parent / "z")) == ("x:y", "z")
    assert BlobPath(path) == path


def test_unknown_scheme_is_refused() -> None:
    with pytest.raises(bf.InvalidUrl):
        BlobPath("ftp://host/a")


# Questions and changes


def test_content_goes_in_and_comes_out(here: BlobPath) -> None:
    path = here / "d" / "blob"

    assert path.write_bytes(b"data") == 4
    assert (path.read_bytes(), path.stat().size) == (b"data", 4)
    assert path.write_text("käse") == 4
    assert path.read_text() == "käse"
    with pytest.raises(FileExistsError):
        path.write_bytes(b"more", overwrite=False)
    with path.open("w", encoding="utf-16", compression="gzip") as text:
        text.write("ä")
    with path.open(encoding="utf-16", compression="gzip") as text:
        assert text.read() == "ä"
    with path.open("rb") as binary:
        assert binary.read(2) == b"\x1f\x8b"


def test_what_is_there(here: BlobPath) -> None:
    path = here / "d" / "blob"
    path.write_bytes(b"")

    assert (path.exists(), path.is_file(), path.is_dir()) == (True, True, False)
    assert (path.parent.exists(), path.parent.is_file(), path.parent.is_dir()) == (
        True,
        False,
        True,
    )
    assert not (here / "none").exists()
    with pytest.raises(FileNotFoundError):
        (here / "none").stat()


def test_listings(here: BlobPath) -> None:
    for name in ("a.txt", "d/b.txt", "d/e/c.csv"):
        (here / name).write_bytes(b"")

    def names(paths: Any) -> list[str]:
        return sorted(str(path.relative_to(here)) for path in paths)

    assert names(here.iterdir()) == ["a.txt", "d"]
    assert names(here.glob("*.txt")) == ["a.txt"]
    assert names(here.rglob("*.txt")) == ["a.txt", "d/b.txt"]
    assert names(here.glob("d/**")) == ["d/b.txt", "d/e", "d/e/c.csv"]
    walked = [(str(top.relative_to(here)), sorted(dirs), files) for top, dirs, files in here.walk()]
    assert sorted(walked) == [
        (".", ["d"], ["a.txt"]),
        ("d", ["e"], ["b.txt"]),
        ("d/e", [], ["c.csv"]),
    ]
    for pattern in ("", "/x"):
        with pytest.raises(ValueError, match="not relative"):
            here.glob(pattern)
    assert next(here.iterdir()).context is here.context


def test_wildcards_in_a_directory_are_letters(here: BlobPath) -> None:
    odd = here / "d[1]*{a,b}?"
    (odd / "x").write_bytes(b"")
    (here / "d1z" / "x").write_bytes(b"")

    assert list(odd.glob("*")) == [odd / "x"]


def test_rename_replace_copy_and_unlink(here: BlobPath) -> None:
    a, b = here / "a", here / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")

    with pytest.raises(FileExistsError):
        a.rename(b)
    with pytest.raises(FileExistsError):
        a.copy(b)
    assert a.copy(here / "c") == here / "c"
    assert a.replace(str(b)) == b
    assert (b.read_bytes(), a.exists()) == (b"1", False)
    assert b.rename(a).context is here.context
    a.unlink()
    a.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        a.unlink()


def test_directories_are_made_and_removed(here: BlobPath) -> None:
    path = here / "d"

    path.mkdir()
    assert path.is_dir()
    path.mkdir(exist_ok=True)
    with pytest.raises(FileExistsError):
        path.mkdir()
    (path / "x").write_bytes(b"")
    with pytest.raises(OSError, match="empty"):
        path.rmdir()
    with pytest.raises(FileExistsError):
        (path / "x").mkdir(exist_ok=True)
    path.rmtree()
    path.mkdir()
    path.rmdir()
    assert not path.is_dir()
    (path / "e" / "f").mkdir(parents=True)
    assert (path / "e" / "f").is_dir()


def test_every_function_takes_it(place: Place, tmp_path: Path) -> None:
    context, path = place.context, BlobPath(place.root) / "d" / "blob"
    other, local = path.with_name("other"), BlobPath(str(tmp_path)) / "copy"

    context.write_bytes(path, b"data")
    with context.BlobFile(path, "ab") as file:
        file.write(b"!")
    context.copy(path, other)
    context.copy(path, local)
    context.copytree(path.parent, BlobPath(str(tmp_path)) / "tree")
    context.move(other, other.with_name("moved"))

    assert context.read_bytes(path) == local.read_bytes() == b"data!"
    assert context.read_ranges(path, [(1, 3)]) == [b"at"]
    assert context.stat(path).size == 5
    assert context.exists(path)
    assert context.isdir(path.parent)
    assert sorted(context.listdir(path.parent)) == ["blob", "moved"]
    assert context.md5(path)
    assert bf.join(path, "x") == f"{path}/x"
    assert (bf.basename(path), bf.dirname(path)) == ("blob", str(path.parent))
    context.set_mtime(path, 1.0)
    context.remove(path)
    context.rmtree(path.parent)
    context.makedirs(path.parent)
    context.rmdir(path.parent)


async def test_the_async_face_takes_it() -> None:
    path = BlobPath("memory://blobpath/async")
    async with AsyncContext(bf.Config()) as context:
        async with context.open(path, "wb") as writer:
            await writer.write(b"data")
        async with context.open(path) as reader:
            assert await reader.read() == b"data"
        assert await context.exists(path)
        assert [entry.name async for entry in context.scandir(path.parent)] == ["async"]
