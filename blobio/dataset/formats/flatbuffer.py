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


def message_of(metadata: bytes) -> Message:
    """Read the flatbuffer of a message, without the length that stands before it.

    Raises:
        ValueError: It is damaged.
    """
    try:
        table = _Table.root(metadata)
        kind = table.scalar(1, "<B")
        header = table.table(2)
        rows = header.scalar(0, "<q") if header is not None and kind == RECORD_BATCH else 0
        body_bytes = table.scalar(3, "<q")
    except struct.error as error:
        message = f"a message ends in the middle of a value ({error})"
        raise ValueError(message) from error
    if rows < 0 or body_bytes < 0:
        message = f"a message of {rows} rows in {body_bytes} bytes"
        raise ValueError(message)
    return Message(kind, body_bytes, rows)
