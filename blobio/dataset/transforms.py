"""What happens to a batch once its rows are together: mapped, filtered, renamed, columns left out.

None of these moves a row to another position, so none has a part in the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias, final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import acero

from blobio.dataset.columns import check_list
from blobio.dataset.tree import Reader, Rows, Span
from blobio.errors import InvalidConfig

__all__ = [
    "ChangedRows",
    "Filtered",
    "MapFunction",
    "Mapped",
    "Predicate",
    "Renamed",
    "Selected",
    "empty_batch",
]

MapFunction: TypeAlias = Callable[[pa.RecordBatch], "pa.RecordBatch | Mapping[str, object]"]
"""Makes a batch of as many rows of a batch, or its columns by name: arrays or lists."""

Predicate: TypeAlias = "pc.Expression | Callable[[pa.RecordBatch], object]"
"""Tells which rows stay: an Arrow expression, or a function that makes a boolean array or a list of
a batch. Null means no."""


class Change(Protocol):
    """What is done to each batch."""

    @property
    def makes_holes(self) -> bool:
        """It drops rows."""
        ...

    def schema(self, before: pa.Schema) -> pa.Schema:
        """Return the schema of what it makes of batches of a schema."""
        ...

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return what it makes of a batch."""
        ...


@final
@dataclass(frozen=True)
class ChangedRows:
    """Other rows at the same positions."""

    rows: Rows
    change: Change

    @cached_property
    def schema(self) -> pa.Schema:
        """What the change makes of that of the rows."""
        return self.change.schema(self.rows.schema)

    @property
    def num_rows(self) -> int | None:
        """As many positions as before."""
        return self.rows.num_rows

    @property
    def block_rows(self) -> Sequence[int]:
        """Those of the rows."""
        return self.rows.block_rows

    @property
    def row_bytes(self) -> float:
        """That of the rows."""
        return self.rows.row_bytes

    @property
    def holes(self) -> bool:
        """Whether the rows have some, or the change makes some."""
        return self.change.makes_holes or self.rows.holes

    @property
    def parts(self) -> tuple[Rows, ...]:
        """The rows."""
        return (self.rows,)

    @property
    def order(self) -> str:
        """That of the rows, as if nothing were changed."""
        return self.rows.order

    def reader(self, keep: int) -> Reader:
        """Return a reader that changes each batch when it is asked for."""
        return self.over(self.rows.reader(keep))

    def over(self, reader: Reader) -> Reader:
        """Return a reader that changes what one of the rows gives."""
        return _Changing(reader, self.change)


@final
class _Changing:
    def __init__(self, reader: Reader, change: Change) -> None:
        self._reader, self._change = reader, change

    def read(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        # A generator, so that leaving it early closes the one below.
        for batch in self._reader.read(spans):
            yield self._change.apply(batch)


@final
@dataclass(frozen=True, slots=True)
class Mapped:
    """A function over batches."""

    function: MapFunction
    declared: pa.Schema | None = None

    @property
    def makes_holes(self) -> bool:
        """As many rows as before."""
        return False

    def schema(self, before: pa.Schema) -> pa.Schema:
        """Return what was declared, else what the function makes of a batch without rows."""
        if self.declared is not None:
            return self.declared
        try:
            return self.apply(empty_batch(before)).schema
        except Exception as error:
            message = (
                f"map({_name(self.function)}) fails for a batch without rows, by which its schema "
                f"is found: {error!r}; give map() the schema="
            )
            raise InvalidConfig(message) from error

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Call the function and look at what it returned."""
        made = self.function(batch)
        if not isinstance(made, pa.RecordBatch):
            made = pa.RecordBatch.from_pydict(dict(made), schema=self.declared)
        if made.num_rows != batch.num_rows:
            message = (
                f"map({_name(self.function)}) made {made.num_rows} rows of {batch.num_rows}: it "
                "must keep their number; filter() drops rows"
            )
            raise InvalidConfig(message)
        if self.declared is not None and not made.schema.equals(self.declared):
            message = (
                f"map({_name(self.function)}) was declared to make\n{self.declared}\n"
                f"and made\n{made.schema}"
            )
            raise InvalidConfig(message)
        return made


@final
@dataclass(frozen=True, slots=True)
class Filtered:
    """Rows that pass."""

    predicate: Predicate

    @property
    def makes_holes(self) -> bool:
        """Which rows pass is known once they are there."""
        return True

    def schema(self, before: pa.Schema) -> pa.Schema:
        """Return the same."""
        return before

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that pass."""
        if isinstance(self.predicate, pc.Expression):
            return _passing(batch, self.predicate)
        passed = self.predicate(batch)
        mask = passed if isinstance(passed, pa.Array) else pa.array(passed, pa.bool_())
        if len(mask) != batch.num_rows:
            message = (
                f"filter({_name(self.predicate)}) told of {len(mask)} rows of {batch.num_rows}: it "
                "gets a batch and returns a boolean for each of its rows"
            )
            raise InvalidConfig(message)
        return batch.filter(mask)


def _passing(batch: pa.RecordBatch, expression: pc.Expression) -> pa.RecordBatch:
    """Return the rows for which an expression holds.

    Not by `RecordBatch.filter`: its threads keep no order beyond a million rows, and pyarrow 19
    fails where no row passes.
    """
    rows = acero.Declaration(
        "table_source", acero.TableSourceNodeOptions(pa.Table.from_batches([batch]))
    )
    passing = acero.Declaration("filter", acero.FilterNodeOptions(expression))
    found = acero.Declaration.from_sequence([rows, passing]).to_table(use_threads=False)
    batches = found.combine_chunks().to_batches()
    return batches[0] if batches else batch.slice(0, 0)


@final
@dataclass(frozen=True, slots=True)
class Renamed:
    """Columns under other names: pairs of the old one and the new one."""

    names: tuple[tuple[str, str], ...]

    @property
    def makes_holes(self) -> bool:
        """Rows stay."""
        return False

    def schema(self, before: pa.Schema) -> pa.Schema:
        """Return the renamed schema."""
        check_names([old for old, _ in self.names], before, "rename")
        after = self._renamed(before.names)
        if len(set(after)) < len(after):
            message = f"rename would give two columns one name: {after}"
            raise InvalidConfig(message)
        fields = [field.with_name(name) for field, name in zip(before, after, strict=True)]
        return pa.schema(fields, before.metadata)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the same columns under their new names."""
        return batch.rename_columns(self._renamed(batch.schema.names))

    def _renamed(self, names: Sequence[str]) -> list[str]:
        new = dict(self.names)
        return [new.get(name, name) for name in names]


@final
@dataclass(frozen=True, slots=True)
class Selected:
    """Some columns, in an order of their own."""

    columns: tuple[str, ...]

    @property
    def makes_holes(self) -> bool:
        """Rows stay."""
        return False

    def schema(self, before: pa.Schema) -> pa.Schema:
        """Return the fields of the columns."""
        check_names(self.columns, before, "select")
        return pa.schema([before.field(name) for name in self.columns], before.metadata)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return these columns, without a copy."""
        return batch.select(list(self.columns))


def check_names(names: Sequence[str], schema: pa.Schema, verb: str) -> None:
    """Refuse names of columns that a schema does not have, or has twice."""
    check_list(names, verb)
    unknown = [name for name in names if schema.names.count(name) != 1]
    if unknown:
        message = f"{verb}: no columns {unknown} among {schema.names}"
        raise InvalidConfig(message)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch of a schema that has no rows."""
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _name(function: object) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
