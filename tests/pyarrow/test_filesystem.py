"""The verbs of the file system, over every kind of store."""

from __future__ import annotations

import os
import pickle
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.fs import FileSelector, FileSystem, FileType, PyFileSystem, SubTreeFileSystem

import blobio as bf
from blobio.pyarrow import BlobHandler, filesystem
from tests.pyarrow.conftest import Make, Place

DATA = bytes(range(256)) * 1000  # some four times the end that is read on opening


class Stopped(Exception):
    """The body of a `with` block gives up."""


def put(place: Place, name: str, data: bytes = b"x") -> str:
    place.context.write_bytes(place.at(name), data)
    return place.at(name)


def entries(place: Place, name: str = "", *, recursive: bool = True) -> dict[str, FileType]:
    base = place.at(name).rstrip("/")
    found = place.fs.get_file_info(FileSelector(base, recursive=recursive))
    return {info.path.removeprefix(f"{base}/"): info.type for info in found}


# Questions


def test_info_of_file_directory_and_nothing(place: Place) -> None:
    path = put(place, "d/a", DATA)

    file, directory, nothing = place.fs.get_file_info([path, place.at("d"), place.at("none")])

    assert (file.path, file.type, file.size) == (path, FileType.File, len(DATA))
    assert file.mtime.timestamp() == pytest.approx(place.context.stat(path).mtime, abs=1e-3)
    assert directory.type == FileType.Directory
    assert nothing.type == FileType.NotFound


def test_info_costs_one_request_a_file(remote: Place) -> None:
    paths = [put(remote, f"f{number}") for number in range(3)]

    remote.fs.get_file_info(paths)

    assert remote.methods() == ["HEAD" if remote.store != "gcs" else "GET"] * 3


def test_selector_lists_one_level_or_all(place: Place) -> None:
    for name in ("a", "d/b", "d/e/c"):
        put(place, name)

    assert entries(place, recursive=False) == {"a": FileType.File, "d": FileType.Directory}
    assert entries(place) == {
        "a": FileType.File,
        "d": FileType.Directory,
        "d/b": FileType.File,
        "d/e": FileType.Directory,
        "d/e/c": FileType.File,
    }
    (info,) = place.fs.get_file_info(FileSelector(place.at("d/e")))
    assert info.size == 1


def test_selector_costs_one_listing(remote: Place) -> None:
    for name in ("a", "d/b", "d/e/c"):
        put(remote, name)

    entries(remote)

    assert remote.methods() == ["GET"]


def test_selector_of_nothing_and_of_a_file(place: Place) -> None:
    path = put(place, "a")

    with pytest.raises(FileNotFoundError):
        place.fs.get_file_info(FileSelector(place.at("none")))
    assert place.fs.get_file_info(FileSelector(place.at("none"), allow_not_found=True)) == []
    with pytest.raises(NotADirectoryError):
        place.fs.get_file_info(FileSelector(path))


def test_path_has_one_spelling() -> None:
    fs = filesystem()

    assert fs.normalize_path("s3://bucket/a/b/") == "s3://bucket/a/b"
    assert fs.normalize_path("s3://bucket") == "s3://bucket"
    assert fs.normalize_path("az://box@account/a") == "az://account/box/a"
    assert fs.normalize_path("/") == "/"
    with pytest.raises(bf.InvalidUrl):
        fs.normalize_path("ftp://host/a")


# Reading


def test_input_file_reads_anywhere(place: Place) -> None:
    path = put(place, "a", DATA)

    with place.fs.open_input_file(path) as file:
        assert file.size() == len(DATA)
        assert file.read_at(10, 5) == DATA[5:15]
        assert file.read_at(100_000, len(DATA) - 90_000) == DATA[-90_000:]
        assert file.seek(-4, os.SEEK_END) == len(DATA) - 4
        assert file.read() == DATA[-4:]
        file.seek(0)
        assert [file.read(60_000) for _ in range(6)] == [
            DATA[start : start + 60_000] for start in range(0, 360_000, 60_000)
        ]
    assert file.closed


def test_input_file_of_an_empty_blob(place: Place) -> None:
    path = put(place, "a", b"")

    with place.fs.open_input_file(path) as file:
        assert (file.size(), file.read()) == (0, b"")


def test_input_stream_reads_to_the_end(place: Place) -> None:
    path = put(place, "a", DATA)

    with place.fs.open_input_stream(path) as file:
        assert file.read(3) + file.read() == DATA


