"""Compressed files: both ways, over every kind of store, whole or not at all."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from typing import Any, Final

import lz4.frame
import pytest

import blobio as bf
from blobio.core.formats import compression_of
from tests.blocking.conftest import Configure, Place

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIBRARIES: Final[dict[str, Any]] = {
    "gzip": gzip,
    "bz2": bz2,
    "xz": lzma,
    "zstd": zstd,
    "lz4": lz4.frame,
}
SUFFIXES: Final = {"gzip": "gz", "bz2": "bz2", "xz": "xz", "zstd": "zst", "lz4": "lz4"}
DATA: Final = b"".join(b"line %d of a text that repeats\n" % number for number in range(20_000))


@pytest.fixture(params=LIBRARIES)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


class Stopped(Exception):
    """The body of a `with` block gives up."""


@pytest.mark.parametrize("streaming", [None, False])
def test_what_goes_in_comes_out(place: Place, kind: str, streaming: bool | None) -> None:
    with place.open("blob", "wb", compression=kind, streaming=streaming) as file:
        assert file.write(DATA[:1000]) == 1000
        file.write(memoryview(DATA)[1000:])
        assert file.tell() == len(DATA)

    stored = place.get("blob")
    assert len(stored) < len(DATA) / 4
    assert LIBRARIES[kind].decompress(stored) == DATA
    with place.open("blob", "rb", compression=kind, streaming=streaming) as file:
        assert file.read() == DATA


def test_name_decides_if_asked_to(place: Place, kind: str) -> None:
    name = f"blob.{SUFFIXES[kind]}"
    with place.open(name, "wb", compression="infer") as file:
        file.write(DATA)

    assert LIBRARIES[kind].decompress(place.get(name)) == DATA
    assert compression_of(f"s3://b/A.{SUFFIXES[kind].upper()}", "infer") == kind


def test_nothing_is_compressed_unasked(place: Place) -> None:
    with place.open("blob.gz", "wb") as file:
        file.write(b"plain")
    with place.open("other", "wb", compression="infer") as file:
        file.write(b"plain")

    assert place.get("blob.gz") == place.get("other") == b"plain"


def test_text_goes_over_it(place: Place, kind: str) -> None:
    with place.open("blob", "w", compression=kind, encoding="utf-16", newline="\n") as file:
        file.write("käse\nbrot\n")

    assert LIBRARIES[kind].decompress(place.get("blob")) == "käse\nbrot\n".encode("utf-16")
    with place.open("blob", "r", compression=kind, encoding="utf-16") as file:
        assert list(file) == ["käse\n", "brot\n"]


def test_reader_has_the_words_of_a_file(place: Place, kind: str) -> None:
    place.put("blob", LIBRARIES[kind].compress(DATA))

    with place.open("blob", "rb", compression=kind) as file:
        assert file.readline() == DATA[: DATA.index(b"\n") + 1]
        assert file.seek(500_000) == 500_000
        buffer = bytearray(10)
        assert file.readinto(buffer) == 10
        assert bytes(buffer) == DATA[500_000:500_010]
        assert file.tell() == 500_010
        assert file.seek(-5, 2) == len(DATA) - 5
        assert file.read1(100) == DATA[-5:]
        assert file.read(1) == b""
        file.seek(3)
        assert file.read(4) == DATA[3:7]
        assert next(file) == DATA[7 : DATA.index(b"\n") + 1]
    assert file.closed


def test_versions_are_those_of_the_blob(memory: Place) -> None:
    with memory.open("blob", "wb", compression="gzip") as writer:
        writer.write(DATA)
    with memory.open("blob", "rb", compression="gzip") as reader:
        assert reader.version == writer.version == memory.context.stat(memory.path("blob")).version


def test_all_members_are_read(place: Place, kind: str) -> None:
    library = LIBRARIES[kind]
    place.put("blob", library.compress(b"one ") + library.compress(b"") + library.compress(b"two"))

    with place.open("blob", "rb", compression=kind) as file:
        assert file.read(6) + file.read() == b"one two"


def test_append_adds_a_member(place: Place, kind: str) -> None:
    for word in ("one ", "two"):
        with place.open("blob", "a", compression=kind, encoding="utf-8-sig") as file:
            file.write(word)

    with place.open("blob", "rb", compression=kind) as file:
        assert file.read() == b"\xef\xbb\xbfone two"


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_data_that_end_too_early_are_an_error(place: Place, kind: str, mode: str) -> None:
    whole = LIBRARIES[kind].compress(DATA)
    for size in (len(whole) // 2, len(whole) - 1):
        place.put("blob", whole[:size])
        with place.open("blob", mode, compression=kind) as file, pytest.raises(EOFError):
            file.read()


def test_data_of_another_kind_are_an_error(place: Place, kind: str) -> None:
    path = place.put("blob", b"this was never compressed by anything")

    with (
        place.open("blob", "rb", compression=kind) as file,
        pytest.raises(bf.BlobError, match=f"sound {kind} data") as caught,
    ):
        file.read()
    assert caught.value.url == path


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("streaming", [None, False])
def test_block_that_raises_publishes_nothing(
    place: Place, kind: str, mode: str, streaming: bool | None
) -> None:
    place.put("blob", b"old")

    with (
        pytest.raises(Stopped),
        place.open("blob", mode, compression=kind, streaming=streaming) as file,
    ):
        file.write(DATA if mode == "wb" else DATA.decode())
        raise Stopped

    assert file.closed
    assert place.get("blob") == b"old"


def test_abort_publishes_nothing_of_many_parts(memory_with: Configure, kind: str) -> None:
    place = memory_with(bf.Config(write=bf.WriteConfig(part_bytes=1000)))
    file = place.open("blob", "wb", compression=kind)
    for start in range(0, len(DATA), 100_000):
        file.write(DATA[start : start + 100_000])

    file.abort()
    file.abort()

    assert place.names() == []


def test_writer_that_is_dropped_publishes_nothing_and_warns(place: Place) -> None:
    file = place.open("blob", "wb", compression="gzip")
    file.write(DATA)

    with pytest.warns(ResourceWarning, match="never closed"):
        del file

    assert place.names() == []


def test_partial_writes_are_published_if_asked_for(place: Place) -> None:
    with (
        pytest.raises(Stopped),
        place.open("blob", "wb", compression="gzip", partial_writes_on_exc=True) as file,
    ):
        file.write(DATA)
        raise Stopped

    assert gzip.decompress(place.get("blob")) == DATA


def test_lost_condition_is_told(remote: Place) -> None:
    file = remote.open("blob", "xb", compression="gzip")
    file.write(DATA)
    remote.put("blob", b"theirs")

    with pytest.raises(bf.AlreadyExists):
        file.close()
    assert remote.get("blob") == b"theirs"


def test_equal_content_makes_equal_blobs(memory: Place) -> None:
    for name in ("one.gz", "two.gz"):
        with memory.open(name, "wb", compression="infer") as file:
            file.write(DATA)

    assert memory.get("one.gz") == memory.get("two.gz")


def test_memory_stays_small_while_reading(memory: Place) -> None:
    """A hundred megabytes of nothing come out of a hundred kilobytes, a piece at a time."""
    memory.put("blob", gzip.compress(bytes(100 << 20), 1))

    with memory.open("blob", "rb", compression="gzip") as file:
        pieces = [len(file.read(1 << 20)) for _ in range(101)]

    assert pieces == [1 << 20] * 100 + [0]


def test_unknown_format_is_refused_before_anything_is_opened(place: Place) -> None:
    with pytest.raises(ValueError, match="'brotli'"):
        place.open("blob", "wb", compression="brotli")

    assert place.names() == []


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(bf.Unsupported, match=r"blobio\[compression\]"):
        bf.BlobFile("memory://b/k", "wb", compression="lz4")


@pytest.mark.skipif(sys.platform != "linux", reason="the program is Linux's")
def test_gzip_of_the_system_reads_it(local: Place) -> None:
    with local.open("blob.gz", "wb", compression="infer") as file:
        file.write(DATA)

    done = subprocess.run(  # noqa: S603 - a fixed program on a file of ours
        ["/bin/gzip", "-dc", local.path("blob.gz")], capture_output=True, check=True
    )
    assert done.stdout == DATA
