"""`blobio dataset`: show and convert rows, pin shards and hold them to it, see to the cache."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from blobio.cli.exits import Exit, Stop
from blobio.cli.options import positive, size_bytes
from blobio.cli.output import human_size
from blobio.cli.session import Session, iterate
from blobio.errors import NotFound, VersionMismatch
from blobio.url import BlobUrl
from blobio.values import Version

if TYPE_CHECKING:
    from blobio.dataset import Cache, Manifest, Shard

__all__ = ["configure", "run"]

_VERBS: Final = ("stats", "verify", "clear", "trim")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "inspect: print what manifests say. verify: ask the store whether each shard is still the "
        "one that is pinned; 1 HEAD each. head URL: print the first rows. convert SRC DST: write "
        "all rows as a new dataset in the directory DST. freeze URL... MANIFEST: pin shards. "
        "cache: what the local cache holds (stats), whether it is sound (verify), or less of it "
        "(clear, trim --to SIZE)."
    )
    actions = ("inspect", "verify", "head", "convert", "freeze", "cache")
    parser.add_argument("action", choices=actions)
    parser.add_argument(
        "words",
        nargs="+",
        metavar="URL",
        help=f"a manifest, or shards: a glob or DIR/; of the cache: {', '.join(_VERBS)}",
    )
    _add_rows(parser)
    parser.add_argument("--shards", action="store_true", help="inspect: print each shard too")
    parser.add_argument("--dir", metavar="DIR", help="cache: where it is, not BLOBIO_CACHE_DIR")
    parser.add_argument("--to", type=size_bytes, metavar="SIZE", help="cache trim: what may stay")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    """Add what says which rows, and how they are printed or written."""
    parser.add_argument("-n", "--rows", type=positive, default=10, metavar="N", help="head: (10)")
    parser.add_argument("--columns", metavar="A,B", help="head, convert: these columns alone")
    parser.add_argument(
        "--filter",
        metavar="CONDITION",
        help="head, convert: rows that pass, such as \"label > 3 and lang in ('en', 'de')\"",
    )
    parser.add_argument(
        "--split",
        action="append",
        default=[],
        metavar="NAME",
        help="head, convert: this split of a manifest; freeze: NAME=GLOB, any number of times",
    )
    parser.add_argument("--csv", action="store_true", help="head: print CSV")
    parser.add_argument(
        "--format", choices=("parquet", "arrow"), default="parquet", help="convert: (parquet)"
    )
    parser.add_argument(
        "--shard-bytes", type=size_bytes, metavar="SIZE", help="convert: of a shard (256 MiB)"
    )


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Do what was asked of each manifest, or of the cache."""
    if args.action == "cache":
        return await _see_to_cache(args, session)
    if args.action in ("head", "convert", "freeze"):
        return await _see_to_rows(args, session)
    for word in args.words:
        manifest = await _load(word, session)
        if args.action == "inspect":
            _print(word, manifest, session, with_shards=args.shards)
        else:
            await _verify(manifest, session)
    return session.account.code


async def _see_to_rows(args: argparse.Namespace, session: Session) -> Exit:
    """Show, convert or pin rows."""
    if args.action == "head" and len(args.words) != 1:
        raise Stop(Exit.USAGE, "say `head URL`: one dataset")
    if args.action == "freeze" and (args.columns or args.filter):
        message = "freeze pins whole shards: --columns and --filter are for head and convert"
        raise Stop(Exit.USAGE, message)
    if args.action != "freeze" and len(args.split) > 1:
        raise Stop(Exit.USAGE, f"{args.action} takes one --split")
    try:
        from blobio.cli import datasets
    except ImportError as error:
        raise _lacking() from error
    config = session.context.config
    if args.action == "head":
        names, rows = await asyncio.to_thread(datasets.first_rows, args, config)
        if not args.json:
            session.output.record("entry", *datasets.lines_of(names, rows, as_csv=args.csv))
        else:
            for row in rows:
                session.output.record("entry", src=args.words[0], row=row)
        return session.account.code
    work = datasets.convert if args.action == "convert" else datasets.freeze_as
    manifest = await asyncio.to_thread(work, args, config)
    target = args.words[-1]
    session.output.record(
        "result",
        f"{target}: {manifest.num_rows} rows in {len(manifest.shards)} shards",
        src=args.words[0],
        dst=target,
        rows=manifest.num_rows,
        shards=len(manifest.shards),
        status="done",
    )
    return session.account.code