def test_what_cannot_be_opened_is_told_apart(place: Place) -> None:
    put(place, "d/a")

    for opening in (place.fs.open_input_file, place.fs.open_input_stream):
        with pytest.raises(FileNotFoundError):
            opening(place.at("none"))
        with pytest.raises((IsADirectoryError, FileNotFoundError)):
            opening(place.at("d"))


def test_opening_reads_the_end_and_a_look_before_saves_nothing_twice(remote: Place) -> None:
    path = put(remote, "a", DATA)

    with remote.fs.open_input_file(path) as file:
        first = remote.methods()
        assert file.read_at(1000, len(DATA) - 1000) == DATA[-1000:]
        assert remote.methods() == []
        file.read_at(1000, 0)
        assert remote.methods() == ["GET"]
    with remote.fs.open_input_file(path) as file:
        assert file.size() == len(DATA)

    assert remote.methods() == []
    assert first == (["HEAD", "GET"] if remote.store == "azurite" else ["GET"])


def test_blob_that_is_replaced_under_a_reader_is_noticed(make_place: Make) -> None:
    place = make_place("moto")
    path = put(place, "a", DATA)

    with place.fs.open_input_file(path) as file:
        put(place, "a", DATA[::-1])
        with pytest.raises(bf.VersionMismatch):
            file.read_at(10, 0)

    with place.fs.open_input_file(path) as file:
        assert file.read() == DATA[::-1]


def test_blob_replaced_between_look_and_open_is_opened_as_it_is(make_place: Make) -> None:
    place = make_place("moto")
    path = put(place, "a", DATA)
    place.fs.get_file_info(path)
    put(place, "a", b"new")

    with place.fs.open_input_file(path) as file:
        assert file.read() == b"new"


def test_own_writes_are_seen_at_once(place: Place) -> None:
    path = place.at("a")
    for data in (DATA, b"second", b""):
        with place.fs.open_output_stream(path) as target:
            target.write(data)
        with place.fs.open_input_file(path) as file:
            assert file.read() == data


# Writing


def test_output_appears_when_it_is_closed(place: Place) -> None:
    path = place.at("d/a")
    file = place.fs.open_output_stream(path)
    file.write(DATA)
    assert place.fs.get_file_info(path).type == FileType.NotFound

    file.close()

    assert place.context.read_bytes(path) == DATA


def test_block_that_raises_publishes_nothing(place: Place) -> None:
    path = put(place, "a", b"old")

    with pytest.raises(Stopped), place.fs.open_output_stream(path) as file:
        file.write(b"new")
        raise Stopped

    assert place.context.read_bytes(path) == b"old"


def test_block_inside_a_handler_publishes(place: Place) -> None:
    """An error that is being handled outside is none of the block's."""
    try:
        raise Stopped
    except Stopped:
        with place.fs.open_output_stream(place.at("a")) as file:
            file.write(b"new")

    assert place.context.read_bytes(place.at("a")) == b"new"


def test_file_closed_in_a_handler_is_published(place: Place) -> None:
    file = place.fs.open_output_stream(place.at("a"))
    try:
        raise Stopped
    except Stopped:
        file.write(b"after all")
        file.close()

    assert place.context.read_bytes(place.at("a")) == b"after all"


def test_compressed_stream_is_pyarrows(place: Place) -> None:
    with place.fs.open_output_stream(place.at("a.gz"), compression="gzip") as file:
        file.write(DATA)

    with place.fs.open_input_stream(place.at("a.gz"), compression="gzip") as file:
        assert file.read() == DATA


def test_append_goes_on(make_place: Make) -> None:
    for store in ("memory", "local", "moto", "gcs", "azurite"):  # rclone ignores conditions
        place = make_place(store)
        path = put(place, "a", b"1")
        with place.fs.open_append_stream(path) as file:
            file.write(b"2")
        assert place.context.read_bytes(path) == b"12"


def test_content_type_is_stored(make_place: Make) -> None:
    place = make_place("moto")
    path = place.at("a")
    metadata = {"Content-Type": "text/csv", "Author": "nobody"}

    with place.fs.open_output_stream(path, metadata=metadata) as file:
        file.write(b"a,b\n")

    url, _ = place.context.get_url(path)
    with bf.BlobFile(url, "rb") as stream:
        assert stream.read() == b"a,b\n"
    import urllib.request

    with urllib.request.urlopen(url) as reply:  # noqa: S310 - http, loopback
        assert reply.headers["Content-Type"] == "text/csv"


