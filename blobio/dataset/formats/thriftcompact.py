"""As much of Thrift's compact protocol as it takes to find fields in Parquet's footers and indexes.

pyarrow reads these structs and does not show all of them. The package `thrift` (0.25, read
2026-11-28) decodes them into classes that its compiler makes from `parquet.thrift`, which nobody
ships; and it does not tell where a value lies. That is what is needed here: a footer is skimmed for
one row group, and what is not changed goes, byte for byte and known to us or not, into a new one.

Every step consumes bytes and no list is longer than what is left of them, so that damaged input
ends in an error after one pass. The protocol: https://github.com/apache/thrift/blob/master/doc/
specs/thrift-compact-protocol.md, from the reference of that project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

__all__ = [
    "BINARY",
    "FALSE",
    "I32",
    "I64",
    "LIST",
    "STRUCT",
    "TRUE",
    "Data",
    "Field",
    "Fields",
    "binary",
    "boolean",
    "encode_binary",
    "encode_int",
    "encode_list",
    "encode_struct",
    "integer",
    "items",
    "struct_at",
]

TRUE: Final = 1
FALSE: Final = 2
BYTE: Final = 3
I16: Final = 4
I32: Final = 5
I64: Final = 6
DOUBLE: Final = 7
BINARY: Final = 8
LIST: Final = 9
SET: Final = 10
MAP: Final = 11
STRUCT: Final = 12

_DEEPEST: Final = 24
_LONG: Final = 15  # the size of a list that says that it follows
_VARINT_BYTES: Final = 10
_MORE: Final = 0x80
_WIDTHS: Final = {BYTE: 1, DOUBLE: 8}


class Field(NamedTuple):
    """A value, not yet looked at: its type, and which bytes it is."""

    kind: int
    start: int
    stop: int


Data: TypeAlias = bytes | memoryview
"""What structs are in; a view is of unsigned bytes."""

Fields: TypeAlias = dict[int, Field]
"""The fields of a struct by their numbers."""


def struct_at(data: Data, at: int = 0) -> tuple[Fields, int]:
    """Return the fields of the struct that begins at byte `at`, and where it ends.

    Raises:
        ValueError: There is no such struct, or it is cut short.
    """
    found: Fields = {}
    try:
        stop = _struct(data, at, 0, found)
    except IndexError:
        stop = len(data) + 1
    if stop > len(data):
        message = f"a struct at byte {at} that {len(data)} bytes have no end of"
        raise ValueError(message)
    return found, stop


def items(data: Data, field: Field | None, kind: int) -> Iterator[Field]:
    """Yield the values of a list; none if there is no such field.

    Raises:
        ValueError: It is no list, or one of other values.
    """
    if field is None:
        return
    found, count, at = _list_header(data, _of(field, LIST).start)
    if count and found != kind and not (found in (TRUE, FALSE) and kind in (TRUE, FALSE)):
        message = f"a list of type {found} instead of {kind}"
        raise ValueError(message)
    for _ in range(count):
        stop = _skip(data, at, found, 1, in_list=True)
        yield Field(found, at, stop)
        at = stop


def integer(data: Data, field: Field | None) -> int:
    """Return the value of a field that is an integer.

    Raises:
        ValueError: There is no such field, or it is something else.
    """
    value, _ = _varint(data, _of(field, I16, I32, I64).start)
    return (value >> 1) ^ -(value & 1)


def binary(data: Data, field: Field | None) -> bytes:
    """Return the value of a field that is text or bytes.

    Raises:
        ValueError: There is no such field, or it is something else.
    """
    field = _of(field, BINARY)
    _, start = _varint(data, field.start)
    return bytes(data[start : field.stop])


def boolean(data: Data, item: Field) -> bool:
    """Return a value of a list of booleans."""
    return data[item.start] == TRUE


def encode_int(value: int) -> bytes:
    """Return an integer as the value of a field."""
    return _encode_varint((value << 1) ^ (value >> 63))


def encode_binary(value: bytes) -> bytes:
    """Return bytes as the value of a field."""
    return _encode_varint(len(value)) + value


def encode_list(kind: int, values: Iterable[bytes]) -> bytes:
    """Return encoded values as a list."""
    values = list(values)
    if len(values) < _LONG:
        head = bytes([len(values) << 4 | kind])
    else:
        head = bytes([_LONG << 4 | kind]) + _encode_varint(len(values))
    return head + b"".join(values)


def encode_struct(fields: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Return a struct of fields: the number, the type, and the encoded value of each.

    Booleans are in their type, and their value is empty.
    """
    parts: list[bytes] = []
    before = 0
    for number, kind, value in sorted(fields):
        if 0 < number - before < _LONG + 1:
            parts.append(bytes([(number - before) << 4 | kind]))
        else:
            parts.append(bytes([kind]) + encode_int(number))
        parts.append(value)
        before = number
    return b"".join([*parts, b"\0"])


def _of(field: Field | None, *kinds: int) -> Field:
    if field is None or field.kind not in kinds:
        message = f"a field of type {kinds[0]} is missing, or of another type: {field}"
        raise ValueError(message)
    return field


def _struct(data: Data, at: int, depth: int, found: Fields | None) -> int:
    number = 0
    while head := data[at]:
        at += 1
        kind, delta = head & 0x0F, head >> 4
        if delta:
            number += delta
        else:
            value, at = _varint(data, at)
            number = (value >> 1) ^ -(value & 1)
        stop = _skip(data, at, kind, depth + 1)
        if found is not None:
            found[number] = Field(kind, at, stop)
        at = stop
    return at + 1


def _skip(data: Data, at: int, kind: int, depth: int, *, in_list: bool = False) -> int:
    if I16 <= kind <= I64:
        while data[at] & _MORE:
            at += 1
        return at + 1
    if kind == BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind in (TRUE, FALSE):
        return at + in_list
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    if depth > _DEEPEST:
        message = f"structs in one another more than {_DEEPEST} deep, at byte {at}"
        raise ValueError(message)
    if kind == STRUCT:
        return _struct(data, at, depth, None)
    if kind in (LIST, SET):
        found, count, at = _list_header(data, at)
        for _ in range(count):
            at = _skip(data, at, found, depth + 1, in_list=True)
        return at
    message = f"a value of type {kind} at byte {at}"  # Parquet has no maps
    raise ValueError(message)


def _list_header(data: Data, at: int) -> tuple[int, int, int]:
    """Return type and number of the values of a list, and where they begin."""
    head = data[at]
    at += 1
    count = head >> 4
    if count == _LONG:
        count, at = _varint(data, at)
    if count > len(data) - at:  # each takes a byte
        message = f"a list of {count} values in {len(data) - at} bytes"
        raise ValueError(message)
    return head & 0x0F, count, at


def _varint(data: Data, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_VARINT_BYTES):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < _MORE:
            return value, at
    message = f"a number of more than {_VARINT_BYTES} bytes at byte {at}"
    raise ValueError(message)


def _encode_varint(value: int) -> bytes:
    found = bytearray()
    while value >= _MORE:
        found.append(value & 0x7F | _MORE)
        value >>= 7
    found.append(value)
    return bytes(found)
