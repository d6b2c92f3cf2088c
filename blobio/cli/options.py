"""The options that all commands share, and the settings they make."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from blobio.cli.exits import Exit, Stop
from blobio.config import MIB, Config

if TYPE_CHECKING:
    from blobio.drivers.base import Driver

__all__ = [
    "JOBS",
    "MOST_JOBS",
    "add_class",
    "add_common",
    "add_processes",
    "add_selection",
    "config_from",
    "positive",
    "require_classes",
    "size_bytes",
]

_QUIET_RETRIES: Final = 2
"""So many of one request are nobody's concern; the next ones tell why a command takes its time."""

JOBS: Final = 32
MOST_JOBS: Final = 256
"""Items at once at the start and at the end, where nobody says how many; see `core.flow.Window`."""

_DISK_ON_LOOP_S: Final = 0.002
"""10,000 small files from a server of the same machine: 5.5 s, and 11.8 s with threads."""

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        message = f"{text!r} is not a whole number of at least 1"
        raise argparse.ArgumentTypeError(message)
    return value


def size_bytes(text: str) -> int:
    """Parse a number of bytes: `1048576`, `1024k`, `1M`, `1MiB`, all in powers of 1,024."""
    number = text.strip().lower().removesuffix("ib").removesuffix("b")
    unit = number[-1:] if number[-1:] in ("k", "m", "g", "t") else ""
    try:
        value = int(float(number.removesuffix(unit)) * _UNITS[unit])
    except (ValueError, OverflowError):
        value = -1
    if value < 0:
        message = f"{text!r} is not a size such as 1048576, 512k or 1.5GiB"
        raise argparse.ArgumentTypeError(message)
    return value


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    _add_saying(parser.add_argument_group("options of all commands: what is said"))
    _add_doing(parser.add_argument_group("options of all commands: how it is done"))


def _add_saying(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", action="store_true", help="print records as lines of JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="print errors and results only")
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="tell of each retry and decision; twice: of each request",
    )
    group.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        metavar="LEVEL",
        help="the least that is logged on stderr: debug, info, warning, error",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        metavar="WHEN",
        help="colour messages: auto (at a terminal without NO_COLOR), always, never",
    )
    group.add_argument(
        "--stats", action="store_true", help="say at the end what the stores were asked"
    )
    group.add_argument(
        "--progress", action="store_true", help="draw progress on stderr though it is no terminal"
    )


def _add_doing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fail-fast", action="store_true", help="begin nothing after the first failure; exit 1"
    )
    _add_limits(group)
    group.add_argument("--anonymous", action="store_true", help="use no credentials")
    group.add_argument("--endpoint", metavar="URL", help="an S3 or Google endpoint of your own")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    """Add what says how much at a time."""
    group.add_argument(
        "-j",
        "--jobs",
        type=positive,
        metavar="N",
        help=f"items at once (from {JOBS} up to {MOST_JOBS}, while the processor is idle)",
    )
    group.add_argument(
        "--max-memory",
        type=size_bytes,
        metavar="SIZE",
        help="most bytes held by transfers (a quarter of the memory, at most 256 MiB)",
    )
    group.add_argument(
        "--part-size", type=size_bytes, metavar="SIZE", help="bytes of a part (8 MiB)"
    )
    group.add_argument(
        "--limit-rate",
        type=size_bytes,
        metavar="SIZE",
        help="most bytes a second, sent and received together, over the network",
    )
    group.add_argument(
        "--retries", type=int, metavar="N", help="attempts after the first of a request (7)"
    )


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add `--processes`."""
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="processes that share the work (one a processor, up to 8, once there is enough of it)",
    )


def add_class(parser: argparse.ArgumentParser) -> None:
    """Add `--class`."""
    parser.add_argument(
        "--class",
        dest="storage_class",
        metavar="CLASS",
        help="storage class of what is written (Azure: its tier), as the store calls it",
    )


def require_classes(driver: Driver, args: argparse.Namespace) -> None:
    """Refuse `--class` where a blob has none.

    Raises:
        Stop: It was asked for.
    """
    if args.storage_class and not driver.capabilities.storage_classes:
        message = f"--class {args.storage_class}: {args.target} keeps no storage classes"
        raise Stop(Exit.USAGE, message)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add what says which blobs a command is about."""
    group = parser.add_argument_group("selection")
    group.add_argument(
        "-F", "--no-glob", action="store_true", help="take * ? [ { in names as they are"
    )
    group.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="only these relative names"
    )
    group.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="not these; wins"
    )


def config_from(args: argparse.Namespace) -> Config:
    """Return the environment's settings with those of the command line on top."""
    config = Config.from_env()
    most = max(config.http.requests_per_host, args.jobs or MOST_JOBS)
    config = replace(config, http=replace(config.http, requests_per_host=most))
    if args.endpoint:
        config = replace(
            config,
            s3=replace(config.s3, endpoint_url=args.endpoint),
            gcs=replace(config.gcs, endpoint_url=args.endpoint),
        )
    if args.anonymous:
        config = replace(
            config,
            s3=replace(config.s3, anonymous=True),
            gcs=replace(config.gcs, anonymous=True),
            azure=replace(config.azure, anonymous=True),
        )
    if args.retries is not None:
        config = replace(config, retry=replace(config.retry, attempts=args.retries + 1))
    if not args.verbose and args.log_level not in ("debug", "info"):
        config = replace(config, retry=replace(config.retry, log_threshold=_QUIET_RETRIES))
    if args.limit_rate is not None:
        config = replace(config, http=replace(config.http, bytes_per_s=args.limit_rate))
    if args.part_size is not None:
        config = replace(
            config,
            read=replace(config.read, part_bytes=args.part_size),
            write=replace(config.write, part_bytes=args.part_size),
        )
    if name := getattr(args, "storage_class", None):  # only what copies has it
        config = replace(
            config,
            s3=replace(config.s3, storage_class=name),
            gcs=replace(config.gcs, storage_class=name),
            azure=replace(config.azure, access_tier=name),
        )
    memory_bytes = args.max_memory or _memory_cap()
    return replace(config, memory_bytes=memory_bytes, disk_on_loop_s=_DISK_ON_LOOP_S)


def _memory_cap() -> int:
    """A quarter of the machine's memory, at most 256 MiB.

    One process moves about 1 GB/s, of which this is a quarter of a second. With 2 GiB the parts in
    flight fill memory that has to be made first: large downloads took half as long again.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(64 * MIB, min(total // 4, 256 * MIB))
