"""Columns as a dataset has them: which there are, and that tables have these and no others."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from blobio.errors import InvalidConfig

__all__ = ["conform", "project"]


def project(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """Return the schema of some columns.

    Raises:
        InvalidConfig: There is no such column, or one is named twice, or none.
    """
    unknown = [name for name in columns if schema.get_field_index(name) < 0]
    if unknown or not columns or len(set(columns)) < len(columns):
        message = f"columns {list(columns)}: name some of {schema.names}, each once"
        raise InvalidConfig(message, operation="open")
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table of this schema, if the columns are of its types.

    Raises:
        ValueError: They are of others.
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
