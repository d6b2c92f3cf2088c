"""Rows of datasets for `blobio dataset`: the first ones shown, all converted, shards pinned.

Loaded when one of these is asked for. It blocks, so the command calls it on a thread.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from blobio.cli.exits import Exit, Stop
from blobio.dataset import Split, freeze, open_dataset
from blobio.dataset.conditions import parse_condition
from blobio.dataset.stored import manifest_of

if TYPE_CHECKING:
    import argparse

    from blobio.cli.output import Value
    from blobio.config import Config
    from blobio.dataset import Dataset, Manifest, Shard

    _Row: TypeAlias = dict[str, Value]

__all__ = ["convert", "first_rows", "freeze_as", "lines_of"]

_WIDTH: Final = 40


def first_rows(
    args: argparse.Namespace, config: Config
) -> tuple[list[str], list[dict[str, Value]]]:
    """Return the names of the columns, and the first rows, of what JSON has."""
    (source,) = args.words
    rows = _opened(source, args, config)
    if args.filter is None:
        rows = rows.take(args.rows)  # no more than these is fetched
    first = islice(rows.rows(), args.rows)
    found = [{name: _plain(value) for name, value in row.items()} for row in first]
    return rows.schema.names, found


def lines_of(names: Sequence[str], rows: Sequence[_Row], *, as_csv: bool) -> list[str]:
    """Return rows as text: CSV, or a table whose long values are cut."""
    if as_csv:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in rows)
        return out.getvalue().splitlines()
    cells = [list(names), *([_short(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def convert(args: argparse.Namespace, config: Config) -> Manifest:
    """Write a dataset as another one; return its manifest."""
    *sources, target = args.words
    if len(sources) != 1:
        raise Stop(Exit.USAGE, "say `convert SRC DST`: a dataset, and the directory of the new one")
    size = {} if args.shard_bytes is None else {"shard_bytes": args.shard_bytes}
    split = args.split[0] if args.split else "train"
    return _opened(sources[0], args, config).write(
        target, format=args.format, split=split, config=config, **size
    )


def freeze_as(args: argparse.Namespace, config: Config) -> Manifest:
    """Pin shards by a manifest; return it."""
    *sources, target = args.words
    if not sources:
        raise Stop(Exit.USAGE, "say `freeze URL... MANIFEST`: shards, and the manifest to be")
    rows = open_dataset(sources[0] if len(sources) == 1 else sources, config=config)
    if not args.split:
        return freeze(rows, target, config=config)
    return freeze(_divided(manifest_of(rows.tree), args.split), target, config=config)


def _divided(manifest: Manifest, wanted: Sequence[str]) -> Manifest:
    """Return a manifest whose shards are in splits, each said as `NAME=GLOB`."""
    shards: list[Shard] = []
    splits: dict[str, Split] = {}
    for said in wanted:
        name, _, glob = said.partition("=")
        chosen = [shard for shard in manifest.shards if fnmatchcase(shard.url, f"*{glob}")]
        if not name or not glob or not chosen:
            raise Stop(Exit.USAGE, f"--split {said}: say NAME=GLOB, a glob that ends some URL")
        splits[name] = Split(len(shards), len(shards) + len(chosen))
        shards += chosen
    if len(shards) != len(manifest.shards) or len({shard.url for shard in shards}) != len(shards):
        message = "--split: each shard must be in one split, and in no other"
        raise Stop(Exit.USAGE, message)
    return replace(manifest, shards=tuple(shards), splits=splits)


def _opened(source: str, args: argparse.Namespace, config: Config) -> Dataset:
    split = args.split[0] if args.split else None
    columns = None if args.columns is None else args.columns.split(",")
    wanted = None if args.filter is None else parse_condition(args.filter)
    return open_dataset(source, columns=columns, filter=wanted, split=split, config=config)


def _plain(value: object) -> Value:
    """Return a value as JSON has it: bytes in base64, times and decimals as text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None or isinstance(value, str | int | float | bool):
        return cast("Value", value)
    return str(value)


def _short(value: Value) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
