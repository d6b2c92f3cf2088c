"""Where the batches of an Arrow file are and how many rows each has, without pyarrow's reader."""

from __future__ import annotations

import pickle
import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from blobio.dataset.formats.arrow import batch_pieces, message_span
from blobio.dataset.formats.flatbuffer import Pieces, message_of, read_message
from blobio.dataset.formats.rowcounts import count_rows
from blobio.dataset.manifest import Block, BlockTable
from tests.dataset.conftest import table
from tests.dataset.test_arrow import dictionaries, stored


def footer_of(data: bytes) -> bytes:
    """Return the footer of an Arrow file."""
    size = int.from_bytes(data[-10:-6], "little")
    return data[-10 - size : -10]


def counted(data: bytes, pieces: Pieces) -> list[int]:
    whole = [(data, *span) for span in zip(pieces.starts, pieces.header_stops, strict=True)]
    return list(count_rows(whole))


def one_by_one(header: bytes) -> int | None:
    """Return the rows of a header that is parsed by itself, None if it is damaged."""
    try:
        return message_of(message_span(header)).rows
    except ValueError:
        return None


@given(st.lists(st.integers(0, 40), max_size=12), st.sampled_from([None, "zstd"]))
def test_rows_are_those_that_pyarrow_counts(sizes: list[int], compression: str | None) -> None:
    for content in (table().to_batches()[0], dictionaries().to_batches()[0]):
        sink = pa.BufferOutputStream()
        options = ipc.IpcWriteOptions(compression=compression, emit_dictionary_deltas=True)
        with ipc.new_file(sink, content.schema, options=options) as writer:
            for size in sizes:
                writer.write_batch(content.slice(0, size))
        data = sink.getvalue().to_pybytes()

        pieces = batch_pieces(footer_of(data), len(data))

        assert counted(data, pieces) == sizes


@pytest.mark.parametrize("bits", [0xFF, 0x01, 0x80])
def test_damage_anywhere_in_a_header_is_what_it_is_alone(bits: int) -> None:
    """What looks like the header before it is not parsed, and must not hide damage."""
    data = stored(table(20))
    pieces = batch_pieces(footer_of(data), len(data))
    good, other = (
        data[start:stop] for start, stop in zip(pieces.starts, pieces.header_stops, strict=True)
    )

    for at in range(len(good)):
        bad = bytearray(other)
        bad[at] ^= bits
        expected = one_by_one(bytes(bad))
        headers = [(good, 0, len(good)), (bytes(bad), 0, len(bad)), (good, 0, len(good))]
        if expected is None:
            with pytest.raises(ValueError, match=r"message|offset"):
                count_rows(headers)
        else:
            assert list(count_rows(headers)) == [10, expected, 10]


def test_headers_of_one_form_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored(table(1000), batch=7)
    pieces = batch_pieces(footer_of(data), len(data))
    parsed = []

    def read(metadata: bytes) -> object:
        parsed.append(metadata)
        return read_message(metadata)

    monkeypatch.setattr("blobio.dataset.formats.rowcounts.read_message", read)

    assert counted(data, pieces) == [7] * 142 + [6]
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "block", [(0, 8, 8), (8, 0, 8), (8, -8, 8), (8, 8, -1), (8, 8, 1 << 62), (1 << 62, 8, 8)]
)
def test_batch_beyond_its_file_is_refused(block: tuple[int, int, int]) -> None:
    data = stored(table(20))
    footer, size = footer_of(data), len(data)
    pieces = batch_pieces(footer, size)
    head, body = pieces.header_stops[1] - pieces.starts[1], pieces.stops[1] - pieces.header_stops[1]
    listed = struct.pack("<qi4xq", pieces.starts[1], head, body)
    assert listed in footer

    with pytest.raises(ValueError, match="beyond its end"):
        batch_pieces(footer.replace(listed, struct.pack("<qi4xq", *block)), size)


def test_table_of_blocks_is_like_a_tuple_of_them() -> None:
    blocks = (Block(3, 0, 10), Block(0, 10, 10), Block(5, 16, 40))

    made = BlockTable([3, 0, 5], [0, 10, 16], [10, 10, 40])

    assert tuple(made) == blocks
    assert made == blocks
    assert blocks == made
    assert hash(made) == hash(blocks)
    assert made[-1] == blocks[-1]
    assert made[1:] == blocks[1:]
    assert made != blocks[1:]
    assert made != BlockTable([3, 0, 6], [0, 10, 16], [10, 10, 40])
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own
    assert repr(made) == "BlockTable(3 blocks, 8 rows)"
    with pytest.raises(IndexError):
        made[3]
    with pytest.raises(ValueError, match="2 rows"):
        BlockTable([3, 0], [0], [10])
