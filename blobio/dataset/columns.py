"""The columns of what is read: some of a schema, and tables that are held against it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from blobio.errors import InvalidConfig

__all__ = ["check_list", "conform", "project", "width"]


def width(kind: pa.DataType) -> float:
    """Return how many bytes a value takes, 0 where that is not the same for all."""
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return 0.0


def check_list(names: Sequence[str], verb: str) -> None:
    """Refuse a text where names are wanted: its letters may be columns, too."""
    if isinstance(names, str):
        message = f"{verb}: give the names of columns in a list, as in [{names!r}]"
        raise InvalidConfig(message)


def project(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """Return a schema of some of its columns, in this order.

    Raises:
        InvalidConfig: One is unknown or named twice, or none is named.
    """
    check_list(columns, "columns")
    unknown = [name for name in columns if schema.get_field_index(name) < 0]
    if unknown or not columns or len(set(columns)) < len(columns):
        message = f"columns {list(columns)}: name some of {schema.names}, each once"
        raise InvalidConfig(message, operation="open")
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table of this schema, if the columns are of its types.

    Raises:
        ValueError: They are not.
    """
    if table.schema.equals(schema, check_metadata=True):
        return table
    columns = []
    for field, column in zip(schema, table.columns, strict=True):
        if pa.types.is_null(column.type):
            column = column.cast(field.type)  # noqa: PLW2901 - all of it is null
        elif field.type != column.type:
            message = f"column {field.name!r} is of type {column.type} instead of {field.type}"
            raise ValueError(message)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)
