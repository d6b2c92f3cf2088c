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
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast, final

from blobio.cli import options
from blobio.cli.exits import Exit, Stop, code_of
from blobio.cli.output import Output, plain, wants_color
from blobio.cli.stats import counted
from blobio.errors import BlobError
from blobio.usage import Usage

if TYPE_CHECKING:
    from blobio.cli.session import Session

__all__ = ["COMMANDS", "Command", "load", "main", "parser_of"]

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
    "edit": "edit a blob in $EDITOR",
    "dataset": "look at manifests of datasets, and see to their cache",
    "run": "run a file of commands, many at once",
    "doctor": "tell what a bug report needs, and try each store",
    "completion": "print a script that completes names at Tab",
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
    if argv is None and "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        from blobio.cli.completing import complete

        complete()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except BrokenPipeError:
        _drop_stdout()
        return Exit.BROKEN_PIPE
    except OSError as error:  # no room for the results, or for a temporary file
        _drop_stdout()
        sys.stderr.write(f"blobio {' '.join(words[:1])}: {plain(str(error))}\n")
        return Exit.SOME_FAILED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _drop_stdout() -> None:
    """Drop what is still in the buffer: it has nowhere to go, and would be tried again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _main(words: list[str]) -> int:
    name = words[0] if words and words[0] in COMMANDS else None
    parser = parser_of(name)
    try:
        args = parser.parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.USAGE
    if name is None:
        parser.print_help()
        return Exit.USAGE if words else Exit.DONE
    color = wants_color(args.color)
    output = Output(name, as_json=args.json, quiet=args.quiet, color=color)
    with counted(args, output) as usage:
        try:
            code = _run(load(name), args, output, usage)
        except (BlobError, Stop) as error:
            output.error(error)
            code = code_of(error)
    sys.stdout.flush()
    return code


def parser_of(
    name: str | None,
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
    *,
    with_common: bool = True,
) -> argparse.ArgumentParser:
    """Return what parses a command line.

    Args:
        name: The command, the only one that is parsed to its end; None for one that is not known.
        kind: The class of the parser, and of that of the command.
        with_common: The command takes the options of all commands.
    """
    parser = kind(prog="blobio", description="Every store's blobs from a shell.", epilog=_EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and exit")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for other, summary in COMMANDS.items():
        if name in (None, other):
            command = commands.add_parser(other, help=summary, add_help=other == name)
            if other == name:
                load(other).configure(command)
                if with_common:
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


def load(name: str) -> Command:
    """Return the module of a command."""
    return cast("Command", import_module(f"blobio.cli.commands.{name}"))


def _run(command: Command, args: argparse.Namespace, output: Output, usage: Usage | None) -> Exit:
    """Run the coroutine: Ctrl-C and SIGTERM cancel it, so that it cleans up after itself."""
    import asyncio

    from blobio.aio import AsyncContext
    from blobio.cli.crew import Crew
    from blobio.cli.logs import logged
    from blobio.cli.progress import Progress
    from blobio.cli.session import Session

    config = replace(options.config_from(args), usage=usage)
    with logged(args, output), asyncio.Runner() as runner:
        loop = runner.get_loop()

        async def work() -> Exit:
            task = asyncio.current_task()
            assert task is not None
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
            wanted = args.progress or (sys.stderr.isatty() and not (args.quiet or args.json))
            shown = Progress.of(wanted=wanted, demanded=args.progress, color=args.color)
            with shown as progress:
                async with AsyncContext(config) as context:
                    session = Session(
                        context, output, progress, jobs=args.jobs, fail_fast=args.fail_fast
                    )
                    if hasattr(args, "processes"):
                        session.crew = Crew.of(args, config, is_watched=progress.is_drawn)
                    return await command.run(args, session)

        try:
            return runner.run(work())
        except asyncio.CancelledError:
            return Exit.TERMINATED
