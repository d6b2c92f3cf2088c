"""Find the command that is asked for, parse its options, run it, and end with its exit code.

Only the module of the command that runs is imported: the list of commands and what they do is
text here, so that `blobio --help` is quick.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast, final

from blobio.cli import options
from blobio.cli.exits import Exit, Stop, code_of
from blobio.cli.output import Output
from blobio.errors import BlobError

if TYPE_CHECKING:
    from blobio.cli.session import Session

__all__ = ["COMMANDS", "Command", "main"]

COMMANDS: Final = {
    "ls": "list a bucket or directory",
    "du": "count blobs and their bytes",
    "tree": "draw a directory with what is below it",
    "stat": "tell what the store says of a blob",
    "cat": "write blobs to stdout",
    "cp": "copy blobs and trees, from any store to any other",
    "mv": "copy, then remove the source",
    "rm": "remove blobs and trees",
    "sync": "make one tree like another",
    "diff": "compare two trees",
    "hash": "print checksums, or verify them",
    "gc": "list what unfinished writes left behind, or remove it",
    "sign": "make a URL that works without credentials",
}

_EPILOG: Final = (
    "Paths are local, or s3://bucket/key, gs://bucket/key, az://account/container/key, or https://."
    " `blobio COMMAND --help` says more. Exit codes: 0 done, 1 some items failed, 2 usage, 3 not"
    " found, 4 denied, 5 refused for safety, 6 condition failed."
)


class Command(Protocol):
    """A module of `blobio.cli.commands`."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command and add its options."""

    async def run(self, args: argparse.Namespace, session: Session) -> Exit:
        """Do what was asked; what is raised as `BlobError` or `Stop` ends the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, without the program's name, and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except BrokenPipeError:
        # What is still in the buffer has nowhere to go: without this the interpreter tries again
        # at exit and complains.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _main(words: list[str]) -> int:
    name = words[0] if words and words[0] in COMMANDS else None
    parser = _parser(name)
    try:
        args = parser.parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.USAGE
    if name is None:
        parser.print_help()
        return Exit.USAGE if words else Exit.DONE
    output = Output(name, as_json=args.json, quiet=args.quiet)
    try:
        code = _run(_load(name), args, output)
    except (BlobError, Stop) as error:
        output.error(error)
        code = code_of(error)
    sys.stdout.flush()
    return code


def _parser(name: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blobio", description="Every store's blobs from a shell.", epilog=_EPILOG
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and exit")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for other, summary in COMMANDS.items():
        if name in (None, other):
            command = commands.add_parser(other, help=summary, add_help=other == name)
            if other == name:
                _load(other).configure(command)
                options.add_common(command)
                command.set_defaults(command=name)
    return parser


@final
class _Version(argparse.Action):
    """Print the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        from importlib.metadata import version

        print(f"blobio {version('blobio')}")  # noqa: T201 - before there is an output
        parser.exit()


def _load(name: str) -> Command:
    return cast("Command", import_module(f"blobio.cli.commands.{name}"))


def _run(command: Command, args: argparse.Namespace, output: Output) -> Exit:
    """Run the coroutine: Ctrl-C and SIGTERM cancel it, so that it cleans up after itself."""
    import asyncio

    from blobio.aio import AsyncContext
    from blobio.cli.progress import Progress
    from blobio.cli.session import Session

    config = options.config_from(args)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        async def work() -> Exit:
            task = asyncio.current_task()
            assert task is not None
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
            wanted = args.progress or (sys.stderr.isatty() and not (args.quiet or args.json))
            with Progress.of(wanted=wanted, demanded=args.progress) as progress:
                async with AsyncContext(config) as context:
                    return await command.run(
                        args, Session(context, output, progress, jobs=args.jobs)
                    )

        try:
            return runner.run(work())
        except asyncio.CancelledError:
            return Exit.TERMINATED
