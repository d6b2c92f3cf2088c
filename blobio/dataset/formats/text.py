"""CSV and NDJSON: windows of whole lines are the blocks, each of them read as a file of its own.

What the columns are is inferred from the first window of the first shard and fixed from then on: a
later line that does not fit is an error that names its rows. A compressed file is one block, since
nothing in its middle can be read alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final, final

import pyarrow as pa

from blobio.blocking.compression import compress
from blobio.dataset.formats.base import Memory, Plan
from blobio.dataset.manifest import Format, Shard

__all__ = ["TextDecoder", "count_rows", "cut", "header_of", "infer"]

_EXPANSION: Final = 4  # of a compressed text, until it is known


def cut(data: bytes, kind: Format) -> int:
    """Return how many bytes of `data` are whole lines, 0 if there is no end of one.

    In CSV a line ends where an even number of quotes stands before: within quotes it goes on.
    """
    end = data.rfind(b"\n") + 1
    if kind == "csv" and end:
        quotes = data.count(b'"', 0, end)
        while quotes % 2 and end:
            before = data.rfind(b"\n", 0, end - 1) + 1
            quotes -= data.count(b'"', before, end)
            end = before
    return end


def header_of(data: bytes) -> bytes:
    """Return the first line of a CSV file, which names its columns."""
    end = 0
    while (end := data.find(b"\n", end) + 1) and data.count(b'"', 0, end) % 2:
        pass
    return data[:end] if end else data


def count_rows(data: bytes, kind: Format, url: str, header: bytes) -> int:
    """Count the rows of whole lines.

    Raises:
        pyarrow.ArrowInvalid: CSV with lines of another number of columns than its header.
    """
    if kind == "ndjson":
        return sum(1 for line in data.split(b"\n") if line.strip())
    if not data.strip():
        return 0
    names = _names(header, url)
    text = dict.fromkeys(names, pa.string())
    return int(_read_csv(pa.py_buffer(data), url, names, text, names[:1]).num_rows)


def infer(data: bytes, kind: Format, url: str, header: bytes) -> pa.Schema:
    """Return the columns of whole lines; those of CSV that have no values are of text."""
    if kind == "ndjson":
        from pyarrow import json

        if not data.strip():
            return pa.schema([])
        return json.read_json(pa.BufferReader(data), read_options=_json_options(len(data))).schema
    names = _names(header, url)
    if not data.strip():
        return pa.schema([(name, pa.string()) for name in names])
    schema = _read_csv(pa.py_buffer(data), url, names, {}, names).schema
    fields = [one.with_type(pa.string()) if pa.types.is_null(one.type) else one for one in schema]
    return pa.schema(fields)


def _names(header: bytes, url: str) -> list[str]:
    if not header.strip():
        return []
    names: list[str] = _read_csv(pa.py_buffer(header), url, None, {}, None).column_names
    return names


def _read_csv(
    data: pa.Buffer,
    url: str,
    names: Sequence[str] | None,
    types: dict[str, pa.DataType],
    wanted: Sequence[str] | None,
) -> pa.Table:
    """Parse CSV; without names, the first line has them."""
    from pyarrow import csv

    block_bytes = max(1 << 10, data.size + 1)
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=block_bytes, column_names=names),
        parse_options=csv.ParseOptions(delimiter=_delimiter(url), newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, include_columns=wanted),
    )


def _delimiter(url: str) -> str:
    return "\t" if ".tsv" in url.rsplit("/", 1)[-1].lower() else ","


def _json_options(size: int) -> object:
    from pyarrow import json

    return json.ReadOptions(use_threads=False, block_size=max(1 << 10, size + 1))


@final
class TextDecoder:
    """A CSV or NDJSON file; see `Decoder`.

    Args:
        shard: The shard, whose footer is the header of CSV.
        schema: Of the dataset: what the text is taken for.
    """

    def __init__(self, shard: Shard, schema: pa.Schema) -> None:
        self._shard = shard
        self._schema = schema
        self._names = _names(shard.footer, shard.url) if shard.format == "csv" else []

    def plan(self, block: int, columns: Sequence[str]) -> Plan:
        """Plan a window of lines."""
        del columns
        place = self._shard.blocks[block]
        expansion = 1 if self._shard.compression is None else _EXPANSION
        size = place.stop - place.start
        return Plan(spans=((place.start, place.stop),), decoded=size * expansion)

    def decode(self, block: int, columns: Sequence[str], memory: Memory) -> pa.Table:
        """Parse a window of lines on this thread."""
        place = self._shard.blocks[block]
        data = memory.slice(place.start, place.stop)
        if self._shard.compression is not None:
            data = pa.py_buffer(self._decompressed(data))
        types = {name: self._schema.field(name).type for name in self._schema.names}
        if self._shard.format == "csv":
            return _read_csv(data, self._shard.url, self._names, types, columns)
        return self._json(data, columns)

    def _decompressed(self, data: pa.Buffer) -> bytes:
        assert self._shard.compression is not None
        file = _Named(memoryview(data).cast("B"))
        file.name = self._shard.url
        whole = compress(file, self._shard.compression, "rb").read()
        return whole[len(self._shard.footer) :]

    def _json(self, data: pa.Buffer, columns: Sequence[str]) -> pa.Table:
        from pyarrow import json

        everything = set(columns) == set(self._schema.names)
        wanted = [self._schema.field(name) for name in columns]
        options = json.ParseOptions(
            explicit_schema=pa.schema(wanted),
            unexpected_field_behavior="error" if everything else "ignore",
        )
        table = json.read_json(
            pa.BufferReader(data), read_options=_json_options(data.size), parse_options=options
        )
        return table.select(list(columns))


@final
class _Named(io.BytesIO):
    """Bytes with the name that errors tell."""

    name = ""
