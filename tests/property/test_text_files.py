"""Text files against `io.TextIOWrapper` over bytes in memory."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Final, Literal, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio import Config, Context
from blobio.config import ReadConfig, WriteConfig

Call = tuple[str, int]

_numbers: Final = itertools.count()
_TINY: Final = Config(read=ReadConfig(part_bytes=5, window=2), write=WriteConfig(part_bytes=7))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a failure is shrunk first

texts = st.text(alphabet="ab \té\u2028\U0001f600\n\r", max_size=40) | st.lists(
    st.sampled_from(["line\n", "\r\n", "\r", "ö", "long, long line"]), max_size=8
).map("".join)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
newlines = st.sampled_from([None, "", "\n", "\r", "\r\n"])
handlers = st.sampled_from(["replace", "ignore", "backslashreplace"])
reads = st.tuples(
    st.sampled_from(["read", "readline", "again"]), st.integers(0, 9) | st.just(-1)
) | st.tuples(st.sampled_from(["next", "start"]), st.just(0))


@settings(max_examples=150)
@given(
    text=texts,
    garbage=st.binary(max_size=3),
    encoding=encodings,
    errors=handlers,
    newline=newlines,
    buffer_size=st.integers(1, 12),
    calls=st.lists(reads, min_size=4, max_size=15),
)
def test_text_reads_as_python_reads_it(
    *,
    text: str,
    garbage: bytes,
    encoding: str,
    errors: str,
    newline: str | None,
    buffer_size: int,
    calls: list[Call],
) -> None:
    data = text.encode(encoding, "replace") + garbage
    path = f"memory://property-text/{next(_numbers)}"
    oracle = io.TextIOWrapper(io.BytesIO(data), encoding, errors, newline)
    with Context(_TINY) as context:
        context.write_bytes(path, data)
        with context.BlobFile(
            path, "r", encoding=encoding, errors=errors, newline=newline, buffer_size=buffer_size
        ) as file:
            for call in calls:
                assert answer(file, call) == answer(oracle, call)
            assert file.read() == oracle.read()


def answer(file: TextIO, call: Call) -> str:
    name, size = call
    match name:
        case "next":
            return next(file, "")
        case "start":
            return str(file.seek(0))
        case "again":
            try:
                position = file.tell()
            except OSError:
                return "no position after next()"
            found = file.read(size)
            file.seek(position)
            assert file.read(size) == found
            return found
        case "read":
            return file.read(size)
        case _:
            return file.readline(size)


@pytest.mark.parametrize("kind", ["streamed", "staged", "local"])
@settings(max_examples=60)
@given(
    pieces=st.lists(texts, min_size=2, max_size=6),
    encoding=encodings,
    newline=newlines,
    start=st.none() | texts,
)
def test_text_is_written_as_python_writes_it(
    *,
    kind: str,
    pieces: list[str],
    encoding: str,
    newline: str | None,
    start: str | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With a text to start from the rest is appended to it."""
    directory = tmp_path_factory.getbasetemp()
    name = f"text-{next(_numbers)}"
    path = str(directory / name) if kind == "local" else f"memory://property-text/{name}"
    mode: Literal["a", "w"] = "w" if start is None else "a"
    oracle = directory / f"oracle-{name}"
    before = (start or "").encode(encoding, "replace")
    oracle.write_bytes(before)
    with Context(_TINY) as context:
        context.write_bytes(path, before)
        with (
            context.BlobFile(
                path,
                mode,
                streaming=kind == "streamed" and start is None,
                encoding=encoding,
                errors="replace",
                newline=newline,
            ) as file,
            open_as_python_does(oracle, mode, encoding, newline) as expected,
        ):
            for piece in pieces:
                assert file.write(piece) == expected.write(piece)

        assert context.read_bytes(path) == oracle.read_bytes()
        context.remove(path)
    oracle.unlink()


def open_as_python_does(
    path: Path, mode: Literal["a", "w"], encoding: str, newline: str | None
) -> TextIO:
    return path.open(mode, encoding=encoding, errors="replace", newline=newline)
