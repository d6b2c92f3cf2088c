"""As much of flatbuffers as it takes to find the messages of Arrow's files and their rows.

pyarrow reads these tables and does not show them. Layouts are those of Arrow's `File.fbs` and
`Message.fbs`; a table begins with the distance back to its list of field offsets.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, final

__all__ = [
    "DICTIONARY",
    "RECORD_BATCH",
    "SCHEMA",
    "Message",
    "Piece",
    "footer_pieces",
    "message_of",
]

SCHEMA: Final = 1
DICTIONARY: Final = 2
RECORD_BATCH: Final = 3

_BLOCK: Final = struct.Struct("<qi4xq")  # offset, bytes of the message, bytes of its body
_FIRST_FIELD: Final = 4
_U16: Final = struct.Struct("<H").unpack_from
_U32: Final = struct.Struct("<I").unpack_from
_I32: Final = struct.Struct("<i").unpack_from
_I64: Final = struct.Struct("<q").unpack_from
_FIELDS: Final = [struct.Struct(f"<{count}H").unpack_from for count in range(5)]


class Piece(NamedTuple):
    """One message of a file: where it is, and how long it is without and with its body."""

    start: int
    header_stop: int
    stop: int


class Message(NamedTuple):
    """What a message is: one of the kinds above, the bytes behind it, the rows in these."""

    kind: int
    body_bytes: int
    rows: int
    is_compressed: bool = False


@final
class _Table:
    """A table at a position of some bytes."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - self._number("<i", position)
        self._size = self._number("<H", self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _number(self, form: str, position: int) -> int:
        if position < 0:
            message = "an offset that points before its beginning"
            raise ValueError(message)
        return int(struct.unpack_from(form, self._data, position)[0])

    def _field(self, number: int) -> int | None:
        at = _FIRST_FIELD + 2 * number
        offset = self._number("<H", self._fields + at) if at < self._size else 0
        return self._position + offset if offset else None

    def scalar(self, number: int, form: str) -> int:
        at = self._field(number)
        return 0 if at is None else self._number(form, at)

    def table(self, number: int) -> _Table | None:
        at = self._field(number)
        return None if at is None else _Table(self._data, at + self._number("<I", at))

    def blocks(self, number: int) -> list[Piece]:
        at = self._field(number)
        if at is None:
            return []
        at += self._number("<I", at)
        count = self._number("<I", at)
        if count * _BLOCK.size > len(self._data) - at:
            message = f"{count} blocks in {len(self._data)} bytes"
            raise ValueError(message)
        found = (_BLOCK.unpack_from(self._data, at + 4 + _BLOCK.size * i) for i in range(count))
        return [Piece(start, start + head, start + head + body) for start, head, body in found]


def footer_pieces(footer: bytes) -> tuple[list[Piece], list[Piece]]:
    """Return the dictionaries and the record batches that the footer of an Arrow file lists.

    Raises:
        ValueError: It is damaged.
    """
    try:
        table = _Table.root(footer)
        return table.blocks(2), table.blocks(3)
    except struct.error as error:
        message = f"the footer ends in the middle of a value ({error})"
        raise ValueError(message) from error


def message_of(metadata: bytes | memoryview) -> Message:
    """Read the flatbuffer of a message, without the length that stands before it.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return _message(metadata)
    except (struct.error, IndexError) as error:
        message = f"a message ends in the middle of a value ({error})"
        raise ValueError(message) from error


def _message(data: bytes | memoryview) -> Message:
    """As with `_Table`, but without one: files have tens of thousands of these, 3 us each."""
    (root,) = _U32(data, 0)
    _, kind_at, header_at, body_at = _field_offsets(data, root, 4)
    kind = data[root + kind_at] if kind_at else 0
    (body_bytes,) = _I64(data, root + body_at) if body_at else (0,)
    rows, is_compressed = 0, False
    if kind == RECORD_BATCH and header_at:
        (distance,) = _U32(data, root + header_at)
        header = root + header_at + distance
        rows_at, _, _, compression_at = _field_offsets(data, header, 4)
        is_compressed = compression_at != 0
        (rows,) = _I64(data, header + rows_at) if rows_at else (0,)
    if rows < 0 or body_bytes < 0:
        message = f"a message of {rows} rows in {body_bytes} bytes"
        raise ValueError(message)
    return Message(kind, body_bytes, rows, is_compressed)


def _field_offsets(data: bytes | memoryview, position: int, count: int) -> tuple[int, ...]:
    """Return the offsets of the first fields of a table, 0 for those it has not."""
    (back,) = _I32(data, position)
    fields = position - back
    if fields < 0:
        message = "an offset that points before its beginning"
        raise ValueError(message)
    (size,) = _U16(data, fields)
    known = min(count, (size - _FIRST_FIELD) // 2)
    found: tuple[int, ...] = _FIELDS[max(0, known)](data, fields + _FIRST_FIELD)
    return found + (0,) * (count - len(found))
