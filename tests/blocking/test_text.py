"""Text: encodings, errors, newlines, and the layer's own failures."""

from __future__ import annotations

import gc
import io
import warnings

import pytest

import blobio as bf
from tests.blocking.conftest import Configure, Place


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-8-sig"])
def test_encoding_works_both_ways(place: Place, encoding: str) -> None:
    path = place.path("blob")

    with place.context.BlobFile(path, "w", encoding=encoding) as file:
        file.write("käse\n")
    with place.context.BlobFile(path, "r", encoding=encoding) as file:
        found = file.read()

    assert found == "käse\n"
    assert place.get("blob") == "käse\n".encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_append_writes_no_second_byte_order_mark(place: Place, encoding: str) -> None:
    path = place.path("blob")

    for _ in range(2):
        with place.context.BlobFile(path, "a", encoding=encoding) as file:
            file.write("ä\n")

    assert place.get("blob") == "ä\nä\n".encode(encoding)


def test_default_is_utf_8_whatever_the_locale(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")

    with place.context.BlobFile(place.path("blob"), "w") as file:
        file.write("→")

    assert place.get("blob") == "→".encode()


def test_errors_are_handled_as_asked(place: Place) -> None:
    path = place.put("blob", b"a\xffb")

    with place.context.BlobFile(path, "r", errors="replace") as file:
        assert file.read() == "a\ufffdb"
    with place.context.BlobFile(path, "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()
    with place.context.BlobFile(path, "w", encoding="ascii", errors="ignore") as file:
        file.write("aäb")

    assert place.get("blob") == b"ab"


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_newlines_are_those_of_open(place: Place, newline: str | None) -> None:
    data = b"a\nb\r\nc\rd"
    path = place.put("blob", data)
    expected = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=newline).readlines()

    with place.context.BlobFile(path, "r", newline=newline) as file:
        assert file.readlines() == expected

    with place.context.BlobFile(path, "w", newline=newline) as file:
        file.write("a\nb")
    written = {None: b"a\nb", "": b"a\nb", "\n": b"a\nb", "\r": b"a\rb", "\r\n": b"a\r\nb"}
    assert place.get("blob") == written[newline]


def test_text_that_cannot_be_encoded_is_refused_and_the_rest_is_written(place: Place) -> None:
    with place.context.BlobFile(place.path("blob"), "w", encoding="ascii") as file:
        with pytest.raises(UnicodeEncodeError):
            file.write("ä")
        file.write("a")

    assert place.get("blob") == b"a"


@pytest.mark.parametrize("mode", ["r", "w", "a"])
@pytest.mark.parametrize("options", [{"encoding": "no-such"}, {"newline": "x"}])
def test_wrong_text_options_leave_nothing_open_or_written(
    place: Place, mode: str, options: dict[str, str]
) -> None:
    if mode == "r":
        place.put("blob", b"old")

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unclosed file would warn
        with pytest.raises((LookupError, ValueError)):
            place.open("blob", mode, **options)
        gc.collect()

    if place.context.exists(place.path("blob")):  # a local file is opened for append in place
        assert place.get("blob") in (b"old", b"")


def test_text_lines_cross_blocks(memory_with: Configure) -> None:
    place = memory_with(bf.Config(buffer_bytes=5, read=bf.ReadConfig(part_bytes=3)))
    lines = [f"zeile {number} ß\n" for number in range(50)]
    path = place.put("blob", "".join(lines).encode())

    with place.context.BlobFile(path, "r") as file:
        assert list(file) == lines
    with place.context.BlobFile(path, "r", buffer_size=1) as file:
        assert file.readlines() == lines


def test_text_reader_tells_and_seeks(place: Place) -> None:
    path = place.put("blob", "äöü\nzwei\ndrei\n".encode())

    with place.context.BlobFile(path, "r") as file:
        file.readline()
        mark = file.tell()
        assert file.readline() == "zwei\n"
        file.seek(mark)
        assert file.read() == "zwei\ndrei\n"


def test_text_writer_tells_but_does_not_seek(remote: Place) -> None:
    with remote.context.BlobFile(remote.path("blob"), "w") as file:
        file.write("ä")
        assert file.tell() == 2
        assert not file.seekable()
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)

    assert remote.get("blob") == "ä".encode()


def test_text_writer_tells_its_version_when_it_is_closed(remote: Place) -> None:
    file = remote.open("blob", "w")
    file.write("x")
    assert file.version is None

    file.close()

    assert file.version == remote.context.stat(remote.path("blob")).version


def test_lost_condition_closes_the_text_file(remote: Place) -> None:
    file = remote.context.BlobFile(remote.path("blob"), "x")
    file.write("mine")
    remote.put("blob", b"theirs")

    with pytest.raises(bf.AlreadyExists):
        file.close()

    assert file.closed
    del file
    assert remote.get("blob") == b"theirs"


def test_text_helpers_agree_with_files(place: Place) -> None:
    place.context.write_text(place.path("blob"), "a\r\nb\rcä\n", encoding="latin-1")

    assert place.get("blob") == b"a\r\nb\rc\xe4\n"
    assert place.context.read_text(place.path("blob"), encoding="latin-1") == "a\nb\ncä\n"
    with pytest.raises(UnicodeDecodeError):
        place.context.read_text(place.path("blob"))