# Changes


def test_copy_move_and_delete(place: Place) -> None:
    a, b, c = put(place, "a", b"1"), place.at("b"), place.at("d/c")

    place.fs.copy_file(a, b)
    place.fs.move(b, c)
    place.fs.delete_file(a)

    assert entries(place) == {"d": FileType.Directory, "d/c": FileType.File}
    with pytest.raises(FileNotFoundError):
        place.fs.delete_file(a)


def test_directory_moves_with_all_below_it(place: Place) -> None:
    put(place, "d/a", b"1")
    put(place, "d/e/b", b"2")

    place.fs.move(place.at("d"), place.at("moved"))

    assert place.context.read_bytes(place.at("moved/e/b")) == b"2"
    assert place.fs.get_file_info(place.at("d")).type == FileType.NotFound
    with pytest.raises(FileNotFoundError):
        place.fs.move(place.at("none"), place.at("x"))


def test_directories_are_made_emptied_and_deleted(place: Place) -> None:
    is_real = place.store == "local"
    place.fs.create_dir(place.at("d/e"))
    assert (place.fs.get_file_info(place.at("d/e")).type == FileType.Directory) == is_real
    put(place, "d/a")
    put(place, "d/e/b")

    place.fs.delete_dir_contents(place.at("d"))
    selector = FileSelector(place.root, allow_not_found=True, recursive=True)
    left = [info.path for info in place.fs.get_file_info(selector)]
    assert left == ([place.at("d")] if is_real else [])
    put(place, "d/e/b")
    place.fs.delete_dir(place.at("d"))

    assert place.fs.get_file_info(place.at("d")).type == FileType.NotFound
    place.fs.delete_dir_contents(place.at("none"), missing_dir_ok=True)
    for delete in (place.fs.delete_dir_contents, place.fs.delete_dir):
        with pytest.raises(FileNotFoundError):
            delete(place.at("none"))


def test_create_dir_without_parents_needs_them(make_place: Make) -> None:
    place = make_place("local")

    with pytest.raises(FileNotFoundError):
        place.fs.create_dir(place.at("x/y"), recursive=False)
    place.fs.create_dir(place.at("x"), recursive=False)
    assert os.path.isdir(place.at("x"))


@pytest.mark.parametrize("path", ["/", "s3://bucket", "s3://bucket/"])
def test_no_root_is_deleted(path: str) -> None:
    with pytest.raises(bf.Unsupported):
        filesystem().delete_dir(path)


def test_the_root_of_everything_is_not_emptied() -> None:
    fs = filesystem()

    with pytest.raises(bf.Unsupported):
        fs.delete_dir_contents("", accept_root_dir=True)
    with pytest.raises(bf.Unsupported):
        fs.delete_dir_contents("/")


# Itself


def test_equal_settings_make_equal_file_systems() -> None:
    config = bf.Config(buffer_bytes=1 << 20)

    assert filesystem(config) == filesystem(bf.Config(buffer_bytes=1 << 20))
    assert filesystem(config) != filesystem()
    assert filesystem().type_name == "py::blobio"
    assert BlobHandler() != "blobio"


def test_it_pickles_as_its_settings(make_place: Make) -> None:
    config = make_place("moto").context.config
    path = put(make_place("moto"), "a", b"1")
    fs = filesystem(config)

    again: Any = pickle.loads(pickle.dumps(fs))  # noqa: S301 - our own bytes

    assert again == fs
    with again.open_input_file(path) as file:
        assert file.read() == b"1"


def test_sub_tree_has_paths_below_a_directory(place: Place) -> None:
    put(place, "d/a", b"1")
    tree: FileSystem = SubTreeFileSystem(place.root, place.fs)

    assert isinstance(place.fs, PyFileSystem)
    with tree.open_input_file("d/a") as file:
        assert file.read() == b"1"
    assert {info.path for info in tree.get_file_info(FileSelector("d"))} == {"d/a"}


def test_what_is_not_a_path_is_refused() -> None:
    with pytest.raises(bf.InvalidUrl):
        filesystem().open_input_file("s3:bucket/key")
    with pytest.raises((pa.ArrowInvalid, FileNotFoundError)):
        filesystem().get_file_info(FileSelector(""))
