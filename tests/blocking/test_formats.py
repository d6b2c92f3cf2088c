"""What Python's own libraries write and read through `BlobFile`."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from typing import Any, Final, cast

import pytest

from tests.blocking.conftest import Place

ROWS: Final = [["a", "b"], ["1", "zwei\nzeilen"], ["ß", ""]]
MEMBERS: Final = {"one.txt": b"1" * 10_000, "dir/two.bin": bytes(range(256)) * 50}


def test_csv(place: Place) -> None:
    with place.context.BlobFile(place.path("t.csv"), "w", newline="") as out:
        csv.writer(out).writerows(ROWS)

    with place.context.BlobFile(place.path("t.csv"), newline="") as file:
        assert list(csv.reader(file)) == ROWS


def test_json(place: Place) -> None:
    value = {"text": "ß", "list": [1, 2.5, None]}
    with place.context.BlobFile(place.path("t.json"), "w") as out:
        json.dump(value, out)

    with place.context.BlobFile(place.path("t.json")) as file:
        assert json.load(file) == value


@pytest.mark.parametrize("protocol", [2, 5])
def test_pickle(place: Place, protocol: int) -> None:
    value = [{"n": n, "data": bytes([n % 256]) * n} for n in range(300)]
    with place.context.BlobFile(place.path("t.pickle"), "wb") as out:
        pickle.dump(value, out, protocol)
        pickle.dump("second", out, protocol)

    with place.context.BlobFile(place.path("t.pickle"), "rb") as file:
        assert pickle.load(file) == value  # noqa: S301 - our own
        assert pickle.load(file) == "second"  # noqa: S301


def test_pickle_reads_large_buffers_into_place(place: Place) -> None:
    """Protocol 5 reads through `readinto`."""
    value = [bytearray(b"x" * 300_000), bytearray(b"y" * 300_000)]
    with place.context.BlobFile(place.path("t.pickle"), "wb") as out:
        pickle.dump(value, out, 5)

    with place.context.BlobFile(place.path("t.pickle"), "rb") as file:
        assert pickle.load(file) == value  # noqa: S301


@pytest.mark.parametrize("streaming", [None, False])
def test_zip(place: Place, streaming: bool | None) -> None:
    with (
        place.open("t.zip", "wb", streaming=streaming) as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in MEMBERS.items():
            archive.writestr(name, data)

    with (
        place.context.BlobFile(place.path("t.zip"), "rb") as file,
        zipfile.ZipFile(file) as archive,
    ):
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS
        assert archive.testzip() is None


@pytest.mark.parametrize("mode", ["", ":gz", ":xz"])
def test_tar(place: Place, mode: str) -> None:
    way = cast("Any", f"w|{mode[1:]}" if mode else "w")
    with (
        place.context.BlobFile(place.path("t.tar"), "wb") as out,
        tarfile.open(fileobj=out, mode=way) as archive,
    ):
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

    with (
        place.context.BlobFile(place.path("t.tar"), "rb") as file,
        tarfile.open(fileobj=file, mode=cast("Any", f"r{mode}")) as archive,
    ):
        found = {}
        for member in archive:
            extracted = archive.extractfile(member)
            assert extracted is not None
            found[member.name] = extracted.read()
    assert found == MEMBERS


@pytest.mark.parametrize("library", [gzip, bz2, lzma])
def test_compressed(place: Place, library: Any) -> None:
    data = b"line of text\n" * 5_000
    with (
        place.context.BlobFile(place.path("t.z"), "wb") as out,
        library.open(out, "wb") as packed,
    ):
        packed.write(data)

    with (
        place.context.BlobFile(place.path("t.z"), "rb") as file,
        library.open(file, "rt") as unpacked,
    ):
        assert unpacked.read().encode() == data


def test_text_wrapper_and_buffered_reader_go_on_top(place: Place) -> None:
    place.put("blob", "äb\ncd\n".encode() * 1000)

    with io.TextIOWrapper(
        place.context.BlobFile(place.path("blob"), "rb"), encoding="utf-8"
    ) as text:
        assert sum(len(line) for line in text) == 6_000
    with place.context.BlobFile(place.path("blob"), "rb") as file:
        buffered = io.BufferedReader(cast("Any", file), 64)
        assert buffered.read(3) == "äb".encode()
        assert buffered.peek(1)[:1] == b"\n"
        buffered.detach()


def test_shutil_copies_between_stores(place: Place, memory: Place) -> None:
    import shutil

    data = bytes(range(256)) * 2_000
    place.put("blob", data)

    with (
        place.context.BlobFile(place.path("blob"), "rb") as file,
        memory.context.BlobFile(memory.path("blob"), "wb") as out,
    ):
        shutil.copyfileobj(file, out)

    assert memory.get("blob") == data