async def _load(word: str, session: Session) -> Manifest:
    data = await session.context.read_bytes(word)
    try:
        from blobio.dataset.manifestjson import parse_manifest
    except ImportError as error:
        raise _lacking() from error
    return parse_manifest(data, BlobUrl.parse(word))


def _lacking() -> Stop:
    return Stop(Exit.USAGE, "datasets need pyarrow: pip install 'blobio[data]'")


def _print(word: str, manifest: Manifest, session: Session, *, with_shards: bool) -> None:
    size = sum(shard.size for shard in manifest.shards)
    splits = {
        name: sum(shard.num_rows for shard in manifest.shards[split.start : split.stop])
        for name, split in manifest.splits.items()
    }
    columns = {field.name: str(field.type) for field in manifest.schema}
    lines = [
        f"name: {word}",
        f"rows: {manifest.num_rows}",
        f"shards: {len(manifest.shards)}",
        f"size: {size} ({human_size(size)})",
        *(f"split.{name}: {rows} rows" for name, rows in splits.items()),
        *(f"column.{name}: {kind}" for name, kind in columns.items()),
        *_words("license", manifest.license),
        *_words("tags", ", ".join(manifest.tags)),
        *_words("description", manifest.description),
    ]
    session.output.record(
        "entry",
        *lines,
        src=word,
        size=size,
        rows=manifest.num_rows,
        shards=len(manifest.shards),
        splits=splits,
        columns=columns,
        license=manifest.license,
        tags=", ".join(manifest.tags) or None,
        description=manifest.description or None,
    )
    for shard in manifest.shards if with_shards else ():
        text = f"{shard.size:>12}  {shard.num_rows:>10}  {shard.url}"
        session.output.record(
            "entry", text, src=shard.url, size=shard.size, rows=shard.num_rows, etag=shard.version
        )
    session.account.add(size)


def _words(name: str, value: str | None) -> Iterator[str]:
    if value:
        yield f"{name}: {value}"


async def _verify(manifest: Manifest, session: Session) -> None:
    async def look(shard: Shard) -> None:
        driver, url = session.context.stores.blob(shard.url, "head")
        try:
            meta = await driver.head(url.key)
        except NotFound as error:
            message = f"{shard.url}: MISSING"
            raise NotFound(message, url=url, operation="head") from error
        version: Version | None = shard.version
        if version not in (None, meta.version) or meta.size != shard.size:
            message = (
                f"{shard.url}: CHANGED, it is version {meta.version} of {meta.size} bytes, and "
                f"{version} of {shard.size} bytes is pinned"
            )
            raise VersionMismatch(message, url=url, operation="head")
        session.output.record("result", f"{shard.url}: OK", src=shard.url, status="done")
        session.account.add(0)

    await session.each(look, iterate(manifest.shards), lambda shard: {"src": shard.url})


async def _see_to_cache(args: argparse.Namespace, session: Session) -> Exit:
    (verb, *more) = args.words
    if verb not in _VERBS or more or (verb == "trim") != (args.to is not None):
        message = "say `cache stats`, `cache verify`, `cache clear` or `cache trim --to SIZE`"
        raise Stop(Exit.USAGE, message)
    try:
        from blobio.dataset.cache import Cache
    except ImportError as error:
        raise _lacking() from error
    # it blocks: on locks of other processes, and on the loop of the blocking API
    cache = await asyncio.to_thread(partial(Cache, args.dir, config=session.context.config))
    if verb == "stats":
        await asyncio.to_thread(_stats, cache, session)
    elif verb == "verify":
        await asyncio.to_thread(_check, cache, session)
    else:
        freed = await asyncio.to_thread(
            cache.clear if verb == "clear" else lambda: cache.trim(args.to)
        )
        text = f"{cache.directory}: {human_size(freed)} freed"
        session.output.record("result", text, src=cache.directory, bytes=freed, status="done")
    return session.account.code


def _stats(cache: Cache, session: Session) -> None:
    stats = cache.stats()
    limit = "" if stats.max_bytes is None else f" of {human_size(stats.max_bytes)}"
    session.output.record(
        "entry",
        f"name: {cache.directory}",
        f"copies: {stats.entries}",
        f"size: {human_size(stats.bytes)}{limit}",
        f"in use: {stats.held}",
        f"cannot be fetched again: {stats.kept}",
        src=cache.directory,
        size=stats.bytes,
        copies=stats.entries,
        held=stats.held,
        kept=stats.kept,
    )


def _check(cache: Cache, session: Session) -> None:
    for url in cache.verify():
        message = f"{url}: DAMAGED, its copy was removed from the cache"
        session.fail(Stop(Exit.SOME_FAILED, message), src=url)
    session.account.add(0)
