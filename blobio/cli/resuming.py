"""`--resume`: where transfers write down how far they are, for a later command to go on from."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from blobio.cli.session import Session
from blobio.config import Config
from blobio.core.ends import Means
from blobio.core.journal import Journals

__all__ = ["add_resuming", "journals_of", "means_of", "state_dir"]


def add_resuming(parser: argparse.ArgumentParser) -> None:
    """Add `--resume`."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what an interrupted --resume left; leave what is unfinished for the next",
    )


def state_dir(config: Config) -> str:
    """Return the directory of journals that the settings name."""
    return os.path.abspath(config.state_dir or os.path.expanduser("~/.local/state/blobio"))


def journals_of(config: Config) -> Journals:
    """Return the journals in it."""
    return Journals(state_dir(config))


def means_of(args: argparse.Namespace, session: Session) -> Means:
    """Return what the command's copies work with."""
    means = session.context.means
    return replace(means, journals=journals_of(means.config)) if args.resume else means
