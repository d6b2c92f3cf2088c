"""Every mode of `BlobFile` on every kind of store: what is read, published and refused."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, Final, cast

import pytest

import blobio as bf
from blobio import VersionMismatch
from tests.blocking.conftest import Place

TEXT: Final = "einß\nzwei\n"
DATA: Final = TEXT.encode()


class Boom(Exception):
    pass


def content(mode: str) -> str | bytes:
    return DATA if mode.endswith("b") else TEXT


def write_and_fail(file: Any, data: str | bytes) -> None:
    with file:
        file.write(data)
        raise Boom


def raises_value_error(call: Callable[[], object]) -> bool:
    try:
        call()
    except ValueError:  # in Python's own words, mostly
        return True
    return False


# Reading


@pytest.mark.parametrize("mode", ["r", "rt", "rb"])
def test_read_modes_give_the_content(place: Place, mode: str) -> None:
    place.put("blob", DATA)

    with place.open("blob", mode) as file:
        assert file.read() == (DATA if mode == "rb" else TEXT)
        assert file.read() == (b"" if mode == "rb" else "")


def test_mode_is_text_by_default(place: Place) -> None:
    with place.context.BlobFile(place.put("blob", DATA)) as file:
        assert file.readlines() == ["einß\n", "zwei\n"]


@pytest.mark.parametrize("streaming", [None, True, False])
def test_reading_a_missing_blob_fails_when_it_is_opened(
    place: Place, streaming: bool | None
) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        place.context.BlobFile(place.path("missing"), "rb", streaming=streaming)


def test_reader_seeks_and_tells(place: Place) -> None:
    path = place.put("blob", bytes(range(100)))

    with place.context.BlobFile(path, "rb") as file:
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
        assert file.seek(10) == 10
        assert file.read(2) == b"\x0a\x0b"
        assert file.seek(-2, os.SEEK_END) == 98
        assert file.read() == b"\x62\x63"
        assert file.seek(1000) == 1000
        assert file.read() == b""
        assert file.seek(-10, os.SEEK_CUR) == 990


@pytest.mark.parametrize("streaming", [True, False])
def test_reader_refuses_what_makes_no_sense(place: Place, streaming: bool) -> None:
    with place.context.BlobFile(place.put("blob", DATA), "rb", streaming=streaming) as file:
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)
        with pytest.raises(TypeError):
            file.seek(1.5)  # type: ignore[arg-type]
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.truncate()
        assert file.read() == DATA


def test_negative_seek_of_a_streamed_blob_is_a_value_error(remote: Place) -> None:
    """As it is for `io.BytesIO`."""
    with place_file(remote) as file, pytest.raises(ValueError, match="blob"):
        file.seek(-1)


def place_file(place: Place) -> BinaryIO:
    return place.context.BlobFile(place.put("blob", DATA), "rb")


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r", "w", "a"])
@pytest.mark.parametrize("streaming", [None, False])
def test_closed_file_refuses_everything(place: Place, mode: str, streaming: bool | None) -> None:
    place.put("blob", DATA)
    file = place.open("blob", mode, streaming=streaming)

    file.close()
    file.close()

    assert file.closed
    calls = {
        "read": lambda: file.read(1),
        "write": lambda: file.write("x" if len(mode) == 1 else b"x"),
        "tell": file.tell,
        "seek": lambda: file.seek(0),
        "readline": file.readline,
        "iterate": lambda: next(file),
        "flush": file.flush,
        "enter": file.__enter__,
    }
    for name, call in calls.items():
        assert raises_value_error(call), name


# Writing


@pytest.mark.parametrize("mode", ["w", "wt", "wb", "x", "xt", "xb", "a", "at", "ab"])
@pytest.mark.parametrize("streaming", [None, False])
def test_write_modes_make_a_new_blob(place: Place, mode: str, streaming: bool | None) -> None:
    path = place.path("new")

    with place.open("new", mode, streaming=streaming) as file:
        file.write(content(mode))
        if mode[0] != "a":
            assert not place.context.exists(path)

    assert place.get("new") == DATA
    assert place.names() == ["new"]


@pytest.mark.parametrize("mode", ["w", "wt", "wb"])
@pytest.mark.parametrize("streaming", [None, False])
def test_w_replaces_in_one_step(place: Place, mode: str, streaming: bool | None) -> None:
    place.put("blob", b"old")

    with place.open("blob", mode, streaming=streaming) as file:
        file.write(content(mode))
        file.flush()
        assert place.get("blob") == b"old"

    assert place.get("blob") == DATA


def test_writer_that_wrote_nothing_publishes_an_empty_blob(place: Place) -> None:
    place.put("blob", b"old")

    with place.context.BlobFile(place.path("blob"), "wb"):
        pass

    assert place.get("blob") == b""


@pytest.mark.parametrize("mode", ["x", "xt", "xb"])
@pytest.mark.parametrize("streaming", [None, False])
def test_x_loses_against_what_is_there(place: Place, mode: str, streaming: bool | None) -> None:
    place.put("blob", b"old")

    file = place.open("blob", mode, streaming=streaming)
    file.write(content(mode))
    with pytest.raises(FileExistsError, match="blob"):
        file.close()

    assert place.get("blob") == b"old"
    assert place.names() == ["blob"]


def test_x_loses_against_what_came_meanwhile(place: Place) -> None:
    path = place.path("blob")
    file = place.context.BlobFile(path, "xb")
    file.write(b"late")
    place.put("blob", b"first")

    with pytest.raises(bf.AlreadyExists):
        file.close()

    assert file.closed
    assert place.get("blob") == b"first"


@pytest.mark.parametrize("mode", ["a", "at", "ab"])
def test_a_extends(place: Place, mode: str) -> None:
    place.put("blob", DATA)

    with place.open("blob", mode) as file:
        assert file.tell() == len(DATA)
        file.write(content(mode))

    assert place.get("blob") == 2 * DATA


def test_a_loses_against_what_came_meanwhile(remote: Place) -> None:
    path = remote.put("blob", b"old")
    file = remote.context.BlobFile(path, "ab")
    file.write(b" more")
    remote.put("blob", b"theirs")

    with pytest.raises(VersionMismatch):
        file.close()

    assert remote.get("blob") == b"theirs"


def test_a_of_nothing_loses_against_what_came_meanwhile(remote: Place) -> None:
    file = remote.context.BlobFile(remote.path("blob"), "ab")
    file.write(b"mine")
    remote.put("blob", b"theirs")

    with pytest.raises(FileExistsError):
        file.close()

    assert remote.get("blob") == b"theirs"


def test_a_that_failed_changes_nothing(remote: Place) -> None:
    remote.put("blob", b"old")

    with pytest.raises(Boom):
        write_and_fail(remote.open("blob", "a"), "more")

    assert remote.get("blob") == b"old"


def test_writer_refuses_to_read(place: Place) -> None:
    with place.context.BlobFile(place.path("blob"), "wb") as file:
        assert (file.readable(), file.writable()) == (False, True)
        with pytest.raises(io.UnsupportedOperation):
            file.read()
        with pytest.raises(io.UnsupportedOperation):
            file.readline()
        with pytest.raises(io.UnsupportedOperation):
            file.readinto(bytearray(1))  # type: ignore[attr-defined]
        file.write(b"ok")

    assert place.get("blob") == b"ok"


@pytest.mark.parametrize("streaming", [None, False])
def test_writer_refuses_the_wrong_type_and_goes_on(place: Place, streaming: bool | None) -> None:
    with place.open("blob", "wb", streaming=streaming) as file:
        with pytest.raises(TypeError):
            file.write("text")
        with pytest.raises(TypeError):
            file.write(5)
        file.write(bytearray(b"by"))
        file.write(memoryview(b"tes"))
    with place.context.BlobFile(place.path("text"), "w", streaming=streaming) as text:
        with pytest.raises(TypeError):
            text.write(b"bytes")  # type: ignore[arg-type]
        text.write("text")

    assert (place.get("blob"), place.get("text")) == (b"bytes", b"text")


def test_streaming_writer_tells_but_does_not_seek(remote: Place) -> None:
    with remote.context.BlobFile(remote.path("blob"), "wb") as file:
        file.write(b"12345")
        assert file.tell() == 5
        assert not file.seekable()
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)
        with pytest.raises(io.UnsupportedOperation):
            file.truncate(0)
        with pytest.raises(io.UnsupportedOperation):
            file.fileno()


def test_writer_that_does_not_stream_seeks(place: Place) -> None:
    with place.context.BlobFile(place.path("blob"), "wb", streaming=False) as file:
        file.write(b"0123456789")
        file.seek(2)
        file.write(b"__")
        file.truncate(6)
        assert file.tell() == 4
        assert file.fileno() >= 0

    assert place.get("blob") == b"01__45"


# A failure inside `with`


@pytest.mark.parametrize("mode", ["wb", "w", "xb", "x"])
@pytest.mark.parametrize("streaming", [None, False])
def test_raising_body_publishes_nothing(place: Place, mode: str, streaming: bool | None) -> None:
    file = place.open("new", mode, streaming=streaming)
    with pytest.raises(Boom):
        write_and_fail(file, content(mode))

    assert file.closed
    assert place.names() == []


@pytest.mark.parametrize("streaming", [None, False])
def test_raising_body_leaves_the_old_blob(place: Place, streaming: bool | None) -> None:
    place.put("blob", b"old")

    with pytest.raises(Boom):
        write_and_fail(place.open("blob", "w", streaming=streaming), TEXT)

    assert place.get("blob") == b"old"
    assert place.names() == ["blob"]


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("streaming", [None, False])
def test_partial_writes_on_exc_publishes_what_was_written(
    place: Place, mode: str, streaming: bool | None
) -> None:
    """As blobfile does by default."""
    file = place.open("blob", mode, streaming=streaming, partial_writes_on_exc=True)
    with pytest.raises(Boom):
        write_and_fail(file, content(mode))

    assert place.get("blob") == DATA


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("streaming", [None, False])
def test_abort_publishes_nothing(place: Place, mode: str, streaming: bool | None) -> None:
    file = place.open("blob", mode, streaming=streaming)
    file.write(content(mode))

    file.abort()
    file.abort()
    file.close()

    assert file.closed
    assert place.names() == []


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("streaming", [None, False])
def test_dropped_writer_warns_and_publishes_nothing(
    place: Place, mode: str, streaming: bool | None
) -> None:
    file = place.open("blob", mode, streaming=streaming)
    file.write(content(mode))

    with pytest.warns(ResourceWarning, match=r"blob was opened for writing and never closed"):
        del file

    assert place.names() == []


def test_name_and_mode_are_those_of_a_file(place: Place) -> None:
    path = place.path("blob")

    with place.context.BlobFile(path, "wb") as writer:
        assert (writer.name, writer.mode) == (path, "wb")
    with place.context.BlobFile(path, "rb") as reader:
        assert (reader.name, reader.mode) == (path, "rb")
        assert isinstance(reader, io.BufferedIOBase)
        assert cast("object", reader.isatty()) is False
