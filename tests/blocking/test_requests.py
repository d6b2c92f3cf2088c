"""What the files and verbs cost: the requests that reach an S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import blobio as bf
from blobio.testing.strict_s3 import StrictS3
from blobio.transport.observe import Event
from tests.blocking.conftest import Place

MIB = 1 << 20


@pytest.fixture
def small(strict: StrictS3, s3: Place) -> Iterator[Place]:
    """The same place with parts as small as S3 takes, and small blocks."""
    requests: list[Event] = []
    config = replace(
        strict.config(),
        on_event=requests.append,
        buffer_bytes=1000,
        read=bf.ReadConfig(part_bytes=MIB),
        write=bf.WriteConfig(part_bytes=5 * MIB),
    )
    with bf.Context(config) as context:
        yield Place(context, s3.root, requests)


def test_reading_is_one_head_and_one_get_a_block(s3: Place) -> None:
    path = s3.put("blob", b"data")
    s3.methods()

    with s3.context.BlobFile(path, "rb") as file:
        assert s3.methods() == ["HEAD"]
        assert file.read(2) + file.read() == b"data"

    assert s3.methods() == ["GET"]


def test_file_size_saves_the_head(s3: Place) -> None:
    path = s3.put("blob", b"data")
    s3.methods()

    with s3.context.BlobFile(path, "rb", file_size=4) as file:
        assert s3.methods() == []
        assert file.read() == b"data"

    assert s3.methods() == ["GET"]


@pytest.mark.parametrize("size", [3, 5])
def test_wrong_file_size_is_noticed(s3: Place, size: int) -> None:
    path = s3.put("blob", b"data")

    with s3.context.BlobFile(path, "rb", file_size=size) as file, pytest.raises(bf.VersionMismatch):
        file.read()


def test_file_size_of_a_missing_blob_is_noticed_by_the_first_read(s3: Place) -> None:
    file = s3.context.BlobFile(s3.path("missing"), "rb", file_size=4)

    with file, pytest.raises(FileNotFoundError):
        file.read()


def test_small_reads_share_a_block(s3: Place) -> None:
    path = s3.put("blob", b"line\n" * 10_000)
    s3.methods()

    with s3.context.BlobFile(path) as file:
        assert sum(1 for _ in file) == 10_000

    assert s3.methods() == ["HEAD", "GET"]


def test_read_ahead_fetches_each_byte_once(small: Place) -> None:
    path = small.put("blob", bytes(20_000))
    small.methods()

    with small.context.BlobFile(path, "rb") as file:
        while file.read(700):
            pass

    assert small.methods() == ["HEAD", *["GET"] * 20]


def test_large_readinto_is_one_get_a_part(small: Place) -> None:
    path = small.put("blob", bytes(3 * MIB))
    buffer = bytearray(3 * MIB)
    small.methods()

    with small.context.BlobFile(path, "rb") as file:
        assert file.readinto(buffer) == 3 * MIB  # type: ignore[attr-defined]

    assert small.methods() == ["HEAD", *["GET"] * 3]


def test_opening_for_write_sends_nothing(s3: Place) -> None:
    with s3.context.BlobFile(s3.path("blob"), "wb") as file:
        file.write(b"x")
        assert s3.methods() == []

    assert s3.methods() == ["PUT"]


def test_write_of_one_part_is_one_put(small: Place) -> None:
    with small.context.BlobFile(small.path("blob"), "wb") as file:
        file.write(bytes(5 * MIB))

    assert small.methods() == ["PUT"]


def test_write_of_three_parts_is_a_start_three_puts_and_a_commit(small: Place) -> None:
    with small.context.BlobFile(small.path("blob"), "wb") as file:
        file.write(bytes(11 * MIB))

    assert sorted(small.methods()) == ["POST", "POST", "PUT", "PUT", "PUT"]


def test_x_is_one_conditional_put(s3: Place) -> None:
    with s3.context.BlobFile(s3.path("blob"), "x") as file:
        file.write("x")

    assert s3.methods() == ["PUT"]


def test_abort_before_the_first_part_sends_nothing(s3: Place) -> None:
    file = s3.open("blob", "wb")
    file.write(b"x")

    file.abort()

    assert s3.methods() == []


def test_copy_without_overwrite_is_one_commit_and_no_look_at_the_destination(
    s3: Place, memory: Place
) -> None:
    """The HEAD and GET are of the source."""
    source = s3.put("source", b"data")
    s3.methods()

    s3.context.copy(source, s3.path("server"))
    by_store = s3.methods()
    s3.context.copy(memory.put("source", b"data"), s3.path("up"))
    upload = s3.methods()
    s3.context.copy(source, memory.path("down"))
    download = s3.methods()

    assert by_store.count("PUT") == 1
    assert [event.subject for event in s3.requests if "server" in event.subject] == []
    assert upload == ["PUT"]
    assert download == ["HEAD", "GET"]


def test_copy_asks_only_about_its_source(s3: Place) -> None:
    source = s3.put("source", b"data")
    s3.methods()

    s3.context.copy(source, s3.path("target"))

    looks = [event for event in s3.requests if event.method in ("HEAD", "GET")]
    assert all(event.subject == source for event in looks)
    assert [event.method for event in s3.requests if event.subject != source] == ["PUT"]


def test_questions_cost_what_they_say(s3: Place) -> None:
    path = s3.put("dir/blob", b"data")
    context = s3.context
    s3.methods()

    assert context.exists(path)
    assert s3.methods() == ["HEAD"]
    assert context.exists(s3.path("dir"))
    assert s3.methods() == ["HEAD", "GET"]
    assert context.isdir(s3.path("dir"))
    assert s3.methods() == ["GET"]
    assert context.isfile(path)
    assert s3.methods() == ["HEAD"]
    assert context.stat(path).size == 4
    assert s3.methods() == ["HEAD"]
    assert list(context.listdir(s3.path("dir"))) == ["blob"]
    assert s3.methods() == ["GET"]
    assert context.read_bytes(path) == b"data"
    assert s3.methods() == ["GET"]


def test_rmtree_deletes_in_one_batch(s3: Place) -> None:
    for number in range(5):
        s3.put(f"dir/{number}")
    s3.methods()

    s3.context.rmtree(s3.path("dir"))

    assert s3.methods().count("POST") == 1
    assert s3.names() == []
