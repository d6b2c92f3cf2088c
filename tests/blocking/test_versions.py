"""`version=` pins a read and guards a write; `last_version_seen` tells which it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import blobio as bf
from blobio import Config, VersionMismatch
from tests.blocking.conftest import Configure, Place


def test_version_pins_a_read(place: Place) -> None:
    path = place.path("blob")
    version = place.context.write_bytes(path, b"one").version

    with place.context.BlobFile(path, "rb", version=version) as file:
        assert file.read() == b"one"
    place.put("blob", b"three")

    with pytest.raises(VersionMismatch):
        place.context.BlobFile(path, "rb", version=version)


@pytest.mark.parametrize("streaming", [None, False])
def test_version_guards_a_write(place: Place, streaming: bool | None) -> None:
    path = place.path("blob")
    version = place.context.write_bytes(path, b"one").version

    with place.context.BlobFile(path, "w", version=version, streaming=streaming) as file:
        file.write("second")
    stale = place.context.BlobFile(path, "w", version=version, streaming=streaming)
    stale.write("third")
    with pytest.raises(VersionMismatch):
        stale.close()

    assert place.get("blob") == b"second"


def test_version_of_a_blob_that_is_gone_is_not_written(place: Place) -> None:
    path = place.path("blob")
    version = place.context.write_bytes(path, b"one").version
    place.context.remove(path)

    file = place.context.BlobFile(path, "wb", version=version)
    with pytest.raises((VersionMismatch, FileNotFoundError)):
        file.close()

    assert not place.context.exists(path)


def test_last_version_seen_is_that_of_the_file(remote: Place) -> None:
    path = remote.path("blob")
    context = remote.context

    with context.BlobFile(path, "w") as writer:
        writer.write("x")
        with pytest.raises(ValueError, match="no version"):
            context.last_version_seen(writer)
    with context.BlobFile(path, "r") as text, context.BlobFile(path, "rb") as binary:
        seen = [context.last_version_seen(file) for file in (writer, text, binary)]

    assert seen == [context.stat(path).version] * 3


def test_last_version_seen_of_anything_else_is_a_value_error(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ValueError, match="no version"):
        bf.last_version_seen(file)
    with pytest.raises(ValueError, match="no version"):
        bf.last_version_seen(None)


def test_last_version_seen_of_a_local_writer(local: Place) -> None:
    with local.context.BlobFile(local.path("blob"), "wb") as file:
        file.write(b"x")

    assert local.context.last_version_seen(file) == local.context.stat(local.path("blob")).version


def test_blob_replaced_underneath_is_never_mixed_with_the_new_one(remote: Place) -> None:
    path = remote.put("blob", b"o" * 10_000)
    file = remote.context.BlobFile(path, "rb", buffer_size=100)
    assert file.read(50) == b"o" * 50
    remote.put("blob", b"n" * 10_000)

    with pytest.raises(VersionMismatch, match="blob"):
        file.read(5_000)

    assert file.tell() == 50  # a failed read has read nothing
    file.close()


def test_failed_readline_has_read_nothing(memory_with: Configure) -> None:
    place = memory_with(Config(buffer_bytes=4))
    path = place.put("blob", b"0123456789")
    file = place.context.BlobFile(path, "rb")
    assert file.read(1) == b"0"
    place.put("blob", b"xxxxxxxxxx")

    with pytest.raises(VersionMismatch):
        file.readline()

    assert file.tell() == 1
    file.close()


def test_blob_removed_underneath_is_not_found(remote: Place) -> None:
    path = remote.put("blob", bytes(10_000))
    file = remote.context.BlobFile(path, "rb", buffer_size=100)
    file.read(50)
    remote.context.remove(path)

    with pytest.raises((VersionMismatch, FileNotFoundError)):
        file.read(5_000)
    file.close()


def test_local_file_replaced_underneath_is_read_to_its_old_end(local: Place) -> None:
    path = local.put("blob", b"o" * 10_000)

    with local.context.BlobFile(path, "rb") as file:
        file.read(50)
        local.put("blob", b"new")

        assert file.read() == b"o" * 9_950


def test_text_reader_is_pinned_too(remote: Place) -> None:
    path = remote.put("blob", b"old\n" * 10_000)
    file = remote.context.BlobFile(path, "r", buffer_size=100)
    assert file.readline() == "old\n"
    remote.put("blob", b"new\n" * 10_000)

    with pytest.raises(VersionMismatch):
        file.read()
    file.close()
