"""A filter: which columns it looks at, which row groups can hold what it wants, which rows pass.

Expressions are pyarrow's. They are evaluated on the thread that asks, with none of pyarrow's
threads, and on tables in memory only.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from blobio.errors import InvalidConfig

if TYPE_CHECKING:
    import pyarrow.compute as pc

__all__ = ["Filter"]

_NAN_MAY_PASS: Final = re.compile(r"\w\(|!=|\b(true|false)\b")
"""In the text of an expression: a call such as `invert(`, or a truth compared with another."""


@final
class Filter:
    """A condition on rows.

    Attributes:
        columns: The top-level columns that it looks at, in the order of the schema.

    Args:
        expression: The condition; a row passes where it is true, and not where it is null.
        schema: Of all columns.

    Raises:
        InvalidConfig: The expression does not fit the schema, or names columns by their position.
    """

    def __init__(self, expression: pc.Expression, schema: pa.Schema) -> None:
        self.expression = expression
        empty = schema.empty_table()
        try:
            self.mask(empty)
        except (pa.ArrowException, NotImplementedError) as error:
            message = f"the filter {expression} does not fit the columns {schema.names}: {error}"
            raise InvalidConfig(message, operation="open") from error
        self.columns: tuple[str, ...] = self._referenced(empty)
        self._has_floats = any(_holds_floats(schema.field(name).type) for name in self.columns)

    def _referenced(self, empty: pa.Table) -> tuple[str, ...]:
        """Find the columns without which the expression means nothing: pyarrow does not tell."""
        text = str(self.expression)
        columns = tuple(
            name
            for name in empty.column_names
            if name in text and not self._fits(empty.drop_columns([name]))
        )
        if not self._fits(empty.select(list(columns))):
            message = f"the filter {text} names columns by their position: use their names"
            raise InvalidConfig(message, operation="open")
        return columns

    def _fits(self, empty: pa.Table) -> bool:
        try:
            self.mask(empty)
        except (pa.ArrowException, NotImplementedError):
            return False
        return True

    def mask(self, table: pa.Table) -> pa.ChunkedArray:
        """Tell of each row whether it passes; booleans without nulls."""
        from pyarrow import acero

        source = acero.Declaration("table_source", acero.TableSourceNodeOptions(table))
        project = acero.Declaration(
            "project", acero.ProjectNodeOptions([self.expression], ["pass"])
        )
        found = acero.Declaration.from_sequence([source, project]).to_table(use_threads=False)
        mask = found["pass"]
        if not pa.types.is_boolean(mask.type):
            message = f"a filter is true or false, not {mask.type}"
            raise pa.ArrowInvalid(message)
        return mask.fill_null(False)  # noqa: FBT003 - the value to fill in

    def row_groups(self, footer: bytes) -> Sequence[int]:
        """Return the row groups that can have rows that pass, by the statistics of a footer.

        Statistics of floats leave NaN out, and Arrow takes them for bounds of all values: it would
        rule out groups whose NaN passes `f != 1` or `~(f < 5)`. So a condition on floats rules out
        nothing, unless it is made of comparisons that no NaN passes.

        Args:
            footer: Of a Parquet file, as a file with nothing before it.
        """
        import pyarrow.dataset as ds

        whole = ds.ParquetFileFormat().make_fragment(pa.BufferReader(footer))
        if self._nan_may_pass:
            return range(whole.num_row_groups)
        part = whole.subset(filter=self.expression, schema=whole.physical_schema)
        return [group.id for group in part.row_groups]

    @property
    def _nan_may_pass(self) -> bool:
        return self._has_floats and _NAN_MAY_PASS.search(str(self.expression)) is not None

    @property
    def identity(self) -> bytes:
        """Equal for equal expressions, and for no others; text leaves long lists of values out."""
        return pickle.dumps(self.expression, protocol=4)


def _holds_floats(kind: pa.DataType) -> bool:
    if pa.types.is_floating(kind):
        return True
    return any(_holds_floats(kind.field(index).type) for index in range(kind.num_fields))
