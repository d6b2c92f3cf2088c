"""`blobio completion`: print what makes a shell complete blobio's commands, options and names."""

from __future__ import annotations

import argparse

from blobio.cli.exits import Exit, Stop
from blobio.cli.session import Session

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        'Print a script for your shell: eval "$(blobio completion bash)" in ~/.bashrc, the same '
        "with zsh in ~/.zshrc; for fish: blobio completion fish > "
        "~/.config/fish/completions/blobio.fish. Buckets and keys are listed with one request, "
        "within a second."
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Print the script."""
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        message = "completion needs argcomplete: pip install 'blobio[cli]'"
        raise Stop(Exit.USAGE, message) from error
    session.output.raw(shellcode(["blobio"], use_defaults=False, shell=args.shell))
    return Exit.DONE
