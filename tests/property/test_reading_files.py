"""Binary readers against Python's own file over the same bytes, in any order of calls."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobio import Config, Context
from blobio.config import ReadConfig
from blobio.core import prefetch

# What to call, its size (None stands for no size), and for `seek` the whence.
Call = tuple[str, int | None, int]

_numbers: Final = itertools.count()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # a failure is shrunk first


@pytest.fixture(scope="module", autouse=True)
def small_steps() -> Iterator[None]:
    """Let the first blocks, and those after a jump, be smaller than the buffers of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefetch, "_FIRST_BYTES", 3)
        patch.setattr(prefetch, "_JUMP_BYTES", 2)
        yield


def calls_of(
    *names: str, sizes: st.SearchStrategy[int | None], whence: tuple[int, ...] = (os.SEEK_SET,)
) -> st.SearchStrategy[Call]:
    return st.tuples(st.sampled_from(names), sizes, st.sampled_from(whence))


sizes: st.SearchStrategy[int | None] = st.integers(1, 15) | st.sampled_from([0, 30, 50, 130])
calls = st.one_of(
    calls_of("read", "readline", sizes=sizes),
    calls_of("readline", sizes=sizes),
    calls_of("read", "readline", "readlines", sizes=sizes | st.sampled_from([-1, None])),
    calls_of("read1", sizes=sizes | st.just(-1)),
    calls_of("readinto", "readinto1", "peek", sizes=sizes),
    calls_of("next", sizes=st.none()),
    calls_of("seek", sizes=st.integers(0, 70)),
    calls_of("seek", sizes=st.integers(-40, 20), whence=(os.SEEK_CUR, os.SEEK_END)),
)
# few lines or many, and some that are empty
contents = st.tuples(st.integers(0, 110) | st.integers(60, 110), st.integers(1, 40)).map(
    lambda pair: bytes(10 if i * 7 % pair[1] < 2 else 100 + i for i in range(pair[0]))
)
sequences = st.lists(calls, min_size=15, max_size=40)
buffer_sizes = st.integers(1, 20)
configs = st.builds(
    Config,
    read=st.builds(ReadConfig, part_bytes=st.integers(1, 20), window=st.integers(1, 4)),
    buffer_bytes=buffer_sizes,
)


@settings(max_examples=250)
@given(contents, configs, sequences, st.booleans())
def test_a_streamed_file_reads_as_bytes_in_memory_do(
    data: bytes, config: Config, sequence: list[Call], size_is_known: bool
) -> None:
    path = f"memory://property-reading/{next(_numbers)}"
    with Context(config) as context:
        context.write_bytes(path, data)
        size = len(data) if size_is_known else None
        with context.BlobFile(path, "rb", file_size=size) as file:
            compare(cast("io.BufferedIOBase", file), data, sequence)


@pytest.mark.parametrize("root", ["memory://property-reading", ""])
@settings(max_examples=40)
@given(data=contents, buffer_size=buffer_sizes, sequence=sequences)
def test_a_file_on_disk_reads_as_bytes_in_memory_do(
    root: str,
    data: bytes,
    buffer_size: int,
    sequence: list[Call],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = f"copied-{next(_numbers)}"
    path = f"{root}/{name}" if root else str(tmp_path_factory.getbasetemp() / name)
    with Context(Config()) as context:
        context.write_bytes(path, data)
        with context.BlobFile(path, "rb", streaming=False, buffer_size=buffer_size) as file:
            compare(cast("io.BufferedIOBase", file), data, sequence)
        context.remove(path)


def compare(file: io.BufferedIOBase, data: bytes, sequence: list[Call]) -> None:
    """Make all calls of the file and of Python's own over `data`; fail where they differ."""
    oracle = io.BufferedReader(io.BytesIO(data))
    for call in sequence:
        name, size, whence = call
        if name == "seek":
            assert size is not None
            seek(file, oracle, size, whence, len(data))
        elif name in ("read1", "readinto1", "peek"):
            assert size is not None
            check_short(file, oracle, name, size)
        elif name == "readinto":
            assert size is not None
            assert filled(file.readinto, size) == oracle.read(size)
        elif name == "readlines":
            assert file.readlines(size) == oracle.readlines(size)  # type: ignore[arg-type]  # None is allowed
        elif name == "next":
            assert next(file, b"") == next(oracle, b"")
        else:
            assert getattr(file, name)(size) == getattr(oracle, name)(size)
        assert file.tell() == oracle.tell()


def seek(
    file: io.BufferedIOBase,
    oracle: io.BufferedReader[io.BytesIO],
    offset: int,
    whence: int,
    size: int,
) -> None:
    position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: oracle.tell(), os.SEEK_END: size}[whence]
    if position < 0:  # where BytesIO would stop at 0
        with pytest.raises((ValueError, OSError)):
            file.seek(offset, whence)
    else:
        assert file.seek(offset, whence) == oracle.seek(position) == position


def check_short(
    file: io.BufferedIOBase, oracle: io.BufferedReader[io.BytesIO], name: str, size: int
) -> None:
    """Make a call that may return less than it could, but nothing only at the end."""
    start = oracle.tell()
    data = filled(file.readinto1, size) if name == "readinto1" else getattr(file, name)(size)
    assert data == oracle.read(len(data))
    if name == "peek":
        assert data or not oracle.read(1)
        oracle.seek(start)
    else:
        assert size < 0 or len(data) <= size
        assert data or size == 0 or not oracle.read(1)


def filled(readinto: Callable[[bytearray], int], size: int) -> bytes:
    """Return what was read into a buffer of `size`; check that the rest of it was left alone."""
    buffer = bytearray(b"\xaa" * size)
    count = readinto(buffer)
    assert buffer[count:] == b"\xaa" * (size - count)
    return bytes(buffer[:count])
