"""Binary writers against bytes in memory and against Python's own files."""

from __future__ import annotations

import array
import io
import itertools
from pathlib import Path
from typing import BinaryIO, Final, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio import AlreadyExists, Config, Context
from blobio.config import WriteConfig

# What to call, its number, and for `seek` the whence.
Call = tuple[str, int, int]

PART_BYTES: Final = 8
_TINY: Final = Config(write=WriteConfig(part_bytes=PART_BYTES, window=2))
_numbers: Final = itertools.count()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a failure is shrunk first

sizes = st.integers(0, 3 * PART_BYTES) | st.sampled_from(
    [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 4 * PART_BYTES, 11 * PART_BYTES + 1]
)
streamed = st.lists(
    st.tuples(st.sampled_from(["bytes", "array", "reused", "lines", "flush"]), sizes),
    min_size=2,
    max_size=12,
)


def filling(size: int, seed: int) -> bytes:
    """Return bytes that tell which write they came from, and from where in it."""
    return bytes((31 * seed + 7 * i + i // 256) % 256 for i in range(size))


# Streams


@settings(max_examples=150)
@given(streamed, st.sampled_from(["wb", "xb"]), st.integers(1, 3), st.sampled_from([8, 5, 64]))
def test_what_is_streamed_is_what_is_published(
    calls: list[tuple[str, int]], mode: Literal["wb", "xb"], window: int, part_bytes: int
) -> None:
    path = f"memory://property-writing/{next(_numbers)}"
    config = Config(write=WriteConfig(part_bytes=part_bytes, window=window))
    oracle = io.BytesIO()
    with Context(config) as context:
        with context.BlobFile(path, mode) as file:
            for seed, (way, size) in enumerate(calls):
                write(file, way, filling(size, seed))
                if way != "flush":
                    oracle.write(filling(size, seed))
                assert file.tell() == oracle.tell()
            assert not context.exists(path)

        assert context.read_bytes(path) == oracle.getvalue()
        assert context.last_version_seen(file) == context.stat(path).version


def write(file: BinaryIO, way: str, data: bytes) -> None:
    match way:
        case "flush":
            file.flush()
        case "lines":
            file.writelines([data[:3], b"", data[3:]])
        case "array":
            items = array.array("H", data[: len(data) // 2 * 2])
            assert file.write(items) == len(items) * 2
            assert file.write(data[len(items) * 2 :]) == len(data) % 2
        case "reused":
            buffer = bytearray(data)
            assert file.write(memoryview(buffer)) == len(data)
            buffer[:] = b"\xff" * len(data)
        case _:
            assert file.write(data) == len(data)


@settings(max_examples=60)
@given(streamed, st.integers(0, 12), st.booleans())
def test_a_write_given_up_at_any_point_publishes_nothing(
    calls: list[tuple[str, int]], given_up_after: int, raises: bool
) -> None:
    path = f"memory://property-writing/{next(_numbers)}"
    with Context(_TINY) as context:
        context.write_bytes(path, b"before")
        file = context.BlobFile(path, "wb")
        for seed, (way, size) in enumerate(calls[:given_up_after]):
            write(file, way, filling(size, seed))
        if raises:
            with pytest.raises(KeyError), file:
                raise KeyError
        else:
            file.abort()  # type: ignore[attr-defined]  # blobio's writers have it, BinaryIO has not
        assert file.closed
        assert context.read_bytes(path) == b"before"


@settings(max_examples=40)
@given(sizes, sizes)
def test_of_two_that_create_the_first_to_close_wins(first: int, second: int) -> None:
    path = f"memory://property-writing/{next(_numbers)}"
    with Context(_TINY) as context:
        loser, winner = (context.BlobFile(path, "xb") for _ in range(2))
        loser.write(filling(first, 1))
        winner.write(filling(second, 2))
        winner.close()
        with pytest.raises(AlreadyExists):
            loser.close()

        assert context.read_bytes(path) == filling(second, 2)


# Files on disk that are published when they are closed

staged: st.SearchStrategy[list[Call]] = st.lists(
    st.one_of(
        st.tuples(st.just("write"), sizes, st.just(0)),
        st.tuples(st.just("seek"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("seek"), st.integers(-20, 20), st.sampled_from([1, 2])),
        st.tuples(
            st.sampled_from(["truncate", "cut here", "flush"]), st.integers(0, 60), st.just(0)
        ),
    ),
    min_size=3,
    max_size=15,
)


@pytest.mark.parametrize("kind", ["memory", "local"])
@settings(max_examples=100)
@given(calls=staged, before=st.none() | sizes, buffer_size=st.integers(1, 40))
def test_a_staged_file_is_written_as_a_file_on_disk_is(
    *,
    kind: str,
    calls: list[Call],
    before: int | None,
    buffer_size: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With bytes to start from, the file is opened to append to them."""
    directory = tmp_path_factory.getbasetemp()
    name = f"staged-{next(_numbers)}"
    path = str(directory / name) if kind == "local" else f"memory://property-writing/{name}"
    oracle = directory / f"oracle-{name}"
    oracle.write_bytes(filling(before or 0, 99))
    mode: Literal["wb", "ab"] = "wb" if before is None else "ab"
    with Context(_TINY) as context:
        context.write_bytes(path, oracle.read_bytes())
        with (
            context.BlobFile(path, mode, streaming=False, buffer_size=buffer_size) as file,
            open_on_disk(oracle, kind, mode, buffer_size) as expected,
        ):
            for seed, call in enumerate(calls):
                assert answer(file, call, seed) == answer(expected, call, seed)
                assert file.tell() == expected.tell()

        assert context.read_bytes(path) == oracle.read_bytes()
        context.remove(path)
    oracle.unlink()


def open_on_disk(
    path: Path, kind: str, mode: Literal["wb", "ab"], buffer_size: int
) -> BinaryIO | io.BufferedWriter:
    """Open an oracle; `tell` behind a seek in append mode tells where the buffer ends."""
    if kind == "local" and mode == "ab":
        return io.BufferedWriter(io.FileIO(path, "a"), buffer_size)
    return path.open("w+b" if mode == "wb" else "a+b")


def answer(file: BinaryIO | io.BufferedWriter, call: Call, seed: int) -> int | str | None:
    name, number, whence = call
    try:
        match name:
            case "write":
                return file.write(filling(number, seed))
            case "seek":
                return file.seek(number, whence)
            case "truncate":
                return file.truncate(number)
            case "cut here":
                return file.truncate()
            case _:
                file.flush()
    except (ValueError, OSError) as error:
        return type(error).__name__
    return None
